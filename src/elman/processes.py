"""Python's processes: the same work several times over, side by side, and what its collector looks at."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any, TypeVar

import torch

from elman.errors import TrainingError

T = TypeVar("T")


def side_by_side(work: Callable[[int], T], count: int, processes: int | None = None) -> list[T]:
    """What `work(0)` to `work(count - 1)` give, some of them at a time.

    Each runs on one thread, whatever is beside it, so that what it gives does not depend on the machine's
    cores. Where a process cannot be forked safely (anywhere but on Linux), they run one after another, here.

    Args:
        work: what is done; it is called in a copy of this process, and what it gives has to be picklable.
        count: how often.
        processes: at a time; as many as torch has threads if None.

    Raises:
        TrainingError: a process was ended from outside.

    >>> side_by_side(lambda number: number**2, 3, processes=2)
    [0, 1, 4]
    """
    processes = min(count, processes or torch.get_num_threads())
    if processes < 2 or not _may_fork():
        with one_thread():
            return [work(number) for number in range(count)]
    context = multiprocessing.get_context("fork")
    left, free = iter(range(count)), list(range(processes))
    running: dict[Any, tuple[int, int, Any]] = {}
    found: dict[int, T] = {}
    try:
        while len(found) < count:
            for number in islice(left, len(free)):
                receiver, sender = context.Pipe(duplex=False)
                place = free.pop(0)
                one = context.Process(target=_run, args=(work, number, place, sender), daemon=True)
                one.start()
                sender.close()
                running[receiver] = number, place, one
            for receiver in map(_any, wait(list(running))):
                number, place, one = running.pop(receiver)
                found[number] = _received(receiver, one, number)
                free.append(place)
    finally:
        for _, _, one in running.values():
            one.terminate()
            one.join()
    return [found[number] for number in range(count)]


@contextmanager
def one_thread() -> Iterator[None]:
    """torch's work on one thread, inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _may_fork() -> bool:
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def _run(work: Callable[[int], Any], number: int, place: int, sender: Connection) -> None:
    """What a process does: the work, on one thread, and what came of it to the one that waits."""
    Thread(target=_end_with_parent, daemon=True).start()
    if place:  # one progress bar is enough
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    torch.set_num_threads(1)
    try:
        answer = True, work(number)
    except KeyboardInterrupt:
        return
    except Exception as cause:
        answer = False, cause
    sender.send(answer)


def _end_with_parent() -> None:
    """A process whose parent was killed writes no more into the folder that another run may go on with."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _any(one: Any) -> Any:
    return one


def _received(receiver: Connection, one: Any, number: int) -> Any:
    try:
        done, answer = receiver.recv()
    except EOFError:
        one.join()
        raise TrainingError(
            f"The process that trained network {number + 1} was ended from outside.",
            received=f"exit code {one.exitcode}",
            fix="look whether memory ran out; the run goes on where it is started again into the same folder",
        ) from None
    one.join()
    if not done:
        raise answer
    return answer


@contextmanager
def settled() -> Iterator[None]:
    """Inside the block Python's collector of cycles passes over all that there was before it.

    It would look at every object of every library again and again, and find nothing, for as long as some
    thirty steps of a small network take.
    """
    ours = not gc.get_freeze_count()
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()


def is_main() -> bool:
    """Whether this process is the one that keeps the results: the first of a distributed training."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank())

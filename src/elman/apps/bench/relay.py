"""Contestants that work for minutes: each in a process of its own, where one works at a time.

What lasts so long cannot be done again and again, and a machine is not the same from one minute to the next. So
they take turns: what disturbs the machine for a while disturbs everybody's turn all the same.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch

from elman import library
from elman.errors import BackendError

T = TypeVar("T")


class Stint:
    """The clock of a contestant: `seconds` are those in which it was its turn."""

    def __init__(self, line: Connection) -> None:
        self.line, self.before = line, 0.0
        self.line.recv()
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.began

    def rest(self) -> None:
        """Let all the others have a turn, and come back for the next one."""
        self.before = self.seconds
        self.line.send((False, None))
        self.line.recv()
        self.began = time.perf_counter()


def relay(contestants: Mapping[str, Callable[[Stint], T]]) -> dict[str, T]:
    """What each of them gives: a turn lasts until it rests, or is done.

    Each is called in a process that is begun anew, so it has to be picklable, as what it gives.

    Raises:
        BackendError: a process ended before its contestant was done.
    """
    # A copy of this process would have no threads for products.
    context = multiprocessing.get_context("spawn")
    running: dict[str, Connection] = {}
    processes, found = [], {}
    try:
        for name, work in contestants.items():
            running[name], there = context.Pipe()
            given = (work, there, library.instructions(), torch.get_num_threads())
            process = context.Process(target=_work, args=given, daemon=True)
            process.start()
            processes.append(process)
            there.close()
        while running:
            for name in list(running):
                done, found[name] = _turn(name, running[name])
                if done:
                    del running[name]
    finally:
        for process in processes:
            process.kill()
            process.join()
    return {name: found[name] for name in contestants}


def _turn(name: str, line: Connection) -> Any:
    try:
        line.send(None)
        return line.recv()
    except (EOFError, OSError) as error:
        raise BackendError(f"The process of {name!r} ended before it was done.") from error


def _work(
    work: Callable[[Stint], object], line: Connection, instructions: str | None, threads: int
) -> None:
    if instructions is not None:
        library.use_instructions(instructions)
    torch.set_num_threads(threads)
    line.send((True, work(Stint(line))))

"""Work side by side gives what it gives alone, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import elman
from elman.errors import SettingsError, TrainingError
from elman.processes import one_thread, settled, side_by_side
from elman.training import Training

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_answer_comes_in_its_place(count: int, processes: int) -> None:
    def work(number: int) -> tuple[int, int]:
        time.sleep(0.02 * (count - number))  # the first takes longest
        return number, torch.get_num_threads()

    assert side_by_side(work, count, processes) == [(number, 1) for number in range(count)]


@linux
def test_each_is_a_process_of_its_own_and_none_is_left() -> None:
    found = side_by_side(lambda _: os.getpid(), 4, 2)
    assert len({*found, os.getpid()}) == 5
    for one in found:
        with pytest.raises(ProcessLookupError):
            os.kill(one, 0)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_comes_as_it_was_raised(processes: int) -> None:
    def work(number: int) -> int:
        if number:
            raise SettingsError("No.", received=number, fix="yes")
        return number

    with pytest.raises(SettingsError, match="No") as caught:
        side_by_side(work, 3, processes)
    assert "yes" in str(caught.value)


@linux
def test_a_process_that_is_killed_is_told_of() -> None:
    with pytest.raises(TrainingError, match="network 2 was ended from outside"):
        side_by_side(lambda number: number and os.kill(os.getpid(), signal.SIGKILL), 2, 2)


@linux
def test_processes_end_with_the_one_that_began_them(tmp_path) -> None:
    program = (
        "import os, pathlib, time, elman.processes as p\n"
        "def work(number):\n"
        f"    pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()\n"
        "    time.sleep(60)\n"
        "p.side_by_side(work, 2, 2)\n"
    )
    one = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < until, "the processes never began"
        time.sleep(0.05)
    one.kill()
    one.wait()
    left = [int(path.name) for path in tmp_path.iterdir()]
    until = time.monotonic() + 20
    while any(_runs(number) for number in left):
        assert time.monotonic() < until, "a process outlives what began it"
        time.sleep(0.05)


def test_one_thread_is_for_the_block_alone() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("out", [False, True])
def test_an_ensemble_does_not_depend_on_how_many_run_at_a_time(out: bool, tmp_path) -> None:
    texts, labels = ["good film", "bad film", "a good one", "so bad"] * 6, ["+", "-"] * 12
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            training = Training(epochs=2, batch_size=8, ensemble=3)
            folder = tmp_path / str(threads) if out else None
            one = elman.Classifier(hidden_size=6, training=training).fit(texts, labels, out=folder)
            found.append((one.network_.state_dict(), one.history_))
    finally:
        torch.set_num_threads(before)
    (weights, history), (others, told) = found
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert [line["loss"] for line in history] == [line["loss"] for line in told]
    assert len(history) == 6


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{number}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_what_was_there_is_passed_over_until_the_end() -> None:
    gc.unfreeze()
    with settled():
        held = gc.get_freeze_count()
        assert held > 1_000
        with settled():
            pass
        assert gc.get_freeze_count() == held  # whoever began ends
    assert not gc.get_freeze_count()
    with pytest.raises(ValueError, match="no more"), settled():
        raise ValueError("no more")
    assert not gc.get_freeze_count()

"""`elman bench growth`: what a training step costs as length, width, batch, words and threads grow.

One thing grows at a time, from a layer of the middle: a GRU of 128 units that reads both ways, 32
sequences of mean length 50. Then one sequence of 1,000 to 200,000 steps, with the memory it takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from elman.apps.bench import step
from elman.apps.bench.classifiers import Sizes
from elman.apps.bench.layers import Case, Contest
from elman.apps.bench.timing import by_turns, compared, wanted

MIDDLE = Case("gru", 128, 32, 50, bidirectional=True)
LAYERS: dict[str, tuple[int, ...]] = {
    "mean": (10, 30, 100, 200, 400),
    "hidden": (16, 32, 64, 128, 256, 512),
    "batch": (1, 4, 16, 64, 256),
}
WORDS = (1_000, 10_000, 100_000)
STEPS = (1_000, 10_000, 100_000, 200_000)

LONG = """
import json, re, sys, time, torch
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
steps = int(sys.argv[1])
layer = Recurrent("gru", 64, 64)
def train(count):
    x = torch.randn(count, 64)
    began = time.perf_counter()
    layer(Ragged.of([x])).outputs.values.square().mean().backward()
    return time.perf_counter() - began
train(100), train(1000)
def peak():  # not of getrusage, which begins with the peak of the process that started this one
    try:
        status = open("/proc/self/status").read()
    except OSError:
        return 0
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
before = peak()
seconds = min(train(steps) for _ in range(3))
print(json.dumps({"seconds": seconds, "kilobytes": peak() - before}))
"""


def rows(*, quick: bool, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a point of a curve."""
    for what, values in LAYERS.items():
        for value in values[:3] if quick else values:
            case = replace(MIDDLE, **{what: value})
            yield from _row(what, value, case, Contest(case).training, only)
    for words in WORDS[:2] if quick else WORDS:
        sizes = Sizes("gru", words, 128, 128, 150)

        def work(sizes: Sizes = sizes) -> Any:
            return step.contestants(sizes, step.batches(sizes, 32, 12))

        yield from _row("words", words, f"a classifier's step, {words} words", work, only, step.BATCHES)
    own = torch.get_num_threads()
    for threads in sorted({1, 2, own}):
        torch.set_num_threads(threads)
        try:
            yield from _row("threads", threads, MIDDLE, Contest(MIDDLE).training, only)
        finally:
            torch.set_num_threads(own)
    for steps in STEPS[:2] if quick else STEPS:
        if wanted(f"steps {steps}", only):
            yield _long(steps)


def _row(
    what: str,
    value: int,
    case: object,
    work: Callable[[], Any],
    only: Sequence[str],
    steps: int = 1,
) -> Iterator[dict[str, Any]]:
    """A point, of work that is so many steps at a time."""
    name = f"{what} {value}"
    if not wanted(name, only):
        return
    turns = by_turns(work(), seconds=0.5)
    found = compared({one: [t / steps for t in many] for one, many in turns.items()})
    row = {"case": f"{name}: {case}", "what": what, "value": value, "training": found}
    if isinstance(case, Case):
        row["rows"] = len(Contest(case).xs.values)
    yield row


def _long(steps: int) -> dict[str, Any]:
    """One long sequence, in a process of its own, whose memory says what it took."""
    command = [sys.executable, "-c", LONG, str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {"case": f"one sequence of {steps} steps", "what": "steps", "value": steps, **found}


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What a step costs at length 200 over length 30, and at 200,000 over 100,000 steps."""
    found: dict[str, float] = {}
    by_mean = {
        row["value"]: row["training"]["ms"]["elman"] / row["rows"]
        for row in rows
        if row["what"] == "mean"
    }
    if {30, 200} <= by_mean.keys():
        found["growth.mean"] = by_mean[200] / by_mean[30]
    long = {row["value"]: row for row in rows if row["what"] == "steps"}
    if {100_000, 200_000} <= long.keys():
        for name in ("seconds", "kilobytes"):
            if long[100_000][name]:  # not every system tells the memory
                found[f"growth.{name}"] = long[200_000][name] / long[100_000][name]
    return found

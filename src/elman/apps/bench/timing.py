"""Times that can be compared: every contestant takes its turn, round after round, in one process."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Work = Callable[[], object]

SLOW = 4.0
"""Seconds of a round from which two rounds are enough: nothing short disturbs what takes so long."""


def by_turns(
    contestants: Mapping[str, Work], *, seconds: float = 1.5, least: int = 3, most: int = 40
) -> dict[str, list[float]]:
    """The seconds that each contestant took, one number a round.

    A round lets each work once, in an order that moves on by one, so that nobody always comes after the
    same other. What disturbs the machine disturbs a round, and the ratios within a round stay.

    Args:
        contestants: what each of them does. All are called once before, unmeasured.
        seconds: after so many no new round is begun.
        least: how many rounds there are at least.
        most: how many there are at most.

    >>> times = by_turns({"a": lambda: None, "b": lambda: sum(range(1000))}, seconds=0.0)
    >>> [len(one) for one in times.values()]
    [3, 3]
    """
    names = list(contestants)
    began = time.perf_counter()
    for work in contestants.values():
        work()
    if time.perf_counter() - began > SLOW:
        least = min(least, 2)
    times: dict[str, list[float]] = {name: [] for name in names}
    began = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        for turn in range(most):
            if turn >= least and time.perf_counter() - began > seconds:
                break
            first = turn % len(names)
            for name in (*names[first:], *names[:first]):
                start = time.perf_counter()
                contestants[name]()
                times[name].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return times


def repeated(work: Work, at_least: float = 2e-3) -> tuple[Work, int]:
    """The work done so often that a clock can measure it, and how often that is.

    The quickest of three tries tells: a first call that loads something, or a moment at which the machine was
    busy, would have the work done once a round, each time with cold caches.

    >>> repeated(lambda: None)[1] > 1
    True
    """

    def spent(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            work()
        return time.perf_counter() - start

    count = 1
    while min(spent(count) for _ in range(3)) < at_least:
        count *= 2
    return (lambda: spent(count)), count


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """How many times as long they took: the median over the rounds, and its quartiles.

    >>> ratio([4.0, 6.0, 9.0], [2.0, 2.0, 3.0])
    {'ratio': 3.0, 'low': 2.5, 'high': 3.0}
    """
    each = sorted(one / other for one, other in zip(theirs, ours, strict=True))
    low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
    return {"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean: that of ratios, which does not ask which of two is the unit.

    >>> geometric_mean([2.0, 8.0])
    4.0
    """
    logs = [math.log(one) for one in values]
    return math.exp(math.fsum(logs) / len(logs))


def wanted(name: str, only: Sequence[str]) -> bool:
    """Whether a case is among those asked for.

    >>> wanted("gru 64, batch 32", ["gru", "batch 32"]), wanted("gru 64", ["lstm"])
    (True, False)
    """
    return all(one in name for one in only)


def milliseconds(times: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return round(1e3 * statistics.median(times), 4)


def compared(times: Mapping[str, Sequence[float]], ours: str = "elman") -> dict[str, Any]:
    """The medians in milliseconds, and for each of the others the ratio to ours with its quartiles.

    >>> compared({"elman": [1.0, 1.0], "torch": [3.0, 3.0]})["over"]["torch"]["ratio"]
    3.0
    """
    others = [name for name in times if name != ours]
    return {
        "ms": {name: milliseconds(one) for name, one in times.items()},
        "over": {name: ratio(times[name], times[ours]) for name in others},
        "rounds": len(times[ours]),
    }


def best(row: Mapping[str, Any]) -> dict[str, float]:
    """The ratio to the fastest of the others."""
    return min(row["over"].values(), key=lambda one: one["ratio"])

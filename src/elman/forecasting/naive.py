"""Forecasts that cost nothing, and that any other has to beat."""

from __future__ import annotations

import numpy as np

NAIVE = ("naive", "seasonal_naive", "drift")


def naive(seen: np.ndarray, horizon: int) -> np.ndarray:
    """The last value, again and again: `horizon`.

    >>> naive(np.array([1.0, 3.0]), 2).tolist()
    [3.0, 3.0]
    """
    return np.repeat(seen[-1], horizon)


def seasonal_naive(seen: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season again and again; the last value where less than a season is known: `horizon`.

    >>> seasonal_naive(np.array([1.0, 2.0, 3.0]), 4, season=2).tolist()
    [2.0, 3.0, 2.0, 3.0]
    """
    if len(seen) < season:
        return naive(seen, horizon)
    return seen[len(seen) - season + np.arange(horizon) % season]


def drift(
    seen: np.ndarray, horizon: int, first: float | None = None, count: int | None = None
) -> np.ndarray:
    """The straight line from the first value through the last one: `horizon`.

        y[T+k] = y[T] + k·(y[T] - y[1]) / (T - 1)

    `first` and `count` are `y[1]` and `T` of the whole series, where `seen` is only its end.

    Source: Hyndman and Athanasopoulos, Forecasting: principles and practice, 5.2.

    >>> drift(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [4.0, 5.0]
    """
    first, count = seen[0] if first is None else first, count or len(seen)
    slope = (seen[-1] - first) / (count - 1) if count > 1 else 0.0
    return seen[-1] + slope * np.arange(1, horizon + 1)


def all_of(
    y: np.ndarray, origins: np.ndarray, horizon: int, season: int, start: tuple[float, int]
) -> dict[str, np.ndarray]:
    """Each of them from every origin: `origins horizon`.

    Args:
        y: the values of a series, or the end of them.
        origins: how many of `y` are seen each time.
        horizon: in steps.
        season: in steps.
        start: the first value of the whole series, and how many there were before those of `y`.
    """
    first, before = start
    ahead = np.arange(horizon)
    last = y[origins - 1][:, None]
    back = np.where(
        (origins >= season)[:, None], origins[:, None] - season + ahead % season, origins[:, None] - 1
    )
    count = before + origins
    slope = np.divide(last[:, 0] - first, count - 1, out=np.zeros(len(origins)), where=count > 1)
    return {
        "naive": np.repeat(last, horizon, 1),
        "seasonal_naive": y[back],
        "drift": last + slope[:, None] * (ahead + 1),
    }

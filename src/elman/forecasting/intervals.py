"""Intervals from errors that were made before (split conformal prediction)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman.errors import SettingsError

KEPT = 2_000
"""How many errors are kept for each step of the horizon."""


def kept(errors: np.ndarray) -> np.ndarray:
    """The sizes of errors, sorted for each step, thinned evenly where there are very many: `errors horizon`."""
    sizes = np.sort(np.abs(errors), 0)
    if len(sizes) <= KEPT:
        return sizes
    return sizes[np.linspace(0, len(sizes) - 1, KEPT).round().astype(int)]


def radius(sizes: np.ndarray, level: float) -> np.ndarray:
    """How far an interval reaches to either side at each step: `horizon`; infinite where errors are too few.

        the ⌈(n + 1)·level⌉-th smallest of n errors

    Where the errors to come are like those before (exchangeable), at least `level` of all truths lie inside.

    Source: Lei et al. 2018, arXiv 1604.04173.

    >>> radius(np.arange(1.0, 10.0)[:, None], 0.8).tolist()
    [8.0]
    """
    rank = int(np.ceil((len(sizes) + 1) * level - 1e-9))
    if rank > len(sizes):
        return np.full(sizes.shape[1], np.inf)
    return sizes[rank - 1]


def checked(level: Sequence[float] | float) -> list[float]:
    """Levels in percent, sorted.

    Raises:
        SettingsError: one outside of 0 to 100.
    """
    levels = sorted({float(one) for one in (level if isinstance(level, Sequence) else (level,))})
    if wrong := [one for one in levels if not 0 < one < 100]:
        raise SettingsError(
            "A level is in percent.", expected="0 < level < 100", received=wrong[0], fix="level=[80, 90]"
        )
    return levels

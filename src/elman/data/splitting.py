"""A part of the examples set aside, label by label."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

from elman.errors import DataError, SettingsError


def holdout(
    labels: Iterable[Hashable], fraction: float = 0.1, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices to train on and those set aside for development, both sorted.

    Every label gives its share, to within one example; a label always keeps an example to train on, so
    one with a single example gives none. Where no label has two, nothing is set aside. The same label
    for all gives a plain random split. The examples are laid out label by label, shuffled within each, and
    every (1/fraction)-th is taken: systematic sampling (Madow & Madow, 1944).

    Raises:
        SettingsError: `fraction` is not between 0 and 1, or `seed` is negative.
        DataError: a label that is not hashable, such as a list of tags.

    >>> train, dev = holdout(["a"] * 8 + ["b"] * 2, fraction=0.5)
    >>> len(train), len(dev), sorted(dev >= 8)
    (5, 5, [np.False_, np.False_, np.False_, np.False_, np.True_])
    """
    if not 0 < fraction < 1:
        raise SettingsError("fraction is out of range.", expected="0 < fraction < 1", received=fraction)
    if seed < 0:
        raise SettingsError("seed is out of range.", expected="0 or more", received=seed)
    seen: dict[Hashable, int] = {}
    try:
        codes = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    except TypeError as fault:
        raise DataError(
            "A label to split by is not hashable.",
            expected="one label per example, such as a string",
            received=str(fault),
            fix="pass the same label for every example to split at random",
        ) from None
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    order = order[np.bincount(codes)[codes[order]] > 1] if len(order) else order
    n = len(order)
    if n == 0:
        return np.arange(len(codes), dtype=np.int64), np.zeros(0, dtype=np.int64)
    # In integers, so that exactly `count` of the n steps cross a multiple of n, wherever they begin.
    count = max(1, round(n * fraction))
    crossings = (np.arange(n + 1) * count + rng.integers(n)) // n
    taken = np.diff(crossings) > 0
    # A large fraction can take the whole of a small label: its first example is given back.
    sorted_codes = codes[order]
    first = np.concatenate(([True], sorted_codes[1:] != sorted_codes[:-1]))
    whole = np.bincount(sorted_codes, weights=~taken)[sorted_codes] == 0
    held = np.zeros(len(codes), dtype=bool)
    held[order[taken & ~(first & whole)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)

"""Which examples make a batch: alike in length, at random otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.errors import SettingsError, ShapeError

Indices = NDArray[np.int64]

# Wide enough that batches stay random from epoch to epoch, narrow enough that lengths within one agree.
_GROUP = 50


class Batches:
    """Batches of sequences of unequal length, bucketed so that batch mates are of similar length.

    An epoch shuffles the examples, cuts them into groups of about 50 batches, sorts each group by length
    (ties at random), cuts the batches, and shuffles their order. It depends on `(seed, k)` alone.

    Args:
        lengths: the number of steps of each sequence, 0 or more.
        batch_size: the most sequences in a batch; sizes are levelled, 129 examples making 43 + 43 + 43.
        max_steps: the most steps in a batch, all sequences together; a longer sequence is alone in its
            batch.
        seed: of the shuffling.

    Raises:
        SettingsError: a setting out of its range.
        ShapeError: lengths that are not one row of whole numbers, 0 or more.

    >>> batches = Batches([3, 1, 2, 9, 8], batch_size=2)
    >>> [sorted(batch.tolist()) for batch in batches.ordered()]
    [[3], [0, 4], [1, 2]]
    >>> sorted(np.concatenate(batches.epoch(0)).tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(
        self, lengths: ArrayLike, *, batch_size: int = 64, max_steps: int | None = None, seed: int = 0
    ) -> None:
        _check("batch_size", batch_size, 1)
        _check("max_steps", 1 if max_steps is None else max_steps, 1)
        _check("seed", seed, 0)
        found = np.asarray(lengths)
        if found.size == 0:
            found = np.zeros(0, dtype=np.int64)
        if found.ndim != 1 or found.dtype.kind not in "iu" or found.min(initial=0) < 0:
            raise ShapeError(
                "These are not the lengths of sequences.",
                expected="(batch,) whole numbers, 0 or more",
                received=f"{found.shape} {found.dtype}: {found}",
            )
        self.lengths: Indices = found.astype(np.int64)
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.seed = seed

    def epoch(self, k: int, rank: int = 0, world_size: int = 1) -> list[Indices]:
        """The batches of epoch `k`, each an array of indices of examples.

        Of `world_size` processes each gets as many batches as every other, all of them together every
        batch; where the count does not divide, the first ones come round again.

        Raises:
            SettingsError: `k` is negative, or `rank` is not below `world_size`.

        >>> batches = Batches([5] * 6, batch_size=2, seed=1)
        >>> [len(batches.epoch(0, rank, 2)) for rank in (0, 1)]
        [2, 2]
        """
        _check("k", k, 0)
        _check("world_size", world_size, 1)
        if not 0 <= rank < world_size:
            raise SettingsError(
                "The rank is out of range.", expected=f"0 <= rank < {world_size}", received=rank
            )
        if not len(self.lengths):
            return []
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, k))))
        shuffled = rng.permutation(len(self.lengths))
        edges = self._even_edges()
        groups = np.array_split(edges[:-1], max(1, round((len(edges) - 1) / _GROUP)))
        starts = [int(group[0]) for group in groups if len(group)]
        membership = np.searchsorted(starts, np.arange(len(shuffled)), side="right")
        order = shuffled[np.lexsort((self.lengths[shuffled], membership))]
        found = [
            batch
            for start, stop in zip(starts, [*starts[1:], len(order)], strict=True)
            for batch in self._cut(order[start:stop], edges[(edges >= start) & (edges <= stop)] - start)
        ]
        turn = rng.permutation(len(found))
        per_rank = -(-len(found) // world_size)
        return [found[turn[(rank + i * world_size) % len(found)]] for i in range(per_rank)]

    def ordered(self) -> list[Indices]:
        """The batches for evaluation: the longest sequences first, nothing at random.

        >>> Batches([1, 7, 3], batch_size=1).ordered()[0].tolist()
        [1]
        """
        return list(self._cut(np.argsort(-self.lengths, kind="stable"), self._even_edges()))

    def _even_edges(self) -> Indices:
        """Where batches of level size begin and end, were there no budget of steps."""
        n = len(self.lengths)
        count = -(-n // self.batch_size)
        return np.arange(count + 1) * n // max(count, 1)

    def _cut(self, order: Indices, edges: Indices) -> Iterator[Indices]:
        """The examples cut at `edges`, or by the budget of steps where that asks for more cuts."""
        if self.max_steps is not None:
            steps = np.concatenate(([0], np.cumsum(self.lengths[order])))
            if np.any(np.diff(steps[edges]) > self.max_steps):
                edges = self._budget_edges(steps, self.max_steps)
        return (order[start:stop] for start, stop in pairwise(edges))

    def _budget_edges(self, steps: Indices, max_steps: int) -> Indices:
        """Full batches one after another; `steps[i]` are those of the first i sequences."""
        n = len(steps) - 1
        edges = [0]
        while edges[-1] < n:
            start = edges[-1]
            fits = int(np.searchsorted(steps, steps[start] + max_steps, side="right")) - 1
            edges.append(max(start + 1, min(fits, start + self.batch_size)))
        if len(edges) > 2:
            edges[-2] = self._level(steps, max_steps, edges[-3], n)
        return np.array(edges)

    def _level(self, steps: Indices, max_steps: int, start: int, stop: int) -> int:
        """The cut of `start:stop` into two batches that are most alike, lest a few be left over."""
        cuts = np.arange(start + 1, stop)
        sizes = np.stack((cuts - start, stop - cuts))
        totals = np.stack((steps[cuts] - steps[start], steps[stop] - steps[cuts]))
        legal = ((sizes <= self.batch_size) & ((totals <= max_steps) | (sizes == 1))).all(axis=0)
        unlike = np.abs(np.diff(totals, axis=0) / max_steps) + np.abs(
            np.diff(sizes, axis=0) / self.batch_size
        )
        return int(cuts[np.argmin(np.where(legal, unlike[0], np.inf))])


def _check(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingsError(
            f"{name} is out of range.", expected=f"a whole number, {least} or more", received=repr(value)
        )

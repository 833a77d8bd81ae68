"""One long text as batches of windows, each of which goes on where the one before it ended."""

from __future__ import annotations

import numpy as np

from elman.data.batching import Indices
from elman.errors import SettingsError


class Windows:
    """A long sequence cut into streams that are read side by side, window by window.

        stream b is xs[s + b·L : s + (b+1)·L]        batch w holds steps w·T … (w+1)·T of every stream

    In an epoch, batch `w+1` goes on with every stream where batch `w` left it, so that states can be carried
    along; what is left over at the end, less than a window of each stream, is left out. Where the streams
    begin, `s < T`, is drawn anew for each epoch, so that cuts fall elsewhere.

    Args:
        steps: how long the sequence is.
        window: steps of a window, T.
        batch_size: how many streams there are; fewer where they would be shorter than four windows.
        seed: of the beginnings.

    Raises:
        SettingsError: a setting below 1.

    >>> windows = Windows(50, window=3, batch_size=3)
    >>> [batch.tolist() for batch in windows.epoch(0)]
    [[2, 18, 34], [5, 21, 37], [8, 24, 40], [11, 27, 43], [14, 30, 46]]
    """

    LEAST = 4

    def __init__(self, steps: int, *, window: int, batch_size: int = 64, seed: int = 0) -> None:
        for name, value in (("steps", steps), ("window", window), ("batch_size", batch_size)):
            if value < 1:
                raise SettingsError(f"{name} must be at least 1.", received=value)
        self.steps, self.window = steps, min(window, steps)
        self.batch_size, self.seed = batch_size, seed

    def epoch(self, k: int, rank: int = 0, world_size: int = 1) -> list[Indices]:
        """The batches of epoch `k` in their order, each the first steps of its windows, stream by stream.

        Of `world_size` processes each has streams of its own, as many as every other.
        """
        streams = min(self.batch_size * world_size, max(self.steps // (self.LEAST * self.window), 1))
        streams = max(streams // world_size, 1) * world_size
        spare = min(self.window, self.steps - streams * self.window + 1)
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.seed, k))))
        start = int(generator.integers(max(spare, 1)))
        length = (self.steps - start) // streams
        mine = start + length * np.arange(streams, dtype=np.int64)[rank::world_size]
        mine = np.minimum(
            mine, self.steps - self.window
        )  # too short a text for as many as the processes
        return [mine + at * self.window for at in range(max(length // self.window, 1))]

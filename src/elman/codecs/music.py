"""Pieces of music to frames of a piano's keys, and back."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.codecs.base import Codec
from elman.music.files import open_piece
from elman.music.midi import read_midi
from elman.music.piece import TEMPO, Piece, name_of
from elman.music.rolls import KEYS, LOWEST, frames_of, piece_of, roll_of
from elman.ragged import Ragged
from elman.settings import Settings


class MusicSettings(Settings):
    """How pieces become frames, and how frames are read.

    Args:
        grid: frames of a quarter note: 1 for quarters, 2 for eighths, 4 for sixteenths.
        transpose: in training, a piece is heard up to so many semitones higher or lower, anew each time.
        embedding_size: numbers that a frame is read as.

    >>> MusicSettings(grid=4).transpose
    5
    """

    grid: int = Field(default=1, ge=1, le=96)
    transpose: int = Field(default=5, ge=0, le=24)
    embedding_size: int = Field(default=128, ge=1)


class Music(Codec):
    """Pieces as frames: which of the 88 keys of a piano sound at each step of a grid.

    A piece is the path of a MIDI or ABC file, the bytes of a MIDI file, a `Piece`, a list of frames, each a
    list of MIDI numbers, or an array `time 88` of 0 and 1. `fit` learns the tempo, which is the median of
    the pieces'. What has been decoded encodes as the same frames; `music.rolls` says what those do not tell.

    >>> codec = Music().fit([[[60, 64, 67], [], [72]]])
    >>> frames = codec.encode([[[60, 64, 67], [], [72]]])
    >>> frames.values.sum(1).tolist(), codec.decode(frames.values).length
    ([3, 0, 1], Fraction(3, 1))
    """

    name: ClassVar[str] = "music"
    features: ClassVar[int] = KEYS
    names: ClassVar[list[str]] = [name_of(LOWEST + key) for key in range(KEYS)]
    """The names of the keys, from the lowest."""

    def __init__(self, grid: int = 1, tempo: float = TEMPO) -> None:
        self.grid, self.tempo = grid, tempo

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn the tempo."""
        known = [one.tempo for one in raw if isinstance(one, Piece)]
        self.tempo = statistics.median_low(known) if known else TEMPO
        return self

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Frames: `steps 88`, 0 or 1, uint8.

        Raises:
            DataError: what is no piece, or has notes beyond the keys; what `open_piece` raises.
        """
        rolls = [torch.from_numpy(self._roll(one, number)) for number, one in enumerate(raw, 1)]
        if not rolls:
            return Ragged(torch.zeros(0, KEYS, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
        return Ragged.of(rolls)

    def decode(self, frames: Tensor | np.ndarray) -> Piece:
        """The piece that has these frames, `time 88`: what sounds in neighbouring frames is held."""
        return piece_of(np.asarray(frames), self.grid, self.tempo)

    def config(self) -> dict[str, Any]:
        return {"grid": self.grid, "tempo": self.tempo}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(**config)

    def _roll(self, raw: Any, number: int) -> np.ndarray:
        piece = opened(raw)
        if isinstance(piece, Piece):
            return frames_of(piece, self.grid)
        return roll_of(piece, f"Piece {number}")


def opened(raw: Any) -> Any:
    """A piece that was named by its path, or is the bytes of a MIDI file; anything else as it is."""
    if isinstance(raw, str | Path):
        return open_piece(raw)
    return read_midi(raw) if isinstance(raw, bytes) else raw


def preceding(frames: Ragged) -> Ragged:
    """What is read before each frame is heard: the one before it; at the beginning of a piece, a mark.

    Shapes: frames `steps keys`. Result: `steps keys+1`, the last number being the mark.

    >>> preceding(Ragged.of([torch.tensor([[1, 1], [0, 1]])])).values.tolist()
    [[0, 0, 1], [1, 1, 0]]
    """
    values = frames.values
    before = values.new_zeros(len(values), values.shape[1] + 1)
    begins = frames.positions == 0
    before[1:, :-1] = values[:-1] * ~begins[1:, None]
    before[:, -1] = begins
    return frames.with_values(before)


def highest(frames: Tensor) -> Tensor:
    """The highest key of each frame alone: `steps keys`.

    >>> highest(torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0]])).tolist()
    [[0, 0, 1, 0], [0, 0, 0, 0]]
    """
    first = frames.flip(1).cumsum(1).flip(1) == 1
    return frames * first


def below_highest(frames: Tensor) -> Tensor:
    """Which keys lie below the highest one that sounds: `steps keys`; none in silence.

    >>> below_highest(torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0]])).int().tolist()
    [[1, 1, 0, 0], [0, 0, 0, 0]]
    """
    return highest(frames).flip(1).cumsum(1).flip(1) > highest(frames)


def room(frames: Ragged, most: int) -> tuple[Tensor, Tensor]:
    """How far each piece can be moved down and up, up to `most` keys, with all its notes on the keyboard.

    Shapes: frames `steps keys`. Result: two of `batch`, the first not above 0.
    """
    keys = frames.values.shape[1]
    sounds = torch.zeros(len(frames), keys, device=frames.values.device)
    sounds = sounds.index_add(0, frames.rows, frames.values.float()) > 0
    lowest, highest = sounds.int().argmax(1), keys - 1 - sounds.flip(1).int().argmax(1)
    return -lowest.clamp(max=most), (keys - 1 - highest).clamp(max=most)


def drawn(low: Tensor, high: Tensor) -> Tensor:
    """A whole number from `low` to `high` for each, by torch's own generator."""
    return low + (torch.rand(low.shape, device=low.device) * (high - low + 1)).long()


def moved(frames: Tensor, keys: Tensor) -> Tensor:
    """Each frame, `steps keys`, moved up by so many keys, `steps`; nothing may pass the edge.

    >>> moved(torch.tensor([[1, 0, 1, 0]]), torch.tensor([1])).tolist()
    [[0, 1, 0, 1]]
    """
    count = frames.shape[1]
    places = torch.arange(count, device=frames.device) - keys[:, None]
    return frames.gather(1, places % count)

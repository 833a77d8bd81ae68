"""What models of music answer, and how well they foretell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.music.abc import write_abc
from elman.music.files import save_piece
from elman.music.piece import Piece


@dataclass(frozen=True)
class Composed:
    """A piece that was written.

    Attributes:
        piece: the whole, what was given included.
        given: quarter notes of it that were given.
        log_probability: of what was written, in nats, as the network gives it.
    """

    piece: Piece
    given: float
    log_probability: float

    @property
    def text(self) -> str:
        """The piece in ABC notation."""
        return write_abc(self.piece)

    def save(self, path: str | Path) -> Path:
        """Write it as `.mid`, `.abc` or `.wav`."""
        return save_piece(self.piece, path)

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The piece as JSON data."""
        return {
            "abc": self.text,
            "quarters": float(self.piece.length),
            "given": self.given,
            "log_probability": self.log_probability,
        }

    def cells(self, asked: str, top: int = 1) -> list[str]:
        """The piece as cells of a table: what was asked, and the body of the tune."""
        return [asked, self.text.partition("K:C\n")[2].replace("\n", " ")]


@dataclass
class MusicReport:
    """How well pieces are foretold, frame by frame.

    Attributes:
        count: the number of pieces.
        frames: the number of their frames.
        nats_per_frame: the mean negative log-probability of a frame, all its keys together, over all frames
            but the first of each piece, which nothing comes before.
        nats_with_first: the same over all frames.
    """

    count: int
    frames: int
    nats_per_frame: float
    nats_with_first: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


VOICES = ("second", "third", "fourth")
"""The voices below the highest, from the top."""


@dataclass
class HarmonyReport:
    """How well the voices below a given top voice are foretold and written.

    Attributes:
        count: the number of pieces.
        frames: the number of their frames.
        nats_per_frame: the mean negative log-probability of all that lies below the top voice.
        voices: for the second, third and fourth voice the share of its notes that are written as they were.
    """

    count: int
    frames: int
    nats_per_frame: float
    voices: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


def voice_accuracy(written: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The share of the notes of each voice that were written as they were.

    A voice that never sounds is left out. In every frame, the notes are counted from the highest down.

    Shapes: both `steps keys`, 0 or 1.

    >>> voice_accuracy(np.array([[1, 1, 0], [0, 1, 0]]), np.array([[1, 0, 1], [0, 1, 0]]))
    {'second': 0.5, 'third': 1.0}
    """
    pairs = [
        [np.flatnonzero(frame)[::-1].tolist() for frame in each] for each in (written > 0, wanted > 0)
    ]
    found = {}
    for number, voice in enumerate(VOICES):
        told = [
            len(ours) > number and ours[number] == theirs[number]
            for ours, theirs in zip(*pairs, strict=True)
            if len(theirs) > number
        ]
        if told:
            found[voice] = sum(told) / len(told)
    return found

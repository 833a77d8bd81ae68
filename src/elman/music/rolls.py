"""A piece as frames: which of a piano's keys sound at each step of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from elman.errors import DataError
from elman.music.piece import TEMPO, Note, Piece, name_of

KEYS, LOWEST = 88, 21
"""A piano's keys, and the MIDI number of the first: A0 to C8."""
LATE = Fraction(1, 8)
"""A frame is what sounds this share of a step after its place, so that who comes a little late is in time."""


def frames_of(piece: Piece, grid: int) -> np.ndarray:
    """The keys that sound at each step: `time 88`, 0 or 1.

        frame t holds a note  <=>  start <= (t + 1/8)/grid < end

    Notes of one pitch that overlap are one; what is shorter than the grid and between its places is not
    heard. Whether a key is held or struck again, frames do not tell.

    Args:
        piece: its notes.
        grid: steps of a quarter note.

    Raises:
        DataError: notes beyond the piano's keys.

    >>> frames_of(Piece((Note(Fraction(1), Fraction(2), 60),)), grid=1)[:, 60 - LOWEST].tolist()
    [0, 1, 1]
    """
    _check_range(piece)
    roll = np.zeros((max(ceil(piece.length * grid - LATE), 0), KEYS), dtype=np.uint8)
    for note in piece.notes:
        roll[ceil(note.start * grid - LATE) : ceil(note.end * grid - LATE), note.pitch - LOWEST] = 1
    return roll


def piece_of(frames: np.ndarray, grid: int, tempo: float = TEMPO, title: str = "") -> Piece:
    """The piece that has these frames, `time 88`: a key that sounds in neighbouring frames is held.

    >>> roll = np.zeros((3, 88)); roll[1:, 39] = 1
    >>> piece_of(roll, grid=2).notes
    (Note(start=Fraction(1, 2), length=Fraction(1, 1), pitch=60),)
    """
    sounding = np.zeros((len(frames) + 2, KEYS), dtype=np.int8)
    sounding[1:-1] = np.asarray(frames) != 0
    changes = np.diff(sounding, axis=0).T  # key by key, so that beginnings and ends come in pairs
    (keys, begins), (_, ends) = (np.nonzero(changes == sign) for sign in (1, -1))
    step = Fraction(1, grid)
    notes = tuple(
        Note(int(begin) * step, int(end - begin) * step, int(key) + LOWEST)
        for key, begin, end in zip(keys, begins, ends, strict=True)
    )
    return Piece(notes, len(frames) * step, tempo, title)


def roll_of(raw: Any, where: str = "The piece") -> np.ndarray:
    """Frames given as lists of MIDI numbers, or as an array `time 88`, as an array of 0 and 1.

    Raises:
        DataError: something else, or a number beyond the piano's keys.

    >>> roll_of([[60, 64], []]).sum(1).tolist()
    [2, 0]
    """
    if isinstance(raw, np.ndarray):
        if raw.ndim != 2 or raw.shape[1] != KEYS or not np.isin(raw, (0, 1)).all():
            raise DataError(
                f"{where} is no piano roll.",
                expected=f"an array of 0 and 1, time × {KEYS}",
                received=f"shape {raw.shape}, {raw.dtype}",
            )
        return raw.astype(np.uint8)
    roll = np.zeros((len(raw), KEYS), dtype=np.uint8)
    for step, frame in enumerate(raw):
        if isinstance(frame, str | bytes) or not isinstance(frame, Sequence):
            raise _no_frame(where, step, frame)
        for pitch in frame:
            if not isinstance(pitch, int) or not LOWEST <= pitch < LOWEST + KEYS:
                raise _no_frame(where, step, frame)
            roll[step, pitch - LOWEST] = 1
    return roll


def _no_frame(where: str, step: int, frame: Any) -> DataError:
    return DataError(
        f"{where}: frame {step + 1} is not made of a piano's keys.",
        expected=f"a list of MIDI numbers from {LOWEST} to {LOWEST + KEYS - 1}",
        received=repr(frame)[:80],
    )


def _check_range(piece: Piece) -> None:
    beyond = [note for note in piece.notes if not LOWEST <= note.pitch < LOWEST + KEYS]
    if beyond:
        raise DataError(
            f"{piece.title or 'The piece'}: {len(beyond)} of {len(piece.notes)} notes are beyond the keys of "
            "a piano.",
            expected=f"{name_of(LOWEST)} ({LOWEST}) to {name_of(LOWEST + KEYS - 1)} ({LOWEST + KEYS - 1})",
            received=f"{name_of(beyond[0].pitch)} ({beyond[0].pitch}), at quarter {beyond[0].start}",
            fix="transpose it by octaves, or leave it out",
        )

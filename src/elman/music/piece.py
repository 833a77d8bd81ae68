"""A piece of music: which notes sound when, in quarter notes, as exact fractions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from elman.errors import DataError

TEMPO = 100.0
"""Quarter notes a minute, where nothing else is known."""
LETTERS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NAME = re.compile(r"([A-G])([#b]?)(-?\d+)")


class Note(NamedTuple):
    """One note: when it begins and how long it sounds, in quarter notes, and its MIDI number."""

    start: Fraction
    length: Fraction
    pitch: int

    @property
    def end(self) -> Fraction:
        """When it has ended."""
        return self.start + self.length


@dataclass(frozen=True)
class Piece:
    """Notes in the order in which they begin, the lower ones first.

    Attributes:
        notes: what sounds; two notes of one pitch may overlap.
        length: in quarter notes, silence at the end included; never less than the last note needs.
        tempo: quarter notes a minute.
        title: what it is called, such as the file that it was read from.

    Raises:
        DataError: a note before the beginning, without a length, or beyond MIDI's numbers 0 to 127.

    >>> tune = Piece((Note(Fraction(1), Fraction(1, 2), 64), Note(Fraction(0), Fraction(1), 60)))
    >>> [name_of(note.pitch) for note in tune.notes], tune.length
    (['C4', 'E4'], Fraction(3, 2))
    """

    notes: tuple[Note, ...]
    length: Fraction = Fraction(0)
    tempo: float = TEMPO
    title: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for number, note in enumerate(self.notes, 1):
            if note.start < 0 or note.length <= 0 or not 0 <= note.pitch <= 127:
                raise DataError(
                    f"{self.title or 'The piece'}: note {number} cannot be played.",
                    expected="start >= 0, length > 0, pitch from 0 to 127",
                    received=f"start {note.start}, length {note.length}, pitch {note.pitch}",
                )
        if not 0 < self.tempo < float("inf"):
            raise DataError("A tempo is above 0.", received=self.tempo)
        ordered = sorted(self.notes, key=lambda one: (one.start, one.pitch, one.length))
        object.__setattr__(self, "notes", tuple(ordered))
        last = max((note.end for note in ordered), default=Fraction(0))
        object.__setattr__(self, "length", max(Fraction(self.length), last))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.length) * 60 / self.tempo

    def transposed(self, semitones: int) -> Piece:
        """The same piece, higher or lower."""
        notes = tuple(one._replace(pitch=one.pitch + semitones) for one in self.notes)
        return Piece(notes, self.length, self.tempo, self.title)


def name_of(pitch: int) -> str:
    """The name of a MIDI number: 60 is the middle C.

    >>> name_of(60), name_of(70)
    ('C4', 'A#4')
    """
    return f"{LETTERS[pitch % 12]}{pitch // 12 - 1}"


def pitch_of(name: str) -> int:
    """The MIDI number of a name, with `#` or `b`.

    Raises:
        DataError: no such note.

    >>> pitch_of("C4"), pitch_of("Bb4")
    (60, 70)
    """
    found = _NAME.fullmatch(name)
    pitch = -1
    if found:
        letter, sign, octave = found.groups()
        pitch = LETTERS.index(letter) + {"#": 1, "b": -1, "": 0}[sign] + 12 * (int(octave) + 1)
    if not 0 <= pitch <= 127:
        raise DataError(
            f"There is no note {name!r}.", expected="C4 (60), F#3, Bb5, ...: C-1 (0) to G9 (127)"
        )
    return pitch


def frequency(pitch: float) -> float:
    """In hertz, tempered equally, A4 = 440.

    >>> frequency(69), round(frequency(60), 2)
    (440.0, 261.63)
    """
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def top_line(notes: Sequence[Note]) -> list[Note]:
    """One voice of many: of notes that begin together the highest, each until the next begins.

    >>> one, half = Fraction(1), Fraction(1, 2)
    >>> [tuple(map(str, note)) for note in top_line([Note(0 * one, one, 60), Note(0 * one, one, 64),
    ...                                              Note(half, one, 62)])]
    [('0', '1/2', '64'), ('1/2', '1', '62')]
    """
    highest: dict[Fraction, Note] = {}
    for note in notes:
        known = highest.get(note.start)
        if known is None or (note.pitch, note.length) > (known.pitch, known.length):
            highest[note.start] = note
    ordered = [highest[start] for start in sorted(highest)]
    ends = [note.start for note in ordered[1:]]
    return [
        note._replace(length=min(note.length, end - note.start))
        for note, end in zip(ordered, [*ends, ordered[-1].end] if ordered else [], strict=True)
    ]

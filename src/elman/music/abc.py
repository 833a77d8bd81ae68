"""ABC notation to pieces and back: tunes as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor

from elman.music.abc_reading import Reader
from elman.music.piece import Note, Piece

BAR = 4
"""Quarter notes of a bar, in what is written."""
NATURALS = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}


def read_abc(text: str, place: str = "The text") -> Piece:
    r"""The first tune of a text in ABC notation.

    Read are notes, rests, chords, ties, accidentals, keys with modes, lengths, broken rhythms, tuplets,
    repeats with first and second endings, tempo; passed over are decorations, grace notes, slurs, chord
    names and words. One voice only.

    Source: the ABC music standard 2.1, https://abcnotation.com/wiki/abc:standard:v2.1.

    Raises:
        DataError: something else, with its line and place, or no note.

    >>> from elman.music.melody import tokens_of
    >>> tokens_of(read_abc("X:1\nL:1/8\nK:G\nGF G>A|z2 B2-|B4|]"))
    ['G4:1/2', 'F#4:1/2', 'G4:3/4', 'A4:1/4', 'R:1', 'B4:3']
    """
    return Reader(place).read(text)


def write_abc(piece: Piece) -> str:
    """The piece in ABC notation, in bars of four quarter notes and in the key of C.

    Wherever a note begins or ends, all that sound are cut, and tied if they go on: any piece can be written
    with chords alone. Notes of one pitch that overlap become one.

    >>> from elman.music.melody import melody_of
    >>> print(write_abc(melody_of(["C4:1", "R:1/2", "F#5:2", "F5:1/2", "F5:1"])))
    X:1
    T:
    M:4/4
    L:1/4
    Q:1/4=100
    K:C
    C z/2 ^f2 =f/2 | f |]
    """
    waiting = sorted(_joined(piece.notes), key=lambda one: (one.start, one.pitch), reverse=True)
    cuts = {Fraction(0), piece.length, *map(Fraction, range(0, floor(piece.length) + 1, BAR))}
    cuts |= {one for note in waiting for one in (note.start, note.end)}
    words: list[str] = []
    sounding: list[Note] = []
    sharpened: set[int] = set()
    for start, end in pairwise(sorted(cuts)):
        if start and start % BAR == 0:
            words.append("|" if int(start) % (4 * BAR) else "|\n")
            sharpened.clear()
        sounding = [note for note in sounding if note.end > start]
        while waiting and waiting[-1].start <= start:
            sounding.append(waiting.pop())
        words.append(_slice(sorted(sounding, key=lambda one: one.pitch), end, end - start, sharpened))
    body = " ".join([*words, "|]"]).replace("\n ", "\n")
    head = ["X:1", f"T:{piece.title.splitlines()[0] if piece.title else ''}", f"M:{BAR}/4", "L:1/4"]
    return "\n".join([*head, f"Q:1/4={piece.tempo:g}", "K:C", body])


def _joined(notes: Sequence[Note]) -> list[Note]:
    """The notes with those of one pitch that overlap made one."""
    found: list[Note] = []
    for note in sorted(notes, key=lambda one: (one.pitch, one.start)):
        last = found[-1] if found else None
        if last is not None and last.pitch == note.pitch and note.start < last.end:
            found[-1] = last._replace(length=max(last.end, note.end) - last.start)
        else:
            found.append(note)
    return found


def _slice(notes: Sequence[Note], end: Fraction, lasting: Fraction, sharpened: set[int]) -> str:
    """What sounds up to a place, as a note, a chord or a rest."""
    parts = [_pitch(note.pitch, sharpened) + ("-" if note.end > end else "") for note in notes]
    length = _length(lasting)
    if not parts:
        return "z" + length
    if len(parts) == 1:
        tied = parts[0].endswith("-")
        return parts[0].removesuffix("-") + length + "-" * tied
    return f"[{''.join(parts)}]{length}"


def _pitch(pitch: int, sharpened: set[int]) -> str:
    """A note's letter, with an accidental where it needs one in this bar."""
    octave, step = pitch // 12 - 5, pitch % 12
    sign = ""
    if step not in NATURALS:
        step, sign = step - 1, "^"
    line = 12 * octave + step
    if sign:
        sharpened.add(line)
    elif line in sharpened:
        sign = "="
        sharpened.discard(line)
    letter = NATURALS[step]
    return sign + (letter + "," * -octave if octave <= 0 else letter.lower() + "'" * (octave - 1))


def _length(length: Fraction) -> str:
    over = "" if length.denominator == 1 else f"/{length.denominator}"
    return ("" if length.numerator == 1 else str(length.numerator)) + over


def tunes_of(text: str) -> Iterator[str]:
    r"""Each tune of a collection: what stands between one `X:` and the next.

    >>> list(tunes_of("X:1\nK:C\nC\n\nX:2\nK:C\nD\n"))
    ['X:1\nK:C\nC\n\n', 'X:2\nK:C\nD\n']
    """
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("X:") and any(one.startswith("X:") for one in lines):
            yield "".join(lines)
            lines = []
        lines.append(line)
    if lines:
        yield "".join(lines)

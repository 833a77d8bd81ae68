"""One voice as tokens: a pitch and its length, or a rest."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from elman.errors import DataError
from elman.music.piece import TEMPO, Note, Piece, name_of, pitch_of, top_line

REST = "R"


def tokens_of(piece: Piece) -> list[str]:
    """The melody as `pitch:length` and `R:length`, in quarter notes.

    Of several voices it is the top line: of notes that begin together the highest, each until the next begins.

    >>> tokens_of(melody_of(["C4:1", "R:1/2", "F#4:3/2"]))
    ['C4:1', 'R:1/2', 'F#4:3/2']
    """
    tokens, now = [], Fraction(0)
    for note in top_line(piece.notes):
        if note.start > now:
            tokens.append(f"{REST}:{note.start - now}")
        tokens.append(f"{name_of(note.pitch)}:{note.length}")
        now = note.end
    return [*tokens, f"{REST}:{piece.length - now}"] if piece.length > now else tokens


def melody_of(tokens: Sequence[str], tempo: float = TEMPO, title: str = "") -> Piece:
    """The piece of one voice that has these tokens.

    Raises:
        DataError: a token that is no note and no rest, or has no length.
    """
    notes, now = [], Fraction(0)
    for number, token in enumerate(tokens, 1):
        name, colon, told = token.partition(":")
        try:
            length = Fraction(told)
        except (ValueError, ZeroDivisionError):
            length = Fraction(0)
        if not colon or length <= 0:
            raise DataError(
                f"Token {number} is no note with a length.",
                expected="C4:1, F#3:1/2, R:3/2, ...",
                received=repr(token)[:80],
            )
        if name != REST:
            notes.append(Note(now, length, pitch_of(name)))
        now += length
    return Piece(tuple(notes), now, tempo, title)

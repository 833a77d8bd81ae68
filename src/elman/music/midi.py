"""MIDI files to pieces and back, by symusic."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

from elman.errors import DataError, MissingExtraError
from elman.music.piece import TEMPO, Note, Piece

TICKS, MOST = 480, 15_360
"""Ticks of a quarter note where they are free, and at most."""
END = "end"
"""The marker that stands where a piece ends, if it ends in silence."""
VELOCITY = 80


def read_midi(data: bytes, place: str = "The data") -> Piece:
    """The notes of all tracks together, drums left out.

    Times are in quarter notes, whatever the tempo is; the tempo kept is the first one. Notes of no length are
    left out. A marker `end` says how long the piece is, where it ends in silence.

    Args:
        data: the file.
        place: its name, for messages.

    Raises:
        DataError: no MIDI, a file that is cut off or damaged, or one without notes.
        MissingExtraError: symusic is not installed.
    """
    _check_chunks(data, place)
    score_type, _ = _symusic()
    try:
        score = score_type.from_midi(data)
    except (RuntimeError, ValueError) as cause:
        raise DataError.at(place, "the MIDI file is damaged.", received=str(cause)[:120]) from cause
    unit = score.ticks_per_quarter
    if unit <= 0:
        raise DataError.at(place, "its times are not in quarter notes.", received=f"division {unit}")
    notes = [
        Note(Fraction(one.time, unit), Fraction(one.duration, unit), one.pitch)
        for track in score.tracks
        if not track.is_drum
        for one in track.notes
        if one.duration > 0 and one.time >= 0
    ]
    ends = [Fraction(one.time, unit) for one in score.markers if one.text == END]
    if not notes and not ends:
        raise DataError.at(
            place,
            "there are no notes in this MIDI file.",
            received=f"{len(score.tracks)} tracks without notes, drums apart",
            fix="leave it out",
        )
    tempo = score.tempos[0].qpm if score.tempos else TEMPO
    return Piece(tuple(notes), max(ends, default=Fraction(0)), round(tempo, 3), place)


def write_midi(piece: Piece) -> bytes:
    """The piece as a MIDI file of one track.

    A quarter note has as many ticks as its fractions need, up to 15,360. Notes of one pitch that overlap
    cannot be told apart in MIDI.

    >>> from elman.music.piece import Note, Piece
    >>> tune = Piece((Note(Fraction(0), Fraction(1, 3), 60),), length=Fraction(2))
    >>> read_midi(write_midi(tune)) == tune  # doctest: +SKIP
    True
    """
    score_type, parts = _symusic()
    parts_of = {one.denominator for note in piece.notes for one in (note.start, note.length)}
    unit = lcm(TICKS, piece.length.denominator, *parts_of)
    unit = unit if unit <= MOST else MOST
    score, track = score_type(unit), parts.Track()
    for note in piece.notes:
        start, end = (round(one * unit) for one in (note.start, note.end))
        track.notes.append(parts.Note(start, max(end - start, 1), note.pitch, VELOCITY))
    score.tracks.append(track)
    score.tempos.append(parts.Tempo(0, piece.tempo))
    if not piece.notes or piece.length > max(note.end for note in piece.notes):
        score.markers.append(parts.TextMeta(round(piece.length * unit), END))
    return score.dumps_midi()


def _symusic() -> Any:
    try:
        import symusic
    except ImportError as cause:
        raise MissingExtraError.of("symusic", "music", "Reading and writing MIDI") from cause
    return symusic.Score, symusic


def _check_chunks(data: bytes, place: str) -> None:
    """Raise unless the file has the chunks that its header speaks of, each whole."""
    if data[:4] != b"MThd" or len(data) < 14:
        begins = "nothing" if not data else f"a file that begins with {data[:8]!r}"
        raise DataError.at(
            place, "this is no MIDI file.", expected="MThd, then a header", received=begins
        )
    at = 8 + int.from_bytes(data[4:8])
    tracks, wanted = 0, int.from_bytes(data[10:12])
    while tracks < wanted:
        size = int.from_bytes(data[at + 4 : at + 8])
        left = len(data) - at - 8
        if left < size or len(data) < at + 8:
            raise DataError.at(
                place,
                f"the MIDI file is cut off in track {tracks + 1} of {wanted}.",
                expected=f"{size} bytes more" if left >= 0 else "another track",
                received=f"{max(left, 0)}",
                fix="copy the file again",
            )
        tracks += data[at : at + 4] == b"MTrk"
        at += 8 + size

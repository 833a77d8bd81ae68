"""Pieces in files: read and written as their suffix says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from elman.errors import DataError, SettingsError
from elman.music.abc import read_abc, write_abc
from elman.music.midi import read_midi, write_midi
from elman.music.piece import Piece
from elman.music.sound import rendered, write_wav

READ = (".mid", ".midi", ".abc")
"""The suffixes of files that hold a piece."""

WRITE: dict[str, Callable[[Piece], bytes]] = {
    ".mid": write_midi,
    ".midi": write_midi,
    ".abc": lambda piece: (write_abc(piece) + "\n").encode(),
    ".wav": lambda piece: write_wav(rendered(piece)),
}
"""How a piece is written, by suffix."""


def open_piece(path: str | Path) -> Piece:
    """The piece in a file: MIDI, or the first tune of an ABC text.

    Raises:
        DataError: no such file, a suffix of no notation, or what `read_midi` and `read_abc` raise.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READ:
        raise DataError.at(
            path, "the suffix names no notation.", expected=", ".join(READ), received=repr(suffix)
        )
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise DataError.at(path, f"the file cannot be read: {cause.strerror or cause}.") from cause
    if suffix != ".abc":
        return read_midi(data, str(path))
    return read_abc(data.decode("utf-8-sig", errors="replace"), str(path))


def save_piece(piece: Piece, path: str | Path) -> Path:
    """Write a piece as MIDI, as ABC, or as sound, whichever the suffix says; in one piece or not at all.

    Raises:
        SettingsError: another suffix.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE:
        raise SettingsError(
            "The suffix does not say how the piece is to be written.",
            expected=", ".join(WRITE),
            received=str(path),
        )
    from elman.atomic import write_bytes  # brings torch, which reading does without

    write_bytes(path, WRITE[path.suffix.lower()](piece))
    return path

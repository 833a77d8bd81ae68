"""Pieces of music in a folder, or in one file."""

from __future__ import annotations

import os
from pathlib import Path

from elman.data.records import Records, bad_rows
from elman.errors import DataError
from elman.music.abc import read_abc, tunes_of
from elman.music.files import READ, open_piece
from elman.music.piece import Piece


def read_pieces(source: str | os.PathLike[str]) -> Records | None:
    """The pieces of all MIDI and ABC files in a folder and the folders in it, or of one such file.

    The files are read in the order of their names; an ABC file may hold several tunes. Result: the column
    `piece`; None for a folder without such files, and for another file.

    Raises:
        DataError: files that cannot be read, all counted, the first ones shown.
        MissingExtraError: there are MIDI files, and symusic is not installed.
    """
    name = os.path.expanduser(source)
    if not os.path.isdir(name) and not (name.lower().endswith(READ) and os.path.isfile(name)):
        return None
    path = Path(name)
    if path.is_dir():
        inside = (one.relative_to(path) for one in path.rglob("*"))
        shown = (one for one in inside if not any(part.startswith(".") for part in one.parts))
        files = sorted(path / one for one in shown if one.suffix.lower() in READ)
    else:
        files = [path]
    pieces: list[Piece] = []
    faults: list[tuple[str, str]] = []
    for file in files:
        try:
            pieces += _pieces(file)
        except DataError as error:
            faults.append((str(file), error.problem.removeprefix(f"{file}: ")))
            if len(files) == 1:
                raise
    if faults:
        raise bad_rows(
            str(path),
            f"{len(faults)} of {len(files)} files hold no piece that can be read.",
            faults,
            fix="take them out, or copy them again",
        )
    return Records({"piece": list(pieces)}, str(path)) if pieces else None


def _pieces(file: Path) -> list[Piece]:
    if file.suffix.lower() != ".abc":
        return [open_piece(file)]
    text = file.read_bytes().decode("utf-8-sig", errors="replace")
    tunes = [one for one in tunes_of(text) if "X:" in one] or [text]
    if len(tunes) == 1:
        return [read_abc(text, str(file))]
    return [read_abc(one, f"{file}, tune {number}") for number, one in enumerate(tunes, 1)]

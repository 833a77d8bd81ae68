"""Plain text: a file that is one text, or one that has a text on each line."""

from __future__ import annotations

from pathlib import Path

from elman.data.files import read_text
from elman.data.records import Records

COLUMN = "text"
"""The one column of such files."""


def read_txt(path: Path, encoding: str | None) -> Records:
    """The whole file as one text, its line ends as LF.

    Raises:
        DataError: see `elman.data.read`.
    """
    return Records({COLUMN: [_unified(read_text(path, encoding))]}, str(path), [1])


def read_lines(path: Path, encoding: str | None) -> Records:
    """Each line as a text, blank ones left out.

    Raises:
        DataError: see `elman.data.read`.
    """
    lines = enumerate(_unified(read_text(path, encoding)).split("\n"), 1)
    kept = [(number, line) for number, line in lines if line.strip()]
    return Records({COLUMN: [line for _, line in kept]}, str(path), [number for number, _ in kept])


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")

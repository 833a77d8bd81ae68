"""Rows that each hold a text and the one to be written for it, whatever they came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from elman.data.files import existing_file, read_text
from elman.data.reading import read
from elman.data.records import Records, counted, no_rows, shorten
from elman.errors import DataError


def paired(source: Any, y: Any = None, *, text: str = "text", target: str = "target") -> Records:
    """Rows with a text in both columns: read from a source, made of two lists, or of two parallel files.

    Args:
        source: whatever `read` takes; with `y`, a list of texts, or a file with a text on every line.
        y: the texts to be written, a list, or a file with as many lines.
        text: the column of texts.
        target: the column of those to be written.

    Raises:
        DataError: what `read` raises; a column that is not there; files or lists of unequal length; rows
            in which one of the two is missing, all counted and placed.

    >>> paired(["Hi.", "Run!"], ["嗨。", "快跑！"])
    Records(2 rows of 'text', 'target' from python)
    """
    if y is None:
        rows = read(source)
    elif _is_path(source) and _is_path(y):
        rows = read_parallel(source, y, text=text, target=target)
    else:
        sources, targets = list(source), list(y)
        if len(sources) != len(targets):
            raise DataError(
                "There must be one target for each text.",
                expected=f"{len(sources)} targets",
                received=f"{len(targets)}",
            )
        rows = read({text: sources, target: targets})
    for name in (text, target):
        wrong = [
            i for i, one in enumerate(rows.column(name)) if not isinstance(one, str) or not one.strip()
        ]
        rows.refuse(name, wrong, "have no text", fix="fill these rows or take them out")
    return rows


def read_parallel(
    source: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    text: str = "text",
    target: str = "target",
    encoding: str | None = None,
) -> Records:
    """Two files, the same line of each belonging together.

    Raises:
        DataError: a file that cannot be read, or another number of lines in one than in the other.
    """
    paths = [existing_file(one) for one in (source, other)]
    lines = [_lines(path, encoding) for path in paths]
    counts = [len(one) for one in lines]
    if counts[0] != counts[1]:
        short = counts.index(min(counts))
        longer, at = 1 - short, counts[short]
        raise DataError(
            "Parallel files must have the same number of lines.",
            expected=f"{paths[0]}: {counted(counts[0], 'line')}, and as many in the other",
            received=f"{paths[1]}: {counted(counts[1], 'line')}",
            fix=f"look for a line that was lost or broken; {paths[longer]}:{at + 1}, the first one left "
            f"over, is {shorten(lines[longer][at])}",
        )
    if not counts[0]:
        raise no_rows(str(paths[0]))
    source = f"{paths[0]} and {paths[1]}"
    return Records({text: lines[0], target: lines[1]}, source, list(range(1, counts[0] + 1)))


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)


def _lines(path: Path, encoding: str | None) -> list[str]:
    # Not splitlines(): it would also break at the rarer separators that Unicode knows.
    content = read_text(path, encoding).replace("\r\n", "\n").replace("\r", "\n")
    return content.removesuffix("\n").split("\n")

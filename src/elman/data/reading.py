"""`read`: one door for every source of records."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elman.data.conll import read_conll, read_conllu
from elman.data.delimited import read_csv, read_tsv, read_tsv_unquoted
from elman.data.files import existing_file
from elman.data.folders import read_folder
from elman.data.frames import of_object
from elman.data.jsonl import read_jsonl
from elman.data.parquet import read_parquet
from elman.data.pieces import read_pieces
from elman.data.plain import read_lines, read_txt
from elman.data.records import Records, no_rows
from elman.errors import DataError, SettingsError, UnknownNameError

_FORMATS: dict[str, Callable[[Path, str | None], Records]] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "tsv-unquoted": read_tsv_unquoted,
    "jsonl": read_jsonl,
    "ndjson": read_jsonl,
    "parquet": read_parquet,
    "conllu": read_conllu,
    "conll": read_conll,
    "txt": read_txt,
    "lines": read_lines,
}


def read(source: Any, *, format: str | None = None, encoding: str | None = None) -> Records:
    """Rows from a file or from objects in memory.

    Args:
        source: the path of a `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`, `.conllu`, `.conll` or `.txt`
            file; a folder whose folders are labels and hold recordings (columns `audio` and `label`); a
            folder of MIDI and ABC files, or one such file (a column `piece`); a dict of columns; a list of
            dicts; a pandas or polars DataFrame; a pyarrow Table; or Records, given back.
        format: `csv`, `tsv`, `tsv-unquoted` (quotes are plain characters), `jsonl`, `ndjson`, `parquet`,
            `conllu`, `conll`, `txt` (one text), `lines` (a text a line); the suffix decides if not given.
        encoding: of a text file, such as `gb18030`; a byte order mark and UTF-8 are known without it.

    Values of CSV and TSV files stay strings. Such a file needs a header; blank lines are allowed.

    Raises:
        DataError: no such file, a suffix of no known format, another encoding, an empty file, a bad
            header, no rows, or rows that do not fit, all counted in one error and the first ones shown.
        SettingsError: a format or an encoding that this source does not have.
        UnknownNameError: there is no such format.

    >>> records = read({"text": ["hello", "goodbye"], "label": ["greet", "leave"]})
    >>> records
    Records(2 rows of 'text', 'label' from python)
    """
    if isinstance(source, str | os.PathLike):
        folder = Path(os.path.expanduser(source))
        found = read_folder(folder) if format is None and os.path.isdir(folder) else None
        if found is None and format is None:
            found = read_pieces(source)
        if found is not None:
            return found
        path = existing_file(source)
        records = _FORMATS[_format(path, format)](path, encoding)
    else:
        for name, value in (("format", format), ("encoding", encoding)):
            if value is not None:
                problem = f"An object in memory has no {name}."
                raise SettingsError(problem, received=f"{name}={value!r}", fix="leave it out")
        if isinstance(source, Records):
            return source
        records = of_object(source)
    if not len(records):
        raise no_rows(records.source)
    return records


def _format(path: Path, given: str | None) -> str:
    name = (path.suffix if given is None else given).lower().lstrip(".")
    if name in _FORMATS:
        return name
    if given is not None:
        raise UnknownNameError.among("format", given, _FORMATS)
    raise DataError.at(
        path,
        "the suffix names no format of records.",
        expected=", ".join(f".{one}" for one in _FORMATS if "-" not in one),
        received=repr(path.suffix),
        fix='pass format="csv" (--format csv), or whichever it is',
    )

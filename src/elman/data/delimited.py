"""CSV and TSV: quoted fields with line breaks in them, and true line numbers all the same."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elman.data.files import line_at, read_text
from elman.data.records import Records, bad_rows, check_names, counted, no_rows, shorten
from elman.errors import DataError

_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_FIRST_RECORD = re.compile(r'[ \r\n]*((?:"[^"]*+"|[^"\r\n])*+)')
_CLOSED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_LIMIT = threading.Lock()


def read_csv(path: Path, encoding: str | None) -> Records:
    """Comma-separated values with a header; a semicolon or a tab is found from the header.

    Raises:
        DataError: see `elman.data.read`.
    """
    text = read_text(path, encoding)
    found = _FIRST_RECORD.match(text)
    header = re.sub(r'"[^"]*+"', "", found[1] if found else "")
    return _read(path, text, max(_NAMES, key=header.count), quoted=True)


def read_tsv(path: Path, encoding: str | None) -> Records:
    """Tab-separated values with a header, quoted as spreadsheets do."""
    return _read(path, read_text(path, encoding), "\t", quoted=True)


def read_tsv_unquoted(path: Path, encoding: str | None) -> Records:
    """Tab-separated values with a header, where a quote is a character like any other."""
    return _read(path, read_text(path, encoding), "\t", quoted=False)


def _read(path: Path, text: str, delimiter: str, *, quoted: bool) -> Records:
    with _any_field_size():
        (head, header), *body = _rows(path, text, delimiter, quoted=quoted)
    check_names(str(path), header, line=head)
    if not body:
        raise no_rows(str(path), "a header alone")
    odd = [(line, row) for line, row in body if len(row) != len(header)]
    if odd:
        mark = _NAMES[delimiter]
        raise bad_rows(
            str(path),
            f"{len(odd)} of {counted(len(body), 'row')} have another number of fields than the header.",
            [
                (f"line {line}", f"{counted(len(row), 'field')}: {shorten(delimiter.join(row))}")
                for line, row in odd
            ],
            line=odd[0][0],
            expected=f"{counted(len(header), 'field')}, separated by {mark}",
            fix=f"put a field that holds {mark} or a line break in double quotes" if quoted else None,
        )
    columns = [list(values) for values in zip(*(row for _, row in body), strict=True)]
    return Records(dict(zip(header, columns, strict=True)), str(path), [line for line, _ in body])


def _rows(path: Path, text: str, delimiter: str, *, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it starts, wholly blank lines left out."""
    lines = list(io.StringIO(text, newline=""))
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=quoted)
    while True:
        start = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            spoilt = "".join(lines[start - 1 : reader.line_num])
            raise _bad_quote(path, spoilt, start, delimiter) from None
        if len(row) > 1 or lines[start - 1].strip():
            yield start, row


def _bad_quote(path: Path, row: str, start: int, delimiter: str) -> DataError:
    """The error for a row in which a quoted field does not end, or ends before its field does."""
    position = 0
    while True:
        field = None
        if row[position] == '"':
            field = _CLOSED.match(row, position)
            if field is None or row[field.end()] != delimiter:
                break
        position = row.index(delimiter, field.end() if field else position) + 1
    line = start + line_at(row, position) - 1
    if field is None:
        problem = "a quote opens here and never closes."
    else:
        end = start + line_at(row, field.end()) - 1
        problem = f"a quote opens here and closes on line {end}, but the field goes on."
    fix = 'close the field with a quote, and write a quote inside a quoted field twice: ""'
    if delimiter == "\t":
        fix += '\nor pass format="tsv-unquoted" (--format) where quotes are plain characters'
    return DataError.at(
        path,
        problem,
        line=line,
        expected='a field in quotes: "…"',
        received=shorten(row[position:].rstrip("\r\n")),
        fix=fix,
    )


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Lift the limit of the csv module, which is one for the whole process, for a moment."""
    with _LIMIT:
        before = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(before)

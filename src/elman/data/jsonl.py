"""JSON Lines: one object a line, all with the same keys."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from elman.data.files import read_text
from elman.data.records import Records, bad_rows, counted, shorten


def read_jsonl(path: Path, encoding: str | None) -> Records:
    """One JSON object a line; a list of numbers may be a value, and NaN is accepted as a number.

    Raises:
        DataError: see `elman.data.read`.
    """
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    faults: list[tuple[int, str]] = []
    for number, line in enumerate(io.StringIO(read_text(path, encoding), newline=""), 1):
        if not line.strip():
            continue
        try:
            rows.append(_parse(line))
            lines.append(number)
        except (ValueError, RecursionError) as fault:
            faults.append((number, f"{_reason(fault)}: {shorten(line.rstrip())}"))
    if faults:
        raise bad_rows(
            str(path),
            f"{len(faults)} of {counted(len(rows) + len(faults), 'line')} are not sound JSON objects.",
            [(f"line {number}", text) for number, text in faults],
            line=faults[0][0],
            expected='an object on each line: {"text": "…", "label": "…"}',
            fix="write each row as one object on one line of its own",
        )
    return Records.of_rows(rows, source=str(path), lines=lines)


def _parse(line: str) -> dict[str, Any]:
    row = json.loads(line, object_pairs_hook=_object)
    if not isinstance(row, dict):
        raise ValueError(f"a {type(row).__name__}, not an object")
    if "\\ud" in line.lower():
        # Half of a surrogate pair passes for a string here, and would fail only when it is written.
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair, which is no character") from None
    return row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key that stands twice in one object")
    return row


def _reason(fault: Exception) -> str:
    if isinstance(fault, json.JSONDecodeError):
        return f"column {fault.colno}: {fault.msg}"
    return "nested too deeply" if isinstance(fault, RecursionError) else str(fault)

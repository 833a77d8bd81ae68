"""JSON Lines: what is read, from which line, and what each fault says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from elman.data import Records, read
from elman.errors import DataError


def file(folder: Path, *lines: str, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes("\n".join(lines).encode())
    return path


def fault(folder: Path, *lines: str) -> str:
    with pytest.raises(DataError) as caught:
        read(file(folder, *lines))
    return str(caught.value)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson"])
def test_objects_are_rows_whatever_the_order_of_their_keys(tmp_path: Path, name: str):
    path = file(
        tmp_path,
        '{"text": "你\\u597d\u2028", "x": [1, 2.5]}',
        "",
        "  ",
        '{"x": null, "text": "b"}\r',
        name=name,
    )
    assert read(path) == Records({"text": ["你好\u2028", "b"], "x": [[1, 2.5], None]}, str(path), [1, 4])


def test_nan_is_a_number(tmp_path: Path):
    value, sequence = read(file(tmp_path, '{"x": NaN, "y": [1, NaN, -Infinity]}')).columns.values()
    assert math.isnan(value[0])
    assert math.isnan(sequence[0][1])
    assert sequence[0][2] == -math.inf


def test_bad_lines_are_named_together_by_line_and_column(tmp_path: Path):
    text = fault(
        tmp_path,
        '{"a": 1}',
        '{"a": 1 "b": 2}',
        "[1, 2]",
        '"text"',
        '{"a": 1, "a": 2}',
        '{"a": "\\uD83D"}',
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    )
    assert "rows.jsonl:2: 7 of 8 lines" in text
    assert "line 2: column 9: Expecting ',' delimiter" in text
    assert "line 3: a list, not an object" in text
    assert "line 4: a str, not an object" in text
    assert "line 5: a key that stands twice" in text
    assert "line 6: half of a surrogate pair" in text
    assert "… and 2 more" in text
    assert "nested too deeply" in fault(tmp_path, "[" * 100_000)
    assert "rows.jsonl:1" in fault(tmp_path, '{"a": ' + "9" * 5000 + "}")


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path):
    assert read(file(tmp_path, '{"a": "\\uD83D\\uDE00"}')).column("a") == ["😀"]


def test_missing_keys_are_named_together_by_line(tmp_path: Path):
    text = fault(tmp_path, '{"a": 1, "b": 2}', "", '{"a": 1}', '{"a": 1, "b": 2}', '{"b": 1, "c": 2}')
    assert "rows.jsonl:3: 2 of 4 rows have other keys" in text
    assert "the keys of line 1: 'a', 'b'" in text
    assert "line 3: lacks 'b'" in text
    assert "line 5: lacks 'a', adds 'c'" in text


@pytest.mark.parametrize(
    ("lines", "message"), [(("",), "empty"), (("{}", "{}"), "no column"), (('{"": 1}',), "no name")]
)
def test_files_without_columns_are_refused(tmp_path: Path, lines, message: str):
    assert message in fault(tmp_path, *lines)

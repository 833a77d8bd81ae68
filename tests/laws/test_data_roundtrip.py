"""Laws of the readers: what another writer wrote is read back, and no file whatever escapes as a bare fault."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data import read
from elman.errors import DataError

field = st.text(st.sampled_from('ab,;\t"\n\r 你\u2028'), max_size=6)
names = st.text("xyz,\n\"'你", min_size=1, max_size=4).filter(str.strip)
tables = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(names, min_size=width, max_size=width, unique=True),
        st.lists(st.lists(field, min_size=width, max_size=width), min_size=1, max_size=6),
    )
)

many = settings(max_examples=max(200, settings().max_examples))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("rows")


@given(tables, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["rows.csv", "rows.tsv"]))
@many
def test_what_the_csv_module_writes_is_read_back(folder: Path, table, end: str, name: str):
    header, body = table
    text = io.StringIO()
    delimiter = "," if name.endswith("csv") else "\t"
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    starts = []
    for row in body:
        starts.append(len(io.StringIO(text.getvalue(), newline=None).readlines()) + 1)
        writer.writerow(row)
    path = folder / name
    path.write_bytes(text.getvalue().encode())
    records = read(path)
    assert records.columns == {key: [row[i] for row in body] for i, key in enumerate(header)}
    assert records.lines == starts


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values |= st.lists(st.floats(allow_nan=False), max_size=3)


@given(
    st.lists(st.fixed_dictionaries({"a": values, "你": values}), min_size=1, max_size=5), st.booleans()
)
def test_what_the_json_module_writes_is_read_back(folder: Path, rows, ascii_only: bool):
    path = folder / "rows.jsonl"
    path.write_bytes("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode())
    assert read(path).columns == {"a": [row["a"] for row in rows], "你": [row["你"] for row in rows]}


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl"])
@given(
    st.text(st.sampled_from('a,"\n\r;\t{}[]:1 \0é'), max_size=30).map(str.encode)
    | st.binary(max_size=30)
    | st.lists(st.sampled_from([b'"', b'"', b",", b"\n", b"\r\n", b"a", b"\t"]), max_size=20).map(
        b"".join
    )
)
@many
def test_any_bytes_are_records_or_a_data_error(folder: Path, name: str, data: bytes):
    path = folder / name
    path.write_bytes(data)
    try:
        records = read(path)
    except DataError:
        return
    assert len(records) > 0
    assert records.lines is not None
    assert list(records.lines) == sorted(set(records.lines))

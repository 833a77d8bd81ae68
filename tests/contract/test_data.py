"""Records, and the sources that `read` takes: files by suffix, frames, columns, dicts."""

from __future__ import annotations

import datetime
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from elman.data import Records, read
from elman.errors import DataError, MissingExtraError, SettingsError, UnknownNameError

COLUMNS = {
    "text": ["现在几点了?", "turn on", "", None],
    "label": ["time", "on", "off", "off"],
    "count": [1, 2, 3, 4],
    "score": [0.5, 1.5, -2.0, math.inf],
    "frames": [[1.0, 2.0], [], [3.0], [4.0, 5.0, 6.0]],
    "day": [datetime.datetime(2024, 1, day) for day in (1, 2, 3, 4)],
}


def rows() -> list[dict]:
    return [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]


@pytest.mark.parametrize(
    "source",
    [
        COLUMNS,
        {name: tuple(values) for name, values in COLUMNS.items()},
        rows(),
        tuple(rows()),
        pandas.DataFrame(COLUMNS),
        polars.DataFrame(COLUMNS),
        pyarrow.table(COLUMNS),
        {name: polars.DataFrame(COLUMNS)[name] for name in COLUMNS},
    ],
    ids=["columns", "tuples", "rows", "tuple-of-rows", "pandas", "polars", "pyarrow", "series"],
)
def test_every_object_in_memory_gives_the_same_records(source):
    assert read(source) == Records(COLUMNS, "python")


def test_parquet_gives_the_same_columns_even_with_brackets_in_its_name(tmp_path: Path):
    path = tmp_path / "rows[1].PARQUET"
    polars.DataFrame(COLUMNS).write_parquet(path)
    records = read(path)
    assert dict(records.columns) == COLUMNS
    assert (records.source, records.lines) == (str(path), None)
    assert records.place(1) == f"{path}, row 2"


def test_arrays_are_columns_and_a_matrix_gives_one_sequence_a_row():
    records = read({"steps": np.arange(6.0).reshape(2, 3), "y": np.array([1, 2])})
    assert records.columns == {"steps": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], "y": [1, 2]}
    assert type(records.column("y")[0]) is int


def test_records_come_back_as_they_are():
    records = Records({"text": ["hi"]})
    assert read(records) is records


def test_a_missing_value_is_none_in_every_frame_and_nan_stays_a_number_among_floats():
    expected = {"word": ["a", None], "when": [datetime.datetime(2024, 1, 1), None], "n": [1, None]}
    frame = pandas.DataFrame(
        {
            "word": ["a", None],
            "when": pandas.to_datetime(["2024-01-01", None]),
            "n": pandas.array([1, None], dtype="Int64"),
        }
    )
    assert read(frame).columns == expected
    assert read(polars.DataFrame(expected)).columns == expected
    assert read(pyarrow.table(expected)).columns == expected
    for other in (pandas.DataFrame({"x": [1.0, math.nan]}), polars.DataFrame({"x": [1.0, math.nan]})):
        first, second = read(other).column("x")
        assert first == 1.0
        assert isinstance(second, float)
        assert math.isnan(second)


def test_pandas_cells_that_hold_arrays_become_lists():
    cells = pandas.DataFrame({"x": pandas.Series([np.array([1, 2]), np.array([3])], dtype=object)})
    assert read(cells).column("x") == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "int"),
        (None, "NoneType"),
        (b"text,label", "bytes"),
        (["hi", "bye"], "row 1 is a str"),
        ([{"a": 1}, "x"], "row 2 is a str"),
        (pandas.DataFrame({"a": [1]})["a"], "Series"),
        (polars.LazyFrame({"a": [1]}), r"collect\(\)"),
        ({"text": "hello"}, "'text' is not a list"),
        ({"text": {"a", "b"}}, "'text' is not a list"),
        ({"text": 3}, "'text' is not a list"),
        ({"text": np.array(3)}, "'text' is not a list"),
        ({"text": ["a"], "label": ["b", "c"]}, "'text' 1, 'label' 2"),
        ({"text": []}, "no rows"),
        ([], "no rows"),
        ({}, "no column"),
        ({1: ["a"]}, "1, which is not text"),
        ({" ": ["a"]}, "column 1 of 1 has no name"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pandas.DataFrame([[1, 2]]), "0, which is not text"),
        (pandas.DataFrame({"a": []}), "no rows"),
    ],
)
def test_objects_that_are_not_records_are_refused(source, message):
    with pytest.raises(DataError, match=message):
        read(source)


def test_rows_with_other_keys_are_counted_and_named_together():
    with pytest.raises(DataError) as caught:
        read([{"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "B": 2}])
    text = str(caught.value)
    assert "2 of 4 rows" in text
    assert "row 2: lacks 'b'" in text
    assert "row 4: lacks 'b', adds 'B'" in text


@pytest.mark.parametrize("given", [{"format": "csv"}, {"encoding": "gb18030"}])
def test_an_object_in_memory_has_neither_format_nor_encoding(given):
    with pytest.raises(SettingsError, match="in memory"):
        read({"a": [1]}, **given)


def test_parquet_has_no_encoding_and_must_be_sound(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    polars.DataFrame({"a": list(range(1000))}).write_parquet(path)
    with pytest.raises(SettingsError, match="encoding"):
        read(path, encoding="utf-8")
    whole = path.read_bytes()
    for broken in (b"", b"a,b\n1,2\n", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"rows\.parquet"):
            read(path)


def test_parquet_without_polars_names_the_extra(tmp_path: Path, monkeypatch):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"elman\[parquet\]"):
        read(path)


def test_the_suffix_decides_unless_a_format_is_given(tmp_path: Path):
    path = tmp_path / "rows.dat"
    path.write_text("a\tb\n1,5\t2\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert all(
        suffix in str(caught.value) for suffix in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
    )
    assert read(str(path), format="TSV").columns == {"a": ["1,5"], "b": ["2"]}
    with pytest.raises(UnknownNameError, match="did you mean 'jsonl'"):
        read(path, format="json")


def test_a_missing_file_offers_names_alike_in_its_folder(tmp_path: Path):
    (tmp_path / "utterances.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"did you mean 'utterances\.csv'"):
        read(tmp_path / "utterance.csv")
    with pytest.raises(DataError, match="check its name"):
        read(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"nowhere' does not exist"):
        read(tmp_path / "nowhere" / "x.csv")


@pytest.mark.parametrize("name", ["a" * 5000, "nul\0nul", "text,label\nhi,greet\n", ""])
def test_what_cannot_be_a_path_is_still_a_data_error(name):
    with pytest.raises(DataError):
        read(name)


def test_a_folder_is_not_a_file(tmp_path: Path):
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"folder with train\.csv"):
        read(tmp_path)


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert read("~/rows.csv").column("a") == ["1"]


def test_a_missing_column_offers_the_nearest():
    records = Records({"utterance": ["hi"], "intent": ["greet"]}, "train.csv", [2])
    assert records.column("intent") == ["greet"]
    for wrong, right in (("Intent", "intent"), ("utterence", "utterance"), (" intent ", "intent")):
        with pytest.raises(DataError) as caught:
            records.column(wrong)
        text = str(caught.value)
        assert text.startswith("train.csv: ")
        assert "'utterance', 'intent'" in text
        assert f"did you mean {right!r}?" in text
    with pytest.raises(DataError, match="did you mean 'y'"):
        Records({"x": [1], "y": [2]}).column("Y")
    with pytest.raises(DataError, match="one of the columns listed"):
        records.column("zzz")


def test_selected_rows_keep_their_place():
    filed = Records({"n": [0, 1, 2, 3]}, "n.csv", [2, 3, 6, 7])
    twice = filed.select(np.array([3, 1, 2])).select([2, 0])
    assert twice.column("n") == [2, 3]
    assert [twice.place(i) for i in range(2)] == ["n.csv:6", "n.csv:7"]
    plain = Records({"n": [0, 1, 2, 3]}).select(iter([3, 1, 2])).select([2, 0])
    assert [plain.place(i) for i in range(2)] == ["row 3", "row 4"]
    assert Records({"n": [0, 1]}).place(0) == "row 1"
    assert len(filed.select([])) == 0
    with pytest.raises(IndexError):
        filed.select([4])
    with pytest.raises(TypeError):
        filed.select(np.array([True, False, True, False]))  # a mask is not a list of indices


def test_head_is_the_first_rows_or_all():
    records = Records({"n": [0, 1, 2]}, "n.csv", [2, 3, 4])
    assert records.head(2).column("n") == [0, 1]
    assert records.head(9).column("n") == [0, 1, 2]
    assert len(records.head(0)) == len(records.head(-1)) == 0
    assert records.head(2).place(1) == "n.csv:3"


def test_records_are_frozen_short_to_print_and_picklable():
    records = Records({"text": ["x"] * 1000}, "big.csv", list(range(2, 1002)))
    with pytest.raises(AttributeError):
        records.source = "other"  # pyright: ignore[reportAttributeAccessIssue]
    assert repr(records) == "Records(1000 rows of 'text' from big.csv)"
    assert pickle.loads(pickle.dumps(records)) == records


def test_importing_data_stays_cheap():
    heavy = "{'torch', 'polars', 'pandas', 'pyarrow'}"
    code = f"import sys, elman.data; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

"""CSV and TSV: what is read, from which line, and what each fault says."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elman.data import Records, read
from elman.errors import DataError


def file(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fault(folder: Path, content: str | bytes, name: str = "rows.csv", **given) -> str:
    with pytest.raises(DataError) as caught:
        read(file(folder, content, name), **given)
    return str(caught.value)


def test_values_stay_strings_and_lines_are_true(tmp_path: Path):
    path = file(tmp_path, "文本,标签\n 你好 ,007\n,1.50\n")
    assert read(path) == Records({"文本": [" 你好 ", ""], "标签": ["007", "1.50"]}, str(path), [2, 3])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_line_end_and_quoted_line_breaks(tmp_path: Path, end: str, last: bool):
    lines = ["text,label", '"one', 'two, ""three""",x', "", "   ", 'y,"', '"', "z,w"]
    records = read(file(tmp_path, end.join(lines) + (end if last else "")))
    assert records.columns == {"text": [f'one{end}two, "three"', "y", "z"], "label": ["x", end, "w"]}
    assert records.lines == [2, 6, 8]


def test_separators_of_unicode_do_not_end_a_line(tmp_path: Path):
    records = read(file(tmp_path, "a,b\nx\u2028y\x85z\x0b,1\n\x0c,2\n"))
    assert records.column("a") == ["x\u2028y\x85z\x0b", "\x0c"]
    assert records.lines == [2, 3]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_of_a_csv_file_is_found_from_its_header(tmp_path: Path, delimiter: str):
    others = ",;\t".replace(delimiter, "")
    header = f'"a{others * 3}"{delimiter}b'
    records = read(file(tmp_path, f"\n{header}\n1{others}{delimiter}2{others}\n"))
    assert records.columns == {f"a{others * 3}": [f"1{others}"], "b": [f"2{others}"]}


def test_a_header_may_span_lines(tmp_path: Path):
    records = read(file(tmp_path, '"a\n,,,b";c\n1;2\n'))
    assert records.columns == {"a\n,,,b": ["1"], "c": ["2"]}
    assert records.lines == [3]


def test_one_column_is_enough(tmp_path: Path):
    records = read(file(tmp_path, 'text\nhello\n\n""\nworld\n'))
    assert records.columns == {"text": ["hello", "", "world"]}
    assert records.lines == [2, 4, 5]


def test_a_tsv_file_is_cut_at_tabs_alone(tmp_path: Path):
    records = read(file(tmp_path, 'en\tfr\n"a ""b"""\t\n\t\nx,y;z\tw\n', "pairs.tsv"))
    assert records.columns == {"en": ['a "b"', "", "x,y;z"], "fr": ["", "", "w"]}
    assert records.lines == [2, 3, 4]


def test_quotes_are_plain_where_the_file_does_not_quote(tmp_path: Path):
    content = 'en\tfr\n"Hi," he said.\tSalut\n"Go.\tVa.\n'
    text = fault(tmp_path, content, "pairs.tsv")
    assert "pairs.tsv:2: a quote opens here and closes on line 2" in text
    assert "tsv-unquoted" in text
    records = read(tmp_path / "pairs.tsv", format="tsv-unquoted")
    assert records.columns == {"en": ['"Hi," he said.', '"Go.'], "fr": ["Salut", "Va."]}


def test_bad_rows_are_reported_together_and_the_first_five_shown(tmp_path: Path):
    rows = ["a,b", "1,2", '"x\ny",z,w', "", "4", *["1,2,3"] * 5, "5,6", "long" * 100]
    text = fault(tmp_path, "\n".join(rows))
    assert "rows.csv:3: 8 of 10 rows" in text
    assert "expected  2 fields, separated by a comma" in text
    assert "line 3: 3 fields: 'x\\ny,z,w'" in text
    assert "line 6: 1 field: '4'" in text
    assert [f"line {n}:" in text for n in (7, 8, 9, 10)] == [True, True, True, False]
    assert "… and 3 more" in text
    assert len(fault(tmp_path, "a,b\n" + "long" * 10_000)) < 400


@pytest.mark.parametrize(
    ("content", "line", "received"),
    [
        ('a,b\n1,2\n"x,y\n3,4\n', 3, "'\"x,y\\n3,4'"),
        ('a,b\r\n1,2\r\n3,"x\r\n\r\n', 3, "'\"x'"),
        ('a,b\n"x\ny","z\n3,4\n', 3, "'\"z\\n3,4'"),
        ('a,b\n1,2\n"x""\ny""', 3, '\'"x""\\ny""\''),
        ('"a,b\n1,2', 1, "'\"a,b\\n1,2'"),
        ('a,b\n1,"', 2, "'\"'"),
    ],
)
def test_an_open_quote_is_named_where_it_opened(tmp_path: Path, content: str, line: int, received: str):
    text = fault(tmp_path, content)
    assert f"rows.csv:{line}: a quote opens here and never closes." in text
    assert f"received  {received}" in text


def test_text_after_a_closing_quote_is_named_where_the_quote_opened(tmp_path: Path):
    text = fault(tmp_path, 'a,b\nx","y\n1,"2\n3,4\n5"6,7\n')
    assert "rows.csv:2: a quote opens here and closes on line 3" in text
    text = fault(tmp_path, 'a,b\n1,"2\n3,4\n5"6,7\n')
    assert "rows.csv:2: a quote opens here and closes on line 4" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\xff\xfe", "the file is empty"),
        (b"\xff\xfe\x00\x00", "the file is empty"),
        ("\n\r\n  \n", "the file is empty"),
        ("text,label\n", "no rows"),
        ("text,label", "no rows"),
        ("text,label\n\n \n", "no rows"),
        ("\na,b,a\n1,2,3\n", "rows.csv:2: two columns are named 'a'"),
        (",a\n0,1\n", "rows.csv:1: column 1 of 2 has no name"),
        ("a,  \n0,1\n", "column 2 of 2 has no name"),
        ("a,b\n1,2\n3,\0\n", "rows.csv:3: the text holds a NUL"),
    ],
)
def test_files_without_rows_or_with_a_bad_header_are_refused(tmp_path: Path, content, message: str):
    assert message in fault(tmp_path, content)


def test_a_million_characters_in_a_field_and_the_limit_is_put_back(tmp_path: Path):
    path = file(tmp_path, "text,label\n" + "长" * 1_000_000 + ",x\n", "long.csv")
    before = csv.field_size_limit(1234)
    try:
        with ThreadPoolExecutor(4) as pool:
            lengths = [len(records.column("text")[0]) for records in pool.map(read, [path] * 8)]
        assert lengths == [1_000_000] * 8
        assert csv.field_size_limit() == 1234
        fault(tmp_path, 'a,b\n1,"2')
        assert csv.field_size_limit() == 1234
    finally:
        csv.field_size_limit(before)

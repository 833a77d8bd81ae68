"""Pretrained vectors: three formats, and what each fault says."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from elman.data import read_vectors
from elman.errors import DataError, SettingsError

BODY = "the 1 2.5 -3e-2\n,  4 5 6 \r\n你好\t7 8 9\n"
VALUES = [[1, 2.5, -0.03], [4, 5, 6], [7, 8, 9]]


def file(folder: Path, content: str | bytes, name: str = "tiny.vec") -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def fault(folder: Path, content: str | bytes, name: str = "tiny.vec", **given) -> str:
    with pytest.raises(DataError) as caught:
        read_vectors(file(folder, content, name), **given)
    return str(caught.value)


@pytest.mark.parametrize("header", ["", "3 3\n", "\ufeff", "\ufeff3 3\n"], ids=repr)
@pytest.mark.parametrize("name", ["tiny.vec", "tiny.txt.gz"])
def test_word2vec_glove_and_fasttext_read_alike(tmp_path: Path, header: str, name: str):
    words, vectors = read_vectors(file(tmp_path, header + BODY, name))
    assert words == ["the", ",", "你好"]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(VALUES, dtype=np.float32))
    vectors[0] = 0  # owned by the caller


def test_float32_values_come_back_bit_by_bit(tmp_path: Path):
    expected = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    lines = (f"w{i} " + " ".join(repr(float(x)) for x in row) for i, row in enumerate(expected))
    words, vectors = read_vectors(file(tmp_path, "50 20\n" + "\n".join(lines)))
    assert words == [f"w{i}" for i in range(50)]
    np.testing.assert_array_equal(vectors, expected)


@pytest.mark.parametrize("space", [" ", "\xa0", "\u3000", "\u2028", "\x85"], ids=ascii)
def test_words_may_hold_spaces_of_any_kind(tmp_path: Path, space: str):
    words, vectors = read_vectors(file(tmp_path, f"the 1 2\n.{space}.{space}. 3 4\nat a@b.com 5 6\n"))
    assert words == ["the", f".{space}.{space}.", "at a@b.com"]
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6]]
    if space != " ":
        assert read_vectors(file(tmp_path, f"the 1 2\n{space} 3 4\n"))[0] == ["the", space]


def test_keep_limit_and_the_first_of_duplicates(tmp_path: Path):
    path = file(tmp_path, "5 1\na 1\nb 2\na 3\nc 4\nd 5\n")
    assert read_vectors(path)[0] == ["a", "b", "c", "d"]
    words, vectors = read_vectors(path, keep=["d", "zzz", "a"])
    assert (words, vectors.tolist()) == (["a", "d"], [[1], [5]])
    words, vectors = read_vectors(path, limit=4)
    assert (words, vectors.tolist()) == (["a", "b", "c"], [[1], [2], [4]])
    assert read_vectors(path, keep={"a", "d"}, limit=2)[0] == ["a"]
    assert read_vectors(file(tmp_path, "x 1 2\ny 3 4\n", "glove.txt"), limit=1)[0] == ["x"]
    words, vectors = read_vectors(path, keep=set())
    assert (words, vectors.shape) == ([], (0, 1))


def test_beyond_the_limit_nothing_is_read(tmp_path: Path):
    assert read_vectors(file(tmp_path, "a 1 2\nb 3\n"), limit=1)[0] == ["a"]
    with pytest.raises(SettingsError, match="limit"):
        read_vectors(file(tmp_path, "a 1 2\n"), limit=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 2 3\nof 1 2\n", "tiny.vec:2: the line has another number of values"),
        ("the 1 2 3\nof 1 2 3 4\n", "tiny.vec:2: the line has another number of values"),
        ("2 3\nthe 1 2 3\nof 1 2 3 4 5\n", "received  5 values"),
        ("the 1 2 3\n1 2 3\n", "received  2 values"),
        ("the 1 2 3\n 1 2 3\n", "tiny.vec:2: the line has another number of values"),
        ("the 1 2 3\n\nof 1 x 3\n", "tiny.vec:3: a value is not a number"),
        ("the 1 2 3\nof 1 nan 3\n", "tiny.vec:2: a value is not finite"),
        ("the 1 2 3\nof 1 -inf 3\n", "received  '-inf'"),
        ("the 1 2 3\nof 1 1e39 3\n", "received  '1e39'"),
        (b"the 1 2\n" + b"caf\xe9 1 2\n", "tiny.vec:2: the word is not in UTF-8"),
        (b"the 1 2\n" + b"caf\xe9 1 2\n", "byte 0xE9 at byte 4 of the line"),
        ("", "no vectors"),
        ("\n\n", "no vectors"),
        ("\ufeff", "no vectors"),
        ("0 300\n", "no vectors"),
        ("the\nof\n", "no vectors"),
        ("3 2\na 1 2\nb 1 2\n", "expected  3 vectors\n  received  2"),
        ("1 2\na 1 2\nb 1 2\n", "expected  1 vectors\n  received  2"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, content, message: str):
    assert message in fault(tmp_path, content)


def test_a_line_of_wrong_length_is_found_among_words_not_kept(tmp_path: Path):
    assert "tiny.vec:2" in fault(tmp_path, "the 1 2 3\nof 1 2\n", keep={"the"})


def test_a_broken_archive_is_refused(tmp_path: Path):
    path = tmp_path / "tiny.vec.gz"
    data = b"".join(b"w%d %d %d\n" % (i, i * 7919 % 1000, i * 104729 % 1000) for i in range(20_000))
    whole = gzip.compress(data)
    for broken in (whole[: len(whole) // 2], b"the 1 2\n", whole[:5000] + b"\0" * 100 + whole[5100:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"tiny\.vec\.gz"):
            read_vectors(path)


def test_a_missing_file_offers_the_nearest(tmp_path: Path):
    file(tmp_path, BODY, "glove.6B.50d.txt")
    with pytest.raises(DataError, match=r"did you mean 'glove\.6B\.50d\.txt'"):
        read_vectors(tmp_path / "glove.6b.50d.txt")


def test_reading_streams(tmp_path: Path):
    """A fault on an early line is met long before a later one is read."""
    path = tmp_path / "endless.vec.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b"a 1 2\nb x 2\n")
        stream.write(b"c 1 2\n" * 1_000_000)
    path.write_bytes(path.read_bytes()[:-1000])  # cut short: reading it all would meet that fault
    with pytest.raises(DataError, match="a value is not a number"):
        read_vectors(path)

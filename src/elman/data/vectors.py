"""Pretrained word vectors in the text formats of word2vec, GloVe and fastText."""

from __future__ import annotations

import gzip
import os
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from io import BufferedIOBase
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elman.data.files import existing_file
from elman.data.records import shorten
from elman.errors import DataError, SettingsError


def read_vectors(
    path: str | os.PathLike[str], keep: Collection[str] | None = None, limit: int | None = None
) -> tuple[list[str], NDArray[np.float32]]:
    r"""Words and their vectors `(words, dimension)`, read line by line: only what is kept takes memory.

    A line is a word and its values. The first line may give the count and the dimension (word2vec,
    fastText) or be a word already (GloVe). A word may hold spaces, for the values are counted from the
    right; one whose last part is a number is taken for a line with too many values. Of a word that
    comes twice the first is taken.

    Args:
        path: the file; it is unpacked on the way where its name ends in `.gz`.
        keep: the words wanted; the values of others are counted but not looked at. None: all.
        limit: look at the first `limit` vectors only; files list frequent words first. None: all.

    Raises:
        DataError: the file is missing, empty, cut short or damaged; a line has another number of values
            than the first, a value that is not a finite number, or bytes that are not UTF-8.
        SettingsError: `limit` is below 1.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "tiny.vec")
    ...     _ = file.write_text("2 3\nhello 1 2 3\nworld 4 5 6\n")
    ...     words, vectors = read_vectors(file, keep={"world"})
    >>> words, vectors.tolist()
    (['world'], [[4.0, 5.0, 6.0]])
    """
    if limit is not None and limit < 1:
        raise SettingsError("limit is out of range.", expected="1 or more, or None", received=limit)
    file = existing_file(path)
    wanted = None if keep is None else frozenset(keep)
    found: dict[str, None] = {}
    values = array("f")
    dimension = 0
    for number, dimension, line in _lines(file, limit):
        word, parts = _split(file, number, dimension, line)
        if word not in found and (wanted is None or word in wanted):
            values.frombytes(_numbers(file, number, word, parts).tobytes())
            found[word] = None
    if not dimension:
        raise DataError.at(file, "there are no vectors.", expected="a word and its values on each line")
    return list(found), np.frombuffer(values, dtype=np.float32).reshape(len(found), dimension)


def _lines(file: Path, limit: int | None) -> Iterator[tuple[int, int, bytes]]:
    """The number, the dimension and the bytes of each line that holds a vector."""
    with _opened(file) as stream:
        lines = _sound(file, stream)
        number, first = next(lines, (0, b""))
        fields = first.removeprefix(b"\xef\xbb\xbf").split()
        promised = None
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            promised, dimension = map(int, fields)
        elif fields:
            dimension = len(fields) - 1
            yield number, dimension, first.removeprefix(b"\xef\xbb\xbf")
        else:
            return
        read = 0 if promised is not None else 1
        for number, line in islice(lines, None if limit is None else limit - read):
            read += 1
            yield number, dimension, line
    if promised is not None and read != promised and read != limit:
        raise DataError.at(
            file,
            "the file does not hold as many vectors as its first line says.",
            expected=f"{promised} vectors",
            received=read,
            fix="download the file again; or correct the first line, if the file was cut on purpose",
        )


def _opened(file: Path) -> BufferedIOBase:
    try:
        return gzip.open(file) if file.suffix == ".gz" else file.open("rb")
    except OSError as fault:
        raise DataError.at(file, f"the file cannot be opened: {fault.strerror}.") from fault


def _sound(file: Path, stream: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank, and an archive that breaks off told as such."""
    number = 0
    try:
        for number, line in enumerate(stream, 1):
            if not line.isspace():
                yield number, line
    except (EOFError, OSError, zlib.error) as fault:
        raise DataError.at(
            file,
            "the file cannot be read to its end.",
            line=number + 1,
            received=str(fault),
            fix="download the file again",
        ) from fault


def _split(file: Path, number: int, dimension: int, line: bytes) -> tuple[str, list[bytes]]:
    # In bytes only ASCII spaces separate: words of real files hold no-break and ideographic ones.
    head, *parts = line.rsplit(None, dimension)
    words = head.split()
    extra = sum(1 for _ in _trailing_numbers(words[1:]))
    if len(parts) != dimension or extra:
        raise DataError.at(
            file,
            "the line has another number of values than the first.",
            line=number,
            expected=f"a word and {dimension} values",
            received=f"{len(parts) + extra} values: {shorten(line.decode('utf-8', 'replace').rstrip())}",
        )
    try:
        return head.decode("utf-8"), parts
    except UnicodeDecodeError as fault:
        raise DataError.at(
            file,
            "the word is not in UTF-8.",
            line=number,
            received=f"byte 0x{head[fault.start]:02X} at byte {fault.start + 1} of the line",
            fix="write the file anew in UTF-8, in the text format if this is the binary one",
        ) from None


def _trailing_numbers(words: list[bytes]) -> Iterator[float]:
    for word in reversed(words):
        try:
            yield float(word)
        except ValueError:
            return


def _numbers(file: Path, number: int, word: str, parts: list[bytes]) -> NDArray[np.float32]:
    problem = None
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(parts, dtype=np.float32)
        if not np.isfinite(numbers).all():
            problem = "a value is not finite."
    except ValueError:
        numbers, problem = np.zeros(0, dtype=np.float32), "a value is not a number."
    if problem is not None:
        raise DataError.at(
            file,
            problem,
            line=number,
            expected=f"{len(parts)} finite numbers after {shorten(word)}",
            received=next(
                repr(part.decode("utf-8", "replace")) for part in parts if not _is_finite(part)
            ),
        )
    return numbers


def _is_finite(part: bytes) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float32(float(part))))
    except ValueError:
        return False

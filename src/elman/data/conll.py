"""Columns of CoNLL: a token a line, its tag beside it, a blank line after each sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elman.data.files import read_text
from elman.data.records import Records, bad_rows, counted, no_rows, shorten

UNIVERSAL = {"tokens": 1, "lemmas": 2, "tags": 3, "xpos": 4, "feats": 5}
"""The columns that are kept of CoNLL-U; `tags` are the universal parts of speech."""
FIELDS = 10

Sentence = list[tuple[int, list[str]]]
"""The lines of a sentence: each with its number and its fields."""


def read_conllu(path: Path, encoding: str | None) -> Records:
    """CoNLL-U: the columns tokens, lemmas, tags (UPOS), xpos and feats, a row a sentence.

    Multiword tokens (`3-4`) and empty nodes (`8.1`) are left out, for their words stand by themselves.
    See https://universaldependencies.org/format.html.

    Raises:
        DataError: see `elman.data.read`; a line without ten fields, or words that are not counted up.
    """
    return parse_conllu(read_text(path, encoding), str(path))


def parse_conllu(text: str, source: str) -> Records:
    """The same from a text; `source` names it where something is wrong."""
    kept: list[Sentence] = []
    faults: list[tuple[int, str]] = []
    for sentence in _sentences(text, comments=True):
        words: Sentence = []
        for number, line in sentence:
            fields = line.split("\t")
            if len(fields) != FIELDS:
                faults.append((number, f"{counted(len(fields), 'field')}: {shorten(line)}"))
            elif fields[0].isdigit():
                if fields[0] != str(len(words) + 1):
                    faults.append((number, f"word {len(words) + 1} is missing: {shorten(line)}"))
                words.append((number, fields))
        if words:
            kept.append(words)
    if faults:
        raise _bad(
            source, faults, f"{FIELDS} fields between tabs, the words of a sentence counted from 1"
        )
    return _records(source, kept, UNIVERSAL)


def read_conll(path: Path, encoding: str | None) -> Records:
    """A token a line with its tag in the last column: the columns tokens and tags, a row a sentence.

    Fields stand between tabs where the first line has one, and otherwise between spaces; those between
    token and tag become `column_2` and so on. Lines of `-DOCSTART-` are left out.

    Raises:
        DataError: see `elman.data.read`; a line with another number of fields than the first.
    """
    return parse_conll(read_text(path, encoding), str(path))


def parse_conll(text: str, source: str) -> Records:
    """The same from a text; `source` names it where something is wrong."""
    mark: str | None = None
    width = 0
    kept: list[Sentence] = []
    faults: list[tuple[int, str]] = []
    for sentence in _sentences(text, comments=False):
        words: Sentence = []
        for number, line in sentence:
            if not width:
                mark = "\t" if "\t" in line else None
                width = len(line.split(mark))
            fields = line.split(mark)
            if fields[0] == "-DOCSTART-" or (mark and line.startswith("# ") and mark not in line):
                continue
            if len(fields) != width or not all(one.strip() for one in fields):
                faults.append((number, f"{counted(len(fields), 'field')}: {shorten(line)}"))
            words.append((number, fields))
        if words:
            kept.append(words)
    if faults:
        between = "tabs" if mark else "spaces"
        raise _bad(source, faults, f"{counted(width, 'field')} between {between}, as in the first line")
    places = {"tokens": 0}
    places |= {f"column_{place + 1}": place for place in range(1, width - 1)}
    places |= {"tags": width - 1} if width > 1 else {}
    return _records(source, kept, places)


def _sentences(text: str, *, comments: bool) -> Iterator[list[tuple[int, str]]]:
    """The lines of each sentence with their numbers. Not splitlines(): tokens may hold rarer separators."""
    found: list[tuple[int, str]] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if found:
                yield found
            found = []
        elif not (comments and line.startswith("#")):
            found.append((number, line))
    if found:
        yield found


def _records(source: str, sentences: list[Sentence], places: dict[str, int]) -> Records:
    if not sentences:
        raise no_rows(source)
    columns = {
        name: [[fields[place] for _, fields in words] for words in sentences]
        for name, place in places.items()
    }
    return Records(columns, source, [words[0][0] for words in sentences])


def _bad(source: str, faults: list[tuple[int, str]], expected: str) -> Exception:
    return bad_rows(
        source,
        f"{counted(len(faults), 'line')} cannot be read.",
        [(f"line {number}", problem) for number, problem in faults],
        line=faults[0][0],
        expected=expected,
        fix="correct these lines, and end each sentence with a blank line",
    )

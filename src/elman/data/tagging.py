"""Rows that each hold tokens, or readings, and a tag for every one of them, whatever they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any

import numpy as np

from elman.data.reading import read
from elman.data.records import Records, bad_rows, counted, shorten
from elman.errors import DataError


def tagged(
    source: Any,
    y: Sequence[Any] | None = None,
    *,
    tokens: str = "tokens",
    tags: str = "tags",
    label: str | None = None,
) -> Records:
    """Rows with as many tags as tokens: read from a source, or made of sequences and their tags.

    Tokens, and tags, are lists of strings; a string is taken apart at its spaces. A sequence of readings
    has a number, or a list of them, for each moment.

    Args:
        source: whatever `read` takes; with `y`, a list of sequences.
        y: the tags, a list for each sequence.
        tokens: the column of sequences.
        tags: the column of their tags.
        label: the column of labels of whole sequences, if there is one.

    Raises:
        DataError: what `read` raises; a column that is not there; rows that are empty, have no label, or
            whose tags do not fit their tokens, all counted and placed, with both of them shown.

    >>> tagged([["It", "rains"], "so what"], [["PRON", "VERB"], "ADV PRON"]).column("tokens")
    [['It', 'rains'], ['so', 'what']]
    """
    if y is None:
        rows = read(source)
    else:
        sequences, answers = list(source), list(y)
        if len(sequences) != len(answers):
            raise DataError(
                "There must be a list of tags for each sequence.",
                expected=f"{len(sequences)} lists of tags",
                received=f"{len(answers)}",
            )
        rows = read({tokens: sequences, tags: answers})
    steps = (each for one in rows.column(tokens) if hasattr(one, "__iter__") for each in one)
    words = isinstance(next(steps, None), (str, NoneType))
    read_in = _lists if words else _readings
    columns = {**rows.columns, tokens: read_in(rows, tokens), tags: _lists(rows, tags)}
    if label is not None:
        wrong = [i for i, one in enumerate(rows.column(label)) if one is None or one == "" or one != one]
        rows.refuse(label, wrong, "have no label", fix="label these rows or take them out")
    rows = replace(rows, columns=columns)
    _check_lengths(rows, tokens, tags)
    return rows


def refuse_tags(rows: Records, name: str, faults: Callable[[Any], list[str]], scheme: str) -> None:
    """Raise one error for the rows of a column whose tags a scheme forbids, or none where there are none.

    Args:
        rows: those to check.
        name: their column of tags.
        faults: what is wrong with the tags of a row, in words.
        scheme: the scheme's name.

    Raises:
        DataError: all of them counted, the first ones shown with their place and tags.
    """
    column = rows.column(name)
    wrong = {i: found for i, one in enumerate(column) if (found := faults(one))}
    if not wrong:
        return
    raise bad_rows(
        rows.source,
        f"{len(wrong)} of {counted(len(rows), 'row')} have tags outside of {scheme} in column {name!r}.",
        [
            (rows.place(i), f"{', '.join(found[:3])}: {shorten(' '.join(column[i]))}")
            for i, found in wrong.items()
        ],
        line=None if rows.lines is None else rows.lines[min(wrong)],
        expected="B-label for the first token of a span, I-label for its others, O outside",
        fix="begin each span with B-, and write every tag but O with its letter and a dash",
    )


def _lists(rows: Records, name: str) -> list[Any]:
    """A column in which every row is a list of strings."""
    found = [one.split() if isinstance(one, str) else one for one in rows.column(name)]
    lists = [list(one) if hasattr(one, "__iter__") else None for one in found]
    wrong = [
        i
        for i, one in enumerate(lists)
        if not one or not all(isinstance(each, str) and each.strip() for each in one)
    ]
    rows.refuse(
        name,
        wrong,
        "are no lists of words",
        expected='a list of strings, such as ["What", "time", "is", "it", "?"]',
        fix="fill these rows or take them out",
    )
    return lists


def _readings(rows: Records, name: str) -> list[Any]:
    """A column in which every row is a sequence of numbers, one or several a step."""
    column = rows.column(name)
    rows.refuse(
        name,
        [i for i, one in enumerate(column) if not _is_finite(one)],
        "are no sequences of finite numbers",
        expected="a number, or a list with one for each channel, for each moment: [[0.1, 9.8], [0.2, 9.7]]",
        fix="fill the gaps, or take these rows out",
    )
    return column


def _is_finite(one: Any) -> bool:
    try:
        steps = np.asarray(one, np.float64)
    except (TypeError, ValueError):
        return False
    return steps.ndim in (1, 2) and steps.size > 0 and bool(np.isfinite(steps).all())


def _check_lengths(rows: Records, tokens: str, tags: str) -> None:
    pairs = list(zip(rows.column(tokens), rows.column(tags), strict=True))
    wrong = [i for i, (words, marks) in enumerate(pairs) if len(words) != len(marks)]
    if not wrong:
        return
    faults = [
        (rows.place(i), f"{_told(pairs[i][0], 'token')}, {_told(pairs[i][1], 'tag')}") for i in wrong
    ]
    raise bad_rows(
        rows.source,
        f"{len(wrong)} of {counted(len(rows), 'row')} have another number of tags than of tokens.",
        faults,
        line=None if rows.lines is None else rows.lines[wrong[0]],
        expected="one tag for each token",
        fix="correct these rows or take them out",
    )


def _told(steps: Any, noun: str) -> str:
    """How many there are, and which."""
    if isinstance(steps[0], str):
        return f"{counted(len(steps), noun)} {shorten(' '.join(steps))}"
    return f"{counted(len(steps), 'moment')} {shorten(str(np.asarray(steps).tolist()))}"

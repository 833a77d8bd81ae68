"""Rows that each hold a sequence and its label, whatever they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elman.data.reading import read
from elman.data.records import Records
from elman.errors import DataError


def labelled(
    source: Any,
    y: Sequence[Any] | None = None,
    *,
    text: str,
    label: str,
    question: str | None = None,
) -> Records:
    """Rows with something in each column: read from a source, or made of sequences and their labels.

    Args:
        source: whatever `read` takes; with `y`, a list of sequences (of pairs, where there is a question).
        y: the labels, one for each sequence.
        text: the column of sequences.
        label: the column of labels.
        question: the column of questions about them, if there is one.

    Raises:
        DataError: what `read` raises; a column that is not there; rows without a sequence or a label, all
            counted and placed; another number of labels than of sequences.

    >>> labelled(["hi", "bye"], ["greet", "leave"], text="text", label="label")
    Records(2 rows of 'text', 'label' from python)
    """
    if y is None:
        rows = read(source)
    else:
        sequences, labels = list(source), list(y)
        if len(sequences) != len(labels):
            raise DataError(
                "There must be one label for each sequence.",
                expected=f"{len(sequences)} labels",
                received=f"{len(labels)}",
            )
        columns = {text: sequences, label: labels}
        if question is not None:
            columns |= {text: [one[0] for one in sequences], question: [one[1] for one in sequences]}
        rows = read(columns)
    texts = any(isinstance(one, str) for one in rows.column(text))
    rows.refuse(
        text,
        [i for i, one in enumerate(rows.column(text)) if one is None or (texts and not _is_text(one))],
        "have no text" if texts else "have no sequence",
        fix="fill these rows or take them out",
    )
    if question is not None:
        asked = rows.column(question)
        wrong = [i for i, one in enumerate(asked) if not _is_text(one)]
        rows.refuse(question, wrong, "have no question", fix="fill these rows or take them out")
    rows.refuse(
        label,
        [i for i, one in enumerate(rows.column(label)) if absent(one)],
        "have no label",
        fix="label these rows or take them out",
    )
    return rows


def _is_text(one: Any) -> bool:
    return isinstance(one, str) and bool(one.strip())


def absent(label: Any) -> bool:
    """None, NaN or an empty string: how readers and frames write that there is nothing."""
    return label is None or (isinstance(label, float) and label != label) or label == ""

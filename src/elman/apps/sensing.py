"""`elman predict` and `elman inspect` of readings: sequences of numbers, in tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from elman.answers import Tagged
from elman.codecs.series import Series
from elman.data import Records, read
from elman.data.readings import gathered
from elman.data.records import counted
from elman.errors import DataError, SettingsError
from elman.inspection import Trace

FILE, ROW = "file", "row"
"""What tells sequences apart that are files of their own, and those that have no names."""


@dataclass(frozen=True)
class Course:
    """A sequence of a file.

    Attributes:
        name: what tells it apart from the others, by the name of its column; its file, where that is one
            sequence; else the number of its row.
        steps: its readings.
        times: when each was taken; their numbers, from 1, where the model knows no column of times.
    """

    name: Mapping[str, Any]
    steps: Sequence[Any]
    times: Sequence[Any]


def suits(model: Any) -> bool:
    """Whether a model reads sequences of numbers."""
    return isinstance(getattr(model, "input_", None), Series)


def courses(
    model: Any, paths: Sequence[str], *, column: str | None = None, encoding: str | None = None
) -> Iterator[Course]:
    """The sequences of files, in the order in which they begin there.

    A file has a row for each moment, if the model has learned from such a table; or a row for each sequence,
    in the column that the model reads or `column`; or else it is itself one sequence, a row for each moment
    and a column for each channel.

    Raises:
        SettingsError: no file was named, or one that is not there.
        DataError: it is no table of what the model reads.
    """
    if not paths:
        raise SettingsError("There are no readings to look at.", fix="elman predict RUN readings.csv")
    for path in paths:
        if not os.path.isfile(path):
            raise SettingsError(
                "This model reads tables of numbers.",
                expected="a file: .csv, .tsv, .jsonl or .parquet",
                received=path,
                fix="elman predict RUN readings.csv",
            )
        yield from _courses(model, path, column, encoding)


def _courses(model: Any, path: str, column: str | None, encoding: str | None) -> Iterator[Course]:
    columns = model.columns_
    into = column or columns[model.reads(columns)]
    rows = model.sequences(read(path, encoding=encoding), answered=False)
    series = columns.get("series")
    if into not in rows.names:
        rows, series = _whole(model, rows, into), FILE
    steps = rows.column(into)
    named = series in rows.names
    names = rows.column(series) if named else range(1, len(rows) + 1)
    time = columns.get("time")
    times = rows.column(time) if time in rows.names else [range(1, len(one) + 1) for one in steps]
    for name, *one in zip(names, steps, times, strict=True):
        yield Course({series if named else ROW: name}, *one)


def _whole(model: Any, rows: Records, into: str) -> Records:
    """A table that is one sequence: a row for each moment, a column for each channel."""
    features = model.input_.features
    if len(rows.names) != features:
        raise DataError.at(
            rows.source,
            "this is no table of what the model reads.",
            expected=f"a column {into!r} with a list of numbers in each row (JSONL), or one sequence: a row "
            f"for each moment, and {counted(features, 'column')} of numbers, as in training",
            received=", ".join(map(repr, rows.names)),
            fix="give each sequence a file of its own, without columns of names and times",
        )
    table = replace(rows, columns={FILE: [rows.source] * len(rows), **rows.columns})
    return gathered(table, {"series": FILE}, into, answered=False)


def looked(model: Any, path: str, top: int) -> tuple[str, Trace, Any]:
    """The name of the first sequence of a file, its trace and its answer, whose tokens are the times."""
    course = next(courses(model, [path]))
    names = [str(one) for one in course.times]
    trace, found = model.inspect(course.steps, top), model.predict([course.steps])[0]
    steps = [replace(step, token=name) for step, name in zip(trace.steps, names, strict=True)]
    answer = replace(found, tokens=names) if isinstance(found, Tagged) else found
    (kind, name), *_ = course.name.items()
    return f"row {name}" if kind == ROW else str(name), replace(trace, steps=steps), answer


def predict(model: Any, paths: Sequence[str], encoding: str | None, *, as_json: bool) -> None:
    """Print a line for every moment: its sequence, its time, its tag, and how likely that is."""
    clock = model.columns_.get("time", "step")
    for one in courses(model, paths, encoding=encoding):
        found = model.predict([one.steps])[0]
        whole = {} if found.label is None else {"label": found.label.label}
        for time, tag, score in zip(one.times, found.tags, found.scores, strict=True):
            row = {**one.name, clock: time, "tag": tag, "score": score, **whole}
            typer.echo(
                json.dumps(row, ensure_ascii=False, default=str)
                if as_json
                else "\t".join(_cell(value) for value in row.values())
            )


def _cell(value: Any) -> str:
    """A value that stays on its line and between its tabs."""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.translate(dict.fromkeys(map(ord, "\t\r\n"), " "))

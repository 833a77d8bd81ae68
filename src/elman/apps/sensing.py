"""`elman predict` and `elman inspect` of readings: a table with a row for each moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from elman.answers import Tagged
from elman.errors import SettingsError
from elman.inspection import Trace

if TYPE_CHECKING:
    from elman.data import Records


@dataclass(frozen=True)
class Course:
    """A sequence of a table.

    Attributes:
        name: what tells it apart from the others.
        steps: its readings.
        times: when each was taken; their numbers, from 1, where the model knows no column of times.
    """

    name: Any
    steps: Sequence[Any]
    times: Sequence[Any]


def suits(model: Any) -> bool:
    """Whether a model has learned from a table with a row for each moment."""
    return "series" in model.columns_


def courses(model: Any, path: str, encoding: str | None = None) -> Iterator[Course]:
    """The sequences of a file, in the order in which they begin there.

    Raises:
        SettingsError: there is no such file.
        DataError: it is no table of the channels that the model reads.
    """
    from elman.data import read

    if not os.path.isfile(path):
        raise SettingsError(
            "This model reads tables with a row for each moment.",
            expected="a file: .csv, .tsv, .jsonl or .parquet",
            received=path,
            fix="elman predict RUN readings.csv",
        )
    columns = model.columns_
    rows = model.sequences(read(path, encoding=encoding), answered=False)
    steps = rows.column(columns[model.reads(columns)])
    counted = [range(1, len(one) + 1) for one in steps]
    times = rows.column(columns["time"]) if "time" in columns else counted
    for one in zip(rows.column(columns["series"]), steps, times, strict=True):
        yield Course(*one)


def names(model: Any, rows: Records) -> list[dict[str, Any]]:
    """What tells each row apart, by the name of its column, where the model gathered it; else nothing."""
    if rows.channels is None:
        return [{}] * len(rows)
    series = model.columns_["series"]
    return [{series: one} for one in rows.column(series)]


def looked(model: Any, path: str, top: int) -> tuple[str, Trace, Any]:
    """The name of the first sequence of a file, its trace and its answer, whose tokens are the times."""
    course = next(courses(model, path))
    names = [str(one) for one in course.times]
    trace, found = model.inspect(course.steps, top), model.predict([course.steps])[0]
    steps = [replace(step, token=name) for step, name in zip(trace.steps, names, strict=True)]
    answer = replace(found, tokens=names) if isinstance(found, Tagged) else found
    return str(course.name), replace(trace, steps=steps), answer


def predict(model: Any, paths: Sequence[str], encoding: str | None, *, as_json: bool) -> None:
    """Print a line for every moment: its sequence, its time, its tag, and how likely that is.

    Raises:
        SettingsError: no file was named, or one that is not there.
    """
    if not paths:
        raise SettingsError("There are no readings to tag.", fix="elman predict RUN readings.csv")
    heads = [model.columns_["series"], model.columns_.get("time", "step")]
    for one in (course for path in paths for course in courses(model, path, encoding)):
        found = model.predict([one.steps])[0]
        whole = {} if found.label is None else {"label": found.label.label}
        for time, tag, score in zip(one.times, found.tags, found.scores, strict=True):
            row = dict(zip(heads, (one.name, time), strict=True)) | {"tag": tag, "score": score} | whole
            typer.echo(
                json.dumps(row, ensure_ascii=False, default=str)
                if as_json
                else "\t".join(_cell(value) for value in row.values())
            )


def _cell(value: Any) -> str:
    """A value that stays on its line and between its tabs."""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.translate(dict.fromkeys(map(ord, "\t\r\n"), " "))

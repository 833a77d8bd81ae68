"""Rows of a long frame (a series' name, a time, a number) taken apart into series, sorted and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from elman.data.records import Records, bad_rows, counted
from elman.data.timeline import Step, read_times, step_of
from elman.errors import DataError
from elman.settings import Settings

Gaps = Literal["error", "fill", "ignore"]


class SeriesSettings(Settings):
    """How rows become series, and series become numbers for a network.

    `freq` is the step in time (`h`, `15min`, `D`, `B`, `W`, `MS`, ...; told from the times where it is
    None), `season` the steps of a season (told from `freq`: 24 for hours, 12 for months).
    `gaps` says what is done where a time is left out: `error`; `fill`, the row is put in with the values
    before it; `ignore`, the rows are neighbours all the same. `missing` says what is done with a value
    that is not there: `error`, or `forward`, the value before it. What has no value before it is cut off.
    `scale` standardises each series by the mean and spread of its own training part; `log` takes the
    logarithm before that. `anchor` is what a forecast is a distance from: the `last` value read, the
    `mean` of the window, or `none`. `patch` neighbours are read in one step of the network (None: a season of
    them, where series are long). `stride` is the
    distance between windows of training. `calendar` reads hour, weekday and month beside the values.

    >>> SeriesSettings(freq="h").gaps
    'error'
    """

    freq: str | int | None = None
    season: int | None = Field(default=None, ge=1)
    gaps: Gaps = "error"
    missing: Literal["error", "forward"] = "error"
    scale: bool = True
    log: bool = False
    anchor: Literal["last", "mean", "none"] = "last"
    patch: int | None = Field(default=None, ge=1)
    stride: int | None = Field(default=None, ge=1)
    calendar: bool = True


@dataclass(frozen=True, eq=False)
class Line:
    """One series: its times, its values, and what goes with them.

    Shapes:
        times, y: `time`. past: `time features`. future: `time features`, or longer where more is known.
    """

    name: Any
    times: np.ndarray
    y: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def cut(self, start: int, stop: int | None = None) -> Line:
        """The part from `start` up to, not including, `stop`."""
        part = slice(start, stop)
        return replace(
            self,
            times=self.times[part],
            y=self.y[part],
            past=self.past[part],
            future=self.future[part],
        )

    def then(self, other: Line) -> Line:
        """The series and, after it, another part of it."""
        pairs = {
            name: (getattr(self, name), getattr(other, name))
            for name in ("times", "y", "past", "future")
        }
        return replace(self, **{name: np.concatenate(pair) for name, pair in pairs.items()})


@dataclass(frozen=True)
class Columns:
    """The columns of a long frame, by what they hold; `series` None where the frame is one series."""

    series: str | None
    time: str
    target: str
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @classmethod
    def of(cls, roles: Mapping[str, str]) -> Columns:
        """From roles, those with several columns naming them between commas."""
        several = {
            role: tuple(one.strip() for one in roles[role].split(",")) if roles.get(role) else ()
            for role in ("past", "future", "static")
        }
        return cls(roles.get("series"), roles["time"], roles["target"], **several)


def lines_of(
    rows: Records,
    columns: Columns,
    settings: SeriesSettings,
    step: Step | None = None,
    *,
    answered: bool = True,
) -> tuple[list[Line], Step | None, str]:
    """The series of rows, sorted by name, with the step of their times and the times' form.

    Args:
        rows: with the columns named, in any order.
        columns: which hold what.
        settings: what is done about gaps and missing values, and the step if it is named.
        step: the step that the times are known to have.
        answered: whether the column of the target is read; where it is not, `y` is NaN.

    Raises:
        DataError: a time that cannot be read, comes twice in a series or is off the step; a gap; a value
            that is missing, infinite or no number; a static column that changes within a series.
    """
    times, form = read_times(_present(rows, columns.time))
    names = [None] * len(rows) if columns.series is None else _present(rows, columns.series)
    missing = settings.missing
    y = _numbers(rows, columns.target, missing) if answered else np.full(len(rows), np.nan)
    past = _matrix(rows, columns.past, missing)
    future = _matrix(rows, columns.future, missing)
    groups: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    order = {
        name: np.array(groups[name])[np.argsort(times[groups[name]], kind="stable")]
        for name in sorted(groups, key=lambda one: (isinstance(one, str), one))
    }
    _refuse_twice(rows, columns, order, times)
    if step is None and settings.freq is not None:
        step = Step.named(settings.freq)
    if step is not None and (step.unit == "1") != (form == "number"):
        raise DataError(
            f"The column {columns.time!r} and the step {step} do not fit together.",
            expected="whole numbers" if step.unit == "1" else "dates or times",
            received=str(times[0]),
        )
    step = step or step_of([times[one] for one in order.values()])
    lines = []
    for name, places in order.items():
        static = tuple(_one_value(rows, column, places, name) for column in columns.static)
        line = Line(name, times[places], y[places], past[places], future[places], static)
        line = line if settings.gaps == "ignore" else _on_grid(rows, line, places, step, settings.gaps)
        lines.append(_filled(line, answered=answered))
    return lines, step, form


def _present(rows: Records, name: str) -> list[Any]:
    values = rows.column(name)
    absent = [place for place, one in enumerate(values) if _absent(one)]
    rows.refuse(name, absent, "have no value", fix="fill these rows or take them out")
    return values


def _absent(one: Any) -> bool:
    return (
        one is None
        or (isinstance(one, float) and one != one)
        or (isinstance(one, str) and not one.strip())
    )


def _numbers(rows: Records, name: str, missing: str) -> np.ndarray:
    """A column as numbers, NaN where a value is missing and may be."""
    values = rows.column(name)
    absent = [_absent(one) for one in values]
    if missing == "error":
        rows.refuse(
            name,
            [place for place, one in enumerate(absent) if one],
            "have no value",
            expected="a number in every row",
            fix='fill them, or pass SeriesSettings(missing="forward"): the value before (--missing forward)',
        )
    found = np.full(len(values), np.nan)
    wrong = []
    for place, one in enumerate(values):
        if not absent[place]:
            try:
                found[place] = float(one)
            except (TypeError, ValueError):
                wrong.append(place)
                continue
            if math.isinf(found[place]) or (math.isnan(found[place]) and missing == "error"):
                wrong.append(place)
    rows.refuse(
        name, wrong, "are no finite numbers", expected="finite numbers", fix="correct these rows"
    )
    return found


def _matrix(rows: Records, names: Sequence[str], missing: str) -> np.ndarray:
    found = [_numbers(rows, name, missing) for name in names]
    return np.stack(found, 1) if found else np.zeros((len(rows), 0))


def _refuse_twice(
    rows: Records, columns: Columns, order: Mapping[Any, np.ndarray], times: np.ndarray
) -> None:
    faults = [
        (rows.place(place), f"{_called(name)}{times[place]} a second time")
        for name, places in order.items()
        for place in places[1:][times[places][1:] == times[places][:-1]].tolist()
    ]
    if faults:
        raise bad_rows(
            rows.source,
            f"{counted(len(faults), 'row')} have a time that their series has already.",
            faults,
            expected="each time once in a series",
            fix="take them out or sum them up"
            if columns.series
            else "name the column that tells the series apart: series=... (--series)",
        )


def _one_value(rows: Records, column: str, places: np.ndarray, name: Any) -> Any:
    values = rows.column(column)
    first = values[places[0]]
    for place in places.tolist():
        if values[place] != first:
            raise DataError.at(
                rows.place(place),
                f"the static column {column!r} changes within {_called(name) or 'the series '}".rstrip()
                + ".",
                expected=repr(first),
                received=repr(values[place]),
                fix="name it under past or future instead",
            )
    return first


def _on_grid(rows: Records, line: Line, places: np.ndarray, step: Step | None, gaps: str) -> Line:
    """The series with a row for every step from its first time to its last."""
    if step is None:
        return line
    grid = step.places(line.times)
    if grid is None:
        fix = 'name the step (freq="D"), or pass SeriesSettings(gaps="ignore"): rows as they come'
        raise DataError.at(
            rows.source,
            f"the times of {_called(line.name) or 'the series '}are not a regular step apart.",
            expected=f"the step {step}, which is the commonest",
            received=", ".join(str(one) for one in line.times[:4]) + ", …",
            fix=fix + " (--gaps ignore)",
        )
    if len(grid) < 2 or (np.diff(grid) == 1).all():
        return line
    if gaps == "error":
        holes = np.flatnonzero(np.diff(grid) > 1)
        first = holes[0]
        raise DataError.at(
            rows.source,
            f"{_called(line.name) or 'The series '}lacks {int(grid[-1] + 1 - len(grid))} times "
            f"in {counted(len(holes), 'gap')}.",
            expected=f"a row every {step}",
            received=f"nothing between {line.times[first]} and {line.times[first + 1]} "
            f"({rows.place(int(places[first + 1]))})",
            fix='pass SeriesSettings(gaps="fill"): the values before, or gaps="ignore": rows are neighbours '
            "as they come (--gaps fill)",
        )
    return _spread(line, grid, step)


def regular(line: Line, step: Step) -> Line:
    """The series with a row for every step, those that were left out having the values before them."""
    grid = step.places(line.times)
    if grid is None or (np.diff(grid) == 1).all():
        return line
    return _filled(_spread(line, grid, step), answered=True)


def _spread(line: Line, grid: np.ndarray, step: Step) -> Line:
    whole = np.full(int(grid[-1]) + 1, -1)
    whole[grid] = np.arange(len(grid))
    times = np.concatenate([line.times[:1], step.after(line.times[0], len(whole) - 1)])
    there = whole >= 0

    def spread(values: np.ndarray) -> np.ndarray:
        found = np.full((len(whole), *values.shape[1:]), np.nan)
        found[there] = values
        return found

    return replace(
        line, times=times, y=spread(line.y), past=spread(line.past), future=spread(line.future)
    )


def _filled(line: Line, *, answered: bool) -> Line:
    """Each missing value replaced by the one before; what has none before it is cut off."""
    parts = [line.past, line.future]
    table = np.concatenate([line.y[:, None], *parts] if answered else parts, 1)
    if not np.isnan(table).any():
        return line
    known = np.where(np.isnan(table), 0, np.arange(len(table))[:, None])
    table = np.take_along_axis(table, np.maximum.accumulate(known), 0)
    start = int(np.isnan(table).any(1).sum())
    if start == len(table):
        raise DataError(f"{_called(line.name) or 'The series '}has no value at all.", fix="take it out")
    y = table[:, 0] if answered else line.y
    past, future = np.split(table[:, int(answered) :], [line.past.shape[1]], 1)
    return replace(line, y=y, past=past, future=future).cut(start)


def _called(name: Any) -> str:
    return "" if name is None else f"series {name!r} "

"""A trained network together with what is known of its series: whatever can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.answers import ForecastReport
from elman.data import Records
from elman.data.panels import Line
from elman.data.timeline import write_times
from elman.errors import DataError, SettingsError, UnknownNameError
from elman.forecasting import backtest, frames, intervals
from elman.forecasting.history import History
from elman.forecasting.looking import Course, moments
from elman.forecasting.oracle import Oracle
from elman.forecasting.session import Session
from elman.forecasting.ways import Pointwise
from elman.forecasting.windows import Windows


@dataclass(frozen=True)
class Layout:
    """How windows are laid on series.

    Attributes:
        window, horizon, patch: in observations.
        anchor: what forecasts are a distance from.
        pointwise: whether a forecast feeds the next one.
    """

    window: int
    horizon: int
    patch: int
    anchor: str
    pointwise: bool

    @property
    def memory(self) -> int:
        """How many rows a forecast goes back, and is compared with."""
        return self.window + self.horizon


@dataclass(frozen=True)
class Foresight:
    """Everything that a question needs.

    Attributes:
        past: what is known of each series.
        layout: how windows are laid.
        oracle: the network.
        errors: those on dev, for intervals: `errors horizon`.
    """

    past: History
    layout: Layout
    oracle: Oracle
    errors: np.ndarray

    @property
    def memory(self) -> int:
        """How many of the last rows of a series are kept."""
        return self.layout.memory + self.past.panel.season

    def windows(
        self, lines: Sequence[Line], origins: Sequence[np.ndarray], horizon: int | None = None
    ) -> Windows:
        """The windows that end at the origins."""
        one = self.layout
        return Windows(
            self.past.panel.encode(lines),
            origins,
            window=one.window,
            horizon=horizon or one.horizon,
            patch=one.patch,
            anchor=one.anchor,
            pointwise=one.pointwise,
        )

    def _lines(self, rows: Records | None) -> list[Line]:
        lines = self.past.lines() if rows is None else self.past.joined(rows)[0]
        backtest.refuse_short(lines, self.layout.patch, "python" if rows is None else rows.source)
        return lines

    def predict(
        self, rows: Records | None, horizon: int, level: Sequence[float] | float, future: Any
    ) -> dict[str, Any]:
        """The columns of `Forecaster.predict`."""
        trained = self.layout.horizon
        if horizon < 1 or (not self.layout.pointwise and horizon > trained):
            raise SettingsError(
                f"This network was trained to answer {trained} steps at once.",
                expected=f"horizon from 1 to {trained}",
                received=horizon,
                fix="fit with a longer horizon, or with direct=False (--no-direct)",
            )
        levels = intervals.checked(level)
        lines, panel = self._lines(rows), self.past.panel
        longer, times = self.past.extended(lines, horizon, future, trained)
        windows = self.windows(longer, [np.array([len(one)]) for one in lines], max(horizon, trained))
        found = self.oracle.forecasts(windows, horizon, levels, self.errors)
        columns = frames.rows_of(self.past.columns, [one.name for one in lines], times, panel.form)
        numbers = panel.encode(lines)
        for name, rows_ in found.items():
            columns[name] = np.concatenate(
                [panel.back(z, one) for z, one in zip(rows_, numbers, strict=True)]
            )
        return columns

    def evaluate(self, rows: Records, level: Sequence[float] | float, step_size: int) -> ForecastReport:
        """The report of `Forecaster.evaluate`."""
        lines, firsts = self.past.joined(rows)
        window, horizon = self.layout.window, self.layout.horizon
        origins = [
            np.arange(first or min(window, len(one)), len(one) - horizon + 1, step_size)
            for one, first in zip(lines, firsts, strict=True)
        ]
        if not any(len(one) for one in origins):
            known = any(firsts)
            backtest.refuse_short(
                lines, max(map(len, lines)) + 1 if known else window + horizon, rows.source
            )
        windows = self.windows(lines, origins)
        found = self.oracle.forecasts(windows, horizon, intervals.checked(level), self.errors)
        return backtest.report(found, windows, lines, self.past)

    def fold(self, rows: Records, level: Sequence[float] | float) -> dict[str, list[Any]]:
        """One moment of a backtest: the rows are the horizon after what is known."""
        lines, firsts = self.past.joined(rows)
        windows = self.windows(lines, [np.array([one]) for one in firsts])
        levels = intervals.checked(level)
        found = self.oracle.forecasts(windows, self.layout.horizon, levels, self.errors)
        return backtest.table(found, windows, lines, self.past)

    def inspect(self, rows: Records | None, series: Any) -> Course:
        """The course of `Forecaster.inspect`."""
        line, panel, patch = self._one(self._lines(rows), series), self.past.panel, self.layout.patch
        (longer,), (times,) = self.past.extended([line], self.layout.horizon, None, 0, known=False)
        seen = self.windows([longer], [np.array([len(line)])]).seen(np.array([0]))
        ends = len(line) - patch * np.arange(len(seen.xs.values))[::-1]
        (own,) = panel.encode([line])
        windows = self.windows([longer], [ends])
        found = self.oracle.forecasts(windows, self.layout.horizon, (), self.errors)
        forecasts = [panel.back(one, own).tolist() for one in found[frames.NAME]]
        named = write_times(np.concatenate([line.times[ends - 1], times]), panel.form)
        count = len(ends)
        steps, states = moments(
            self.oracle.network, seen, named[:count], line.y[ends - 1].tolist(), forecasts
        )
        return Course(line.name, steps, named[count:], forecasts[-1], states)

    def stream(self, series: Any) -> Session:
        """The session of `Forecaster.stream`."""
        if any(self.past.panel.widths):
            raise SettingsError(
                "A session reads the values of the series alone, and this model reads other columns too.",
                fix="update(frame), then predict()",
            )
        known = [self._one(self._lines(None), series)]
        (own,) = self.past.panel.encode(known)

        def window(value: float | None) -> Windows:
            if value is not None:
                grown = self.past.grown(known[0], value)
                known[0] = grown.cut(max(0, len(grown) - self.memory))
            (longer,), _ = self.past.extended(known, self.layout.horizon, None, 0)
            return self.windows([longer], [np.array([len(known[0])])])

        network = self.oracle.network.eval()
        return Session(network, self.oracle.way, window, lambda z: self.past.panel.back(z, own))

    def update(self, rows: Records | float) -> None:
        """Take in what came, as `Forecaster.update` says."""
        if not isinstance(rows, Records):
            lines = self.past.lines()
            if len(lines) > 1:
                raise DataError(
                    f"A value alone does not say which of {len(lines)} series it belongs to.",
                    expected="rows with the series, the time and the value",
                    received=rows,
                )
            self.past.keep([self.past.grown(lines[0], float(rows))], self.memory)
            return
        lines, firsts = self.past.joined(rows)
        for line, known in zip(lines, firsts, strict=True):
            if not known and line.name in self.past.panel.tails:
                raise DataError(
                    "These rows do not go on from what is known"
                    f"{'' if line.name is None else f' of series {line.name!r}'}.",
                    expected=f"rows from {self.past.after(line.name)} on",
                    received=f"rows from {line.times[0]} on",
                    fix="give the rows that come next, or all of them to predict",
                )
        self.past.keep(lines, self.memory)

    def _one(self, lines: Sequence[Line], series: Any) -> Line:
        for line in lines:
            if series is None or str(line.name) == str(series):
                return line
        raise UnknownNameError.among("series", series, [str(one.name) for one in lines])


def layout_of(window: int, horizon: int, patch: int, anchor: str, way: Any) -> Layout:
    """The layout that a way of forecasting needs; counts are never moved by an anchor."""
    anchor = "none" if way.head.counts else anchor
    return Layout(window, horizon, patch, anchor, isinstance(way, Pointwise))

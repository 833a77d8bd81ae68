"""What is known of each series, and how new rows go on from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elman.codecs.panel import Panel
from elman.data import Records, read
from elman.data.panels import Columns, Line, SeriesSettings, lines_of, regular
from elman.data.timeline import Step
from elman.errors import DataError


class History:
    """The last rows of each series, which a codec keeps, and the rules by which rows become series.

    Args:
        columns: which column holds what.
        settings: what is done about gaps and missing values.
        panel: the codec that keeps the rows.
    """

    def __init__(self, columns: Columns, settings: SeriesSettings, panel: Panel) -> None:
        self.columns, self.settings, self.panel = columns, settings, panel

    @property
    def step(self) -> Step | None:
        """The step in time of all series; None where it could not be told."""
        return None if self.panel.freq is None else Step.named(self.panel.freq)

    def learn(self, rows: Records) -> list[Line]:
        """The series of training rows; the codec learns from them, the step in time as well."""
        lines, step, form = lines_of(rows, self.columns, self.settings)
        panel = self.panel
        panel.freq, panel.form = None if step is None else str(step), form
        panel.season = self.settings.season or (1 if step is None else step.season)
        panel.fit(lines)
        return lines

    def keep(self, lines: Sequence[Line], memory: int) -> None:
        """Remember the last `memory` rows of these series."""
        for line in lines:
            known = self.panel.tails.get(line.name)
            first, before = self.start(line)
            if known is None or known[0][0] != line.times[0]:
                first, before = float(line.y[0]), 0
            cut = max(0, len(line) - memory)
            kept = line.cut(cut)
            self.panel.tails[line.name] = (kept.times, kept.y, kept.past, kept.future, kept.static)
            self.panel.starts[line.name] = (first, before + cut)

    def start(self, line: Line) -> tuple[float, int]:
        """The first value of the whole series, and how many came before those of the line."""
        known = self.panel.tails.get(line.name)
        if known is None or known[0][0] != line.times[0]:
            return float(line.y[0]), 0
        return self.panel.starts[line.name]

    def lines(self) -> list[Line]:
        """The series as far as they are remembered."""
        return [Line(name, *kept) for name, kept in self.panel.tails.items()]

    def joined(self, rows: Records) -> tuple[list[Line], list[int]]:
        """The series of new rows, each behind what is known of it where it goes on from that.

        The numbers say how many rows of each were known before: 0 where it stands by itself.
        """
        lines, _, _ = lines_of(rows, self.columns, self.settings, self.step)
        pairs = [self._behind(line) for line in lines]
        return [one for one, _ in pairs], [known for _, known in pairs]

    def _behind(self, line: Line) -> tuple[Line, int]:
        kept = self.panel.tails.get(line.name)
        step = self.step
        if kept is None or step is None or line.times[0] <= kept[0][-1]:
            return line, 0
        known = Line(line.name, *kept[:4], line.static)
        if self.settings.gaps == "ignore":
            return known.then(line), len(known)
        grid = step.places(np.concatenate([known.times[-1:], line.times[:1]]))
        if grid is None or (grid[1] > 1 and (self.settings.gaps == "error" or grid[1] > len(known))):
            return line, 0
        return regular(known.then(line), step), len(known) + int(grid[1]) - 1

    def after(self, name: Any) -> Any:
        """The time that follows what is known of a series."""
        kept, step = self.panel.tails[name], self.step
        return "its end" if step is None else step.after(kept[0][-1], 1)[0]

    def grown(self, line: Line, value: float) -> Line:
        """The series and its next value.

        Raises:
            DataError: it is no finite number, or other columns go with the values.
        """
        step = self.step
        if not np.isfinite(value) or step is None or any(self.panel.widths):
            raise DataError(
                "This is no next value of the series.",
                expected="a finite number; rows, where other columns go with the values",
                received=repr(value),
            )
        none = np.zeros((1, 0))
        times = step.after(line.times[-1], 1)
        return line.then(Line(line.name, times, np.array([value]), none, none, line.static))

    def extended(
        self,
        lines: Sequence[Line],
        ahead: int,
        future: Any,
        reach: int,
        *,
        known: bool = True,
    ) -> tuple[list[Line], list[np.ndarray]]:
        """The series with the times to come and what is known of them, and the first `ahead` of those times.

        Args:
            lines: the series as far as they are known.
            ahead: how many times are asked for.
            future: a source of the columns that are known beyond the end, if there are any.
            reach: how far the network looks at such columns, at least.
            known: whether they have to be known; else their last rows stand for what is to come.

        Raises:
            DataError: no step in time is known, or the known columns do not reach far enough.
        """
        step = self.step
        if step is None:
            raise DataError(
                "No series has two rows, so the step in time is not known.",
                fix='name it: SeriesSettings(freq="D") (--freq D)',
            )
        far = max(ahead, reach)
        given = self._known(future) if known else {}
        found, times = [], []
        for line in lines:
            after = step.after(line.times[-1], far)
            rows = line.future
            if self.columns.future and known:
                rows = np.concatenate([rows, self._beyond(line, after, given)])
            found.append(replace(line, times=np.concatenate([line.times, after]), future=rows))
            times.append(after[:ahead])
        return found, times

    def _known(self, future: Any) -> dict[Any, Line]:
        if not self.columns.future:
            return {}
        if future is None:
            raise DataError(
                f"The columns {', '.join(self.columns.future)} are known beyond the end, and were not given.",
                expected="the rows to come, with these columns",
                fix="predict(..., future=frame) (--known FILE)",
            )
        columns = replace(self.columns, past=(), static=())
        settings = self.settings.model_copy(update={"gaps": "ignore"})
        lines, _, _ = lines_of(read(future), columns, settings, self.step, answered=False)
        return {one.name: one for one in lines}

    def _beyond(self, line: Line, after: np.ndarray, known: dict[Any, Line]) -> np.ndarray:
        given = known.get(line.name)
        place = {} if given is None else {time: n for n, time in enumerate(given.times.tolist())}
        missing = [time for time in after.tolist() if time not in place]
        if missing or given is None:
            raise DataError(
                f"The columns {', '.join(self.columns.future)} are not known far enough"
                f"{'' if line.name is None else f' for series {line.name!r}'}.",
                expected=f"a row for each of the {len(after)} times from {after[0]} to {after[-1]}",
                received=f"none for {missing[0]}",
            )
        return given.future[[place[time] for time in after.tolist()]]

"""What comes next in a series of measurements: one number after the other, or a whole horizon at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from elman.answers import ForecastReport
from elman.atomic import pack, unpack
from elman.codecs.panel import Panel
from elman.data import Records, read
from elman.data.panels import Columns, Line, SeriesSettings
from elman.forecasting import backtest, frames, intervals
from elman.forecasting.foresight import Foresight, layout_of
from elman.forecasting.history import History
from elman.forecasting.looking import Course
from elman.forecasting.oracle import Oracle
from elman.forecasting.session import Session
from elman.forecasting.ways import Direct, Pointwise, Way, check, default_window
from elman.forecasting.windows import Windows
from elman.layers.heads import QUANTILES, head_of
from elman.layers.recurrent import Recurrent
from elman.storage import Saved
from elman.tasks.base import Estimator, Prepare
from elman.training import Problem, Training

ERRORS = "errors.safetensors"
FORECASTING = Training(epochs=None, dropout=0.2, label_smoothing=0.0, word_dropout=0.0)
"""What a forecast is distant from is read anew in every window: little is gained by much dropout."""

Encoded = tuple[Windows, list[Line], list[Line]]
"""Windows, the series that they are on, and those of them that go on from what was known."""


class Forecaster(Estimator):
    """Foresees the next `horizon` values of each series of a long frame.

    Direct, the last state answers for the whole horizon at once:

        h[t] = cell(h[t-1], x[t])        (y[T+1] … y[T+horizon]) = y[T] + W_y·h[T] + b_y

    Point by point (`direct=False`), each forecast is what the next step reads:

        h[t] = cell(h[t-1], [x[t], y[t]])        y[t+1] = y[t] + W_y·h[t] + b_y

    One network serves all series. Each is standardised by the mean and spread of its own training part,
    forecasts are distances from an anchor, and nothing after the moment of a forecast is read, but for
    the calendar and for columns that are named as known.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units.
        num_layers: layers of recurrence.
        horizon: how many values are foreseen.
        window: how many values are read before that; chosen by the season and the horizon if None.
        direct: whether the whole horizon is answered at once.
        head: what a forecast is: `mse` (the mean), `mae` (the median), `quantiles`, or the distribution
            `normal`, `student-t` or `negative-binomial` (of counts).
        quantiles: those that the head `quantiles` learns.
        series: how rows become series, and series numbers.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToOne` or `NToNFeedback`. input_: the codec, with the last rows of each series.
        window_, patch_: in use. errors_: of the dev set, for intervals. history_: the figures of each epoch.

    >>> frame = {"ds": list(range(60)), "y": [float(t % 4) for t in range(60)]}
    >>> settings, training = SeriesSettings(season=4, patch=4), Training(epochs=2)
    >>> model = Forecaster(hidden_size=8, horizon=4, series=settings, training=training)
    >>> with warnings.catch_warnings(action="ignore"):  # two epochs: it does not beat the last season yet
    ...     model.fit(frame).predict()["ds"]
    [60, 61, 62, 63]
    """

    task: ClassVar[str] = "forecaster"
    kind: ClassVar[str] = "regressor"
    structure: ClassVar[str] = "n-to-one"
    roles: ClassVar[Mapping[str, str]] = {
        "target": "y",
        "time": "ds",
        "series": "unique_id",
        **{role: role for role in ("past", "future", "static")},
    }
    optional: ClassVar[tuple[str, ...]] = ("series", "past", "future", "static")
    ordered: ClassVar[bool] = True
    codecs: ClassVar[tuple[str, ...]] = ("input",)

    def __init__(  # noqa: PLR0913 - what a forecast is
        self,
        cell: str = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        *,
        horizon: int = 24,
        window: int | None = None,
        direct: bool = True,
        head: str = "mse",
        quantiles: Sequence[float] = QUANTILES,
        series: SeriesSettings = SeriesSettings(),  # noqa: B008 - frozen
        training: Training = FORECASTING,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.horizon, self.window, self.direct = horizon, window, direct
        self.head, self.quantiles = head, quantiles
        self.series, self.training = series, training

    # --- learning ---

    def fit(  # noqa: PLR0913 - what a row holds, by role
        self,
        source: Any,
        *,
        time: str = "ds",
        target: str = "y",
        series: str | None = "unique_id",
        past: str | Sequence[str] = (),
        future: str | Sequence[str] = (),
        static: str | Sequence[str] = (),
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on the rows of a long frame, in any order.

        Args:
            source: a file (CSV, TSV, JSONL, Parquet), a data frame, or a dict of columns.
            time: the column of times: whole numbers, dates, datetimes, or text in ISO 8601.
            target: the column of values.
            series: the column that tells series apart; where `unique_id` is not there, there is one series.
            past: columns that are known up to the moment of a forecast.
            future: columns that are known beyond it; `predict` has to be told them.
            static: columns that stay the same within a series, numbers or text.
            dev: what the best epoch is chosen on, best the rows that come next; the last tenth of each series
                (and `horizon` values at least) is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a value, time or gap that cannot be used, or a series too short, with file and line.
            SettingsError: settings that contradict each other.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        rows = read(source)
        self.kind_ = frames.kind_of(source)
        columns = self._roles(
            rows, time=time, target=target, series=series, past=past, future=future, static=static
        )
        check(self, past=columns["past"] is not None)
        return self._fit(rows, columns, dev=dev, out=out, about=about)

    def _roles(self, rows: Records, **named: Any) -> dict[str, str | None]:
        """The columns of each role, several of them between commas; None where a role does not play."""
        names = {role: self.roles[role] for role in ("target", "time", "series")} | named
        if names["series"] == self.roles["series"] and names["series"] not in rows.names:
            names["series"] = None
        return {
            role: one if isinstance(one, str) else ",".join(one or ()) or None
            for role, one in names.items()
        }

    @classmethod
    def used(cls, columns: Mapping[str, str]) -> list[str]:
        """The columns of roles, of which some have several."""
        several = ("past", "future", "static")
        lists = (one.split(",") if role in several else [one] for role, one in columns.items())
        return [name.strip() for names in lists for name in names]

    def _past(self) -> History:
        return History(Columns.of(self.columns_), self.series, self.input_)

    def _foresight(self) -> Foresight:
        way = self._way()
        layout = layout_of(self.window_, self.horizon, self.patch_, self.series.anchor, way)
        oracle = Oracle(vars(self).get("network_"), way, self.training.seed)
        errors = vars(self).get("errors_", np.zeros((0, self.horizon)))
        return Foresight(self._past(), layout, oracle, errors)

    def set_aside(self, rows: Records, columns: Mapping[str, str]) -> tuple[Records, Records]:
        """The last tenth of each series, and at least a horizon, of those that are long enough."""
        return backtest.last_part(rows, Columns.of(columns), self.horizon)

    def _examples(self, source: Any, y: Any = None) -> Records:
        rows = read(source)
        for name in self.used(self.columns_):
            rows.column(name)
        return rows

    def _learn_codecs(self, rows: Records) -> None:
        settings = self.series
        self.input_ = Panel(
            scale=settings.scale,
            log=settings.log,
            calendar=settings.calendar,
            counts=head_of(self.head, self.quantiles).counts,
        )
        lines = self._past().learn(rows)
        shortest, season = min(len(one) for one in lines), self.input_.season
        self.patch_ = settings.patch or (season if self.direct and shortest >= 20 * season else 1)
        self.window_ = self.window or default_window(shortest, season, self.horizon)
        self.window_ = -(-self.window_ // self.patch_) * self.patch_
        backtest.refuse_short(lines, self.horizon + self.patch_, rows.source)
        self._past().keep(lines, self._foresight().memory)

    def _encoded(self, rows: Records) -> Encoded:
        """Every window on rows, those of a dev set going back into what was trained on."""
        lines, firsts = self._past().joined(rows)
        stride = 1
        if not any(firsts):
            stride = self.series.stride or (1 if self.direct else max(1, self.window_ // 4))
        origins = []
        for line, first in zip(lines, firsts, strict=True):
            begin = first or max(min(self.window_, len(line) - self.horizon), self.patch_)
            origins.append(np.arange(begin, len(line) - self.horizon + 1, stride))
        joined = [line for line, first in zip(lines, firsts, strict=True) if first]
        return self._foresight().windows(lines, origins), lines, joined

    def _way(self) -> Way:
        head = head_of(self.head, self.quantiles)
        anchored = self.series.anchor != "none" and not head.counts
        return (Direct if self.direct else Pointwise)(head, self.horizon, anchored=anchored)

    def _network(self) -> torch.nn.Module:
        way, panel = self._way(), self.input_
        recurrent = Recurrent(
            self.cell,
            way.inputs(*panel.widths, panel.step_size, self.patch_),
            self.hidden_size,
            self.num_layers,
            dropout=self.training.dropout,
            recurrent_dropout=self.training.recurrent_dropout,
        )
        return way.network(recurrent, self.training.dropout)

    def _problem(self, train: Encoded, dev: Encoded) -> Problem:
        self._held = dev
        return self._foresight().oracle.problem(train[0], dev[0])

    def _learn(self, examples: tuple[Any, Any], prepare: Prepare | None, folder: Path | None) -> None:
        super()._learn(examples, prepare, folder)
        held, lines, joined = vars(self).pop("_held")
        model = self._foresight()
        errors = model.oracle.errors(held)
        self.errors_ = intervals.kept(errors)
        if len(held):
            self.figures_ |= backtest.standing(errors, held, lines, model.past)
            if self.figures_["dev_skill"] <= 0:
                warnings.warn(backtest.beaten(self.figures_), stacklevel=4)
        model.past.keep(joined, model.memory)

    # --- asking ---

    def _model(self) -> Foresight:
        self._check_fitted()
        return self._foresight()

    def predict(
        self,
        frame: Any = None,
        horizon: int | None = None,
        level: Sequence[float] | float = (),
        future: Any = None,
    ) -> Any:
        """What comes after the rows of a frame, or after all that is known of the series.

        Args:
            frame: rows as `fit` takes them; those that go on from what is known are joined to it.
            horizon: how many steps; those of `fit` if None, and never more unless point by point.
            level: in percent, of intervals: `[80, 90]`. From the head's own quantiles where it has them,
                else from the errors on dev (split conformal).
            future: the rows to come, of the columns that are known beyond the moment of the forecast.

        Returns:
            The columns of the series and of the time, `elman`, and for each level `elman-lo-80` and
            `elman-hi-80`, in the kind of frame that was given; a dict of columns for a file.

        Raises:
            DataError: rows that cannot be used, or known columns that do not reach the horizon.
            SettingsError: a longer horizon than a direct network has, or intervals without errors on dev.
        """
        model = self._model()
        rows = None if frame is None else self._examples(frame)
        found = model.predict(rows, self.horizon if horizon is None else horizon, level, future)
        return frames.frame_of(found, self.kind_ if frame is None else frames.kind_of(frame))

    def evaluate(
        self, source: Any, *, level: Sequence[float] | float = (), step_size: int = 1
    ) -> ForecastReport:
        """How good forecasts of the rows are, from every moment on, `step_size` apart.

        Rows that go on from what is known are read together with it: then every one of them is foreseen.
        Else the first `window` rows of each series are only read. Beside the model stand the last value, the
        last season and the straight line.
        """
        return self._model().evaluate(self._examples(source), level, step_size)

    def score(self, source: Any) -> float:
        """The share of the squared error of the best forecast that costs nothing which is saved."""
        return self.evaluate(source).skill

    def cross_validation(
        self,
        source: Any,
        n_windows: int = 1,
        step_size: int | None = None,
        *,
        level: Sequence[float] | float = (),
        refit: bool = False,
        **columns: Any,
    ) -> Any:
        """A rolling backtest: trained on what came before, forecasts from several moments, and what came.

        The moments are `step_size` apart (`horizon` if None), the last a horizon before the end. This
        estimator stays as it is: a copy is trained on what came before the first moment, and with `refit`
        anew before each.

        Args:
            source: rows as `fit` takes them.
            n_windows: how many moments.
            step_size: how far they are apart, in steps.
            level: in percent, of intervals.
            refit: whether to train anew before every moment.
            columns: the names of columns, as `fit` takes them.

        Returns:
            A frame as that of `predict`, with the column `cutoff`, the last time that was seen, the target's
            own column, and `naive`, `seasonal_naive` and `drift`.
        """
        rows = read(source)
        backs = backtest.moments(n_windows, step_size, self.horizon)
        roles = {role: name for role, name in self._roles(rows, **columns).items() if name is not None}
        parts = backtest.cuts(rows, Columns.of(roles), backs, self.horizon)
        tables, copy = [], self
        for number, (before, between, after) in enumerate(parts):
            if refit or not number:
                copy = type(self)(**self.get_params()).fit(before, **columns)
            else:
                copy.update(between)
            tables.append(copy._model().fold(after, level))
        joined = {name: [one for part in tables for one in part[name]] for name in tables[0]}
        return frames.frame_of(joined, frames.kind_of(source))

    def inspect(self, frame: Any = None, series: Any = None) -> Course:
        """What the network foresaw at each step of the last window of a series, and what its state did.

        Args:
            frame: as for `predict`.
            series: which; the first if None.
        """
        return self._model().inspect(None if frame is None else self._examples(frame), series)

    def stream(self, series: Any = None) -> Session:
        """A session on one series, from the end of what is known of it: each `push` answers what comes next.

        Point by point it carries the recurrent state on; direct, it reads its window anew.

        Raises:
            SettingsError: other columns have to be known than the values that are pushed.
        """
        return self._model().stream(series)

    def update(self, rows: Any) -> Self:
        """Take in what came: rows that go on from what is known, or the next value of the only series.

        Nothing is learned; `predict` then forecasts what comes after it.

        Raises:
            DataError: rows that do not go on from what is known.
        """
        alone = isinstance(rows, int | float | np.number)
        self._model().update(float(rows) if alone else self._examples(rows))
        return self

    # --- keeping ---

    def _saved(self) -> Saved:
        saved = super()._saved()
        saved.config["structure"] = self._way().structure
        saved.config["forecast"] = {"window": self.window_, "patch": self.patch_, "frame": self.kind_}
        saved.files[ERRORS] = pack({"errors": torch.from_numpy(self.errors_)}, {})
        return saved

    def _recall(self, saved: Saved) -> None:
        kept = saved.config["forecast"]
        self.window_, self.patch_, self.kind_ = kept["window"], kept["patch"], kept["frame"]
        self.errors_ = unpack(Path(ERRORS), saved.files[ERRORS])["errors"].numpy()

    def _facts(self) -> dict[str, Any]:
        way = "at once" if self.direct else "point by point"
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s)",
            "Forecasts": f"{self.horizon} steps {way} of {self.input_.freq}, head {self.head}, "
            f"from a window of {self.window_} in patches of {self.patch_}",
            "Series": len(self.input_.scales),
        }

"""Series of a long frame to standardised numbers, each series by its own mean and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from elman.atomic import pack, unpack
from elman.codecs.base import Codec
from elman.errors import DataError

HISTORY = "history.safetensors"
KEPT = ("freq", "form", "season", "split", "features", "statics")
"""Attributes that a saved codec keeps as they are."""
CATEGORIES = 1_000
"""The most values that a static column of text may have."""


class Line(Protocol):
    """What is read of a series."""

    @property
    def name(self) -> Any:
        """What the series is called."""
        ...

    @property
    def times(self) -> np.ndarray:
        """When its values were."""
        ...

    @property
    def y(self) -> np.ndarray:
        """Its values."""
        ...

    @property
    def past(self) -> np.ndarray:
        """What is known up to now."""
        ...

    @property
    def future(self) -> np.ndarray:
        """What is known beyond."""
        ...

    @property
    def static(self) -> tuple[Any, ...]:
        """What stays the same."""
        ...


@dataclass(frozen=True, eq=False)
class Numbers:
    """A series as a network reads it.

    Shapes:
        z: `time`, the target, standardised. past: `time features`. future: `time+ features`, as far as
        it is known. step: `time+ features`, the calendar and what is static.

    Attributes:
        mean, spread: what the target was standardised by: `y = mean + spread·z`, of its logarithm where
            that was taken.
    """

    z: Tensor
    past: Tensor
    future: Tensor
    step: Tensor
    mean: float
    spread: float


class Panel(Codec):
    """Each series standardised by what training saw of it; every other column by all of its rows.

        z = (y - mean) / spread        of log y, where the logarithm is taken

    A series that never changes is only centred. Counts are divided by their mean and not moved. A series
    that training did not see is standardised by what is given of it. Static text becomes indicators.

    Attributes:
        freq, form, season: the step in time, how times are written, the steps of a season.
        scales: by series, its mean and spread. starts: by series, its first value and how many there were.
        tails: by series, the last rows that are known: times, y, past, future, static.
    """

    name: ClassVar[str] = "panel"

    def __init__(
        self,
        *,
        scale: bool = True,
        log: bool = False,
        calendar: bool = True,
        counts: bool = False,
    ) -> None:
        self.scale, self.log, self.calendar, self.counts = scale, log, calendar, counts
        self.freq: str | None = None
        self.form, self.season = "time", 1
        self.scales: dict[Any, tuple[float, float]] = {}
        self.starts: dict[Any, tuple[float, int]] = {}
        self.tails: dict[
            Any, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[Any, ...]]
        ] = {}
        self.split = 0
        self.features: list[list[float]] = []
        self.statics: list[Any] = []

    # --- learning ---

    def fit(self, raw: Sequence[Line]) -> Self:
        """Learn means and spreads.

        Raises:
            DataError: no logarithm, or no count, of a value; too many values of a static text.
        """
        self.scales = {one.name: self._scale(self._values(one), one.name) for one in raw}
        self.split = raw[0].past.shape[1]
        tables = [np.concatenate([one.past, one.future], 1) for one in raw]
        together = np.concatenate(tables) if tables else np.zeros((0, 0))
        spread = together.std(0)
        self.features = [together.mean(0).tolist(), np.where(spread > 1e-12, spread, 1.0).tolist()]
        self.statics = [self._static([one.static[k] for one in raw]) for k in range(len(raw[0].static))]
        return self

    def _values(self, line: Line) -> np.ndarray:
        y = line.y
        if self.counts and ((y < 0) | (y != np.round(y))).any():
            wrong = y[(y < 0) | (y != np.round(y))][0]
            raise DataError(
                f"{_called(line.name)} holds {wrong:g}, which is no count.",
                expected="whole numbers, 0 or more, for a negative binomial distribution",
                received=f"{wrong:g}",
                fix='choose another head: "student-t", for example',
            )
        if self.log and (y <= 0).any():
            raise DataError(
                f"{_called(line.name)} holds {y[y <= 0][0]:g}, which has no logarithm.",
                expected="numbers above 0, where log=True",
                received=f"{y[y <= 0][0]:g}",
                fix="leave log out",
            )
        return np.log(y) if self.log else y

    def _scale(self, values: np.ndarray, name: Any) -> tuple[float, float]:
        if not self.scale or not len(values):
            return 0.0, 1.0
        if self.counts:
            return 0.0, float(np.abs(values).mean()) or 1.0
        mean, spread = float(values.mean()), float(values.std())
        return mean, spread if spread > 1e-9 * max(1.0, abs(mean)) else 1.0

    def _static(self, values: Sequence[Any]) -> Any:
        """The mean and spread of numbers, or the sorted values of text."""
        try:
            numbers = np.array([float(one) for one in values])
        except (TypeError, ValueError):
            kinds = sorted({str(one) for one in values})
            if len(kinds) > CATEGORIES:
                raise DataError(
                    f"A static column of text has {len(kinds)} values.",
                    expected=f"at most {CATEGORIES}",
                    fix="group them, or give numbers",
                ) from None
            return kinds
        return {"mean": float(numbers.mean()), "spread": float(numbers.std()) or 1.0}

    # --- numbers ---

    @property
    def widths(self) -> tuple[int, int]:
        """How many columns are known up to the moment of a forecast, and how many beyond it."""
        return self.split, len(self.features[0]) - self.split

    @property
    def step_size(self) -> int:
        """How many features a step has of its own, from the calendar and what is static."""
        statics = sum(len(one) if isinstance(one, list) else 1 for one in self.statics)
        return statics + 2 * len(_cycles(self.freq if self.calendar else None))

    def encode(self, raw: Sequence[Line]) -> list[Numbers]:
        """The series as numbers; one never seen is standardised by its own values."""
        return [self._numbers(one) for one in raw]

    def _numbers(self, line: Line) -> Numbers:
        values = self._values(line)
        mean, spread = self.scales.get(line.name) or self._scale(values, line.name)
        split = self.split
        centre, width = (np.array(one) for one in self.features)
        static = np.tile(self._statics(line.static), (len(line.times), 1))
        step = np.concatenate([calendar(line.times, self.freq if self.calendar else None), static], 1)

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, np.float32))

        return Numbers(
            tensor((values - mean) / spread),
            tensor((line.past - centre[:split]) / width[:split]),
            tensor((line.future - centre[split:]) / width[split:]),
            tensor(step),
            mean,
            spread,
        )

    def _statics(self, static: tuple[Any, ...]) -> np.ndarray:
        found: list[float] = []
        for rule, value in zip(self.statics, static, strict=True):
            if isinstance(rule, list):
                found += [float(str(value) == kind) for kind in rule]
            else:
                found.append((float(value) - rule["mean"]) / rule["spread"])
        return np.array(found)

    def back(self, z: np.ndarray, numbers: Numbers) -> np.ndarray:
        """Standardised forecasts in the series' own units."""
        found = numbers.mean + numbers.spread * z
        return np.exp(found) if self.log else found

    # --- keeping ---

    def config(self) -> dict[str, Any]:
        names = list(self.tails)
        return {
            "settings": {name: getattr(self, name) for name in ("scale", "log", "calendar", "counts")},
            **{
                name: getattr(self, name)
                for name in ("freq", "form", "season", "split", "features", "statics")
            },
            "scales": [[name, *pair] for name, pair in self.scales.items()],
            "starts": [[name, *pair] for name, pair in self.starts.items()],
            "tails": [[name, list(self.tails[name][4])] for name in names],
        }

    def files(self) -> dict[str, bytes]:
        """The last rows that are known of each series: what a forecast without a frame goes on from."""
        kept = list(self.tails.values())
        if not kept:
            return {}
        tensors = {
            name: torch.from_numpy(np.concatenate([one[place] for one in kept]))
            for place, name in enumerate(("times", "y", "past", "future"))
            if place
        }
        times = np.concatenate([one[0].astype(np.int64) for one in kept])
        lengths = torch.tensor([len(one[0]) for one in kept])
        return {HISTORY: pack({**tensors, "times": torch.from_numpy(times), "lengths": lengths}, {})}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        self = cls(**config["settings"])
        for name in KEPT:
            setattr(self, name, config[name])
        self.scales = {name: (mean, spread) for name, mean, spread in config["scales"]}
        self.starts = {name: (first, count) for name, first, count in config["starts"]}
        if HISTORY not in files:
            return self
        kept = {name: one.numpy() for name, one in unpack(Path(HISTORY), files[HISTORY]).items()}
        ends = np.cumsum(kept["lengths"])[:-1]
        kind = np.int64 if self.form == "number" else "datetime64[us]"
        parts: Mapping[str, list[np.ndarray]] = {
            name: np.split(kept[name], ends) for name in ("times", "y", "past", "future")
        }
        for place, (name, static) in enumerate(config["tails"]):
            times = parts["times"][place].astype(np.int64).view(kind)
            y, past, future = (parts[part][place] for part in ("y", "past", "future"))
            self.tails[name] = (times, y, past, future, tuple(static))
        return self


def calendar(times: np.ndarray, freq: str | None) -> np.ndarray:
    """Where each time stands in the cycles that matter at its step: sine and cosine, `time 2·cycles`."""
    found = []
    for cycle in _cycles(freq) if times.dtype.kind == "M" else ():
        if cycle == "hour":
            share = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "D")
        elif cycle == "weekday":
            share = (times.astype("datetime64[D]").astype(np.int64) - 4) % 7 / 7
        else:
            share = times.astype("datetime64[M]").astype(np.int64) % 12 / 12
        found += [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    return np.stack(found, 1) if found else np.zeros((len(times), 0))


def _cycles(freq: str | None) -> tuple[str, ...]:
    unit = "" if freq is None else freq.lstrip("0123456789")
    if unit in ("s", "min", "h"):
        return ("hour", "weekday")
    return {"D": ("weekday", "month"), "B": ("weekday",), "MS": ("month",), "ME": ("month",)}.get(
        unit, ()
    )


def _called(name: Any) -> str:
    return "The series" if name is None else f"Series {name!r}"

"""The two ways of a forecast: the whole horizon at once, or point by point, each feeding the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.forecasting.windows import Seen
from elman.layers.heads import Head
from elman.layers.recurrent import Recurrent
from elman.structures.n_to_n_feedback import NToNFeedback
from elman.structures.n_to_one import NToOne

PATHS = 200
"""How many futures are drawn where quantiles point by point are asked for."""


def check(model: Any, *, past: bool) -> None:
    """Refuse settings of a `Forecaster` that contradict each other; `past`: whether there are such columns.

    Raises:
        SettingsError: the first of them.
    """
    series, pointwise = model.series, not model.direct
    sizes = [model.horizon, 1 if model.window is None else model.window]
    rules = [
        (min(sizes) < 1, "horizon and window are at least 1.", "pass horizon=1 or more"),
        (
            pointwise and model.head == "quantiles",
            "Quantiles cannot be fed to the next step.",
            "use direct=True, or a distribution (head='student-t'), which draws futures",
        ),
        (
            pointwise and past,
            "Past columns are not known of a step that is foreseen.",
            "use direct=True",
        ),
        (
            pointwise and (series.patch or 1) > 1,
            "A patch cannot be read point by point.",
            "use patch=1 or direct=True",
        ),
        (
            pointwise and series.anchor == "mean",
            "Point by point there is no mean of a window.",
            "use anchor='last' or 'none'",
        ),
        (
            model.head == "negative-binomial" and series.log,
            "Counts are not taken the logarithm of.",
            "leave log out, or choose another head",
        ),
    ]
    for wrong, problem, fix in rules:
        if wrong:
            raise SettingsError(problem, fix=fix)


def default_window(shortest: int, season: int, horizon: int) -> int:
    """How many values are read where nothing is said: two weeks of days, or what half of a series allows.

    >>> default_window(10_000, 24, 24), default_window(60, 4, 4)
    (336, 28)
    """
    wanted = max(14 * season if season > 1 else 24, 2 * horizon)
    return min(wanted, max(1, (shortest - horizon) // 2))


class Way(ABC):
    """How a network makes a forecast of windows.

    Args:
        head: what a forecast is.
        horizon: how many observations the network is trained to foresee.
        anchored: whether forecasts are distances from an anchor.
    """

    structure: str

    def __init__(self, head: Head, horizon: int, *, anchored: bool) -> None:
        self.head, self.horizon, self.anchored = head, horizon, anchored

    @abstractmethod
    def network(self, recurrent: Recurrent, dropout: float) -> nn.Module:
        """The network over a stack of recurrences."""

    @abstractmethod
    def inputs(self, past: int, future: int, step: int, patch: int) -> int:
        """How many numbers a step of the network has, of so many columns of each kind."""

    @abstractmethod
    def loss(self, network: Any, seen: Seen, truth: Tensor, after: Tensor) -> Tensor:
        """What is learned: the mean loss over all that is forecast."""

    @abstractmethod
    def ahead(self, network: Any, seen: Seen, horizon: int) -> Tensor:
        """The raw forecasts: `batch horizon size`."""


class Direct(Way):
    """N-to-1: the last state answers for the whole horizon at once."""

    structure = "n-to-one"

    def inputs(self, past: int, future: int, step: int, patch: int) -> int:
        return patch * (1 + past + 2 * future) + step

    def network(self, recurrent: Recurrent, dropout: float) -> NToOne:
        outputs = self.horizon * self.head.size
        return NToOne(nn.Identity(), recurrent, outputs=outputs, pooling="last", dropout=dropout)

    def ahead(self, network: Any, seen: Seen, horizon: int) -> Tensor:
        raw = network(seen.xs).float().view(len(seen.xs), self.horizon, self.head.size)
        return self.head.moved(raw, seen.anchor[:, None].expand(-1, self.horizon))[:, :horizon]

    def loss(self, network: Any, seen: Seen, truth: Tensor, after: Tensor) -> Tensor:
        unit = seen.unit[:, None].expand_as(truth)
        return self.head.loss(self.ahead(network, seen, self.horizon), truth, unit).mean()


class Pointwise(Way):
    """N-to-N whose output feeds the next step. What has been seen is fed as it was."""

    structure = "n-to-n-feedback"

    def inputs(self, past: int, future: int, step: int, patch: int) -> int:
        return 1 + future + step

    def network(self, recurrent: Recurrent, dropout: float) -> NToNFeedback:
        size = self.head.size
        return NToNFeedback(nn.Identity(), recurrent, outputs=size, feed=self._feed, dropout=dropout)

    def _feed(self, raw: Tensor, before: Tensor) -> Tensor:
        moved = self._moved(raw, before[:, 0])
        return self.head.mean(moved, torch.ones_like(before[:, 0]))[:, None]

    def _moved(self, raw: Tensor, before: Tensor) -> Tensor:
        return self.head.moved(raw.float(), before) if self.anchored else raw.float()

    def loss(self, network: Any, seen: Seen, truth: Tensor, after: Tensor) -> Tensor:
        raw = network.taught(seen.xs, seen.fed[:, None]).values
        return self.head.loss(self._moved(raw, seen.fed), after, seen.unit[seen.xs.rows]).mean()

    def ahead(self, network: Any, seen: Seen, horizon: int) -> Tensor:
        state, first = self.read(network, seen)
        return self._walk(network, seen.ahead, state, first, horizon)

    def read(self, network: Any, seen: Seen) -> tuple[State, tuple[Tensor, Tensor]]:
        """The state after what was seen, and the answer to its last step with what was fed to that."""
        scan = network.run(seen.xs, seen.fed[:, None])
        last = seen.xs.offsets[1:] - 1
        return scan.final, (network.answer(scan).values[last], seen.fed[last])

    def means(
        self, network: Any, known: Tensor, state: State, first: tuple[Tensor, Tensor], horizon: int
    ) -> Tensor:
        """The forecasts from a state on, as one number each: `batch horizon`."""
        raw = self._walk(network, known, state, first, horizon)
        return self.head.mean(raw, torch.ones_like(raw[..., 0]))

    def paths(self, network: Any, seen: Seen, horizon: int, count: int = PATHS) -> Tensor:
        """Futures drawn one point after the other: `batch count horizon`, from torch's random numbers."""
        state, (raw, before) = self.read(network, seen)
        many = torch.arange(len(seen.xs)).repeat_interleave(count)
        state = tuple(one[:, many] for one in state)
        first = raw[many], before[many]
        found = self._walk(network, seen.ahead[many], state, first, horizon, seen.unit[many])
        return found.view(len(seen.xs), count, horizon)

    def _walk(
        self,
        network: Any,
        known: Tensor,
        state: State,
        first: tuple[Tensor, Tensor],
        horizon: int,
        unit: Tensor | None = None,
    ) -> Tensor:
        """On from a state: raw forecasts of which the means are fed; with `unit`, values that are drawn."""
        raw, before = first
        found = []
        for k in range(horizon):
            if k:
                raw, (state, _) = network.step(known[:, k - 1], (state, before[:, None]))
            raw = self._moved(raw, before)
            if unit is None:
                before = self.head.mean(raw, torch.ones_like(before))
                found.append(raw)
            else:
                before = self.head.sample(raw, unit)
                found.append(before)
        return torch.stack(found, 1)

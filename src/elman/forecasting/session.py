"""A session on one series: value after value, in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch

from elman.cells.base import State
from elman.forecasting.ways import Pointwise, Way
from elman.forecasting.windows import Windows


class Session:
    """Reads the values of a series as they come; `push` answers what comes next.

    Point by point, the recurrent state is carried on, without end. Direct, the last window is read anew each
    time, since its forecasts are distances from its end.

    Args:
        network: trained, in evaluation mode.
        way: how it makes a forecast.
        window: from the next value (None at first) to the window that now ends with it.
        back: from standardised forecasts to the series' own units.
    """

    def __init__(
        self,
        network: Any,
        way: Way,
        window: Callable[[float | None], Windows],
        back: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.network, self.way, self._window, self._back = network, way, window, back
        self.state: State | None = None
        self.answer = self._read(None)

    def push(self, values: Any) -> np.ndarray:
        """One more value, or several: the forecast after the last of them, `horizon` numbers."""
        for value in np.atleast_1d(np.asarray(values, np.float64)).tolist():
            self.answer = self._read(value)
        return self.answer

    @torch.inference_mode()
    def _read(self, value: float | None) -> np.ndarray:
        windows = self._window(value)
        seen = windows.seen(np.array([0]))
        way, network, horizon = self.way, self.network, windows.horizon
        if not isinstance(way, Pointwise):
            raw = way.ahead(network, seen, horizon)
            means = way.head.mean(raw, torch.ones_like(raw[..., 0]))
        else:
            state = self.state
            if state is None:
                state, first = way.read(network, seen)
            else:
                fed = seen.fed[-1:]
                raw, (state, _) = network.step(seen.xs.values[-1:], (state, fed[:, None]))
                first = raw, fed
            self.state = state
            means = way.means(network, seen.ahead, state, first, horizon)
        return self._back(means[0].numpy())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.state = None

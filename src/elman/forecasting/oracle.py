"""A trained network, asked about windows: forecasts, errors and intervals, all standardised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.errors import SettingsError
from elman.forecasting import intervals
from elman.forecasting.frames import NAME, label
from elman.forecasting.ways import PATHS, Pointwise, Way
from elman.forecasting.windows import Seen, Windows
from elman.training import Problem, seeded

TOGETHER = 1_024
"""Windows that are answered at once."""


class Oracle:
    """Asks a network about windows.

    Args:
        network: what `way` made, trained.
        way: how it makes a forecast.
        seed: of the futures that are drawn.
    """

    def __init__(self, network: Any, way: Way, seed: int = 0) -> None:
        self.network, self.way, self.seed = network, way, seed

    def problem(self, windows: Windows, held: Windows) -> Problem:
        """What the network learns of windows, and how it does on those that are held out."""
        way = self.way

        def batch(chosen: np.ndarray) -> tuple[Any, ...]:
            after = windows.after(chosen) if windows.pointwise else torch.zeros(0)
            return windows.seen(chosen), windows.truth(chosen), after

        return Problem(
            lengths=(windows.lengths // windows.patch).tolist(),
            batch=batch,
            loss=lambda model, given: way.loss(model, *given),
            evaluate=(lambda _: self.figures(held)) if len(held) else None,
            monitor="score",
        )

    @torch.inference_mode()
    def figures(self, windows: Windows) -> dict[str, float]:
        """The mean loss, squared and absolute error of all windows; `score` is better where it is higher."""
        sums = torch.zeros(3, dtype=torch.float64)
        for chosen, seen, raw in self._raw(windows, windows.horizon):
            truth = windows.truth(chosen)
            unit = seen.unit[:, None].expand_as(truth)
            error = truth - self.way.head.mean(raw, unit)
            parts = (self.way.head.loss(raw, truth, unit), error.square(), error.abs())
            sums += torch.stack([one.double().sum() for one in parts])
        loss, mse, mae = (sums / (len(windows) * windows.horizon)).tolist()
        return {"score": -loss, "dev_loss": loss, "mse": mse, "mae": mae}

    @torch.inference_mode()
    def errors(self, windows: Windows) -> np.ndarray:
        """What came less what was foreseen: `windows horizon`."""
        found = np.zeros((len(windows), windows.horizon))
        for chosen, seen, raw in self._raw(windows, windows.horizon):
            truth = windows.truth(chosen)
            unit = seen.unit[:, None].expand_as(truth)
            found[chosen] = (truth - self.way.head.mean(raw, unit)).numpy()
        return found

    @torch.inference_mode()
    def forecasts(
        self, windows: Windows, ahead: int, levels: Sequence[float], errors: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The forecast of each window and the bounds of its intervals, by the names of their columns.

        Args:
            windows: any.
            ahead: how many steps of each forecast.
            levels: in percent.
            errors: those on dev, for a head that has no quantiles.

        Raises:
            SettingsError: intervals for more steps than there are errors of, or from no error at all.
        """
        names = [NAME, *(label(bound, one) for one in levels for bound in ("lo", "hi"))]
        found = {name: np.zeros((len(windows), ahead)) for name in names}
        own = self.way.head.name not in ("mse", "mae")
        reach = None if own or not levels else self._reach(levels, errors, ahead)
        together = 16 if own and levels and isinstance(self.way, Pointwise) else TOGETHER
        with seeded(self.seed):
            for chosen, seen, raw in self._raw(windows, ahead, together):
                unit = seen.unit[:, None].expand(-1, ahead)
                middle = self.way.head.mean(raw, unit)
                found[NAME][chosen] = middle.numpy()
                if not levels:
                    continue
                if reach is not None:
                    bounds = [middle.numpy() + sign * one for one in reach for sign in (-1, 1)]
                else:
                    bounds = self._bounds(seen, raw, ahead, levels)
                for name, one in zip(names[1:], bounds, strict=True):
                    found[name][chosen] = one
        return found

    def _reach(self, levels: Sequence[float], errors: np.ndarray, ahead: int) -> list[np.ndarray]:
        if not len(errors) or ahead > errors.shape[1]:
            raise SettingsError(
                "There are no errors to make intervals from.",
                expected=f"errors of {ahead} steps on a dev set",
                received=f"{len(errors)} errors of {errors.shape[1]} steps",
                fix="fit with more rows or a dev set, or with a head such as student-t",
            )
        return [intervals.radius(errors, one / 100)[:ahead] for one in levels]

    def _bounds(self, seen: Seen, raw: Tensor, ahead: int, levels: Sequence[float]) -> list[np.ndarray]:
        chances = [0.5 + sign * one / 200 for one in levels for sign in (-1, 1)]
        if isinstance(self.way, Pointwise):
            paths = self.way.paths(self.network, seen, ahead, PATHS)
            return list(torch.quantile(paths.double(), torch.tensor(chances).double(), dim=1).numpy())
        unit = seen.unit[:, None].expand(-1, ahead)
        found = self.way.head.quantiles(raw, chances, unit)
        assert found is not None  # only heads with quantiles come here
        return list(found.movedim(-1, 0).numpy())

    def _raw(
        self, windows: Windows, ahead: int, together: int = TOGETHER
    ) -> Iterator[tuple[np.ndarray, Seen, Tensor]]:
        network = self.network.eval()
        device = network.head.weight.device
        for start in range(0, len(windows), together):
            chosen = np.arange(start, min(start + together, len(windows)))
            seen = windows.seen(chosen)
            yield chosen, seen, self.way.ahead(network, seen.to(device), ahead).float().cpu()

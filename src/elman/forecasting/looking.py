"""What a network foresaw at each step of its last window, and what its state and gates did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from elman.forecasting.windows import Seen


@dataclass(frozen=True)
class Moment:
    """One step of a reading.

    Attributes:
        time, value: the last observation of the step.
        forecast: what the network foresaw from there on, each from its own window; empty where too little
            had been seen.
        norm: the length of the hidden state, `|h[t]|` (last layer).
        change: how far the state moved, `|h[t] - h[t-1]|`.
        gates: each gate's mean opening over the hidden units, between 0 and 1.
    """

    time: Any
    value: float
    forecast: list[float]
    norm: float
    change: float
    gates: dict[str, float]


@dataclass(frozen=True)
class Course:
    """The reading of the window before a forecast.

    Attributes:
        series: its name.
        steps: one entry a step. times, forecast: what is foreseen at the end.
        states: arrays `steps hidden` by name and layer: `h_l0`, `z_l0`, ...
    """

    series: Any
    steps: list[Moment]
    times: list[Any]
    forecast: list[float]
    states: dict[str, np.ndarray] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The steps and the forecast as JSON data; the arrays stay behind."""
        steps = [{"step": number, **asdict(one)} for number, one in enumerate(self.steps, 1)]
        times = [str(one) for one in self.times]
        for one in steps:
            one["time"] = str(one["time"])
        return {"series": self.series, "times": times, "forecast": self.forecast, "steps": steps}


@torch.inference_mode()
def moments(
    network: Any, seen: Seen, times: Sequence[Any], values: Sequence[float], forecasts: Sequence[Any]
) -> tuple[list[Moment], dict[str, np.ndarray]]:
    """The steps of one window, and every state and gate by unit.

    Args:
        network: in evaluation mode.
        seen: a batch of one window.
        times: of each step.
        values: of each step.
        forecasts: of each step.
    """
    recurrent = network.recurrent
    names = (*recurrent.cell_type.states, *recurrent.cell_type.gates)
    fed = (seen.fed[:, None],) if hasattr(network, "taught") else ()
    trace = network.run(seen.xs, *fed, record=names).trace
    last = f"_l{recurrent.num_layers - 1}"
    h = trace["h" + last].values
    before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
    norms, changes = h.norm(dim=-1).tolist(), (h - before).norm(dim=-1).tolist()
    openings = {name: trace[name + last].values.mean(-1).tolist() for name in recurrent.cell_type.gates}
    steps = [
        Moment(
            time=time,
            value=values[t],
            forecast=list(forecasts[t]),
            norm=norms[t],
            change=changes[t],
            gates={name: found[t] for name, found in openings.items()},
        )
        for t, time in enumerate(times)
    ]
    return steps, {name: one.values.numpy() for name, one in trace.items()}

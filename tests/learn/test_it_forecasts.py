"""It forecasts: every cell learns a wave and a stochastic swing, at once and point by point."""

from __future__ import annotations

import numpy as np
import pytest

import elman

from .cases import every_cell

PLAIN = elman.Training(epochs=30, batch_size=32, dropout=0.0, learning_rate=1e-2, weight_decay=0.0)


def swing(rows: int, noise: float, seed: int = 1) -> np.ndarray:
    """y[t] = 2ρ·cos(ω)·y[t-1] - ρ²·y[t-2] + ε: a wave of 12 steps; without noise it goes on for ever."""
    draw, rho = np.random.default_rng(seed), 1.0 if noise == 0 else 0.95
    a, b = 2 * rho * np.cos(2 * np.pi / 12), -(rho**2)
    y = [0.0, 1.0]
    for _ in range(rows - 2):
        y.append(a * y[-1] + b * y[-2] + noise * draw.normal())
    return np.array(y)


@every_cell
@pytest.mark.parametrize("direct", [True, False])
def test_a_wave(cell: str, direct: bool) -> None:
    """Six steps ahead, half a wave, where the last value and the last season know nothing."""
    y = swing(360, 0.0)
    settings = elman.SeriesSettings(anchor="none", stride=1)
    model = elman.Forecaster(
        cell, 24, 2, horizon=6, window=16, direct=direct, series=settings, training=PLAIN
    )
    model.fit({"ds": np.arange(330), "y": y[:330]})
    report = model.evaluate({"ds": np.arange(330, 360), "y": y[330:]})
    assert report.scaled_mse < 0.02
    assert report.skill > 0.9


def test_no_better_than_can_be() -> None:
    """An AR(2): one step ahead, the error comes near that of the noise itself, and never below it."""
    y = swing(1500, 0.3)
    settings = elman.SeriesSettings(anchor="none")
    training = PLAIN.model_copy(update={"epochs": 60, "patience": 60})
    model = elman.Forecaster("gru", 16, horizon=1, window=8, series=settings, training=training)
    model.fit({"ds": np.arange(1200), "y": y[:1200]})
    report = model.evaluate({"ds": np.arange(1200, 1500), "y": y[1200:]})
    noise = 0.3 / model.input_.scales[None][1]
    assert 0.85 < report.scaled_mse / noise**2 < 1.3  # the naive forecast has 6.9
    assert report.skill > 0.5

"""Figures of forecasts by hand, free forecasts by their formulas, and intervals that keep their promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from elman import metrics
from elman.errors import SettingsError
from elman.forecasting import intervals
from elman.forecasting.naive import all_of, drift, naive, seasonal_naive


def test_errors_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "unique_id": ["a", "a", "a", "a", "b", "b"],
            "cutoff": [1, 1, 2, 2, 1, 1],
            "y": [1.0, 2.0, 2.0, 3.0, 10.0, 0.0],
            "elman": [2.0, 2.0, 2.0, 1.0, 10.0, 4.0],
            "elman-lo-80": [0.0, 3.0, 1.0, 1.0, 9.0, 1.0],
            "elman-hi-80": [2.0, 4.0, 3.0, 3.0, 11.0, 5.0],
        }
    )
    found = metrics.forecast_errors(frame, ["elman"])["elman"]
    error = (frame["elman"] - frame["y"]).to_numpy().reshape(3, 2)
    assert found["mae"] == pytest.approx(np.abs(error).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()))
    sizes = (frame["elman"].abs() + frame["y"].abs()).to_numpy().reshape(3, 2)
    assert found["smape"] == pytest.approx((np.abs(error) / sizes).mean())
    assert metrics.coverage(frame, "elman", 80) == pytest.approx(4 / 6)


def test_free_forecasts_by_their_formulas() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        y, season, horizon = draw.normal(size=30), int(draw.integers(1, 9)), int(draw.integers(1, 20))
        seen, before = y[5:], 5
        origins = np.array([1, season, season + 1, 24])
        found = all_of(seen, origins, horizon, season, (float(y[0]), before))
        for row, origin in enumerate(origins):
            known = y[: before + origin]
            for k in range(1, horizon + 1):
                assert found["naive"][row, k - 1] == known[-1]
                # y[T+k-m·(⌊(k-1)/m⌋+1)], Hyndman and Athanasopoulos 5.2
                back = season * ((k - 1) // season + 1)
                last = known[-1] if origin < season else known[len(known) + k - back - 1]
                assert found["seasonal_naive"][row, k - 1] == last
                slope = (known[-1] - known[0]) / (len(known) - 1)
                assert found["drift"][row, k - 1] == pytest.approx(known[-1] + k * slope)
            np.testing.assert_array_equal(naive(known, horizon), found["naive"][row])
            np.testing.assert_allclose(drift(known, horizon), found["drift"][row])
            if origin >= season:
                np.testing.assert_array_equal(
                    seasonal_naive(known, horizon, season), found["seasonal_naive"][row]
                )


def test_the_drift_is_a_random_walks_mean() -> None:
    """An independent implementation: the mean of the differences carried on."""
    y = np.random.default_rng(2).normal(size=40).cumsum()
    np.testing.assert_allclose(drift(y, 5), y[-1] + np.diff(y).mean() * np.arange(1, 6))
    assert drift(y[:1], 2).tolist() == [y[0]] * 2


def test_intervals_hold_what_they_promise() -> None:
    """Exchangeable errors: the mean coverage over many calibrations is at least the level, and hardly more."""
    draw = np.random.default_rng(3)
    for count, level in ((19, 0.9), (50, 0.8), (200, 0.5)):
        inside = []
        for _ in range(2_000):
            errors = draw.standard_t(3, size=(count + 1, 2))
            reach = intervals.radius(intervals.kept(errors[:-1]), level)
            inside.append(np.abs(errors[-1]) <= reach)
        share = np.mean(inside, 0)
        slack = 3.5 * np.sqrt(level * (1 - level) / 2_000)
        assert (share > level - slack).all(), (count, level, share)
        assert (share < level + 1 / (count + 1) + slack).all(), (count, level, share)


def test_too_few_errors_make_no_interval() -> None:
    sizes = intervals.kept(np.arange(1.0, 10.0)[:, None])
    assert intervals.radius(sizes, 0.9).tolist() == [9.0]
    assert intervals.radius(sizes, 0.95).tolist() == [np.inf]
    many = intervals.kept(np.arange(100_000.0)[:, None])
    assert len(many) == intervals.KEPT
    assert abs(intervals.radius(many, 0.8)[0] / 80_000 - 1) < 1e-3
    for wrong in (0, 100, -5):
        with pytest.raises(SettingsError, match="percent"):
            intervals.checked([wrong])

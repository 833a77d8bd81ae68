"""Backtests and reports: trained on what came before, beside what is free, each figure by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import elman
from elman.errors import SettingsError

from .test_forecaster import SMALL, fitted, long_frame

pytestmark = pytest.mark.filterwarnings("ignore:The model does not beat")


@pytest.fixture(scope="module")
def direct() -> elman.Forecaster:
    return fitted()


def test_a_backtest_trains_on_what_came_before(direct: elman.Forecaster) -> None:
    frame = long_frame()
    found = direct.cross_validation(frame, n_windows=3, step_size=2, level=[80])
    assert set(found) == {
        *("unique_id", "ds", "cutoff", "y", "elman", "elman-lo-80", "elman-hi-80"),
        *("naive", "seasonal_naive", "drift"),
    }
    assert len(found) == 3 * 2 * 4
    cutoffs = sorted(set(found["cutoff"]))
    assert cutoffs == [pd.Timestamp("2024-01-03 03:00") + pd.Timedelta(hours=2 * n) for n in range(3)]
    assert (found["ds"] > found["cutoff"]).all()
    merged = found.merge(frame, on=["unique_id", "ds"])
    assert (merged["y_x"] == merged["y_y"]).all()
    last = frame.merge(found, left_on=["unique_id", "ds"], right_on=["unique_id", "cutoff"])
    assert (last["y_x"] == last["naive"]).all()
    late = frame.assign(y=np.where(frame["ds"] > cutoffs[0], 999.0, frame["y"]))
    changed = direct.cross_validation(late, n_windows=3, step_size=2, refit=True)
    first = found["cutoff"] == cutoffs[0]
    np.testing.assert_allclose(changed[first]["elman"], found[first]["elman"], rtol=1e-6)
    with pytest.raises(elman.errors.DataError, match="too short for 30 windows"):
        direct.cross_validation(frame, n_windows=30)
    with pytest.raises(SettingsError, match="at least 1"):
        direct.cross_validation(frame, n_windows=0)


def test_a_report_stands_beside_what_is_free(direct: elman.Forecaster) -> None:
    """Each figure by hand, from forecasts of every moment."""
    rows = long_frame(rows=75)
    report = direct.evaluate(rows.groupby("unique_id").tail(15), level=[80, 95])
    assert (report.count, report.series, report.horizon) == (2 * 12, 2, 4)
    errors: dict[str, list[np.ndarray]] = {"elman": [], "naive": [], "seasonal_naive": []}
    for origin in range(60, 72):
        for name in "ab":
            y = rows.query("unique_id == @name")["y"].to_numpy()
            known = rows.query("unique_id == @name").head(origin)
            spread = direct.input_.scales[name][1]
            forecasts = {
                "elman": direct.predict(known)["elman"].to_numpy(),
                "naive": np.repeat(y[origin - 1], 4),
                "seasonal_naive": y[origin - 24 : origin - 20],
            }
            for kind, one in forecasts.items():
                errors[kind].append((one - y[origin : origin + 4]) / spread)
    expected = {name: float(np.square(one).mean()) for name, one in errors.items()}
    assert report.scaled_mse == pytest.approx(expected["elman"], rel=1e-4)
    assert report.naive["scaled_mse"] == pytest.approx(expected["naive"], rel=1e-6)
    assert report.seasonal_naive["scaled_mse"] == pytest.approx(expected["seasonal_naive"], rel=1e-6)
    best = min(expected["naive"], expected["seasonal_naive"], report.drift["scaled_mse"])
    assert report.skill == pytest.approx(1 - expected["elman"] / best, rel=1e-3)
    assert report.beaten is (report.skill > 0)
    assert set(report.coverage or {}) == {"80", "95"}
    assert direct.score(rows.groupby("unique_id").tail(15)) == report.skill


def test_a_model_that_is_no_better_says_so() -> None:
    walk = {"ds": list(range(80)), "y": np.random.default_rng(1).normal(size=80).cumsum().tolist()}
    with pytest.warns(UserWarning, match="does not beat the forecast"):
        model = elman.Forecaster(
            **SMALL | {"training": elman.Training(epochs=1, learning_rate=1.0)}
        ).fit(walk)
    assert model.figures_["dev_skill"] <= 0
    best = min(model.figures_[f"dev_{name}"] for name in ("naive", "seasonal_naive", "drift"))
    assert model.figures_["dev_skill"] == pytest.approx(1 - model.figures_["dev_mse"] / best)

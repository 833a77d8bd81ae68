"""The forecaster: what goes in, what comes out, and that no window sees what is to come."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import elman
from elman.errors import NotFittedError, SettingsError, UnknownNameError
from elman.forecasting.windows import Windows

pytestmark = pytest.mark.filterwarnings("ignore:The model does not beat")
QUICK = elman.Training(epochs=2, batch_size=32, dropout=0.0, learning_rate=5e-3)
SMALL: dict[str, Any] = {"hidden_size": 8, "horizon": 4, "window": 12, "training": QUICK}
HEADS = ["mse", "mae", "quantiles", "normal", "student-t", "negative-binomial"]


def long_frame(names: str = "ab", rows: int = 60, start: int = 0) -> pd.DataFrame:
    """Counts with a cycle of six hours, each series at a level of its own."""
    parts = []
    for number, name in enumerate(names, 1):
        draw = np.random.default_rng(number)
        t = np.arange(rows)
        y = np.round(10 * number * (2 + np.sin(2 * np.pi * t / 6)) + draw.poisson(2.0, rows))
        ds = pd.date_range("2024-01-01", periods=rows, freq="h")
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y}).iloc[start:])
    return pd.concat(parts, ignore_index=True)


def fitted(frame: Any = None, **more: Any) -> elman.Forecaster:
    columns = {name: more.pop(name) for name in ("past", "future", "static") if name in more}
    return elman.Forecaster(**SMALL | more).fit(long_frame() if frame is None else frame, **columns)


@pytest.fixture(scope="module")
def direct() -> elman.Forecaster:
    return fitted()


@pytest.fixture(scope="module")
def pointwise() -> elman.Forecaster:
    return fitted(direct=False)


# --- nothing of the future ---


@pytest.mark.parametrize("pointwise", [False, True])
@pytest.mark.parametrize("anchor", ["last", "none", "mean"])
@pytest.mark.parametrize("patch", [1, 3])
def test_a_window_holds_nothing_of_what_comes(pointwise: bool, anchor: str, patch: int) -> None:
    """Whatever happens at the origin and after it, what is seen stays the same; and one step before, not."""
    if pointwise and (patch > 1 or anchor == "mean"):
        return
    settings = elman.SeriesSettings(anchor=anchor, patch=patch)
    frame = long_frame("a").assign(p=np.arange(60.0))
    model = fitted(frame, series=settings, direct=not pointwise, **({} if pointwise else {"past": "p"}))
    line = model._past().lines()[0]

    def seen(changed: int | None) -> list[torch.Tensor]:
        y, past = line.y.copy(), line.past.copy()
        if changed is not None:
            y[changed:], past[changed:] = y[changed:] + 1e3, past[changed:] - 1e3
        other = type(line)(line.name, line.times, y, past, line.future, line.static)
        windows: Windows = model._foresight().windows([other], [np.array([14])])
        one = windows.seen(np.array([0]))
        return [one.xs.values, one.anchor, one.fed[:0] if not pointwise else one.fed, one.ahead]

    before = seen(None)
    assert all(torch.equal(a, b) for a, b in zip(before, seen(14), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before, seen(13), strict=True))


@pytest.mark.parametrize("pointwise", [False, True])
def test_training_sees_nothing_of_the_test_part(pointwise: bool) -> None:
    """Two frames that part ways at the end give one network, one scale, and one forecast."""
    train, dev = (
        long_frame().query("ds < '2024-01-02 12:00'"),
        long_frame().query("ds >= '2024-01-02 12:00'"),
    )
    other = dev.assign(y=dev["y"] * 7)
    first = elman.Forecaster(**SMALL, direct=not pointwise).fit(train, dev=dev)
    second = elman.Forecaster(**SMALL, direct=not pointwise).fit(train, dev=other)
    assert first.input_.scales == second.input_.scales
    one, two = (model.predict(train)["elman"].to_numpy() for model in (first, second))
    if first.figures_["best_epoch"] == second.figures_["best_epoch"]:
        np.testing.assert_array_equal(one, two)
    y = train.query("unique_id == 'a'")["y"]
    assert first.input_.scales["a"] == pytest.approx((y.mean(), y.std(ddof=0)))


def test_what_is_set_aside_is_the_last_of_each_series() -> None:
    rows = elman.Forecaster(**SMALL)
    shuffled = long_frame("ab", 60).sample(frac=1.0, random_state=1)
    from elman.data import read

    columns = {"series": "unique_id", "time": "ds", "target": "y"}
    kept, held = rows.set_aside(read(shuffled), columns)
    assert len(held) == 2 * 6
    assert min(held.column("ds")) > max(kept.column("ds"))


# --- frames ---


def kinds(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "pyarrow": pa.Table.from_pandas(frame, preserve_index=False),
        "dict": {name: frame[name].tolist() for name in frame},
    }


def test_an_answer_is_of_the_kind_that_was_given(direct: elman.Forecaster) -> None:
    expected = direct.predict(level=[80, 90])
    names = ["unique_id", "ds", "elman", "elman-lo-80", "elman-hi-80", "elman-lo-90", "elman-hi-90"]
    assert list(expected) == names
    assert expected["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    hours = pd.date_range("2024-01-03 12:00", periods=4, freq="h")
    assert expected["ds"].tolist() == [*hours, *hours]
    for kind, frame in kinds(long_frame()).items():
        found = direct.predict(frame, level=[80, 90])
        assert type(found) is type(frame)
        values = found["elman"]
        values = values if isinstance(values, list) else values.to_numpy()
        np.testing.assert_allclose(values, expected["elman"], rtol=1e-6)
        assert fitted(frame).predict(frame) is not None
        assert kind


def test_files_rows_in_any_order_and_other_names(tmp_path: Path, direct: elman.Forecaster) -> None:
    frame = long_frame().sample(frac=1.0, random_state=3)
    frame.rename(columns={"unique_id": "who", "ds": "when", "y": "count"}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    model = elman.Forecaster(**SMALL).fit(
        str(tmp_path / "rows.csv"), time="when", target="count", series="who"
    )
    found = model.predict()
    assert list(found) == ["who", "when", "elman"]
    order = np.argsort(found["who"], kind="stable")
    assert found["when"][order[0]] == "2024-01-03 12:00:00"
    np.testing.assert_allclose(np.array(found["elman"])[order], direct.predict()["elman"], rtol=1e-4)


def test_one_series_needs_no_name() -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(n) for n in range(40)]
    found = fitted({"ds": days, "y": [float(n % 5) for n in range(40)]}).predict(horizon=2)
    assert list(found) == ["ds", "elman"]
    assert found["ds"] == [datetime.date(2024, 2, 10), datetime.date(2024, 2, 11)]


def test_a_forecast_goes_on_from_rows_that_join_and_from_those_that_do_not(
    direct: elman.Forecaster,
) -> None:
    whole = long_frame(rows=70)
    joined = direct.predict(whole.groupby("unique_id").tail(10))  # they go on from what is known
    np.testing.assert_allclose(joined["elman"], direct.predict(whole)["elman"], rtol=1e-5)
    apart = whole.assign(ds=whole["ds"] + pd.Timedelta("9D"))
    assert direct.predict(apart)["ds"].iloc[0] == pd.Timestamp("2024-01-12 22:00")
    new = direct.predict(whole.query("unique_id == 'a'").assign(unique_id="new"))
    assert new["unique_id"].tolist() == ["new"] * 4
    assert np.isfinite(new["elman"]).all()


# --- heads and intervals ---


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("way", [True, False])
def test_every_head_forecasts_and_survives_saving(head: str, way: bool, tmp_path: Path) -> None:
    if head == "quantiles" and not way:
        with pytest.raises(SettingsError, match="cannot be fed"):
            fitted(head=head, direct=way)
        return
    model = fitted(head=head, direct=way)
    again = elman.load(model.save(tmp_path))
    found = model.predict(level=[50, 80])
    pd.testing.assert_frame_equal(again.predict(level=[50, 80]), found)
    assert again.evaluate(long_frame(), level=80) == model.evaluate(long_frame(), level=80)
    bounds = found[["elman-lo-80", "elman-lo-50", "elman-hi-50", "elman-hi-80"]].to_numpy()
    assert (np.diff(bounds) >= 0).all()
    if head == "negative-binomial":
        assert np.abs(bounds - bounds.round()).max() < 1e-3 or not way
        assert (found["elman"] > 0).all()


def test_intervals_are_the_errors_on_dev(direct: elman.Forecaster) -> None:
    found = direct.predict(level=[50])
    reach = (found["elman-hi-50"] - found["elman-lo-50"]).to_numpy().reshape(2, 4) / 2
    sizes = direct.errors_
    rank = int(np.ceil((len(sizes) + 1) * 0.5))
    spreads = np.array([direct.input_.scales[name][1] for name in "ab"])
    np.testing.assert_allclose(reach, np.sort(sizes, 0)[rank - 1] * spreads[:, None], rtol=1e-5)
    with pytest.raises(SettingsError, match="percent"):
        direct.predict(level=[120])


def test_a_longer_horizon_is_for_those_who_go_point_by_point(
    direct: elman.Forecaster, pointwise: elman.Forecaster
) -> None:
    with pytest.raises(SettingsError, match="4 steps at once"):
        direct.predict(horizon=9)
    assert len(direct.predict(horizon=2)) == 4
    long, short = pointwise.predict(horizon=9), pointwise.predict()
    assert len(long) == 18
    np.testing.assert_allclose(long["elman"][:4], short["elman"][:4], rtol=1e-5)
    with pytest.raises(SettingsError, match="no errors to make intervals"):
        pointwise.predict(horizon=9, level=[80])


# --- other columns ---


def test_known_columns_are_asked_for_and_used() -> None:
    draw = np.random.default_rng(5)
    plan = draw.integers(0, 2, 304).astype(float)
    frame = pd.DataFrame({"ds": np.arange(304), "y": 5 + 3 * plan, "plan": plan})
    training = elman.Training(epochs=40, batch_size=16, dropout=0.0, learning_rate=2e-2)
    for way in (True, False):
        model = fitted(frame[:300], future=["plan"], direct=way, training=training)
        assert model.figures_["dev_skill"] > 0.8
        plans = frame[300:][["ds", "plan"]]
        found, other = (model.predict(future=one)["elman"] for one in (plans, plans.assign(plan=1.0)))
        assert (np.abs(found - frame["y"][300:].to_numpy()) < 1.5).all()
        assert (other[plans["plan"].to_numpy() == 0] - found[plans["plan"].to_numpy() == 0] > 1.0).all()
        with pytest.raises(elman.errors.DataError, match="were not given"):
            model.predict()
        with pytest.raises(elman.errors.DataError, match="not known far enough") as raised:
            model.predict(future=frame[300:302])
        assert "none for 302" in str(raised.value)
        assert np.isfinite(model.inspect().forecast).all()
        with pytest.raises(SettingsError, match="other columns"):
            model.stream()


def test_past_and_static_columns_are_used(tmp_path: Path) -> None:
    """What comes was announced in the column `lead` as many steps before; and levels differ by kind."""
    draw = np.random.default_rng(6)
    parts = []
    for name, kind, size in (("a", "small", 1.0), ("b", "large", 4.0)):
        noise = draw.normal(size=304)
        y = size * np.concatenate([np.zeros(4), noise[:-4]])
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": np.arange(304),
                    "y": y,
                    "lead": noise,
                    "kind": kind,
                    "size": size,
                }
            )
        )
    frame = pd.concat(parts)
    training = elman.Training(epochs=12, batch_size=32, dropout=0.0, learning_rate=2e-2)
    model = fitted(frame, past="lead", static=["kind", "size"], training=training, hidden_size=16)
    assert model.figures_["dev_skill"] > 0.5
    assert model.input_.widths == (1, 0)
    assert model.input_.step_size == 3  # two kinds, and a number
    again = elman.load(model.save(tmp_path))
    pd.testing.assert_frame_equal(again.predict(), model.predict())


# --- going on ---


def test_update_is_as_if_it_had_been_known(direct: elman.Forecaster, tmp_path: Path) -> None:
    whole = long_frame(rows=70)
    model = elman.load(direct.save(tmp_path))
    for start, stop in ((60, 61), (61, 66), (66, 70)):
        model.update(whole[whole.groupby("unique_id").cumcount().between(start, stop - 1)])
    np.testing.assert_allclose(model.predict()["elman"], direct.predict(whole)["elman"], rtol=1e-5)
    with pytest.raises(elman.errors.DataError, match="do not go on from what is known"):
        model.update(whole)
    with pytest.raises(elman.errors.DataError, match="which of 2 series"):
        model.update(3.0)
    alone = fitted(long_frame("a"))
    for value in whole["y"][60:70]:
        alone.update(value)
    np.testing.assert_allclose(
        alone.predict()["elman"], alone.predict(whole.query("unique_id == 'a'"))["elman"], rtol=1e-5
    )


def test_a_stream_answers_value_by_value(direct: elman.Forecaster, pointwise: elman.Forecaster) -> None:
    """Any cutting into pieces gives one answer; direct, it is what predict says of the rows so far."""
    values = long_frame(rows=70).query("unique_id == 'b'")["y"][60:]
    for model in (direct, pointwise):
        one, all_at_once = model.stream("b"), model.stream("b")
        np.testing.assert_allclose(one.answer, model.predict()["elman"][4:], rtol=1e-4)
        answers = [one.push(value) for value in values]
        np.testing.assert_allclose(all_at_once.push(values), answers[-1], rtol=1e-5)
        with pytest.raises(elman.errors.DataError, match="no next value"):
            one.push(float("inf"))
    whole = long_frame(rows=70).query("unique_id == 'b'")
    with direct.stream("b") as stream:
        found = stream.push(values)
    np.testing.assert_allclose(found, direct.predict(whole)["elman"], rtol=1e-4)
    # Point by point the state is carried on: as if the window had been that much longer.
    longer = elman.Forecaster(**SMALL | {"window": 22}, direct=False)
    vars(longer).update({name: one for name, one in vars(pointwise).items() if name.endswith("_")})
    longer.window_ = 22
    with pointwise.stream("b") as stream:
        np.testing.assert_allclose(stream.push(values), longer.predict(whole)["elman"], rtol=1e-4)
    with pytest.raises(UnknownNameError, match="no series named 'z'"):
        direct.stream("z")


def test_a_look_inside(direct: elman.Forecaster, pointwise: elman.Forecaster) -> None:
    for model in (direct, pointwise):
        course = model.inspect(series="b")
        assert course.series == "b"
        assert len(course.steps) == model.window_ == 12
        np.testing.assert_allclose(course.forecast, model.predict()["elman"][4:], rtol=1e-4)
        np.testing.assert_allclose(course.steps[-1].forecast, course.forecast, rtol=1e-4)
        assert course.steps[-1].value == long_frame().query("unique_id == 'b'")["y"].iloc[-1]
        known = long_frame().query("unique_id == 'b'").head(58)
        np.testing.assert_allclose(course.steps[-3].forecast, model.predict(known)["elman"], rtol=1e-4)
        assert course.states["h_l0"].shape == (12, 8)


def test_the_last_layer_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    from elman.apps.drawing import DRAWINGS

    course = elman.Forecaster(**SMALL | {"num_layers": 2}).fit(long_frame()).inspect(series="b")
    image = DRAWINGS[type(course)](course).axes[1].images[0].get_array()
    np.testing.assert_allclose(image, course.states["h_l1"].T)
    assert not np.allclose(image, course.states["h_l0"].T)


def test_a_look_inside_is_drawn(
    direct: elman.Forecaster, pointwise: elman.Forecaster, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    from elman.apps.drawing import DRAWINGS, draw

    for number, model in enumerate((direct, pointwise)):
        course = model.inspect(series="b")
        above, below, *_ = DRAWINGS[type(course)](course).axes
        assert above.get_title() == "b"
        lines = {one.get_label(): one.get_ydata() for one in above.lines}
        np.testing.assert_allclose(lines["value"], [one.value for one in course.steps])
        np.testing.assert_allclose(lines["now"], course.forecast)
        np.testing.assert_allclose(below.images[0].get_array(), course.states["h_l0"].T)
        draw(course, str(tmp_path / f"{number}.png"))
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
        assert set(course.steps[0].gates) == {"r", "z"}
        assert len(course.to_dict()["steps"]) == 12


def test_it_is_a_citizen(tmp_path: Path, direct: elman.Forecaster) -> None:
    from sklearn.base import clone

    assert clone(direct).get_params()["horizon"] == 4
    with pytest.raises(NotFittedError):
        elman.Forecaster().predict()
    run = tmp_path / "run"
    first = elman.Forecaster(**SMALL).fit(long_frame(), out=run)
    again = elman.Forecaster(**SMALL).fit(long_frame(), out=run)
    pd.testing.assert_frame_equal(first.predict(), again.predict())
    pd.testing.assert_frame_equal(elman.load(run).predict()[["elman"]], first.predict()[["elman"]])
    assert "Series: 2" in (run / "README.md").read_text()

"""Rows that cannot be forecast as they are: each is refused with its place and a fix, or treated as told."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import elman
from elman.apps.cli import app
from elman.data import read
from elman.data.panels import Columns, SeriesSettings, lines_of
from elman.errors import DataError, SettingsError

pytestmark = pytest.mark.filterwarnings("ignore:The model does not beat")
ROLES = Columns(None, "ds", "y")
TINY: dict[str, Any] = {
    "hidden_size": 4,
    "horizon": 2,
    "window": 6,
    "training": elman.Training(epochs=1, dropout=0.0),
}


def days(count: int, skip: tuple[int, ...] = ()) -> list[str]:
    return [f"2024-03-{n + 1:02d}" for n in range(count) if n not in skip]


def lines(rows: dict[str, Any], columns: Columns = ROLES, **settings: Any) -> Any:
    return lines_of(read(rows), columns, SeriesSettings(**settings))


def refused(rows: Any, *parts: str, columns: Columns = ROLES, **settings: Any) -> None:
    with pytest.raises(DataError) as raised:
        lines(rows, columns, **settings)
    missing = [one for one in (*parts, "fix") if one not in str(raised.value)]
    assert not missing, f"{missing} in {raised.value}"


def test_a_time_that_comes_twice() -> None:
    rows = {"ds": [*days(4), "2024-03-02"], "y": [1.0] * 5}
    refused(rows, "1 row have a time that their series has already", "row 5: 2024-03-02", "--series")
    rows |= {"unique_id": ["a", "a", "a", "a", "b"]}
    found, _, _ = lines(rows, Columns("unique_id", "ds", "y"))
    assert [len(one) for one in found] == [4, 1]


def test_rows_in_any_order_are_sorted() -> None:
    found, step, form = lines({"ds": days(5)[::-1], "y": [5.0, 4.0, 3.0, 2.0, 1.0]})
    assert (found[0].y.tolist(), str(step), form) == ([1.0, 2.0, 3.0, 4.0, 5.0], "D", "text")


def test_gaps_are_refused_filled_or_passed_over() -> None:
    rows = {"ds": days(8, (3, 4)), "y": [1.0, 2.0, 3.0, 6.0, 7.0, 8.0]}
    refused(rows, "lacks 2 times in 1 gap", "a row every D", "row 4", "--gaps fill")
    filled, _, _ = lines(rows, gaps="fill")
    assert filled[0].y.tolist() == [1.0, 2.0, 3.0, 3.0, 3.0, 6.0, 7.0, 8.0]
    assert len(set(np.diff(filled[0].times).tolist())) == 1
    passed, _, _ = lines(rows, gaps="ignore")
    assert passed[0].y.tolist() == rows["y"]


def test_times_off_the_step() -> None:
    rows = {"ds": [*days(5), "2024-03-06 07:30"], "y": [1.0] * 6}
    refused(rows, "not a regular step apart", "the step D", 'gaps="ignore"')
    assert len(lines(rows, gaps="ignore")[0][0]) == 6
    with pytest.raises(DataError, match="do not fit together"):
        lines({"ds": [1, 2, 3], "y": [1.0] * 3}, freq="D")
    with pytest.raises(DataError, match="A time cannot be read"):
        lines({"ds": ["soon", "later"], "y": [1.0, 2.0]})


def test_values_that_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "ds,y\n" + "\n".join(f"{day},{'' if n in (0, 2) else n}" for n, day in enumerate(days(5)))
    )
    with pytest.raises(DataError) as raised:
        lines_of(read(str(path)), ROLES, SeriesSettings())
    for part in ("2 of 5 rows have no value", "rows.csv:2", "rows.csv:4", "--missing forward"):
        assert part in str(raised.value)
    found, _, _ = lines_of(read(str(path)), ROLES, SeriesSettings(missing="forward"))
    assert found[0].y.tolist() == [1.0, 1.0, 3.0, 4.0]  # the first has none before it
    refused({"ds": days(3), "y": [1.0, float("nan"), 2.0]}, "1 of 3 rows have no value")
    refused({"ds": days(3), "y": [None] * 3}, "3 of 3 rows have no value")
    with pytest.raises(DataError, match="no value at all"):
        lines({"ds": days(3), "y": [None] * 3}, missing="forward")
    refused({"ds": [None, *days(2)], "y": [1.0] * 3}, "1 of 3 rows have no value", "'ds'")


def test_values_that_are_no_finite_numbers() -> None:
    for wrong in (float("inf"), "-inf", "many"):
        refused({"ds": days(3), "y": [1.0, wrong, 2.0]}, "1 of 3 rows are no finite numbers", "row 2")
        with pytest.raises(DataError, match="no finite numbers"):
            lines({"ds": days(3), "y": [1.0, wrong, 2.0]}, missing="forward")


def test_a_static_column_that_changes() -> None:
    columns = Columns(None, "ds", "y", static=("kind",))
    rows = {"ds": days(3), "y": [1.0] * 3, "kind": ["a", "a", "b"]}
    refused(rows, "row 3", "'kind' changes", "'a'", "'b'", columns=columns)


def test_series_that_are_too_short_for_anything() -> None:
    rows = {
        "unique_id": ["a"] * 20 + ["b"] * 2,
        "ds": [*range(20), 0, 1],
        "y": [float(n) for n in range(22)],
    }
    with pytest.raises(DataError) as raised:
        elman.Forecaster(**TINY).fit(rows)
    for part in ("1 of 2 series have too few rows", "'b': 2", "3 rows or more"):
        assert part in str(raised.value)


def test_a_series_shorter_than_the_window_has_shorter_windows() -> None:
    rows = {
        "unique_id": ["a"] * 30 + ["b"] * 5,
        "ds": [*range(30), *range(5)],
        "y": [1.0, 2.0] * 17 + [1.0],
    }
    model = elman.Forecaster(**TINY | {"window": 12}).fit(rows)
    assert model.window_ == 12
    found = model.predict()
    assert found["unique_id"] == ["a", "a", "b", "b"]
    assert np.isfinite(found["elman"]).all()
    alone = model.predict({name: one[30:] for name, one in rows.items()})
    np.testing.assert_allclose(alone["elman"], found["elman"][2:], rtol=1e-4)


def test_a_series_that_never_changes_is_foreseen_as_it_is() -> None:
    for level in (0.0, 7.5, 1e9):
        model = elman.Forecaster(**TINY).fit({"ds": list(range(40)), "y": [level] * 40})
        assert model.input_.scales[None][1] == 1.0
        np.testing.assert_allclose(model.predict()["elman"], [level] * 2, atol=0.6)
        assert np.isfinite(model.evaluate({"ds": list(range(40)), "y": [level] * 40}).scaled_mse)


def test_logarithms_and_counts_have_their_numbers() -> None:
    rows = {"ds": list(range(30)), "y": [1.5] * 29 + [-1.0]}
    with pytest.raises(DataError, match="has no logarithm"):
        elman.Forecaster(**TINY, series=SeriesSettings(log=True)).fit(rows, dev=rows)
    with pytest.raises(DataError, match=r"holds 1\.5, which is no count"):
        elman.Forecaster(**TINY, head="negative-binomial").fit(rows)


def test_settings_that_contradict_each_other() -> None:
    rows = {"ds": list(range(30)), "y": [1.0] * 30, "p": [1.0] * 30}
    for more, told in (
        ({"horizon": 0}, "at least 1"),
        ({"direct": False, "series": SeriesSettings(patch=2)}, "patch cannot be read"),
        ({"direct": False, "series": SeriesSettings(anchor="mean")}, "no mean of a window"),
        ({"head": "negative-binomial", "series": SeriesSettings(log=True)}, "Counts are not"),
        ({"series": SeriesSettings(freq="soon")}, "names no step"),
    ):
        with pytest.raises(SettingsError, match=told):
            elman.Forecaster(**TINY | more).fit(rows)
    with pytest.raises(SettingsError, match="Past columns"):
        elman.Forecaster(**TINY, direct=False).fit(rows, past="p")
    with pytest.raises(DataError, match="no column 'q'"):
        elman.Forecaster(**TINY).fit(rows, past=["p", "q"])


# --- the command line ---


def run(line: str, code: int = 0) -> Result:
    env = {"ELMAN_LANG": "en", "COLUMNS": "100"}
    result = CliRunner(env=env).invoke(app, shlex.split(line))
    assert result.exit_code == code, f"{line}\n{result.output}\n{result.exception!r}"
    return result


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "".join(f"{day},{100 + n % 5}\n" for n, day in enumerate(days(30)))
    Path("prices.csv").write_text("date,close\n" + text)
    columns = "--time date --target close"
    more = "--horizon 3 --hidden-size 4 --epochs 1 --head mae --set anchor=mean --patch 2 --log"
    said = run(f"fit prices.csv --task forecaster {columns} {more} --out runs/p").stdout
    for part in ("3 of these rows, the last of each series", "Dev squared error", "last season"):
        assert part in said
    for line in said.splitlines()[-2:]:
        run(line.strip().removeprefix("elman "))
    model = elman.load("runs/p")
    assert (model.horizon, model.head, model.series.anchor, model.patch_) == (3, "mae", "mean", 2)
    found = [json.loads(one) for one in run("predict runs/p --json --level 50").stdout.splitlines()]
    assert [one["date"] for one in found] == ["2024-03-31", "2024-04-01", "2024-04-02"]
    assert set(found[0]) == {"date", "elman", "elman-lo-50", "elman-hi-50"}
    assert found[0]["elman-lo-50"] <= found[0]["elman"] <= found[0]["elman-hi-50"]
    assert "2024-03-31" in run("predict runs/p prices.csv --horizon 1").stdout
    report = json.loads(run("evaluate runs/p prices.csv --json --level 80").stdout)["report"]
    assert report["count"] > 0
    assert set(report["coverage"]) == {"80"}
    assert "last value" in run("evaluate runs/p prices.csv").stdout
    steps = json.loads(run("inspect runs/p prices.csv --json").stdout)
    assert len(steps["steps"]) == model.window_ // 2
    assert len(steps["forecast"]) == 3
    assert "3 steps at once" in run("predict runs/p --horizon 9", 2).output

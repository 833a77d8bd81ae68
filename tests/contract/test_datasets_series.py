"""The data sets of series: against the packages they come from, and against figures of the literature."""

from __future__ import annotations

import os

import numpy as np
import pytest

from elman import datasets
from elman.errors import DataError, MissingExtraError
from elman.forecasting.naive import all_of

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="ELMAN_MIRROR names no folder with the published files"
)


@needs_mirror
def test_etth1_is_what_the_informer_reads() -> None:
    """Its borders, its scaler, and a figure that the literature gives: the last value, again and again."""
    parts = {split: datasets.load("etth1", split) for split in ("train", "dev", "test")}
    assert {split: len(one["y"]) for split, one in parts.items()} == {
        "train": 7 * 8_640,
        "dev": 7 * 2_880,
        "test": 7 * 2_880,
    }
    assert (parts["train"]["ds"][0], parts["test"]["ds"][-1]) == (
        "2016-07-01 00:00:00",
        "2018-02-20 23:00:00",
    )
    errors: dict[str, list[float]] = {}
    for name in dict.fromkeys(parts["train"]["unique_id"]):
        y = {
            split: np.array(
                [v for v, other in zip(one["y"], one["unique_id"], strict=True) if other == name]
            )
            for split, one in parts.items()
        }
        z = (np.concatenate(list(y.values())) - y["train"].mean()) / y["train"].std()
        origins = np.arange(11_520, len(z) - 24 + 1)
        for kind, table in all_of(z, origins, 24, 24, (float(z[0]), 0)).items():
            error = np.square(table - z[origins[:, None] + np.arange(24)]).mean()
            errors.setdefault(kind, []).append(float(error))
    assert len(origins) == 2_857
    assert np.mean(errors["seasonal_naive"]) == pytest.approx(0.424, abs=0.001)
    assert errors["naive"][-1] == pytest.approx(0.034, abs=0.001)
    one = datasets.load("etth1-ot", "test")
    assert one["y"] == parts["test"]["y"][-2_880:]


def test_series_of_packages_are_what_the_packages_say() -> None:
    stocks = [datasets.load("stocks", split) for split in ("train", "dev", "test")]
    pd = pytest.importorskip("pandas")
    vega = pytest.importorskip("vega_datasets")
    theirs = vega.local_data.stocks()
    ours = pd.concat([pd.DataFrame(one) for one in stocks])
    assert len(ours) == len(theirs) == 560
    merged = ours.assign(date=pd.to_datetime(ours["date"])).merge(theirs, on=["symbol", "date"])
    assert (merged["price_x"] == merged["price_y"]).all()
    assert len(merged) == 560
    assert max(stocks[0]["date"]) < min(stocks[1]["date"])
    assert max(stocks[1]["date"]) < min(stocks[2]["date"])
    spots = [datasets.load("sunspots", split) for split in ("train", "dev", "test")]
    years = [year for one in spots for year in one["year"]]
    assert years == list(range(1700, 2009))
    data = pytest.importorskip("statsmodels.datasets").sunspots.load_pandas().data
    assert [v for one in spots for v in one["sunspots"]] == data["SUNACTIVITY"].tolist()
    air = [datasets.load("air-passengers", split) for split in ("train", "dev", "test")]
    passengers = [v for one in air for v in one["passengers"]]
    assert (len(passengers), passengers[:3], passengers[-1], max(passengers)) == (
        144,
        [112, 118, 132],
        432,
        622,
    )
    assert [one["month"][0] for one in air] == ["1949-01-01", "1957-01-01", "1959-01-01"]


def test_a_package_that_is_missing_or_another_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtraError, match=r"elman\[forecast\]"):
        datasets.get("stocks").packaged("no_such_package", "x.csv", "0", "forecast")
    with pytest.raises(DataError, match="not the file that stocks is made of"):
        datasets.get("stocks").packaged("elman", "__init__.py", "0", "forecast")

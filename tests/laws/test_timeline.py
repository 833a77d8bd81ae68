"""Times against pandas: the step that is told, the places on its grid, and what comes next."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.timeline import Step, read_times, step_of, write_times
from elman.errors import DataError, SettingsError

FREQUENCIES = ["s", "15min", "h", "6h", "D", "2D", "W", "B", "MS", "2MS", "QS", "YS", "ME", "QE", "YE"]
starts = st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2090, 1, 1))


@given(freq=st.sampled_from(FREQUENCIES), start=starts, length=st.integers(12, 40))
def test_the_step_is_told_and_goes_on_as_pandas_does(freq, start, length) -> None:
    times = pd.date_range(start.replace(microsecond=0), periods=length + 5, freq=freq).to_numpy()
    times = times.astype("datetime64[us]")
    told = step_of([times[:length]])
    assert told is not None
    assert told == Step.named(freq)
    assert Step.named(str(told)) == told
    np.testing.assert_array_equal(told.after(times[length - 1], 5), times[length:])
    places = told.places(times)
    assert places is not None
    np.testing.assert_array_equal(places, np.arange(length + 5))


@given(freq=st.sampled_from(FREQUENCIES), gone=st.integers(2, 9))
def test_a_gap_leaves_the_step_as_it_is(freq, gone) -> None:
    times = pd.date_range("2020-02-29 10:00", periods=24, freq=freq).to_numpy().astype("datetime64[us]")
    kept = np.delete(times, gone)
    told = step_of([kept])
    assert told == Step.named(freq)
    assert told is not None
    places = told.places(kept)
    assert places is not None
    assert places.tolist() == [one for one in range(24) if one != gone]


def test_a_time_off_the_grid_has_no_place() -> None:
    times = np.array(["2020-01-01", "2020-01-02T01", "2020-01-03"], "datetime64[us]")
    assert Step.named("D").places(times) is None
    assert Step.named("MS").places(times) is None
    assert Step.named("B").places(np.array(["2020-01-04"], "datetime64[us]")) is None  # a Saturday


def test_numbers_are_times_too() -> None:
    times, form = read_times(["1700", "1702", "1704", "1708"])
    assert (times.tolist(), form) == ([1700, 1702, 1704, 1708], "number")
    told = step_of([times])
    assert told == Step("1", 2)
    assert told is not None
    assert told.after(times[-1], 2).tolist() == [1710, 1712]
    assert step_of([times[:1]]) is None


@pytest.mark.parametrize(
    ("values", "form", "back"),
    [
        (["2020-01-01", "2020-01-02"], "text", ["2020-01-01", "2020-01-02"]),
        (["2020-01-01 05:00", "2020-01-01T06:00:00"], "text", None),
        (["Jan 1 2000", "Feb 1 2000"], "text", ["2000-01-01", "2000-02-01"]),
        (["2020-01-01T01:00+01:00"], "text", ["2020-01-01"]),
        ([datetime.date(2020, 1, 1)], "date", [datetime.date(2020, 1, 1)]),
        ([pd.Timestamp("2020-01-01 03:00")], "time", [datetime.datetime(2020, 1, 1, 3)]),
        ([np.datetime64("2020-01-01")], "time", [datetime.datetime(2020, 1, 1)]),
        ([3, 4.0], "number", [3, 4]),
    ],
)
def test_times_are_read_and_written_in_their_form(values, form, back) -> None:
    times, found = read_times(values)
    assert found == form
    assert back is None or write_times(times, form) == back


@pytest.mark.parametrize(
    "wrong", [["soon"], [None], [1.5], [True], ["2020-13-01"], [pd.NaT], [float("nan")]]
)
def test_what_is_no_time_is_shown(wrong) -> None:
    with pytest.raises(DataError, match="A time cannot be read") as raised:
        read_times(wrong)
    assert repr(wrong[0]) in str(raised.value)


def test_seasons_and_names() -> None:
    seasons = {"h": 24, "15min": 96, "D": 7, "W": 52, "MS": 12, "QS": 4, "YS": 1, "B": 5, 1: 1, "6h": 4}
    assert {freq: Step.named(freq).season for freq in seasons} == seasons
    for wrong in ("fortnight", "0D", "", "-1h"):
        with pytest.raises(SettingsError, match="names no step"):
            Step.named(wrong)

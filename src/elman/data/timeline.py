"""Points in time: read from whatever rows hold, the regular step between them, and what comes next."""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.errors import DataError, SettingsError

FORMATS = (
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m",
    "%b %d %Y",
    "%d.%m.%Y",
    "%Y年%m月%d日",
)
"""What is read beside ISO 8601; month/day/year is not, since day/month/year looks the same."""

UNITS = {
    **{"s": ("s", 1), "min": ("min", 1), "t": ("min", 1), "h": ("h", 1), "d": ("D", 1), "w": ("D", 7)},
    **{"b": ("B", 1), "ms": ("M", 1), "m": ("M", 1), "me": ("E", 1), "qs": ("M", 3), "q": ("M", 3)},
    **{"qe": ("E", 3), "ys": ("M", 12), "y": ("M", 12), "ye": ("E", 12), "": ("1", 1)},
}
"""The names of steps, as pandas has them, in small letters: a unit and how many of it."""

SECONDS = {"s": 1, "min": 60, "h": 3_600, "D": 86_400}
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Step:
    """The distance between two neighbours of a regular series.

    Attributes:
        unit: `s`, `min`, `h`, `D`; `B` (Monday to Friday); `M` (months), `E` (ends of months); `1` (numbers).
        count: how many of the unit.

    >>> Step.named("15min"), Step.named("MS").season
    (Step(unit='min', count=15), 12)
    """

    unit: str
    count: int

    @classmethod
    def named(cls, freq: str | int) -> Step:
        """From a name such as `h`, `15min`, `D`, `B`, `W`, `MS`, `ME`, `QS`, `YS`, or a number.

        Raises:
            SettingsError: it is none of them.
        """
        found = re.fullmatch(r"(\d*) *([A-Za-z]*)", str(freq).strip())
        unit = UNITS.get(found[2].lower()) if found and (found[1] or found[2]) else None
        if found is None or unit is None or found[1] == "0":
            raise SettingsError(
                "freq names no step in time.",
                expected="s, min, h, D, B, W, MS, ME, QS, YS, with a number before it if need be (15min)",
                received=repr(freq),
            )
        return cls(unit[0], unit[1] * int(found[1] or 1))

    @property
    def season(self) -> int:
        """How many steps make the season that such series most often have: a day, a week, a year."""
        if self.unit in ("M", "E"):
            return max(1, 12 // self.count)
        if self.unit in ("1", "B"):
            return 1 if self.unit == "1" else 5
        seconds = SECONDS[self.unit] * self.count
        for whole in (86_400, 7 * 86_400):
            if seconds < whole:
                return max(1, whole // seconds)
        return 52 if seconds == 7 * 86_400 else 1

    def places(self, times: np.ndarray) -> np.ndarray | None:
        """Each time as a number of steps since the first; None where one is off the grid."""
        if self.unit == "1":
            distance = times - times[0]
        elif self.unit == "B":
            days = times.astype("datetime64[D]")
            clock = times - days
            if not np.is_busday(days).all() or (clock != clock[0]).any():
                return None
            distance = np.busday_count(days[0], days)
        elif self.unit in ("M", "E"):
            months = times.astype("datetime64[M]")
            within = times - (months + (self.unit == "E")).astype(times.dtype)
            if (within != within[0]).any() or (self.unit == "E" and within[0] < -DAY):
                return None
            distance = (months - months[0]).astype(np.int64)
        else:
            unit = np.timedelta64(SECONDS[self.unit], "s")
            if ((times - times[0]) % unit).astype(np.int64).any():
                return None
            distance = (times - times[0]) // unit
        return None if (distance % self.count).any() else distance // self.count

    def after(self, time: Any, steps: int) -> np.ndarray:
        """The next `steps` times after one."""
        ahead = np.arange(1, steps + 1) * self.count
        if self.unit == "1":
            return time + ahead
        if self.unit == "B":
            day = time.astype("datetime64[D]")
            return np.busday_offset(day, ahead, roll="backward") + (time - day)
        if self.unit in ("M", "E"):
            month, end = time.astype("datetime64[M]"), self.unit == "E"
            within = time - (month + end).astype(time.dtype)
            return (month + ahead + end).astype(time.dtype) + within
        return time + ahead * np.timedelta64(SECONDS[self.unit], "s")

    def __str__(self) -> str:
        named = {"M": "MS", "E": "ME", "1": ""}.get(self.unit, self.unit)
        return f"{self.count if self.count > 1 or not named else ''}{named}"


def step_of(series: Sequence[np.ndarray]) -> Step | None:
    """The step that is commonest among neighbours of sorted times; None where there are no neighbours.

    >>> step_of([np.array(["2020-01-01", "2020-02-01", "2020-04-01"], "datetime64[us]")])
    Step(unit='M', count=1)
    """
    longer = [one for one in series if len(one) > 1]
    if not longer:
        return None
    counted = Counter(np.concatenate([np.diff(one) for one in longer]).tolist())
    distance = counted.most_common(1)[0][0]
    if longer[0].dtype.kind != "M":
        return Step("1", distance)
    seconds = distance.total_seconds()
    if seconds >= 28 * 86_400:
        for unit in ("E", "M"):  # the last of December is both, and the end of February moves
            if all(Step(unit, 1).places(one) is not None for one in longer):
                months = np.concatenate([np.diff(one.astype("datetime64[M]")) for one in longer])
                return Step(unit, Counter(months.astype(int).tolist()).most_common(1)[0][0])
    if seconds == 86_400:
        days = np.concatenate(longer).astype("datetime64[D]")
        if np.is_busday(days).all() and any((one[-1] - one[0]) >= 7 * DAY for one in longer):
            return Step("B", 1)
    unit = next((one for one in ("D", "h", "min", "s") if seconds % SECONDS[one] == 0), None)
    return None if unit is None else Step(unit, int(seconds) // SECONDS[unit])


def read_times(values: Sequence[Any]) -> tuple[np.ndarray, str]:
    """Times as whole numbers or `datetime64[us]`, and their form: `number`, `text`, `date` or `time`.

    A time with an offset becomes one of UTC.

    Raises:
        DataError: some are missing, or are neither whole numbers nor times; the first is shown.

    >>> read_times(["2020-01-01", "2020-01-02T12:00"])[1]
    'text'
    """
    if all(isinstance(one, str) for one in values):
        return _of_text([one.strip() for one in values])
    if all(isinstance(one, int | float | np.integer) and not isinstance(one, bool) for one in values):
        wrong = next((one for one in values if not math.isfinite(one) or one != int(one)), None)
        if wrong is None:
            return np.array([int(one) for one in values], np.int64), "number"
        raise _no_time(wrong)
    stamps = [_stamp(one) for one in values]
    dates = all(type(one) is datetime.date for one in values)
    return np.array(stamps, "datetime64[us]"), "date" if dates else "time"


def write_times(times: np.ndarray, form: str) -> list[Any]:
    """Times as the rows had them: numbers, ISO 8601, dates or datetimes."""
    values = times.tolist()
    if form == "text":
        days = all(one.time() == datetime.time() for one in values)
        return [str(one.date()) if days else str(one) for one in values]
    return [one.date() for one in values] if form == "date" else values


def _of_text(values: list[str]) -> tuple[np.ndarray, str]:
    if all(re.fullmatch(r"[+-]?\d{1,7}", one) for one in values):
        return np.array([int(one) for one in values], np.int64), "number"
    for form in (None, *FORMATS):
        try:
            found = [
                datetime.datetime.fromisoformat(one)
                if form is None
                else datetime.datetime.strptime(one, form)
                for one in values
            ]
        except ValueError:
            continue
        return np.array([_stamp(one) for one in found], "datetime64[us]"), "text"
    wrong = next((one for one in values if not _is_iso(one)), values[0])
    raise _no_time(wrong)


def _is_iso(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _stamp(one: Any) -> np.datetime64:
    if isinstance(one, datetime.datetime) and one == one:  # pandas has one that is no time
        if one.tzinfo is not None:
            one = one.astimezone(datetime.UTC).replace(tzinfo=None)
        return np.datetime64(getattr(one, "to_pydatetime", lambda: one)(), "us")
    if type(one) is datetime.date:
        return np.datetime64(one, "us")
    if isinstance(one, np.datetime64) and not np.isnat(one):
        return one.astype("datetime64[us]")
    raise _no_time(one)


def _no_time(value: Any) -> DataError:
    return DataError(
        "A time cannot be read.",
        expected="whole numbers, dates, datetimes, or text in ISO 8601 such as 2020-01-31 14:00",
        received=repr(value),
        fix="fill it, take the row out, or write all times in one way",
    )

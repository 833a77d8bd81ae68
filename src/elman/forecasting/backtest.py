"""What sets forecasts against what came: a part set aside, errors beside those that cost nothing, reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman import metrics
from elman.answers import ForecastReport
from elman.data import Records
from elman.data.panels import Columns, Line
from elman.data.timeline import read_times, write_times
from elman.errors import DataError, MissingExtraError, SettingsError
from elman.forecasting.frames import NAME
from elman.forecasting.history import History
from elman.forecasting.naive import NAIVE, all_of
from elman.forecasting.windows import Windows


def last_part(
    rows: Records, columns: Columns, horizon: int, share: float = 0.1
) -> tuple[Records, Records]:
    """The rows to train on, and the last `share` of each series, `horizon` of them at least.

    A series with fewer than three horizons gives none.

    >>> rows = Records({"ds": [3, 1, 2, 4], "y": [0.0] * 4})
    >>> last_part(rows, Columns(None, "ds", "y"), horizon=1)[1].column("ds")
    [4]
    """
    times, _ = read_times(rows.column(columns.time))
    names = [None] * len(rows) if columns.series is None else rows.column(columns.series)
    groups: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    held: list[int] = []
    for places in groups.values():
        if len(places) >= 3 * horizon:
            order = np.array(places)[np.argsort(times[places], kind="stable")]
            held += order[-max(horizon, round(share * len(order))) :].tolist()
    aside = set(held)
    return rows.select([one for one in range(len(rows)) if one not in aside]), rows.select(sorted(held))


def refuse_short(lines: Sequence[Line], least: int, source: str) -> None:
    """Raise one error for all series with fewer than `least` rows.

    Raises:
        DataError: the first few are named.
    """
    short = [one for one in lines if len(one) < least]
    if short:
        shown = [
            f"{'the series' if one.name is None else repr(one.name)}: {len(one)}" for one in short[:5]
        ]
        raise DataError.at(
            source,
            f"{len(short)} of {len(lines)} series have too few rows.",
            expected=f"{least} rows or more, for the horizon and the steps before it",
            received="\n".join([*shown, "…"] if len(short) > 5 else shown),
            fix="give longer series, take these out, or choose a shorter horizon, window or patch",
        )


def beside(windows: Windows, lines: Sequence[Line], past: History) -> dict[str, np.ndarray]:
    """The forecasts that cost nothing for each window, in the series' own units: `windows horizon`."""
    found = {name: np.zeros((len(windows), windows.horizon)) for name in NAIVE}
    for number, line in enumerate(lines):
        mine = np.flatnonzero(windows.rows == number)
        made = all_of(
            line.y, windows.origins[mine], windows.horizon, past.panel.season, past.start(line)
        )
        for name, table in made.items():
            found[name][mine] = table
    return found


def scaled(
    tables: dict[str, np.ndarray], windows: Windows, lines: Sequence[Line], past: History
) -> None:
    """Standardise tables in the series' own units, each row by its series, in place."""
    numbers = past.panel.encode(lines)
    mean = np.array([one.mean for one in numbers])[windows.rows][:, None]
    spread = np.array([one.spread for one in numbers])[windows.rows][:, None]
    for name, table in tables.items():
        if past.panel.log:
            table = np.log(np.maximum(table, np.finfo(float).tiny))
        tables[name] = (table - mean) / spread


def standing(
    errors: np.ndarray, windows: Windows, lines: Sequence[Line], past: History
) -> dict[str, float]:
    """The squared errors, standardised, of the model and of what costs nothing, and the skill."""
    tables = beside(windows, lines, past)
    scaled(tables, windows, lines, past)
    truth = windows.truth(np.arange(len(windows))).numpy()
    free = {name: float(np.square(truth - table).mean()) for name, table in tables.items()}
    mse = float(np.square(errors).mean())
    found = {"dev_mse": mse} | {f"dev_{name}": value for name, value in free.items()}
    return found | {"dev_skill": 1 - mse / max(min(free.values()), 1e-12)}


def beaten(figures: dict[str, float]) -> str:
    """What is said where the model is no better than what costs nothing."""
    best = min(NAIVE, key=lambda name: figures[f"dev_{name}"])
    return (
        f"The model does not beat the forecast {best!r} on dev: squared error "
        f"{figures['dev_mse']:.4f} against {figures[f'dev_{best}']:.4f}, standardised."
    )


def report(
    found: dict[str, np.ndarray], windows: Windows, lines: Sequence[Line], past: History
) -> ForecastReport:
    """Forecasts, standardised, against what came: in the series' own units, and standardised.

    Raises:
        MissingExtraError: pandas or utilsforecast is not installed.
    """
    count, horizon = len(windows), windows.horizon
    own = {name: np.zeros((count, horizon)) for name in found}
    numbers = past.panel.encode(lines)
    for name, table in found.items():
        for row, one in enumerate(numbers):
            mine = windows.rows == row
            own[name][mine] = past.panel.back(table[mine], one)
    ahead = np.arange(horizon)
    values = np.concatenate([one.y for one in lines])
    starts = np.concatenate([[0], np.cumsum([len(one) for one in lines])])[:-1]
    truth = values[(starts[windows.rows] + windows.origins)[:, None] + ahead]
    cheap = beside(windows, lines, past)
    models = [NAME, *NAIVE]
    plain = metrics.forecast_errors(_frame(windows, {"y": truth, **own, **cheap}), models)
    scaled(cheap, windows, lines, past)
    middle = {"y": windows.truth(np.arange(count)).double().numpy(), NAME: found[NAME], **cheap}
    relative = metrics.forecast_errors(_frame(windows, middle), models)
    for name in models:
        plain[name] |= {
            "scaled_mae": relative[name]["mae"],
            "scaled_mse": relative[name]["rmse"] ** 2,
        }
    best = min(plain[name]["scaled_mse"] for name in NAIVE)
    covered = None
    levels = sorted({name.removeprefix(f"{NAME}-lo-") for name in found if "-lo-" in name}, key=float)
    if levels:
        frame = _frame(windows, {"y": truth, **own})
        covered = {one: metrics.coverage(frame, NAME, one) for one in levels}
    own_figures: dict[str, Any] = {**plain[NAME], **{name: plain[name] for name in NAIVE}}
    return ForecastReport(
        count=count,
        series=len(set(windows.rows.tolist())),
        horizon=horizon,
        skill=1 - plain[NAME]["scaled_mse"] / max(best, 1e-12),
        **own_figures,
        coverage=covered,
    )


def table(
    found: dict[str, np.ndarray], windows: Windows, lines: Sequence[Line], past: History
) -> dict[str, list[Any]]:
    """Forecasts, what came, and the forecasts that cost nothing, a row for each step of each window."""
    numbers, form = past.panel.encode(lines), past.panel.form
    cheap = beside(windows, lines, past)
    parts: list[dict[str, Any]] = []
    for window, (row, origin) in enumerate(
        zip(windows.rows.tolist(), windows.origins.tolist(), strict=True)
    ):
        line, steps = lines[row], slice(origin, origin + windows.horizon)
        part: dict[str, Any] = {}
        if past.columns.series is not None:
            part[past.columns.series] = [line.name] * windows.horizon
        part[past.columns.time] = write_times(line.times[steps], form)
        part["cutoff"] = write_times(line.times[origin - 1 : origin], form) * windows.horizon
        part[past.columns.target] = line.y[steps].tolist()
        for name, one in found.items():
            part[name] = past.panel.back(one[window], numbers[row]).tolist()
        part |= {name: one[window].tolist() for name, one in cheap.items()}
        parts.append(part)
    return {name: [one for part in parts for one in part[name]] for name in parts[0]}


def moments(n_windows: int, step_size: int | None, horizon: int) -> list[int]:
    """How many steps before the end each moment of a backtest is, the first moment first.

    Raises:
        SettingsError: fewer than one window, or a step below one.

    >>> moments(3, 2, horizon=4)
    [8, 6, 4]
    """
    step = horizon if step_size is None else step_size
    if n_windows < 1 or step < 1:
        received = f"n_windows={n_windows}, step_size={step_size}"
        raise SettingsError("n_windows and step_size are at least 1.", received=received)
    return [horizon + step * number for number in reversed(range(n_windows))]


def cuts(
    rows: Records, columns: Columns, backs: Sequence[int], horizon: int
) -> list[tuple[Records, Records, Records]]:
    """For each number of steps before the end: the rows up to there, those of them that come after the number
    before it, and the `horizon` rows after.

    Raises:
        DataError: a series is too short.
    """
    times, _ = read_times(rows.column(columns.time))
    names = [None] * len(rows) if columns.series is None else rows.column(columns.series)
    groups: dict[Any, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name, []).append(place)
    sorted_ = [np.array(one)[np.argsort(times[one], kind="stable")].tolist() for one in groups.values()]
    least = max(backs) + 2 * horizon
    if short := [name for name, one in groups.items() if len(one) < least]:
        raise DataError.at(
            rows.source,
            f"{len(short)} of {len(groups)} series are too short for {len(backs)} windows.",
            expected=f"{least} rows or more",
            received=f"{len(groups[short[0]])} rows{'' if short[0] is None else f' of series {short[0]!r}'}",
            fix="ask for fewer n_windows, a smaller step_size or a shorter horizon",
        )
    found = []
    for number, back in enumerate(backs):
        last = backs[number - 1] if number else back
        between = [one for own in sorted_ for one in own[len(own) - last : len(own) - back]]
        before = [one for own in sorted_ for one in own[:-back]]
        after = [one for own in sorted_ for one in own[len(own) - back :][:horizon]]
        found.append((rows.select(before), rows.select(between), rows.select(after)))
    return found


def _frame(windows: Windows, tables: dict[str, np.ndarray]) -> Any:
    try:
        import pandas as pd
    except ImportError as cause:
        raise MissingExtraError.of("pandas", "forecast", "Measuring forecasts") from cause
    horizon = windows.horizon
    rows = {"unique_id": np.repeat(windows.rows, horizon), "cutoff": np.repeat(windows.origins, horizon)}
    return pd.DataFrame(rows | {name: table.ravel() for name, table in tables.items()})

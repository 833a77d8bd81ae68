"""What was looked into, drawn into a file by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elman.answers import Alignment
from elman.apps.messages import say
from elman.errors import MissingExtraError, SettingsError
from elman.forecasting.looking import Course
from elman.inspection.picture import named, written
from elman.seen import Gaze, Screening

FORMATS = (".png", ".pdf", ".svg")
ACROSS, FRAMES = 5, 8
"""Maps side by side; frames of a film."""


def draw(shown: Any, out: str) -> None:
    """Draw the result of `inspect` into a file.

    Raises:
        SettingsError: there is no drawing of such a result, or no such format.
        MissingExtraError: matplotlib is not installed.
    """
    if Path(out).suffix.lower() not in FORMATS:
        raise SettingsError("This is no format of drawings.", expected=", ".join(FORMATS), received=out)
    way = DRAWINGS.get(type(shown))
    if way is None:
        raise SettingsError(
            f"There is no drawing of a {type(shown).__name__}.",
            expected=", ".join(one.__name__ for one in DRAWINGS),
            fix="leave out --out",
        )
    figure = way(shown)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, bbox_inches="tight", facecolor="white")


def blank(width: float, height: float) -> Any:
    """An empty figure of so many inches, which no window shows.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise MissingExtraError.of("matplotlib", "plot", "Drawing") from cause
    return Figure(figsize=(width, height), layout="constrained")


def _gaze(gaze: Gaze) -> Any:
    """The picture, and then over it the map of each word, from its lowest to its highest."""
    count = len(gaze.tokens) + 1
    across = min(ACROSS, count)
    rows = -(-count // across)
    figure = blank(2.0 * across, 2.3 * rows)
    axes = np.atleast_1d(figure.subplots(rows, across)).ravel()
    height, width = gaze.picture.shape[:2]
    place = (0, width, height, 0)
    shade: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if gaze.picture.ndim == 2 else {}
    for number, one in enumerate(axes):
        one.set_axis_off()
        if number >= count:
            continue
        one.imshow(gaze.picture, extent=place, **shade)
        if number:
            weights = gaze.weights[number - 1]
            share = (weights - weights.min()) / max(float(np.ptp(weights)), 1e-12)
            one.imshow(
                share, extent=place, cmap="inferno", alpha=0.15 + 0.6 * share, interpolation="bilinear"
            )
            name, font = named(gaze.tokens[number - 1], str(number))
            one.set_title(name, fontsize=11, **font)
    return figure


def _screening(film: Screening) -> Any:
    """Some frames as they were, as they were foreseen, and how far apart these are."""
    count = min(FRAMES, len(film.errors))
    chosen = np.linspace(0, len(film.errors) - 1, count).round().astype(int)
    figure = blank(1.3 * count, 4.2)
    axes = np.atleast_2d(figure.subplots(3, count, squeeze=False))
    for column, step in enumerate(chosen):
        truth, foreseen = (
            one.astype(float) / 255 for one in (film.truth[step + 1], film.foreseen[step])
        )
        axes[0, column].set_title(f"{step + 2}", fontsize=9)
        for row, shown in enumerate((truth, foreseen)):
            axes[row, column].imshow(shown, cmap="gray", vmin=0, vmax=1)
        apart = np.abs(truth - foreseen)
        apart = apart if apart.ndim == 2 else apart.mean(-1)
        axes[2, column].imshow(apart, cmap="inferno", vmin=0, vmax=1)
        axes[2, column].set_xlabel(f"{film.errors[step]:.4f}\n{film.copied[step]:.4f}", fontsize=7)
    for one in axes.ravel():
        one.set_xticks([])
        one.set_yticks([])
    for row, key in enumerate(("screening.truth", "screening.foreseen", "screening.apart")):
        name, font = named(say(key), key.partition(".")[2])
        axes[row, 0].set_ylabel(name, fontsize=9, **font)
    return figure


def _course(course: Course) -> Any:
    """A window: its values, what each step foresaw, what is foreseen now; below, the hidden state."""
    figure, steps = blank(9, 5.5), course.steps
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    *found, end = (_when(one) for one in (*(one.time for one in steps), course.times[-1]))
    places, dated = np.array(found), not isinstance(course.times[-1], int | float)
    ahead = np.arange(1, len(course.forecast) + 1) * (end - places[-1]) / len(course.forecast)
    for number, (place, one) in enumerate(zip(places, steps, strict=True)):
        name = None if number else "foreseen at each step"
        seen = ahead[: len(one.forecast)]
        above.plot(place + seen, one.forecast, color="tab:orange", alpha=0.5, linewidth=1, label=name)
    above.plot(places, [one.value for one in steps], "o", color="tab:blue", markersize=4, label="value")
    above.plot(places[-1] + ahead, course.forecast, "o-", color="tab:green", markersize=3, label="now")
    title, font = named(str(course.series or ""), "")
    above.set_title(title, fontsize=10, **font)
    figure.legend(loc="outside upper right", ncols=3, fontsize=9)
    above.grid(alpha=0.3)
    layers = sum(name.startswith("h_l") for name in course.states)  # a forecaster reads forwards only
    states = course.states[f"h_l{layers - 1}"]
    gap = (places[-1] - places[0]) / max(len(places) - 1, 1) or 1.0
    extent = (places[0] - gap / 2, places[-1] + gap / 2, 0.5, states.shape[1] + 0.5)
    far = float(np.abs(states).max()) or 1.0
    heat = below.imshow(
        states.T, origin="lower", aspect="auto", extent=extent, cmap="RdBu_r", vmin=-far, vmax=far
    )
    figure.colorbar(heat, ax=below, label="h")
    below.set_ylabel("hidden unit")
    below.set_xlim(extent[0], end + gap / 2)
    if dated:
        below.xaxis_date()
    below.tick_params("x", rotation=20, labelsize=8)
    return figure


def _when(time: Any) -> float:
    """A place along time: a number as it is, a date in days."""
    from matplotlib.dates import date2num

    return float(time) if isinstance(time, int | float) else float(date2num(np.datetime64(str(time))))


def _alignment(alignment: Alignment) -> Any:
    """How much was looked at each token that was read, in a row, while each one was written, in a column."""
    rows, columns = len(alignment.source), len(alignment.target)
    figure = blank(max(3.0, 1.5 + 0.5 * columns), max(2.5, 1.2 + 0.35 * rows))
    axes = figure.subplots()
    heat = axes.imshow(alignment.weights.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(heat, ax=axes)
    axes.xaxis.tick_top()
    for axis, tokens in ((axes.yaxis, alignment.source), (axes.xaxis, alignment.target)):
        written(axis, range(len(tokens)), tokens, fontsize=9)
    axes.tick_params("x", rotation=60)
    return figure


DRAWINGS: dict[type, Any] = {Gaze: _gaze, Screening: _screening, Course: _course, Alignment: _alignment}
"""What draws each kind of result."""

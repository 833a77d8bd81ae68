"""What was looked into, drawn into a file by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elman.apps.messages import say
from elman.errors import MissingExtraError, SettingsError
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
            name, font = _named(gaze.tokens[number - 1], str(number))
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
        name, font = _named(say(key), key.partition(".")[2])
        axes[row, 0].set_ylabel(name, fontsize=9, **font)
    return figure


def _named(text: str, instead: str) -> tuple[str, dict[str, Any]]:
    """A text and a font that has its characters; another text, where no such font is installed."""
    from matplotlib import font_manager

    if all(ord(one) < 0x2E80 for one in text):
        return text.replace("$", r"\$"), {}
    known = {one.name for one in font_manager.fontManager.ttflist}
    wide = [one for one in known if any(part in one for part in ("CJK", "WenQuanYi", "Hei", "Song"))]
    return (text, {"fontname": min(wide)}) if wide else (instead, {})


DRAWINGS: dict[type, Any] = {Gaze: _gaze, Screening: _screening}
"""What draws each kind of result."""

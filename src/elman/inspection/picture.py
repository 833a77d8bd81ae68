"""A reading as a picture: what was heard, and below it what was believed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import MissingExtraError, SettingsError
from elman.inspection.trace import Heard, Trace
from elman.sound import HOP, WINDOW

LONGEST = 60
"""Steps that still have their names written below them."""
WIDE = ("CJK", "WenQuanYi", "Hei", "Song", "PingFang")
"""What is in the names of fonts that have Chinese characters."""
MANY = 10
"""Labels that are drawn though nobody asked for so many."""


def draw(trace: Trace, title: str, top: int, path: str | os.PathLike[str]) -> Path:
    """Draw the beliefs of a reading along its steps; of a recording, its spectrogram above them.

    Args:
        trace: with the beliefs in every label that may be drawn.
        title: what was read.
        top: how many labels are drawn at least: the one that the end believes in, then those that were
            likeliest at any step. Every label that led at some step is drawn, up to ten.
        path: of the picture; its suffix says of which kind it is.

    Raises:
        SettingsError: a suffix that no picture has.
        MissingExtraError: the package matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise MissingExtraError.of("matplotlib", "plot", "Drawing a picture") from cause
    labels, chances = _beliefs(trace)
    heard = trace if isinstance(trace, Heard) else None
    figure = Figure(figsize=(9, 6 if heard else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(2 if heard else 1, sharex=True, squeeze=False)[:, 0]
    count = len(trace.steps)
    # A belief stands at the end of what it has heard.
    places = np.arange(1, count + 1) if heard is None else heard.ends
    if heard is not None:
        frames, bands = heard.frames.shape
        extent = (WINDOW - HOP, frames * HOP + WINDOW - HOP, 0, bands)
        axes[0].imshow(heard.frames.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
        axes[0].set_ylabel("mel band")
    name, font = named(title, "")
    axes[0].set_title(name, fontsize=10, **font)
    shown = _likeliest(labels, chances, top)
    marker = "o" if heard is None and count <= LONGEST else None
    for number, label in enumerate(shown, 1):
        name, _ = named(str(label), str(number))
        axes[-1].plot(places, chances[:, labels.index(label)], label=name, linewidth=1.8, marker=marker)
    axes[-1].set_ylim(-0.02, 1.02)
    axes[-1].set_ylabel("probability")
    legend = figure.legend(loc="outside right upper", fontsize=9)
    for text, label in zip(legend.get_texts(), shown, strict=True):
        text.set(**named(str(label), "")[1])
    axes[-1].grid(alpha=0.3)
    if heard is not None:
        axes[-1].set_xlabel("seconds")
    elif count <= LONGEST:
        written(
            axes[-1].xaxis,
            places,
            [one.token for one in trace.steps],
            rotation=60,
            ha="right",
            fontsize=8,
        )
    try:
        figure.savefig(path, dpi=130)
    except ValueError as cause:
        known = ", ".join(sorted(figure.canvas.get_supported_filetypes()))
        raise SettingsError(
            "There is no picture of this kind.",
            expected=f"a file with a suffix of {known}",
            received=path,
        ) from cause
    return Path(path)


def written(axis: Any, places: Iterable[float], tokens: Sequence[str], **style: Any) -> None:
    """Write tokens along an axis, or their numbers, where no installed font has their characters."""
    found = [named(token, str(number)) for number, token in enumerate(tokens, 1)]
    axis.set_ticks(list(places), [name for name, _ in found], **style)
    for label, (_, font) in zip(axis.get_ticklabels(), found, strict=True):
        label.set(**font)


def named(text: str, instead: str) -> tuple[str, dict[str, Any]]:
    """A text and a font that has its characters; another text, where no such font is installed."""
    from matplotlib import font_manager

    if all(ord(one) < 0x2E80 for one in text):
        return text.replace("$", r"\$"), {}
    known = {one.name for one in font_manager.fontManager.ttflist}
    wide = [one for one in known if any(part in one for part in WIDE)]
    if not wide:
        _say_once()
    return (text, {"fontname": min(wide)}) if wide else (instead, {})


@cache
def _say_once() -> None:
    logging.getLogger("elman").warning(
        "No installed font has these characters: numbers stand in their place. Noto Sans CJK is one that has."
    )


def _beliefs(trace: Trace) -> tuple[list[Any], np.ndarray]:
    """The labels that any step names, and their probabilities: `steps labels`."""
    labels = list(dict.fromkeys(label for step in trace.steps for label, _ in step.beliefs))
    chances = np.zeros((len(trace.steps), len(labels)))
    for row, step in enumerate(trace.steps):
        for label, p in step.beliefs:
            chances[row, labels.index(label)] = p
    return labels, chances


def _likeliest(labels: list[Any], chances: np.ndarray, top: int) -> list[Any]:
    """The label that the end believes in, then those that were likeliest at any step."""
    top = min(max(top, len(set(chances.argmax(1)))), max(top, MANY))
    last, ever = int(chances[-1].argmax()), np.argsort(-chances.max(0), kind="stable")
    order = [last, *(int(one) for one in ever if one != last)]
    return [labels[one] for one in order[:top]]

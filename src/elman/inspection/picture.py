"""A reading as a picture: what was heard, and below it what was believed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import MissingExtraError, SettingsError
from elman.inspection.trace import Heard, Trace
from elman.sound import HOP, WINDOW

LONGEST = 60
"""Steps that still have their names written below them."""


def draw(trace: Trace, title: str, top: int, path: str | os.PathLike[str]) -> Path:
    """Draw the beliefs of a reading along its steps; of a recording, its spectrogram above them.

    Args:
        trace: with the beliefs in every label that may be drawn.
        title: what was read.
        top: how many labels are drawn: those that the end, and then any step, holds likeliest.
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
    axes[0].set_title(title, fontsize=10)
    for label in _likeliest(labels, chances, top):
        axes[-1].plot(places, chances[:, labels.index(label)], label=str(label), linewidth=1.8)
    axes[-1].set_ylim(-0.02, 1.02)
    axes[-1].set_ylabel("probability")
    axes[-1].legend(loc="upper left", fontsize=9, framealpha=0.8)
    axes[-1].grid(alpha=0.3)
    if heard is not None:
        axes[-1].set_xlabel("seconds")
    elif count <= LONGEST:
        names = [one.token for one in trace.steps]
        axes[-1].set_xticks(places, names, rotation=60, ha="right", fontsize=8)
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
    last, ever = int(chances[-1].argmax()), np.argsort(-chances.max(0), kind="stable")
    order = [last, *(int(one) for one in ever if one != last)]
    return [labels[one] for one in order[:top]]

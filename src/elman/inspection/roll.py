"""What a network expected of each frame of a piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elman.errors import MissingExtraError, SettingsError
from elman.layers.frames import Frames
from elman.ragged import Ragged
from elman.structures.n_to_n import NToN


@dataclass(frozen=True)
class Roll:
    """A piece as it was heard.

    Attributes:
        keys: their names, from the lowest.
        frames: `time keys`, 1 where a key sounded.
        chances: `time keys`, the chance that it had, given the keys below it as they were.
        nats: how unexpected each frame was, -log p.
        states: arrays `time hidden` by name and layer: `h_l0`, `z_l0`, ...
    """

    keys: list[str]
    frames: np.ndarray = field(repr=False)
    chances: np.ndarray = field(repr=False)
    nats: list[float]
    states: dict[str, np.ndarray] = field(repr=False)

    def to_dict(self, top: int = 6) -> dict[str, Any]:
        """The frames as JSON data: what sounded, what was expected most, and how unexpected it was."""
        steps = []
        for number, (frame, chances) in enumerate(zip(self.frames, self.chances, strict=True)):
            likely = np.argsort(-chances, kind="stable")[:top]
            expected = [{"key": self.keys[key], "probability": float(chances[key])} for key in likely]
            sounds = [self.keys[key] for key in np.flatnonzero(frame)]
            nats = self.nats[number]
            steps.append({"step": number + 1, "sounds": sounds, "expected": expected, "nats": nats})
        return {"steps": steps}

    def range(self, least: float = 0.05) -> tuple[int, int]:
        """The lowest and the highest key that sounds, or has at least this chance at some step."""
        used = np.flatnonzero((self.frames > 0).any(0) | (self.chances >= least).any(0))
        return (int(used[0]), int(used[-1])) if len(used) else (0, 0)

    def save(self, path: str | Path) -> Path:
        """Draw it: grey for what was expected, a ring for what sounded, and below how unexpected it was.

        Raises:
            MissingExtraError: matplotlib is not installed.
            SettingsError: the suffix names no kind of picture.
        """
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as cause:
            raise MissingExtraError.of("matplotlib", "plot", "A picture") from cause
        low, high = self.range()
        shown = slice(max(low - 2, 0), high + 3)
        figure = Figure(figsize=(max(6.0, 0.16 * len(self.frames) + 1.5), 6.0), layout="constrained")
        roll, below = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        roll.imshow(
            self.chances[:, shown].T,
            origin="lower",
            aspect="auto",
            cmap="Greys",
            vmin=0,
            vmax=1,
            extent=(
                0.5,
                len(self.frames) + 0.5,
                shown.start - 0.5,
                shown.start + len(self.keys[shown]) - 0.5,
            ),
        )
        steps, keys = np.nonzero(self.frames)
        roll.scatter(steps + 1, keys, s=22, facecolors="none", edgecolors="tab:red", linewidths=1.2)
        ticks = [key for key in range(*shown.indices(len(self.keys))) if self.keys[key].startswith("C")]
        ticks = [key for key in ticks if "#" not in self.keys[key]]
        roll.set_yticks(ticks, [self.keys[key] for key in ticks])
        roll.set_title("expected (grey) and sounding (red)")
        below.bar(np.arange(1, len(self.nats) + 1), self.nats, color="tab:blue")
        below.set_ylabel("nats")
        below.set_xlabel("frame")
        try:
            FigureCanvasAgg(figure).print_figure(str(path), dpi=110)
        except ValueError as cause:
            raise SettingsError(
                "The suffix does not say how the picture is to be drawn.",
                expected=".png, .pdf, .svg",
                received=str(path),
            ) from cause
        return Path(path)


@torch.inference_mode()
def look_at_music(network: NToN, inputs: Ragged, frames: Ragged, names: list[str]) -> Roll:
    """What was expected of each frame of one piece.

    Args:
        network: in evaluation mode, with a head of frames.
        inputs: a batch of the one piece, as it is read.
        frames: the frames that are answered.
        names: of the keys.

    Raises:
        SettingsError: a piece without frames.
    """
    if len(inputs) != 1 or not len(inputs.values):
        raise SettingsError("There is no step to look at.", expected="one piece of at least one frame")
    kind = network.recurrent.cell_type
    scan = network.run(inputs, record=(*kind.states, *kind.gates))
    head: Frames = network.head
    told, heard = head(scan.outputs.values), frames.values.float()
    return Roll(
        names,
        frames.values.numpy(),
        head.chances(told, heard).numpy(),
        head.nats(told, heard).tolist(),
        {name: values.values.numpy() for name, values in scan.trace.items()},
    )

"""What models answer about pictures and frames, and how good they are at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Gaze:
    """Where in a picture each word of its caption looked.

    Attributes:
        tokens: what was written, the end included where it was reached.
        picture: what the network saw: `height width 3` or `height width`, uint8.
        weights: `tokens rows columns`, a map of regions for each token, each summing to 1.
        way: `attention`, where the network has it; else `occlusion`: how much less likely the token is where
            a region is hidden.
    """

    tokens: list[str]
    picture: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    way: str = "attention"

    def to_dict(self) -> dict[str, Any]:
        """The maps as JSON data; the picture stays behind."""
        return {"tokens": self.tokens, "way": self.way, "weights": self.weights.tolist()}


@dataclass(frozen=True)
class Film:
    """Frames that were foreseen.

    Attributes:
        frames: `time height width 3` or `time height width`, uint8.
    """

    frames: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        return f"Film({' × '.join(map(str, self.frames.shape))})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The frames as JSON data, brightness from 0 to 255."""
        return {"shape": list(self.frames.shape), "frames": self.frames.tolist()}


@dataclass(frozen=True)
class Screening:
    """A film beside what was foreseen of it.

    Attributes:
        truth: its frames, `time height width …`, uint8.
        foreseen: what was foreseen for each frame after the first.
        errors: the mean squared error of each of these, brightness from 0 to 1.
        copied: that of the frame before in its place.
    """

    truth: np.ndarray = field(repr=False)
    foreseen: np.ndarray = field(repr=False)
    errors: list[float]
    copied: list[float]

    def to_dict(self) -> dict[str, Any]:
        """The errors as JSON data; the frames stay behind."""
        pairs = enumerate(zip(self.errors, self.copied, strict=True), 2)
        return {"steps": [{"frame": n, "error": own, "copied": other} for n, (own, other) in pairs]}


@dataclass
class FrameReport:
    """How well the next frame is foreseen, beside the last one copied.

    Attributes:
        count: the number of films.
        frames: the number of frames that were foreseen.
        mse: the mean squared error, brightness from 0 to 1.
        copied: that of the frame before.
        saved: the share of it that is saved: above 0 is better than copying.
        better: on how many of the films it is better.
        each: both errors of each film.
    """

    count: int
    frames: int
    mse: float
    copied: float
    saved: float
    better: int
    each: list[tuple[float, float]] = field(repr=False)

    @property
    def beaten(self) -> bool:
        """Whether the model is better than copying the last frame."""
        return self.saved > 0

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)

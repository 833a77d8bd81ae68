"""Handwritten digits that move across a frame and bounce off its edges: films made by a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from elman.datasets.base import Dataset, Source
from elman.datasets.handwritten_digits import PARTS
from elman.datasets.handwritten_digits import HandwrittenDigits as Digits

SIDE, DIGIT, FRAMES = 32, 16, 16
"""Pixels of a frame, pixels of a digit in it, frames of a film."""
FILMS = {"train": 600, "dev": 100, "test": 200}
SEEDS = {"train": 1, "dev": 2, "test": 3}


class MovingDigits(Dataset):
    """900 films of 16 frames of 32 × 32 pixels, in each a digit that moves straight on and bounces.

    The digits are those of `handwritten-digits`, twice as large, and those of a split are of that split
    alone. One moves by 1 to 3 pixels a frame in each direction, from anywhere, and turns where it meets an
    edge. All is drawn by numpy's PCG64 from one seed for each split, so that everyone has the same films.

    >>> MovingDigits().origin("test")
    '200 films of digits that are in no other split'
    """

    name = "moving-digits"
    title = "Handwritten digits that move and bounce"
    task = "frame-forecaster"
    languages = ()
    licence = "CC-BY-4.0 (the digits)"
    homepage = Digits.homepage
    citation = Digits.citation
    fields: ClassVar[Mapping[str, str]] = {"video": "film", "label": "digit"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "frame-forecaster": {"height": SIDE, "width": SIDE, "epochs": 12},
        "classifier": {
            **{"video_height": SIDE, "video_width": SIDE},
            **{"dropout": 0.2, "epochs": 24, "patience": 24},
        },
    }
    sources: ClassVar[Mapping[str, Source]] = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns film (16 × 32 × 32, uint8, light on black) and digit."""
        shades, names = Digits().pictures()
        shades, names = shades[PARTS[split]], names[PARTS[split]]
        rng = np.random.Generator(np.random.PCG64(SEEDS[split]))
        chosen = rng.integers(len(shades), size=FILMS[split])
        films = [_film(np.kron(shades[one], np.ones((2, 2), np.uint8)), rng) for one in chosen]
        return {"film": films, "digit": names[chosen].tolist()}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, what the films are."""
        self._check(split, language)
        return f"{FILMS[split]} films of digits that are in no other split"


def _film(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The digit on its way: `time height width`."""
    room = SIDE - DIGIT
    place = rng.integers(room + 1, size=2)
    speed = rng.integers(1, 4, size=2) * rng.choice([-1, 1], size=2)
    film = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    for frame in film:
        row, column = place
        frame[row : row + DIGIT, column : column + DIGIT] = digit
        outside = (place + speed < 0) | (place + speed > room)
        speed = np.where(outside, -speed, speed)
        place = place + speed
    return film

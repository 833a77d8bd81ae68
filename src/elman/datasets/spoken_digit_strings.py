"""Strings of spoken digits: recordings of single digits, joined."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from elman.datasets.spoken_digits import SpokenDigits

LONGEST = 7
"""Digits in a string, at most."""
TIMES = {"train": 4, "dev": 1, "test": 2}
"""How often each recording is used, in other company every time."""
PAUSE, HUSH = 0.2, 1e-3
"""Seconds between two digits, at most, and how loud the noise in them is."""


class SpokenDigitStrings(SpokenDigits):
    """Strings of 1 to 7 digits, each of one speaker, made of the recordings of `spoken-digits`.

    The folds and splits are those of `spoken-digits`: no recording and, for test, no voice is on two sides. A
    split's recordings are shuffled within their speaker and cut into strings, with up to 0.2 s of faint noise
    between two digits; the seed is 0, so that everybody has the same ones.

    >>> SpokenDigitStrings("theo").origin("test")
    'joined from the 500 recordings of theo, whom training leaves out'
    """

    name = "spoken-digit-strings"
    title = "Free Spoken Digit Dataset, joined to strings"
    task = "transcriber"
    fields: ClassVar = {"audio": "audio", "target": "text"}
    settings: ClassVar = {"transcriber": {"colour": 10.0, "epochs": 8}}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns audio, text (the digits with spaces between them) and speaker."""
        single = super().read(split, language)
        draw = np.random.default_rng([0, ("train", "dev", "test").index(split)])
        found: dict[str, list[Any]] = {"audio": [], "text": [], "speaker": []}
        for speaker in sorted(set(single["speaker"])):
            own = [i for i, one in enumerate(single["speaker"]) if one == speaker]
            for _ in range(TIMES[split]):
                order = draw.permutation(own).tolist()
                while order:
                    count = int(draw.integers(1, LONGEST + 1))
                    chosen, order = order[:count], order[count:]
                    found["audio"].append(_joined([single["audio"][i] for i in chosen], draw))
                    found["text"].append(" ".join(single["digit"][i] for i in chosen))
                    found["speaker"].append(speaker)
        return found

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, whose recordings they are."""
        return f"joined from {super().origin(split, language)}"


def _joined(
    recordings: list[tuple[np.ndarray, int]], draw: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Recordings of one rate, one after the other, with pauses between them."""
    rate = recordings[0][1]
    parts: list[np.ndarray] = []
    for samples, _ in recordings:
        pause = HUSH * draw.normal(size=int(draw.uniform(0, PAUSE) * rate))
        parts += [pause.astype(np.float32), samples]
    return np.concatenate(parts[1:]), rate

"""It listens: tones that rise or fall, told apart as they come, and written down where many follow."""

from __future__ import annotations

import numpy as np
import pytest

import elman

pytest.importorskip("kaldi_native_fbank")

RATE = 8_000
SOUNDS = {"low": (300, 300), "high": (2000, 2000), "up": (300, 2000), "down": (2000, 300)}
PLAIN = elman.Training(epochs=12, batch_size=16, dropout=0.1, learning_rate=5e-3)
SMALL = elman.AudioSettings(n_mels=20, stack=2)


def sound(name: str, draw: np.random.Generator) -> np.ndarray:
    """A tone of 0.15 to 0.3 s, of a pitch and loudness of its own, in noise."""
    seconds, pitch = draw.uniform(0.15, 0.3), draw.uniform(0.8, 1.25)
    start, end = SOUNDS[name]
    hertz = pitch * np.geomspace(start, end, int(seconds * RATE))
    tone = draw.uniform(0.05, 0.5) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    return (tone + 0.003 * draw.normal(size=len(tone))).astype(np.float32)


def singles(count: int, seed: int) -> tuple[list[tuple[np.ndarray, int]], list[str]]:
    draw = np.random.default_rng(seed)
    labels = [str(one) for one in draw.choice(list(SOUNDS), count)]
    return [(sound(one, draw), RATE) for one in labels], labels


def strings(count: int, seed: int) -> dict[str, list]:
    draw = np.random.default_rng(seed)
    texts = [draw.choice(list(SOUNDS), draw.integers(1, 4)).tolist() for _ in range(count)]
    parts = [[sound(one, draw) for one in text] for text in texts]
    return {
        "audio": [(np.concatenate(one), RATE) for one in parts],
        "text": [" ".join(one) for one in texts],
    }


@pytest.mark.parametrize("bidirectional", [False, True])
def test_tones_are_told_apart(bidirectional: bool) -> None:
    model = elman.Classifier("gru", 24, bidirectional=bidirectional, audio=SMALL, training=PLAIN)
    model.fit(*singles(160, 1), dev=singles(40, 2))
    assert model.evaluate(*singles(100, 3)).accuracy > 0.93


def test_strings_of_tones_are_written_down() -> None:
    """Where each of them begins is never told."""
    model = elman.Transcriber(
        "gru", 32, 1, audio=SMALL, training=PLAIN.model_copy(update={"epochs": 25})
    )
    model.fit(strings(250, 1), dev=strings(30, 2))
    report = model.evaluate(strings(60, 3))
    assert report.figures["wer"] < 0.1

"""It sees: coloured shapes are named, digits are told by their rows, a moving dot is foreseen."""

from __future__ import annotations

import numpy as np
import pytest

import elman
from elman.errors import MissingExtraError

COLOURS = {"red": (220, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 230)}
SHAPES = ("square", "disc", "cross")


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A shape of some colour somewhere on white, and its name."""
    colour, shape = rng.choice(list(COLOURS)), rng.choice(SHAPES)
    y, x = np.mgrid[:24, :24]
    y, x = y - rng.integers(9, 15), x - rng.integers(9, 15)
    inside = {
        "square": (abs(y) <= 6) & (abs(x) <= 6),
        "disc": y**2 + x**2 <= 49,
        "cross": ((abs(y) <= 1) | (abs(x) <= 1)) & (abs(y) <= 7) & (abs(x) <= 7),
    }[shape]
    picture = np.full((24, 24, 3), 255, np.uint8)
    picture[inside] = COLOURS[colour]
    return picture, f"a {colour} {shape} ."


@pytest.mark.parametrize("attention", [None, "additive"])
def test_shapes_are_named(attention: str | None) -> None:
    """Where nothing was shown twice, each of nine names is right; the colour's word looks at the shape."""
    rng = np.random.default_rng(0)
    rows = [drawn(rng) for _ in range(240)]
    training = elman.Training(
        epochs=16, batch_size=8, dropout=0.0, learning_rate=4e-3, label_smoothing=0.0
    )
    sight = elman.ImageSettings(size=24, channels=8, tint=0.0, shift=0.05)
    model = elman.Captioner(hidden_size=32, attention=attention, image=sight, training=training)
    model.fit([one for one, _ in rows[:200]], [text for _, text in rows[:200]])
    report = model.evaluate([one for one, _ in rows[200:]], [text for _, text in rows[200:]])
    assert report.figures["exact"] > 0.85
    assert report.figures["bleu"] > 85


def test_a_moving_dot_is_foreseen() -> None:
    """Half of what copying the last frame costs, one frame ahead and fed back."""
    rng = np.random.default_rng(0)

    def film() -> np.ndarray:
        place, speed = rng.integers(5, 9, 2), rng.choice([-1, 1], 2)
        frames = np.zeros((6, 16, 16), np.uint8)
        for row, column, frame in zip(*(place + np.outer(range(6), speed)).T, frames, strict=True):
            frame[row : row + 3, column : column + 3] = 255
        return frames

    films = [film() for _ in range(60)]
    training = elman.Training(epochs=20, batch_size=8, learning_rate=1e-2, dropout=0.0)
    sight = elman.VideoSettings(height=16, width=16, channels=8)
    model = elman.FrameForecaster(hidden_size=16, video=sight, training=training)
    model.fit(films[:50], dev=films[50:])
    report = model.evaluate(films[50:])
    assert report.saved > 0.5
    assert report.better == 10


def test_digits_are_told_by_their_rows() -> None:
    try:
        columns = {split: elman_columns(split) for split in ("train", "test")}
    except MissingExtraError:
        pytest.skip("scikit-learn, which the digits come with, is not installed")
    training = elman.Training(epochs=6, batch_size=32, dropout=0.2, learning_rate=1e-2)
    sight = elman.ImageSettings(size=8, parts="rows", colour=False)
    model = elman.Classifier("gru", 48, image=sight, training=training)
    model.fit(columns["train"], image="picture", label="digit")
    assert model.evaluate(columns["test"]).accuracy > 0.85
    one = columns["test"]["picture"][0]
    assert model.predict(one).label == model.predict([one])[0].label
    assert [step.token for step in model.inspect(one).steps] == [f"row {n}" for n in range(1, 9)]


def elman_columns(split: str) -> dict:
    from elman import datasets

    return datasets.load("handwritten-digits", split)


def test_films_are_told_by_how_they_move() -> None:
    """The first frame says nothing: only the way from one to the next tells the classes apart."""
    rng = np.random.default_rng(0)

    def film(way: int) -> np.ndarray:
        place = rng.integers(0, 12)
        return np.stack([np.eye(12)[(place + way * step) % 12] * np.ones((8, 1)) for step in range(6)])

    films = [film(way) for way in (-1, 1) * 40]
    labels = ["left", "right"] * 40
    training = elman.Training(epochs=12, batch_size=8, dropout=0.0, learning_rate=1e-2)
    sight = elman.VideoSettings(height=8, width=12, channels=8)
    model = elman.Classifier("gru", 16, video=sight, training=training)
    model.fit({"film": films[:64], "way": labels[:64]}, video="film", label="way")
    assert model.evaluate({"film": films[64:], "way": labels[64:]}).accuracy > 0.9

"""It tags: every cell echoes what was said before, and a CRF learns what only neighbours tell."""

from __future__ import annotations

import random

import numpy as np

import elman

from .cases import every_cell, layers

TEXT = elman.TextSettings(embedding_size=8, characters=None)
PLAIN = {"dropout": 0.0, "word_dropout": 0.0, "label_smoothing": 0.0, "learning_rate": 1e-2}

Pairs = tuple[list[list[str]], list[list[str]]]


def echoes(draw: random.Random, count: int, delay: int) -> Pairs:
    """Letters, each with the letter `delay` steps before it for its tag (after it, where negative)."""
    rows = [[draw.choice("abcd") for _ in range(draw.randrange(3, 9))] for _ in range(count)]
    tags = [
        [row[t - delay] if 0 <= t - delay < len(row) else "none" for t in range(len(row))]
        for row in rows
    ]
    return rows, tags


@every_cell
def test_echo_of_what_was_said(cell: str) -> None:
    """After two steps; after one for a linear recurrence, whose gates do not see the state."""
    depth = layers(cell)
    delay, epochs = (2, 12) if depth == 1 else (1, 60)
    draw = random.Random(1)
    training = elman.Training(epochs=epochs, patience=epochs, batch_size=16, **PLAIN)
    settings = {"num_layers": depth, "bidirectional": False, "crf": False, "text": TEXT}
    model = elman.Tagger(cell, 32, training=training, **settings)
    model.fit(*echoes(draw, 500, delay), dev=echoes(draw, 60, delay))
    assert model.score(*echoes(draw, 100, delay)) > 0.95


def test_what_readings_have_done_so_far() -> None:
    """Whether the last three sum to more than 0, which the past alone tells, beside a channel of noise."""
    draw = np.random.default_rng(4)

    def drawn(count: int) -> tuple[list[np.ndarray], list[list[str]]]:
        xs = [draw.uniform(-1, 1, (draw.integers(3, 15), 2)) for _ in range(count)]
        sums = [np.convolve(one[:, 0], np.ones(3))[: len(one)] for one in xs]
        return xs, [["above" if total > 0 else "below" for total in one] for one in sums]

    training = elman.Training(epochs=25, patience=25, batch_size=16, **PLAIN)
    model = elman.Tagger("gru", 24, 1, bidirectional=False, training=training)
    model.fit(*drawn(400), dev=drawn(50))
    assert model.score(*drawn(100)) > 0.95


def test_only_who_reads_backwards_knows_what_comes() -> None:
    draw = random.Random(2)
    scores = []
    for both in (True, False):
        training = elman.Training(epochs=6, batch_size=16, **PLAIN)
        model = elman.Tagger("gru", 24, 1, bidirectional=both, crf=False, text=TEXT, training=training)
        model.fit(*echoes(draw, 400, -1), dev=echoes(draw, 60, -1))
        scores.append(model.score(*echoes(draw, 100, -1)))
    assert scores[0] > 0.97
    assert scores[1] < 0.6


def test_a_crf_agrees_with_itself() -> None:
    """Two taggings are equally likely and no token tells which: a CRF takes one of them, whole."""
    draw = random.Random(3)
    rows = [["x"] * 6 for _ in range(200)]
    tags = [draw.choice([["p", "q"] * 3, ["q", "p"] * 3]) for _ in rows]
    training = elman.Training(epochs=6, batch_size=16, **PLAIN)
    model = elman.Tagger("gru", 8, 1, crf=True, text=TEXT, training=training)
    model.fit(rows, tags, dev=(rows[:20], tags[:20]))
    assert model.predict([["x"] * 6])[0].tags in (["p", "q"] * 3, ["q", "p"] * 3)

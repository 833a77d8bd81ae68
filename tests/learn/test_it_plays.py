"""It plays: every cell goes on with a tune by heart, and chords are learned as chords."""

from __future__ import annotations

import pytest

import elman

from .cases import every_cell, layers

PLAIN = {"dropout": 0.0, "learning_rate": 1e-2}
STAY = elman.MusicSettings(transpose=0, embedding_size=16)
TUNE = [[60, 64], [62], [64, 67], [62], [60, 64], [65], [64, 67], [55]]
"""A D is followed by one chord the first time and by another the second, which only the past tells."""


@every_cell
def test_a_tune_goes_on(cell: str) -> None:
    training = elman.Training(epochs=60, patience=60, batch_size=2, **PLAIN)
    model = elman.Composer(cell, 24, layers(cell), music=STAY, training=training)
    model.fit([TUNE * 4] * 6, dev=[TUNE * 4])
    piece = model.generate(TUNE, length=len(TUNE), decode=elman.Greedy())
    expected = model.input_.decode(model.input_.encode([TUNE * 2]).values)
    assert piece == expected
    assert model.evaluate([TUNE * 4]).nats_per_frame < 0.6


@pytest.mark.parametrize(("head", "least", "most"), [("independent", 3.5, 4.5), ("nade", 0.69, 0.9)])
def test_one_of_two_chords(head: str, least: float, most: float) -> None:
    """C or F major by a coin: six keys of which each may sound are 6·ln 2 nats, two chords are ln 2."""
    coins = [0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0] * 8
    chords = [[[60, 64, 67], [65, 69, 72]][coin] for coin in coins]
    pieces = [[chords[n], chords[n * 7 % 128]] for n in range(128)]
    training = elman.Training(epochs=60, patience=60, batch_size=16, **PLAIN)
    model = elman.Composer("gru", 8, head=head, music=STAY, training=training)  # pyright: ignore
    model.fit([[one[0]] for one in pieces], dev=[[one[0]] for one in pieces])
    assert least < model.evaluate([[one[0]] for one in pieces]).nats_with_first < most


def test_a_tune_is_known_in_every_key() -> None:
    training = elman.Training(epochs=150, patience=150, batch_size=4, dropout=0.0, learning_rate=5e-3)
    settings = elman.MusicSettings(transpose=3, embedding_size=32)
    model = elman.Composer("gru", 48, music=settings, training=training)
    model.fit([TUNE * 3] * 12, dev=[TUNE * 3])
    higher = [[one + 2 for one in frame] for frame in TUNE]
    assert model.evaluate([higher * 3]).nats_per_frame < 1.0
    far = [[one + 12 for one in frame] for frame in TUNE]
    assert model.evaluate([far * 3]).nats_per_frame > 5.0

"""It writes: every cell goes on with a periodic text, and a model knows by heart what it was shown."""

from __future__ import annotations

import pytest

import elman

from .cases import every_cell, layers

PLAIN = {"dropout": 0.0, "learning_rate": 1e-2}
LETTERS = elman.TextSettings(tokenizer="characters", lowercase=False, characters=None, embedding_size=12)
POEM = (
    "The world is too much with us; late and soon,\n"
    "Getting and spending, we lay waste our powers;\n"
    "Little we see in Nature that is ours;\n"
)


@every_cell
def test_a_periodic_text_goes_on(cell: str) -> None:
    """`a` is followed by `b` or by `c`, which only the period tells."""
    period = "abacd"
    training = elman.Training(epochs=60, patience=60, batch_size=8, **PLAIN)
    model = elman.Generator(cell, 16, layers(cell), window=15, text=LETTERS, training=training)
    model.fit([period * 200])
    written = model.generate("abacdab", length=100, decode=elman.Greedy())
    assert written == (period * 30)[: len(written)]
    assert model.evaluate([period * 20]).bits_per_character < 0.15


@pytest.mark.parametrize("head", ["linear", "tied", "adaptive"])
def test_a_text_is_known_by_heart(head: str) -> None:
    training = elman.Training(epochs=200, patience=200, batch_size=4, **PLAIN)
    model = elman.Generator("gru", 48, head=head, window=32, text=LETTERS, training=training)
    model.fit([POEM * 4], dev=[POEM])
    assert model.generate("The world", length=len(POEM) - 9, decode=elman.Greedy()) == POEM


def test_texts_end_where_they_should() -> None:
    """Several texts: each begins and ends as those it was shown, as often as those it was shown."""
    names = ["anna", "otto", "hannah", "bob"] * 20
    training = elman.Training(epochs=80, patience=80, batch_size=16, **PLAIN)
    model = elman.Generator("lstm", 24, text=LETTERS, training=training).fit(names, dev=names)
    written = model.generations(decode=elman.Sample(temperature=0.5, seed=1, samples=60))
    told = [one.text for one in written]
    assert set(told) <= set(names)
    assert len(set(told)) == 4
    assert all(one.finished for one in written)
    assert model.generate("h", decode=elman.Greedy()) == "hannah"
    best = model.generations(decode=elman.Beam(beam_size=8, n_best=2, min_length=1))
    assert {one.text for one in best} <= set(names)

"""Each cell learns to copy, to reverse and to sort a few symbols: one sequence in, another one out."""

from __future__ import annotations

import random

import pytest

import elman

from .cases import every_cell, layers

SYMBOLS = "abcd"
RULES = {
    "copy": lambda symbols: symbols,
    "reverse": lambda symbols: symbols[::-1],
    "sort": sorted,
}
SIDE = elman.TextSettings(characters=None, embedding_size=16)


def sequences(rule: str, count: int, seed: int) -> dict[str, list[str]]:
    draw = random.Random(seed)
    drawn = [draw.choices(SYMBOLS, k=draw.randint(1, 5)) for _ in range(count)]
    return {
        "text": [" ".join(one) for one in drawn],
        "target": [" ".join(RULES[rule](one)) for one in drawn],
    }


@every_cell
@pytest.mark.parametrize("rule", RULES)
def test_every_cell_writes_what_it_read_anew(cell, rule) -> None:
    """A rectifier has no bounds: it learns in smaller steps, and from a third of all beginnings not at all."""
    rate, epochs, seed = (2e-3, 45, 1) if cell == "rnn-relu" else (7e-3, 8 * layers(cell) + 2, 0)
    training = elman.Training(
        epochs=epochs, batch_size=16, learning_rate=rate, dropout=0.0, label_smoothing=0.0, seed=seed
    )
    model = elman.Translator(
        *(cell, 32, layers(cell)),
        metric="wer",
        text=SIDE,
        target=SIDE,
        decode=elman.Greedy(),
        training=training,
    )
    model.fit(sequences(rule, 600, 1), dev=sequences(rule, 60, 2))
    assert model.evaluate(sequences(rule, 200, 3)).figures["wer"] < 0.15

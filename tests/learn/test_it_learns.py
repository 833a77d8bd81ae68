"""It learns: every cell reads words, remembers over a dozen steps, and adds up numbers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import elman

from .cases import every_cell, layers

FRAMES = {
    "time": ["what time is it {p}", "tell me the time {p}", "{p} how late is it"],
    "light-on": ["turn on the {r} light {p}", "{p} switch the {r} lamp on", "light up the {r} {p}"],
    "light-off": ["turn off the {r} light {p}", "{p} switch the {r} lamp off", "make the {r} dark {p}"],
    "weather": ["will it rain {p}", "{p} how is the weather", "is it cold outside {p}"],
    "music": ["play a song in the {r} {p}", "{p} I want music in the {r}", "put on some jazz {p}"],
}
FILLERS = {
    "p": ["please", "now", "", "?", "my friend", "today"],
    "r": ["kitchen", "bed", "hall", "living"],
}


def intents(draw: random.Random, count: int) -> tuple[list[str], list[str]]:
    """Texts of a toy language and what each wants."""
    labels = [draw.choice(list(FRAMES)) for _ in range(count)]
    words = [{name: draw.choice(fillers) for name, fillers in FILLERS.items()} for _ in labels]
    texts = [draw.choice(FRAMES[one]).format(**own) for one, own in zip(labels, words, strict=True)]
    return texts, labels


def which_came_first(draw: random.Random, count: int) -> tuple[list[str], list[str]]:
    """Noise with one cat and one dog in it, ten steps and more before the end: who was there first?"""
    texts, labels = [], []
    for _ in range(count):
        pair = draw.sample(["cat", "dog"], 2)
        noise = [draw.choice("wxyz") for _ in range(4)]
        cut = draw.randrange(1, 4)
        words = (
            [*noise[:cut], pair[0], *noise[cut:], pair[1]] if draw.random() < 0.5 else [*pair, *noise]
        )
        texts.append(" ".join([*words, *(draw.choice("wxyz") for _ in range(draw.randrange(10, 13)))]))
        labels.append(pair[0])
    return texts, labels


def sums(draw: random.Random, count: int) -> tuple[list[list[list[float]]], list[str]]:
    """Two of the numbers are marked: is their sum above zero? (After Hochreiter and Schmidhuber 1997.)"""
    sequences, labels = [], []
    for _ in range(count):
        length = draw.randrange(10, 14)
        marked = draw.sample(range(length), 2)
        steps = [[draw.uniform(-1, 1), float(t in marked)] for t in range(length)]
        sequences.append(steps)
        labels.append("above" if sum(steps[t][0] for t in marked) > 0 else "below")
    return sequences, labels


@every_cell
def test_intents(cell: str) -> None:
    """The default pooling and dropout, both directions, words it never saw beside words it did."""
    draw = random.Random(1)
    training = elman.Training(epochs=8, batch_size=16, learning_rate=5e-3)
    text = elman.TextSettings(embedding_size=32, character_size=32)
    model = elman.Classifier(cell, hidden_size=32, bidirectional=True, text=text, training=training)
    model.fit(*intents(draw, 300))
    assert model.score(*intents(draw, 200)) > 0.97
    assert model.predict("turn off the lights in the garage").label == "light-off"


@every_cell
def test_memory_over_ten_steps(cell: str) -> None:
    draw = random.Random(2)
    training = elman.Training(epochs=35, patience=35, learning_rate=3e-3, dropout=0.0, word_dropout=0.0)
    text = elman.TextSettings(embedding_size=8, characters=None)
    size = {"hidden_size": 24, "num_layers": layers(cell)}
    model = elman.Classifier(cell, **size, pooling="last", text=text, training=training)
    model.fit(*which_came_first(draw, 600), dev=which_came_first(draw, 100))
    assert model.score(*which_came_first(draw, 300)) > 0.95


@every_cell
def test_sums_of_marked_numbers(cell: str) -> None:
    draw = random.Random(3)
    training = elman.Training(epochs=20, learning_rate=1e-2, dropout=0.0, label_smoothing=0.0)
    size = {"hidden_size": 24, "num_layers": layers(cell)}
    model = elman.Classifier(cell, **size, pooling="last", training=training)
    model.fit(*sums(draw, 800), dev=sums(draw, 100))
    assert model.score(*sums(draw, 300)) > 0.85


def test_shuffled_labels_teach_nothing() -> None:
    """The opposite proof: where there is nothing to learn, fresh data is answered by chance."""
    draw = random.Random(4)
    sequences, labels = sums(draw, 200)
    draw.shuffle(labels)
    model = elman.Classifier(hidden_size=16, training=elman.Training(epochs=5)).fit(sequences, labels)
    assert 0.3 < model.score(*sums(draw, 400)) < 0.7


@pytest.mark.slow
def test_clinc150_with_default_settings(mirror: Path) -> None:
    """Real requests, 150 intents: the library's own defaults reach the published range."""
    from elman import datasets

    clinc = datasets.get("clinc150")
    train, dev = (clinc.load(split) for split in ("train", "dev"))
    model = elman.Classifier().fit(train, dev=dev)
    assert model.score(dev) > 0.93

"""What is saved and loaded, streamed, or asked one by one answers the same, of every cell."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import elman
from elman import registry
from elman.layers.pooling import POOLINGS

CELLS = registry.names("cells")
TEXTS = [
    "what time is it ?",
    "turn on the light",
    "现在几点",
    "light off please",
    "is it late",
    "关灯 now",
] * 4
NUMBERS = [[0.5, -1.0, 2.0], [3.0], [1.0, 1.0], [-2.0, 0.0, 0.1, 4.0], [7.5], [0.0, 0.0]] * 4
PAIRS = [np.array([one, one]).T * [1.0, 100.0] for one in NUMBERS]
LABELS = ["time", "light", "time", "light", "time", "light"] * 4
ASKED: dict[str, list[Any]] = {
    "texts": [*TEXTS[:4], "", "unseen 词 ✂️"],
    "numbers": [*NUMBERS[:4], [], [1e4, -3.0]],
    "pairs": [*PAIRS[:4], np.zeros((0, 2)), np.array([[1e4, -3.0]])],
}
LEARNED: dict[str, list[Any]] = {"texts": TEXTS, "numbers": NUMBERS, "pairs": PAIRS}

every_cell = pytest.mark.parametrize("cell", CELLS)
every_combination = pytest.mark.parametrize(
    ("cell", "kind", "pooling"),
    [
        *((cell, kind, "max") for cell in CELLS for kind in LEARNED),
        *(("gru", "texts", pooling) for pooling in POOLINGS if pooling != "max"),
    ],
)
every_kind = pytest.mark.parametrize("kind", LEARNED)


@cache
def fitted(
    cell: str, kind: str, *, pooling: str = "max", bidirectional: bool = False
) -> elman.Classifier:
    training = elman.Training(epochs=1, batch_size=8, averaging=0.9 if kind == "pairs" else None)
    classifier = elman.Classifier(
        cell,
        hidden_size=4,
        num_layers=2,
        bidirectional=bidirectional,
        pooling=pooling,
        text=elman.TextSettings(embedding_size=4, character_size=4),
        training=training,
    )
    return classifier.fit(LEARNED[kind], LABELS)


@every_cell
@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_loaded_as_saved(cell: str, kind: str, bidirectional: bool, tmp_path: Path) -> None:
    """Bit for bit, weights and answers, and once more after a second saving."""
    model = fitted(cell, kind, bidirectional=bidirectional)
    first = elman.load(model.save(tmp_path / "first"))
    second = elman.load(first.save(tmp_path / "second"))
    for again in (first, second):
        assert type(again) is type(model)
        assert again.get_params() == model.get_params()
        assert again.classes_.tolist() == model.classes_.tolist()
        assert again.figures_ == model.figures_
        ours, theirs = again.network_.state_dict(), model.network_.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        logits = again.decision_function(ASKED[kind])
        assert torch.equal(logits, model.decision_function(ASKED[kind]))
        assert bool(logits.isfinite().all())
        assert again.predict(ASKED[kind]) == model.predict(ASKED[kind])
    same = ("config.json", "model.safetensors", "README.md", "metrics.json")
    for name in same:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize(
    ("tokenizer", "characters"),
    [("words", "recurrent"), ("words", None), ("characters", None), ("bpe", None), ("unigram", None)],
)
def test_loaded_as_saved_whatever_reads_the_text(
    tokenizer: Any, characters: Any, tmp_path: Path
) -> None:
    text = elman.TextSettings(
        tokenizer=tokenizer, characters=characters, vocabulary=80, embedding_size=4
    )
    model = elman.Classifier(hidden_size=4, text=text, training=elman.Training(epochs=1))
    model.fit(TEXTS, LABELS)
    again = elman.load(model.save(tmp_path / "model"))
    assert again.text == text
    assert torch.equal(again.decision_function(ASKED["texts"]), model.decision_function(ASKED["texts"]))


@every_combination
def test_batch_mates_and_order_never_matter(cell: str, kind: str, pooling: str) -> None:
    model = fitted(cell, kind, pooling=pooling)
    asked = ASKED[kind]
    together = model.decision_function(asked)
    alone = torch.cat([model.decision_function([one]) for one in asked])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        model.decision_function(asked[::-1]).flip(0), together, rtol=1e-5, atol=1e-6
    )


@every_combination
def test_streamed_as_at_once(cell: str, kind: str, pooling: str) -> None:
    """Token by token, in pieces, and after a reset."""
    model = fitted(cell, kind, pooling=pooling)
    raw = ASKED[kind][0]
    steps = model.input_.tokens(raw) if kind == "texts" else list(raw)
    join = " ".join if kind == "texts" else np.array
    stream = model.stream()
    for size in (1, 2, len(steps)):
        stream.reset()
        for start in range(0, len(steps), size):
            found = stream.push(join(steps[start : start + size]))
            expected = model.predict([join(steps[: start + size])])[0]
            assert found.label == expected.label
            assert dict(found.ranking) == pytest.approx(dict(expected.ranking), abs=1e-6)

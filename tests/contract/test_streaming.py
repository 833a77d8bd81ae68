"""A stream owns one sequence: pushed piece by piece it answers as the whole, in constant memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import elman
from elman.errors import SettingsError
from elman.layers.pooling import POOLINGS
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.streaming import Stream
from elman.structures.n_to_one import NToOne

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "light"] * 3
PAIRS = [[[1.0, 2.0], [0.5, 0.0]], [[-1.0, 0.0]], [[0.5, 0.1]], [[-2.0, -3.0], [1.0, 1.0]]] * 3
ONCE = elman.Training(epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def model() -> elman.Classifier:
    return elman.Classifier(hidden_size=4, num_layers=2, training=ONCE).fit(TEXTS, LABELS)


def close(left: Any, right: Any) -> bool:
    return dict(left.ranking) == pytest.approx(dict(right.ranking), abs=1e-6)


@settings(max_examples=15)
@given(
    words=st.lists(
        st.sampled_from(["what", "time", "is", "it", "lights", "on", "?", "现在", "xyz"]), max_size=8
    ),
    data=st.data(),
)
def test_any_cutting_gives_the_answers_of_the_whole(model: elman.Classifier, words, data) -> None:
    """Between tokens, with empty pieces among them."""
    stream, read = model.stream(), 0
    while read < len(words):
        size = data.draw(st.integers(0, len(words) - read))
        answer = stream.push(" ".join(words[read : read + size]))
        read += size
        if read == 0:
            assert answer is None
        else:
            assert close(answer, model.predict(" ".join(words[:read])))
            assert stream.answer == answer


def test_an_empty_piece_changes_nothing(model: elman.Classifier) -> None:
    stream = model.stream()
    assert stream.push("") is None
    assert stream.push(" \n") is None
    first = stream.push("what time")
    assert stream.push("") == first
    assert close(stream.push("is it"), model.predict("what time is it"))


def test_sessions_do_not_know_of_one_another(model: elman.Classifier) -> None:
    before = model.decision_function(TEXTS)
    with model.stream() as one, model.stream() as other:
        one.push("what time")
        other.push("lights")
        assert close(one.push("is it"), model.predict("what time is it"))
        assert close(other.push("on"), model.predict("lights on"))
        one.reset()
        assert one.answer is None
        assert close(one.push("lights"), model.predict("lights"))
    assert one.answer is None
    assert torch.equal(model.decision_function(TEXTS), before)


def test_numbers_are_pushed_one_by_one_or_many() -> None:
    model = elman.Classifier(hidden_size=4, training=ONCE).fit(PAIRS, LABELS)
    whole = model.predict([PAIRS[0]])[0]
    for pieces in ([[1.0, 2.0], [0.5, 0.0]], [PAIRS[0]], [[PAIRS[0][0]], [], np.array([PAIRS[0][1]])]):
        stream = model.stream()
        for piece in pieces:
            stream.push(piece)
        assert close(stream.answer, whole)
    single = elman.Classifier(hidden_size=4, training=ONCE).fit(
        [[x[0] for x in one] for one in PAIRS], LABELS
    )
    stream = single.stream()
    stream.push(1.0)
    assert close(stream.push(0.5), single.predict([1.0, 0.5]))


def test_a_bidirectional_network_cannot_stream() -> None:
    model = elman.Classifier(hidden_size=4, bidirectional=True, training=ONCE).fit(TEXTS, LABELS)
    with pytest.raises(SettingsError, match="bidirectional network cannot stream"):
        model.stream()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_memory_is_constant(pooling: str) -> None:
    """After thousands of steps the state is as large as after the first, holds no graph and no past."""
    network = NToOne(torch.nn.Identity(), Recurrent("lstm", 1, 3, 2), outputs=2, pooling=pooling).eval()
    stream = Stream(network, lambda x: Ragged.of([torch.tensor([[x]])]), lambda logits: logits)
    stream.push(0.5)
    shapes = [(one.shape, one.untyped_storage().nbytes()) for one in tensors(stream.state)]
    for number in range(2000):
        stream.push(float(np.sin(number)))
    assert [(one.shape, one.untyped_storage().nbytes()) for one in tensors(stream.state)] == shapes
    assert all(one.grad_fn is None for one in tensors(stream.state))
    assert all(bool(one.isfinite().all()) for one in tensors(stream.state))
    assert set(vars(stream)) == {"network", "_pieces", "_decode", "state", "answer"}


def tensors(state: Any) -> list[torch.Tensor]:
    return (
        [state] if isinstance(state, torch.Tensor) else [one for part in state for one in tensors(part)]
    )

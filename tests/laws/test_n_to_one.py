"""N-to-1: its poolings are what they say, and nothing to read is answered by the bias."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from elman import registry
from elman.errors import UnknownNameError
from elman.layers.pooling import POOLINGS, Pooling
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_one import NToOne

from .cases import same
from .structure_cases import batch_of, gradients

CELLS = registry.names("cells")
LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)
every_cell = pytest.mark.parametrize("cell", CELLS)
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def network_of(cell: str, pooling: str, **options: bool | int) -> NToOne:
    recurrent = Recurrent(cell, 3, 4, **options)  # pyright: ignore[reportArgumentType]
    network = NToOne(nn.Linear(2, 3), recurrent, outputs=3, pooling=pooling, dropout=0.5).double()
    return network.eval()


@every_cell
@every_pooling
@pytest.mark.parametrize("bidirectional", [False, True])
def test_nothing_to_read_is_answered_by_the_bias(cell, pooling, bidirectional) -> None:
    """Without a step all states and summaries are zero: W·0 + b."""
    network = network_of(cell, pooling, bidirectional=bidirectional)
    answers = network(batch_of([0, 4, 0]))
    for number in (0, 2):
        assert torch.equal(answers[number], network.head.bias)
    assert torch.equal(network(batch_of([0])), network.head.bias[None])
    for name, found in gradients(network, network(batch_of([0]))).items():
        assert bool(found.isfinite().all()), name


@every_pooling
@given(lengths=LENGTHS, large=st.sampled_from([0.0, 1e3, 1e6]))
def test_pooling_is_what_it_says(pooling, lengths, large) -> None:
    """Against the formulas, one sequence at a time; huge states too."""
    layer = Pooling(pooling, 3).double()
    values = torch.randn(sum(lengths), 3, dtype=torch.float64) - large
    outputs = batch_of(lengths).with_values(values)
    last = torch.randn(len(lengths), 3, dtype=torch.float64)
    expected = []
    for h, end in zip(outputs, last, strict=True):
        if pooling == "last":
            expected.append(end)
            continue
        summary = torch.zeros(3, dtype=torch.float64)
        if len(h) and pooling == "mean":
            summary = sum(h) / len(h)
        elif len(h) and pooling == "max":
            summary = torch.stack([max(column) for column in h.T])
        elif len(h):
            scores = [
                layer.query.weight[0] @ torch.tanh(layer.key.weight @ one + layer.key.bias) for one in h
            ]
            weights = [torch.exp(score - max(scores)) for score in scores]
            summary = sum(w * one for w, one in zip(weights, h, strict=True)) / sum(weights)
        expected.append(torch.cat([end, summary]))
    torch.testing.assert_close(layer(outputs, last), torch.stack(expected), rtol=1e-9, atol=1e-9)
    assert layer.output_size == expected[0].shape[0]


@every_pooling
@settings(max_examples=10)
@given(time=st.integers(1, 6))
def test_a_running_summary_is_the_summary(pooling, time) -> None:
    layer = Pooling(pooling, 3).double()
    h = torch.randn(time, 3, dtype=torch.float64) - 5.0
    state = layer.start(torch.zeros(1, 3, dtype=torch.float64))
    for t in range(time):
        found, state = layer.step(h[t : t + 1], state)
        whole = layer(Ragged.of([h[: t + 1]]), h[t : t + 1])
        same(found, whole, f"after {t + 1} steps")


def test_last_takes_the_end_of_both_directions() -> None:
    """Forwards the state after the last step, backwards the state after the first."""
    network = network_of("gru", "last", bidirectional=True)
    xs = batch_of([5])
    outputs = network.run(xs).outputs.values
    expected = network.head(torch.cat([outputs[-1, :4], outputs[0, 4:]]))
    same(network(xs)[0], expected, "answer")


def test_what_it_refuses() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        Pooling("maen", 3)

"""Every structure with every cell: alone as in a batch, in any order, with any padding, step by step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman import registry
from elman.errors import SettingsError
from elman.ragged import Ragged

from .cases import same
from .structure_cases import CAUSAL, VARIANTS, WRITERS, answers_of, batch_of, gradients, network_of

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)
every_cell = pytest.mark.parametrize("cell", registry.names("cells"))
every_variant = pytest.mark.parametrize("variant", VARIANTS)
READERS = [name for name in VARIANTS if name not in WRITERS]
STEPWISE = [name for name, (_, _, stepwise) in VARIANTS.items() if stepwise]


def test_every_structure_is_held_to_the_laws() -> None:
    assert {name.partition(" ")[0] for name in VARIANTS} == set(registry.names("structures"))


@every_cell
@every_variant
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(max_examples=2)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_alone_as_in_a_batch(cell, variant, bidirectional, lengths, seed) -> None:
    """Answers and gradients, in any order, with any padding there ever was."""
    network = network_of(variant, cell, bidirectional=bidirectional)
    xs = batch_of(lengths)
    if variant in CAUSAL and bidirectional:
        with pytest.raises(SettingsError, match="cannot go step by step"):
            network(xs)
        return
    parts = answers_of(variant, network, xs)
    together = torch.cat(parts)
    alone = torch.cat([answers_of(variant, network, xs[number])[0] for number in range(len(xs))])
    same(together, alone, "answers")
    assert bool(together.isfinite().all())
    expected = gradients(network, alone)
    for name, ours in gradients(network, together).items():
        same(ours, expected[name], f"gradient of {name}")
    order = torch.randperm(len(xs), generator=torch.Generator().manual_seed(seed))
    turned = torch.cat(answers_of(variant, network, xs[order.numpy()]))
    same(turned, torch.cat([parts[number] for number in order]), "another order")
    padded = torch.nn.functional.pad(xs.padded(fill=torch.nan), (0, 0, 0, 3), value=torch.nan)
    again = torch.cat(answers_of(variant, network, Ragged.from_padded(padded, lengths)))
    assert torch.equal(again, together), "padding changed it"


@every_cell
@pytest.mark.parametrize("variant", STEPWISE)
@settings(max_examples=4)
@given(time=st.integers(1, 5), batch=st.integers(1, 3), num_layers=st.integers(1, 2))
def test_step_by_step_as_at_once(cell, variant, time, batch, num_layers) -> None:
    """After each step, the last answer to the beginning that was read: nothing looks ahead."""
    network = network_of(variant, cell, num_layers=num_layers)
    xs = batch_of([time] * batch)
    state = network.start(batch)
    for t, x in enumerate(xs.padded().unbind(1), 1):
        answer, state = network.step(x, state)
        beginning = answers_of(variant, network, Ragged.of([one[:t] for one in xs]))
        same(answer, torch.stack([one[-1] for one in beginning]), f"after {t} steps")


@every_variant
def test_no_sequence_has_no_answer(variant) -> None:
    nothing = Ragged(torch.zeros(0, 2, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))
    assert answers_of(variant, network_of(variant, "gru"), nothing) == []


@every_variant
def test_dropout_is_for_training_only(variant) -> None:
    network, xs = network_of(variant, "gru"), batch_of([4, 2])
    first, second = (torch.cat(answers_of(variant, network, xs)) for _ in range(2))
    assert torch.equal(first, second)
    network.train()
    assert not torch.equal(torch.cat(answers_of(variant, network, xs)), first)


@pytest.mark.parametrize("variant", READERS)
def test_what_needs_the_end_cannot_go_step_by_step(variant) -> None:
    network = network_of(variant, "gru", bidirectional=True)
    with pytest.raises(SettingsError, match="cannot go step by step"):
        network.step(torch.zeros(1, 2, dtype=torch.float64), network.start(1))
    if variant not in STEPWISE:
        network = network_of(variant, "gru")
        with pytest.raises(SettingsError, match="cannot go step by step"):
            network.step(torch.zeros(1, 2, dtype=torch.float64), network.start(1))

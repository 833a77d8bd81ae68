"""A model of text: it counts as its equation says, however it is cut, and its probabilities sum to one."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import elman
from elman import registry
from elman.data import Windows
from elman.inspection import surprise
from elman.layers.recurrent import Recurrent
from elman.layers.softmax import AdaptiveSoftmax, Tied
from elman.ragged import Ragged
from elman.structures.n_to_n import NToN
from elman.training import Training

from .cases import same

every_cell = pytest.mark.parametrize("cell", registry.names("cells"))
every_head = pytest.mark.parametrize("head", ["linear", "tied", "adaptive"])
QUICK: Any = {"hidden_size": 6, "window": 4, "training": Training(epochs=1, batch_size=2)}


def writer(texts: list[str], **options: Any) -> elman.Generator:
    """A model that has barely learned; its probabilities are far from even all the same."""
    model = elman.Generator(**{**QUICK, **options}).fit(texts)
    with torch.no_grad():
        for name, one in model.network_.named_parameters():
            one.mul_(1.0 if name.startswith("recurrent") else 4.0)
    return model


@every_cell
@every_head
def test_one_pass_as_step_by_step_as_in_chunks(cell: str, head: Any, monkeypatch: Any) -> None:
    text = "abacabadabacaba, " * 3
    model = writer([text], cell=cell, head=head, num_layers=2)
    whole = model.evaluate([text]).bits_per_character
    network, nats = model.network_, 0.0
    state, last = network.start(1), torch.tensor([0])
    for number in model.input_.encode([text]).values.long():
        logits, state = network.step(last, state)
        nats -= logits.detach().double().log_softmax(-1)[0, number].item()
        last = number[None]
    assert whole == pytest.approx(nats / math.log(2) / len(text), rel=1e-5)
    for span in (1, 7, 50):
        monkeypatch.setattr(surprise, "AT_ONCE", span)
        assert model.evaluate([text]).bits_per_character == pytest.approx(whole, rel=1e-6)
    trace = model.inspect(text)
    assert sum(step.surprise for step in trace.steps) / len(text) == pytest.approx(whole, rel=1e-5)


@every_head
def test_the_probabilities_of_all_texts_sum_to_one(head: Any) -> None:
    """Of all strings over the alphabet that end within four symbols, and of those that go on."""
    model = writer(["ab", "ba", "abba"], head=head)
    ended, going = 0.0, 0.0
    for length in range(5):
        texts = ["".join(one) for one in itertools.product("ab?", repeat=length)]
        nats = model._surprises(model.input_.encode(texts))
        if length < 4:
            ended += sum(math.exp(-float(one.sum())) for one in nats)
        else:
            going = sum(math.exp(-float(one[:-1].sum())) for one in nats)
    assert ended + going == pytest.approx(1.0, abs=1e-6)
    assert 1e-3 < going < 0.999


def test_an_answer_does_not_depend_on_what_is_asked_with_it() -> None:
    texts = ["ab", "", "babba", "b"]
    model = writer(["ab", "ba", "abba"])
    together = model._surprises(model.input_.encode(texts))
    for text, nats in zip(texts, together, strict=True):
        alone = model._surprises(model.input_.encode([text])).values
        torch.testing.assert_close(alone, nats, rtol=1e-5, atol=1e-6)
        assert len(nats) == len(text) + 1


# --- what is learned ---


@every_cell
def test_the_gradient_through_carried_states_is_that_of_a_loop_by_hand(cell: str) -> None:
    """Two windows of two streams: the second starts from the states of the first, which are constants."""
    torch.manual_seed(1)
    network = NToN(nn.Embedding(5, 3), Recurrent(cell, 3, 4, num_layers=2), outputs=5).double().eval()
    tokens = torch.randint(5, (2, 9))
    carried: tuple[Tensor, ...] | None = None
    for start in (0, 4):
        read, wanted = tokens[:, start : start + 4], tokens[:, start + 1 : start + 5]
        xs = Ragged(read.flatten(), torch.tensor([0, 4, 8]))
        network.zero_grad()
        found, after = network.surprise(xs, wanted.flatten(), carried)
        found.mean().backward()
        ours = {name: one.grad.clone() for name, one in network.named_parameters()}
        network.zero_grad()
        state, losses = carried or network.start(2), []
        for t in range(4):
            logits, state = network.step(read[:, t], state)
            losses.append(F.cross_entropy(logits, wanted[:, t], reduction="none"))
        torch.stack(losses).mean().backward()
        for name, one in network.named_parameters():
            same(ours[name], one.grad, f"{name}, window from {start}")
        for one, other in zip(after, state, strict=True):
            same(one, other, "the state that is carried on")
        carried = tuple(one.detach() for one in after)


def test_the_states_of_a_training_are_those_of_the_streams() -> None:
    """What the loop hands on after a batch is the state of each stream at the end of its window."""
    model = elman.Generator(
        "gru", **{**QUICK, "training": Training(epochs=1, dropout=0.0, batch_size=2)}
    )
    text = "abcabcaabbcc" * 6
    model.fit([text], dev=[text])
    xs = model.input_.encode([text])
    problem = model._problem((xs, len(text)), (xs, len(text)))
    network = model.network_.eval()
    batches = problem.order.epoch(0)
    for batch in batches[:3]:
        problem.loss(network, problem.batch(batch))
    assert [one - other for one, other in itertools.pairwise(batches[0])] == [
        one - other for one, other in itertools.pairwise(batches[1])
    ]
    marked = torch.cat([torch.zeros(1, dtype=xs.values.dtype), xs.values])
    for stream, start in enumerate(batches[0]):
        length = 3 * model.window
        alone = network.run(Ragged.of([marked[start : start + length]])).final
        torch.testing.assert_close(problem.carried["0"][:, stream], alone[0][:, 0])


# --- windows ---


@settings(max_examples=60)
@given(
    steps=st.integers(1, 300),
    window=st.integers(1, 20),
    streams=st.integers(1, 9),
    seed=st.integers(0, 9),
    ranks=st.integers(1, 3),
)
def test_windows_go_on_where_the_last_ones_ended(steps, window, streams, seed, ranks) -> None:
    windows = Windows(steps, window=window, batch_size=streams, seed=seed)
    for epoch in (0, 1):
        parts = [windows.epoch(epoch, rank, ranks) for rank in range(ranks)]
        assert len({len(part) for part in parts}) == 1
        assert len({len(batch) for part in parts for batch in part}) == 1
        for part in parts:
            for one, after in itertools.pairwise(part):
                assert (after - one == windows.window).all()
        starts = [int(one) for part in parts for batch in part for one in batch]
        places = [place for one in starts for place in range(one, one + windows.window)]
        assert min(places) >= 0
        assert max(places) < steps
        if steps >= ranks * windows.window:
            assert len(set(places)) == len(places), "two streams read the same step"
    assert [one.tolist() for one in windows.epoch(1)] == [one.tolist() for one in windows.epoch(1)]


def test_little_of_a_text_is_left_out_and_never_the_same() -> None:
    windows = Windows(10_000, window=50, batch_size=8)
    seen = [{int(one) for batch in windows.epoch(k) for one in batch} for k in range(4)]
    assert all(50 * len(one) > 9_500 for one in seen)
    assert len({min(one) for one in seen}) > 1


# --- output layers ---


def test_a_tied_layer_shares_its_weights() -> None:
    table = nn.Embedding(7, 4)
    head = Tied(6, table)
    h = torch.randn(5, 6)
    torch.testing.assert_close(head(h), h @ head.project.weight.T @ table.weight.T + head.bias)
    head(h).sum().backward()
    assert table.weight.grad is not None
    assert "table" not in " ".join(head.state_dict())
    assert isinstance(Tied(4, table).project, nn.Identity)


@pytest.mark.parametrize("symbols", [2, 3, 17, 25_000])
def test_clusters_give_a_distribution_and_its_surprises(symbols: int) -> None:
    head = AdaptiveSoftmax(8, symbols)
    h, targets = torch.randn(6, 8), torch.randint(symbols, (6,))
    chances = head(h)
    torch.testing.assert_close(chances.exp().sum(-1), torch.ones(6))
    torch.testing.assert_close(head.surprise(h, targets), -chances[range(6), targets])
    assert head(h[:0]).shape == (0, symbols)
    assert head.surprise(h[:0], targets[:0]).shape == (0,)


def test_rare_symbols_cost_fewer_weights() -> None:
    sizes = [
        sum(one.numel() for one in head.parameters())
        for head in (nn.Linear(64, 25_000), AdaptiveSoftmax(64, 25_000))
    ]
    assert sizes[1] < sizes[0] / 3

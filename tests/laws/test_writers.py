"""What is written step by step is what was given at once, for every cell; attention by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from elman import Beam, Greedy, registry
from elman.errors import SettingsError, UnknownNameError
from elman.layers.attention import ATTENTIONS, Attention
from elman.layers.lexicon import Lexicon, forced
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_m import NToM
from elman.structures.one_to_n import OneToN

from .cases import same
from .structure_cases import WRITERS, answers_of, batch_of, context_of, network_of, written

every_cell = pytest.mark.parametrize("cell", registry.names("cells"))
every_writer = pytest.mark.parametrize("variant", WRITERS)


def started(network, xs, copies):
    more = () if isinstance(network, OneToN) else (copies,)
    return network.start(context_of(network, xs), *more)


@every_cell
@every_writer
@settings(max_examples=2)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3), layers=st.integers(1, 2))
def test_step_by_step_as_at_once(cell, variant, lengths, layers) -> None:
    """Each token as likely as when all are given, rows in any order, and a distribution at each step."""
    network = network_of(variant, cell, bidirectional=True, num_layers=layers)
    xs = batch_of(lengths)
    tokens, wanted, copies = written(xs)
    at_once = answers_of(variant, network, xs)
    state = started(network, xs, copies)
    rows = torch.arange(len(xs)).flip(0)
    for t in range(int(tokens.lengths.max())):
        state = network.select(state, rows)  # turned around at every step
        order = rows if t % 2 == 0 else rows.flip(0)
        last = tokens.padded(fill=2)[order, t]
        logits, state = network.step(last, state)
        scores = logits.log_softmax(-1)
        same(scores.exp().sum(-1), torch.ones(len(xs), dtype=torch.float64), "a distribution")
        for row, sentence in enumerate(order.tolist()):
            if t < len(tokens[sentence].values):
                token = int(wanted[sentence].values[t])
                if token >= 8 and (isinstance(network, OneToN) or network.gate is None):
                    token = 1
                same(scores[row, token], at_once[sentence][t, 0], f"token {t} of {sentence}")


@every_writer
def test_a_decoding_finds_what_is_likely(variant) -> None:
    """A greedy answer has the likelihood that the network gives it, and an end that it wrote itself."""
    network = network_of(variant, "lstm")
    xs = batch_of([3, 0, 5])
    copies = written(xs)[2]
    state, first = started(network, xs, copies), torch.full((3,), 2)
    found = Greedy(max_length=6).run(network, state, first, end=3)
    wide = Beam(beam_size=1, max_length=6).run(network, state, first, end=3)
    assert [one[0].tokens for one in found] == [one[0].tokens for one in wide]
    for number, (one,) in enumerate(found):
        alone = started(network, xs[number], copies[number])
        again = Greedy(max_length=6).run(network, alone, first[:1], end=3)[0][0]
        assert (again.tokens, again.finished) == (one.tokens, one.finished)
        given, wanted = forced(Ragged.of([torch.tensor(one.tokens, dtype=torch.int64)]), 2, 3)
        if not one.finished:
            length = len(one.tokens)
            given, wanted = (Ragged.of([each.values[:length]]) for each in (given, wanted))
        context = context_of(network, xs[number])
        more = () if isinstance(network, OneToN) else (copies[number],)
        total = float(network(context, given, wanted, *more).values[:, 0].sum())
        assert one.log_probability == pytest.approx(total)


@pytest.mark.parametrize("kind", ATTENTIONS)
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_attention_by_hand(kind, lengths) -> None:
    attention = Attention(kind, 3, 3).double()
    steps = Ragged.of([torch.randn(n, 3, dtype=torch.float64) for n in lengths])
    queries = torch.randn(len(lengths), 2, 3, dtype=torch.float64)
    contexts, weights, _ = attention(queries, attention.memory(steps))
    for number, memory in enumerate(steps):
        for t, query in enumerate(queries[number]):
            scores = []
            for m in memory:
                if kind == "dot":
                    scores.append(math.fsum((query * m).tolist()))
                elif kind == "general":
                    scores.append(float(query @ attention.key.weight @ m))
                else:
                    hidden = torch.tanh(
                        attention.query.weight @ query + attention.key.weight @ m + attention.key.bias
                    )
                    scores.append(float(attention.score.weight[0] @ hidden))
            total = math.fsum(map(math.exp, scores))
            shares = [math.exp(one) / total for one in scores]
            expected = torch.zeros(3, dtype=torch.float64)
            for share, m in zip(shares, memory, strict=True):
                expected = expected + share * m
            same(contexts[number, t], expected, "context")
            same(weights[number, t, : len(shares)], torch.tensor(shares, dtype=torch.float64), "weights")
            assert not bool(weights[number, t, len(shares) :].any())


def test_coverage_is_the_sum_of_what_was_looked_at() -> None:
    attention = Attention("additive", 3, 3, coverage=True).double()
    steps = batch_of([4, 2]).with_values(torch.randn(6, 3, dtype=torch.float64))
    queries, memory = torch.randn(2, 5, 3, dtype=torch.float64), attention.memory(steps)
    _, weights, covered = attention(queries, memory)
    same(covered, weights.sum(1), "covered")
    state = None
    for t in range(5):
        _, one, state = attention(queries[:, t : t + 1], memory, state)
        same(one[:, 0], weights[:, t], "step by step")
    network = network_of("n-to-m covered", "gru")
    xs = batch_of([5])
    looked = network.looked(xs, written(xs)[0])[0]
    again = [float(torch.minimum(looked[t], looked[:t].sum(0)).sum()) for t in range(len(looked))]
    same(
        answers_of("n-to-m covered", network, xs)[0][:, 2],
        torch.tensor(again, dtype=torch.float64),
        "again",
    )


def test_what_is_copied_may_be_no_word() -> None:
    """A token past the vocabulary is written where the gate is shut, and read as an unknown one."""
    network = network_of("n-to-m copy", "gru")
    nn.init.constant_(network.gate.bias, -50.0)
    xs = batch_of([3])
    copies = Ragged.of([torch.tensor([8, 9, 8])])
    state = network.start(xs, copies)
    scores, state = network.step(torch.tensor([2]), state)
    assert scores.shape == (1, 10)
    weights = network.looked(xs, Ragged.of([torch.tensor([2])]))[0][0]
    same(scores[0, 8:].exp(), torch.stack([weights[0] + weights[2], weights[1]]), "copied")
    again, _ = network.step(torch.tensor([9]), state)
    unknown, _ = network.step(torch.tensor([1]), state)
    assert torch.equal(again, unknown)


def test_scheduled_sampling_changes_tokens_but_the_first() -> None:
    network = network_of("n-to-m additive", "gru")
    xs = batch_of([5, 0, 4])
    tokens = written(xs)[0]
    assert torch.equal(network.guessed(xs, tokens, 0.0).values, tokens.values)
    nn.init.constant_(network.lexicon.bias, 0.0)
    network.lexicon.bias.data[5] = 100.0
    drawn = network.guessed(xs, tokens, 1.0)
    assert [one[0] for one in drawn.unbind()] == [2, 2, 2]
    assert all((one[1:] == 5).all() for one in drawn)


def test_forced_by_hand() -> None:
    ys = Ragged.of([torch.tensor([7, 8]), torch.zeros(0, dtype=torch.int64), torch.tensor([9])])
    tokens, wanted = forced(ys, 2, 3)
    assert [one.tolist() for one in tokens] == [[2, 7, 8], [2], [2, 9]]
    assert [one.tolist() for one in wanted] == [[7, 8, 3], [3], [9, 3]]


def test_what_does_not_fit_is_told() -> None:
    lexicon, encoder = Lexicon(9, 4, features=16), Recurrent("gru", 3, 8)
    good, back = Recurrent("gru", 4, 8), Recurrent("gru", 4, 8, bidirectional=True)
    with pytest.raises(SettingsError, match="nothing to copy by"):
        NToM(nn.Identity(), encoder, lexicon, Recurrent("gru", 12, 8), copy=True)
    with pytest.raises(SettingsError, match="cannot write"):
        NToM(nn.Identity(), encoder, lexicon, back, attention=Attention("dot", 8, 8))
    with pytest.raises(SettingsError, match="cannot write"):
        NToM(nn.Identity(), encoder, lexicon, good)
    with pytest.raises(SettingsError, match="cannot write"):
        OneToN(nn.Identity(), lexicon, good, features=3)
    with pytest.raises(SettingsError, match="cannot act"):
        OneToN(nn.Identity(), lexicon, good, features=3, acts="often")
    with pytest.raises(SettingsError, match="one size"):
        Attention("dot", 3, 4)
    with pytest.raises(SettingsError, match="coverage"):
        Attention("general", 3, 3, coverage=True)
    with pytest.raises(UnknownNameError, match="additive"):
        Attention("aditive", 3, 3)

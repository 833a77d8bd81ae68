"""Heads of frames: probabilities that sum to one, samples that follow them, and the loop they stand for."""

from __future__ import annotations

import itertools

import pytest
import torch

from elman.errors import UnknownNameError
from elman.layers.frames import HEADS, NADE, Frames, frames_of

KEYS = 6
EVERY = torch.tensor(list(itertools.product([0.0, 1.0], repeat=KEYS)), dtype=torch.float64)
every_head = pytest.mark.parametrize("name", HEADS)


def head_of(name: str, keys: int = KEYS) -> Frames:
    head = frames_of(name, features=4, keys=keys, hidden_size=5).double()
    for one in head.parameters():
        torch.nn.init.normal_(one)
    return head.eval()


def told_of(head: Frames, steps: int = 1) -> torch.Tensor:
    return head(torch.randn(steps, 4, dtype=torch.float64)).detach()


@every_head
def test_the_chances_of_all_frames_sum_to_one(name: str) -> None:
    head = head_of(name)
    h = torch.randn(1, 4, dtype=torch.float64)
    chances = torch.exp(-head.surprise(h.expand(len(EVERY), -1), EVERY))
    assert float(chances.detach().sum()) == pytest.approx(1.0, abs=1e-12)
    assert torch.equal(head.surprise(h, EVERY[:1]), head.nats(head(h), EVERY[:1]))


def test_a_chord_is_as_likely_as_the_loop_over_its_keys_says() -> None:
    """p(v_k | v_<k) by the equations, one key after the other; outputs and all gradients."""
    head = head_of("nade", keys=9)
    assert isinstance(head, NADE)
    h = torch.randn(12, 4, dtype=torch.float64)
    frames = (torch.rand(12, 9) < 0.4).double()
    b, a = head.linear(h), head.hidden(h)
    nats = torch.zeros(12, dtype=torch.float64)
    for key in range(9):
        p = torch.sigmoid(b[:, key] + torch.sigmoid(a) @ head.write[key])
        v = frames[:, key]
        nats = nats - (v * p.log() + (1 - v) * (1 - p).log())
        a = a + v[:, None] * head.read[key]
    found = head.surprise(h, frames)
    torch.testing.assert_close(found, nats)
    weights = list(head.parameters())
    pairs = (torch.autograd.grad(one.sum(), weights, retain_graph=True) for one in (found, nats))
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs)


@every_head
def test_a_key_depends_on_those_below_it_alone(name: str) -> None:
    head = head_of(name)
    told = told_of(head)
    frames = EVERY[torch.randperm(len(EVERY))[:8]]
    chances = head.chances(told.expand(8, -1), frames)
    for key in range(KEYS):
        other = frames.clone()
        other[:, key:] = 1 - other[:, key:]
        assert torch.equal(head.chances(told.expand(8, -1), other)[:, key], chances[:, key])


@every_head
def test_samples_follow_the_chances(name: str) -> None:
    head = head_of(name)
    told, count = told_of(head), 40_000
    found = head.draw(told.expand(count, -1), torch.rand(count, KEYS, dtype=torch.float64))
    number = (found @ (2.0 ** torch.arange(KEYS - 1, -1, -1)).double()).long()
    shares = torch.bincount(number, minlength=len(EVERY)).double() / count
    chances = torch.exp(-head.nats(told.expand(len(EVERY), -1), EVERY))
    assert float((shares - chances.detach()).abs().max()) < 0.012
    marginal = (chances[:, None] * EVERY).sum(0)
    assert float((head.expected(told)[0] - marginal).abs().max().detach()) < 0.06


@every_head
def test_the_likeliest_note_by_note(name: str) -> None:
    """From the lowest up, by the chances of all frames: the next note, or none, that has the most of them."""
    head = head_of(name)
    told = told_of(head, 20)
    found = head.draw(told, None)
    for number in range(20):
        chances = torch.exp(-head.nats(told[number : number + 1].expand(len(EVERY), -1), EVERY))
        begun, last = torch.zeros(KEYS, dtype=torch.float64), -1
        while last < KEYS:
            fits = (EVERY[:, : last + 1] == begun[: last + 1]).all(1)
            following = [
                float(chances[fits & (EVERY[:, last + 1 : k] == 0).all(1) & (EVERY[:, k] == 1)].sum())
                for k in range(last + 1, KEYS)
            ]
            following.append(float(chances[fits & (EVERY[:, last + 1 :] == 0).all(1)].sum()))
            last += 1 + max(range(len(following)), key=following.__getitem__)
            if last < KEYS:
                begun[last] = 1
        assert torch.equal(found[number], begun)
    numbers = torch.rand(20, KEYS, dtype=torch.float64)
    assert torch.equal(head.draw(told, numbers, temperature=1e-6), found)


def test_heat_makes_every_next_note_as_likely_as_that_there_is_none() -> None:
    head = head_of("nade")
    count = 30_000
    numbers = torch.rand(count, KEYS, dtype=torch.float64)
    found = head.draw(told_of(head).expand(count, -1), numbers, temperature=1e9)
    assert float((found.sum(1) == 0).double().mean()) == pytest.approx(1 / (KEYS + 1), abs=0.01)
    lowest = found[found.sum(1) > 0].argmax(1)
    assert torch.bincount(lowest).double() / count == pytest.approx(1 / (KEYS + 1), abs=0.01)


@every_head
def test_frames_do_not_know_each_other(name: str) -> None:
    head = head_of(name)
    told = told_of(head, 5)
    frames = (torch.rand(5, KEYS) < torch.linspace(0, 1, 5)[:, None]).double()
    alone = torch.cat([head.nats(told[n : n + 1], frames[n : n + 1]) for n in range(5)])
    torch.testing.assert_close(head.nats(told, frames), alone)
    assert head.nats(told[:0], frames[:0]).shape == (0,)


def test_a_head_that_there_is_not() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nade'"):
        frames_of("made", 4, 88)

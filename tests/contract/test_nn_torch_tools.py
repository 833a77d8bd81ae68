"""What torch does with any module, done with those of `elman.nn`; the peer is torch's own module."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import clip_grad_norm_, parametrizations, parametrize, prune

import elman

NAMES = ("RNN", "LSTM", "GRU")
every_name = pytest.mark.parametrize("name", NAMES)


def pair_of(name: str, **options: Any) -> list[Any]:
    pair = [getattr(home, name)(3, 4, 2, **options) for home in (nn, elman.nn)]
    pair[1].load_state_dict(pair[0].state_dict())
    return pair


def numbers() -> Tensor:
    return torch.randn(5, 2, 3)


def same(left: Tensor, right: Tensor) -> None:
    torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)


@every_name
def test_copies(name: str) -> None:
    ours, xs = pair_of(name)[1], numbers()
    before = ours(xs)[0]
    copied = copy.deepcopy(ours)
    with torch.no_grad():
        ours.weight_hh_l0.zero_()
    assert torch.equal(copied(xs)[0], before)
    assert not torch.equal(ours(xs)[0], before)


@every_name
def test_files(name: str) -> None:
    theirs, ours = pair_of(name, bidirectional=True)
    for source, target in ((theirs, ours), (ours, theirs)):
        source.reset_parameters()
        file = io.BytesIO()
        torch.save(source.state_dict(), file)
        file.seek(0)
        target.load_state_dict(torch.load(file, weights_only=True))
        xs = numbers()
        same(ours(xs)[0], theirs(xs)[0])


@every_name
def test_files_of_whole_modules(name: str) -> None:
    """As `torch.save(model)` writes them."""
    for options in ({}, {"proj_size": 2} if name == "LSTM" else {"bias": False}):
        ours, xs, file = pair_of(name, **options)[1], numbers(), io.BytesIO()
        torch.save(ours, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=False)
        assert torch.equal(loaded(xs)[0], ours(xs)[0])


@every_name
def test_clipping_and_a_step(name: str) -> None:
    xs, found = numbers(), []
    for module in pair_of(name):
        optimizer = torch.optim.Adam(module.parameters(), 0.1)
        module(xs)[0].square().sum().backward()
        norm = clip_grad_norm_(module.parameters(), 0.1)
        optimizer.step()
        found.append((norm, module(xs)[0]))
    same(found[1][0], found[0][0])
    same(found[1][1], found[0][1])


class Halved(nn.Module):
    """A parametrization that is easy to see."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@every_name
def test_parametrizations(name: str) -> None:
    """Of torch's cells: its layers do not read what a parametrization computes."""
    xs = numbers()
    theirs = getattr(nn, name + "Cell")(3, 4)
    layer = getattr(elman.nn, name)(3, 4)
    layer.load_state_dict({one + "_l0": weight for one, weight in theirs.state_dict().items()})
    cell = getattr(elman.nn, name + "Cell")(3, 4)
    cell.load_state_dict(theirs.state_dict())
    for module, suffix in ((theirs, ""), (cell, ""), (layer, "_l0")):
        parametrize.register_parametrization(module, "weight_hh" + suffix, Halved())
        parametrizations.weight_norm(module, "weight_ih" + suffix)
    state, outputs = None, []
    for x in xs:
        state = theirs(x, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    same(layer(xs)[0], torch.stack(outputs))
    after = cell(xs[0])
    same(after[0] if isinstance(after, tuple) else after, outputs[0])
    layer(xs)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original.grad.abs().sum() > 0


@every_name
def test_hooks_that_set_a_weight_anew(name: str) -> None:
    """Pruning keeps the weight under another name, and a plain tensor in its place."""
    theirs, ours = pair_of(name)
    for module in (theirs, ours):
        prune.l1_unstructured(module, "weight_hh_l0", amount=0.5)
    assert "weight_hh_l0" not in dict(ours.named_parameters())
    xs = numbers()
    same(ours(xs)[0], theirs(xs)[0])
    assert (ours.weight_hh_l0 == 0).sum() == ours.weight_hh_l0.numel() // 2


@every_name
def test_functional_calls(name: str) -> None:
    theirs, ours = pair_of(name)
    weights = {one: torch.randn_like(weight) for one, weight in ours.named_parameters()}
    xs = numbers()
    found = [functional_call(module, weights, xs)[0] for module in (theirs, ours)]
    same(found[1], found[0])


@every_name
def test_a_replica_without_parameters(name: str) -> None:
    """As `torch.nn.DataParallel` makes them: plain tensors in the place of the parameters."""
    ours, xs = pair_of(name)[1], numbers()
    replica = ours._replicate_for_data_parallel()
    for one, weight in ours.named_parameters():
        setattr(replica, one, weight.detach().clone())
    assert not list(replica.parameters())
    assert torch.equal(replica(xs)[0], ours(xs)[0])


@every_name
def test_devices_and_formats(name: str) -> None:
    module = getattr(elman.nn, name)(3, 4, device="meta", dtype=torch.float64)
    assert all(one.is_meta and one.dtype == torch.float64 for one in module.parameters())
    cell = getattr(elman.nn, name + "Cell")(3, 4, device="meta", dtype=torch.float64)
    assert all(one.is_meta and one.dtype == torch.float64 for one in cell.parameters())
    module = module.to_empty(device="cpu").float()
    module.reset_parameters()
    assert module(numbers())[0].dtype == torch.float32


@every_name
def test_mixed_precision(name: str) -> None:
    """Where torch has no such module in bfloat16, as on some processors its LSTM, float32 is the oracle."""
    theirs, ours = pair_of(name)
    xs = numbers()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ours(xs)[0].float()
        try:
            wanted = theirs(xs)[0].float()
        except RuntimeError:
            wanted = None
    torch.testing.assert_close(found, theirs(xs)[0] if wanted is None else wanted, rtol=0.05, atol=0.02)


@every_name
def test_one_pass_leaves_nothing_behind(name: str) -> None:
    """State is given and taken, and never kept on the module."""
    ours, xs = pair_of(name)[1], numbers()
    names = set(vars(ours))
    first, final = ours(xs)
    assert torch.equal(ours(xs)[0], first)
    assert set(vars(ours)) == names
    assert not torch.equal(ours(xs, final)[0], first)


@every_name
def test_steps_equal_the_whole(name: str) -> None:
    """`start` and `step` of elman's layers are there, too; with a projection as without."""
    for options in ({}, {"proj_size": 2} if name == "LSTM" else {}):
        ours, xs = pair_of(name, **options)[1], numbers()
        state, outputs = ours.start(2), []
        for x in xs:
            one, state = ours.step(x, state)
            outputs.append(one)
        same(torch.stack(outputs), ours(xs)[0])

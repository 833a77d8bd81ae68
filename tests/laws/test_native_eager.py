"""The call without the dispatcher is the operator: the same bits, and never where somebody watches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from elman import library
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

pytestmark = pytest.mark.skipif(not library.available(), reason="the native scan was not built")
CELLS = ("rnn", "rnn-relu", "lstm", "gru")


class Watching(TorchDispatchMode):
    """Notes the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func.name())
        return func(*args, **(kwargs or {}))


def passes(layer: Recurrent, xs: Ragged, state: tuple[Tensor, ...]) -> list[Tensor]:
    x, state = xs.values.clone().requires_grad_(), tuple(one.clone().requires_grad_() for one in state)
    scan = layer(xs.with_values(x), state)
    loss = scan.outputs.values.square().sum() + scan.final[-1].sum()
    first = torch.autograd.grad(loss, [x, *state, *layer.parameters()], create_graph=True)
    second = torch.autograd.grad(
        first[0].square().sum(), [x, *state, *layer.parameters()], allow_unused=True
    )
    return [scan.outputs.values, *scan.final, *first, *(one for one in second if one is not None)]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_it_gives_what_the_operator_gives(cell: str, bidirectional: bool) -> None:
    layer = Recurrent(cell, 3, 5, 2, bidirectional=bidirectional)
    xs = Ragged.of([torch.randn(4, 3), torch.randn(0, 3), torch.randn(1, 3)])
    state = tuple(torch.randn_like(one) for one in layer.start(3))
    alone = passes(layer, xs, state)
    with Watching() as mode:
        watched = passes(layer, xs, state)
    assert {"elman::recurrent", "elman::recurrent_backward"} <= mode.seen
    assert all(torch.equal(one, other) for one, other in zip(alone, watched, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_frozen_weights_and_inputs_get_no_gradient(cell: str) -> None:
    layer = Recurrent(cell, 3, 5)
    layer.weight_hh_l0.requires_grad_(False)
    xs = Ragged.of([torch.randn(4, 3)])
    layer(xs).outputs.values.sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert layer.weight_ih_l0.grad is not None
    assert xs.values.grad is None


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_last_pass_over_a_graph_gives_what_the_first_gave(
    cell: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it writes over what was kept, where there are as many gradients as gates."""
    over: list[bool] = []
    run = library.run

    def noted(name: str, call: Any, *more: Any) -> None:
        if name == "elman_backward":
            over.append(call.direction[0].gates == call.direction[0].grad_gates)
        run(name, call, *more)

    monkeypatch.setattr(library, "run", noted)
    layer = Recurrent(cell, 7, 40, 2, bidirectional=bidirectional)
    xs = Ragged.of([torch.randn(length, 7) for length in (4, 0, 1, *[5, 3] * 6)])
    state = tuple(torch.randn_like(one).requires_grad_() for one in layer.start(len(xs)))
    scan = layer(xs, state)
    loss = scan.outputs.values.square().sum() + scan.final[-1].sum()
    of = [*state, *layer.parameters()]
    found = [torch.autograd.grad(loss, of, retain_graph=kept) for kept in (True, True, False)]
    assert over == [False] * 4 + [cell != "gru"] * 2
    for first, *others in zip(*found, strict=True):
        assert all(torch.equal(first, other) for other in others)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, of)


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_recorded_outlives_the_gradient(cell: str) -> None:
    layer = Recurrent(cell, 3, 5, bidirectional=True)
    xs = Ragged.of([torch.randn(4, 3), torch.randn(2, 3)])
    scan = layer(xs, record=layer.cell_type.blocks)
    before = {name: one.values.clone() for name, one in scan.trace.items()}
    scan.outputs.values.square().sum().backward()
    assert before
    assert all(torch.equal(scan.trace[name].values, one) for name, one in before.items())


def test_transforms_of_functions_are_watched() -> None:
    seen = []

    def look(x: Tensor) -> Tensor:
        seen.append(library.unwatched([x]))
        return x.sum()

    torch.func.grad(look)(torch.ones(2))
    torch.func.vmap(look)(torch.ones(2, 2))
    assert seen == [False, False]
    assert library.unwatched([torch.ones(2)])
    with torch._subclasses.FakeTensorMode():
        assert not library.unwatched([torch.ones(2)])

"""The laws bite: a cell that is broken in one way fails the law that forbids it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.rnn import RNN

from .cases import Case
from .scan_laws import LAWS
from .torch_parity import equals_torch

Step = tuple[State, dict[str, Tensor]]


class LeaksBetweenSequences(GRU):
    """The sequences of a batch see one another's state."""

    def step(self, projected: Tensor, state: State) -> Step:
        (h,), blocks = super().step(projected, state)
        return (h - 0.1 * h.mean(0, keepdim=True) + 0.1 * h,), blocks


class NormalisesOverTheBatch(RNN):
    """The projection depends on what else is in the batch."""

    def project(self, x: Tensor) -> Tensor:
        return super().project(x - x.mean(0, keepdim=True))


class ReadsTheFuture(RNN):
    """The projection of a step mixes in the step after it."""

    def project(self, x: Tensor) -> Tensor:
        return super().project(x + x.roll(-1, 0))


class RemembersOnItself(RNN):
    """State is kept on the object instead of being handed on."""

    steps = 0

    def step(self, projected: Tensor, state: State) -> Step:
        self.steps += 1
        return super().step(projected + 0.1 * self.steps, state)


class Guesses(RNN):
    """There is chance in it."""

    def step(self, projected: Tensor, state: State) -> Step:
        return super().step(projected + 1e-3 * torch.randn_like(projected), state)


class WritesIntoTheInput(RNN):
    """What the caller gave is changed in place."""

    def project(self, x: Tensor) -> Tensor:
        return super().project(x.detach().mul_(0.5))


class ForgetsTheGradient(GRU):
    """The gradient does not reach the past."""

    def step(self, projected: Tensor, state: State) -> Step:
        return super().step(projected, (state[0].detach() + 0 * state[0],))


class StartsElsewhere(RNN):
    """The state before the first step is not zero."""

    def start(self, batch: int) -> State:
        return tuple(one + 0.1 for one in super().start(batch))


class OpensTooWide(GRU):
    """A gate that is no gate."""

    def step(self, projected: Tensor, state: State) -> Step:
        after, blocks = super().step(projected, state)
        return after, blocks | {"z": 2 * blocks["z"]}


class NamesNothing(RNN):
    """A block that is promised and not given."""

    def step(self, projected: Tensor, state: State) -> Step:
        return super().step(projected, state)[0], {}


class SwapsGates(GRU):
    """torch's rows read in another order: z, r, n."""

    def step(self, projected: Tensor, state: State) -> Step:
        return super().step(_swapped(projected, 3), state)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_hh = _swapped(self.weight_hh.T, 3).T
        self.bias_hh = None if self.bias_hh is None else _swapped(self.bias_hh, 3)


class ResetsBeforeTheProduct(GRU):
    """Cho's first form of the reset gate, which is not torch's."""

    def step(self, projected: Tensor, state: State) -> Step:
        (h,) = state
        w, b = (
            self.weight_hh.chunk(3),
            (self.bias_hh.chunk(3) if self.bias_hh is not None else [None] * 3),
        )
        xr, xz, xn = projected.chunk(3, -1)
        r, z = torch.sigmoid(xr + F.linear(h, w[0], b[0])), torch.sigmoid(xz + F.linear(h, w[1], b[1]))
        n = torch.tanh(xn + F.linear(r * h, w[2], b[2]))
        return ((1 - z) * n + z * h,), {"r": r, "z": z, "n": n}


class AddsOneBiasOnly(LSTM):
    """The recurrent bias is lost."""

    def project(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_ih, self.bias_ih)


def _swapped(values: Tensor, blocks: int) -> Tensor:
    first, second, *rest = values.chunk(blocks, -1)
    return torch.cat([second, first, *rest], -1)


BROKEN: list[tuple[type[Cell], str]] = [
    (LeaksBetweenSequences, "mates_never_matter"),
    (LeaksBetweenSequences, "equals_the_loop"),
    (NormalisesOverTheBatch, "mates_never_matter"),
    (NormalisesOverTheBatch, "chunks_equal_the_whole"),
    (ReadsTheFuture, "never_looks_ahead"),
    (ReadsTheFuture, "equals_the_loop"),
    (ReadsTheFuture, "reversing_twice_is_nothing"),
    (RemembersOnItself, "chunks_equal_the_whole"),
    (RemembersOnItself, "is_a_function"),
    (Guesses, "is_a_function"),
    (WritesIntoTheInput, "is_a_function"),
    (ForgetsTheGradient, "gradients_are_slopes"),
    (StartsElsewhere, "empty_is_the_start"),
    (OpensTooWide, "tells_what_it_does"),
]


@pytest.mark.parametrize(("broken", "law"), BROKEN)
def test_a_broken_cell_fails(broken: type[Cell], law: str) -> None:
    with pytest.raises(AssertionError):
        LAWS[law](broken, Case(lengths=(4, 0, 1, 3, 5)))


def test_a_block_that_is_not_given_fails() -> None:
    with pytest.raises(KeyError):
        LAWS["tells_what_it_does"](NamesNothing, Case())


@pytest.mark.parametrize(
    ("broken", "name"), [(SwapsGates, "gru"), (ResetsBeforeTheProduct, "gru"), (AddsOneBiasOnly, "lstm")]
)
def test_a_cell_that_is_not_torchs_fails(broken: type[Cell], name: str) -> None:
    """These are sound recurrences, only not the ones whose weights they take."""
    for law in ("equals_the_loop", "mates_never_matter", "chunks_equal_the_whole"):
        LAWS[law](broken, Case())
    with pytest.raises(AssertionError):
        equals_torch(name, cell_type=broken)


@pytest.mark.parametrize("law", LAWS)
def test_the_sound_parents_pass(law: str) -> None:
    for parent in (RNN, GRU, LSTM):
        LAWS[law](parent, Case(lengths=(4, 0, 1, 3, 5)))

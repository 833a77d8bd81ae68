"""The plain recurrent network with ReLU."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.cells.base import Cell, State


class RNNReLU(Cell):
    """The plain recurrent network with a rectifier, which starts by remembering.

        h[t] = max(0, W_ih·x[t] + b_ih + W_hh·h[t-1] + b_hh)

    Its recurrence starts as a scaled identity, without which it forgets or explodes.
    Source: Le, Jaitly and Hinton 2015, arXiv 1504.00941.

    >>> cell = RNNReLU(torch.ones(1, 1), torch.ones(1, 1))
    >>> (h,), gates = cell.step(cell.project(torch.tensor([[-0.5]])), cell.start(1))
    >>> float(h)
    0.0
    """

    blocks: ClassVar[tuple[str, ...]] = ("n",)

    @classmethod
    @torch.no_grad()
    def initialise(cls, parameters: dict[str, Tensor]) -> None:
        """As for every cell, then the recurrence as half an identity."""
        super().initialise(parameters)
        nn.init.eye_(parameters["weight_hh"]).mul_(0.5)

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        (h,) = state
        n = torch.relu(projected + F.linear(h, self.weight_hh))
        return (n,), {"n": n}

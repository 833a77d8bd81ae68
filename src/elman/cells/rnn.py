"""The plain recurrent network of Elman, with tanh."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State


class RNN(Cell):
    """The plain recurrent network with tanh: the definition of the whole house.

        h[t] = tanh(W_ih·x[t] + b_ih + W_hh·h[t-1] + b_hh)

    Source: Elman 1990, "Finding structure in time", Cognitive Science 14(2).

    >>> cell = RNN(torch.ones(1, 1), torch.ones(1, 1))
    >>> (h,), gates = cell.step(cell.project(torch.tensor([[0.5]])), cell.start(1))
    >>> round(float(h), 4)
    0.4621
    """

    blocks: ClassVar[tuple[str, ...]] = ("n",)

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        (h,) = state
        n = torch.tanh(projected + F.linear(h, self.weight_hh))
        return (n,), {"n": n}

"""The gated recurrent unit."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State


class GRU(Cell):
    """Gated recurrent unit: two gates and no separate memory.

        r = σ(W_ir·x + b_ir + W_hr·h + b_hr)            what of the past the candidate sees
        z = σ(W_iz·x + b_iz + W_hz·h + b_hz)            what of the past stays
        n = tanh(W_in·x + b_in + r∘(W_hn·h + b_hn))     the candidate
        h' = (1 - z)∘n + z∘h

    The reset gate acts after the product, as in torch and cuDNN.
    Source: Cho et al. 2014, arXiv 1406.1078.

    >>> cell = GRU(torch.zeros(3, 1), torch.zeros(3, 1))
    >>> (h,), gates = cell.step(cell.project(torch.ones(1, 1)), (torch.ones(1, 1),))
    >>> float(h), float(gates["z"])
    (0.5, 0.5)
    """

    blocks: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    gates: ClassVar[tuple[str, ...]] = ("r", "z")

    def project(self, x: Tensor) -> Tensor:
        """`W_ih·x + b_ih`: the recurrent bias stays inside the step, under the reset gate."""
        self.check(x)
        return F.linear(x, self.weight_ih, self.bias_ih)

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        (h,) = state
        xr, xz, xn = projected.chunk(3, -1)
        hr, hz, hn = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, -1)
        r = torch.sigmoid(xr + hr)
        z = torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        h = n + z * (h - n)
        return (h,), {"r": r, "z": z, "n": n}

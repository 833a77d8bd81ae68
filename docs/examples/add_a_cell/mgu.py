"""The minimal gated unit."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State


class MGU(Cell):
    """A GRU whose two gates are one: what is forgotten is what is written anew.

        f = σ(W_if·x + b_if + W_hf·h + b_hf)            how much of the past gives way
        n = tanh(W_in·x + b_in + W_hn·(f∘h) + b_hn)     the candidate
        h' = (1 - f)∘h + f∘n

    Source: Zhou et al. 2016, arXiv 1603.09420.

    >>> cell = MGU(torch.zeros(2, 1), torch.zeros(2, 1))
    >>> (h,), gates = cell.step(cell.project(torch.ones(1, 1)), (torch.ones(1, 1),))
    >>> float(h), float(gates["f"])
    (0.5, 0.5)
    """

    blocks: ClassVar[tuple[str, ...]] = ("f", "n")
    gates: ClassVar[tuple[str, ...]] = ("f",)

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        (h,) = state
        xf, xn = projected.chunk(2, -1)
        weight_f, weight_n = self.weight_hh.chunk(2)
        f = torch.sigmoid(xf + F.linear(h, weight_f))
        n = torch.tanh(xn + F.linear(f * h, weight_n))
        return (h + f * (n - h),), {"f": f, "n": n}

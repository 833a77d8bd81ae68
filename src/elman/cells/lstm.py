"""The long short-term memory."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State


class LSTM(Cell):
    """Long short-term memory: a memory `c` beside the output `h`, behind three gates.

        i = σ(W_ii·x + b_ii + W_hi·h + b_hi)        what enters the memory
        f = σ(W_if·x + b_if + W_hf·h + b_hf)        what stays in it
        g = tanh(W_ig·x + b_ig + W_hg·h + b_hg)     the candidate
        o = σ(W_io·x + b_io + W_ho·h + b_ho)        what leaves it
        c' = f∘c + i∘g        h' = o∘tanh(c')

    Sources: Hochreiter and Schmidhuber 1997; the forget gate: Gers et al. 2000. Gate order as in torch.

    >>> cell = LSTM(torch.zeros(4, 1), torch.zeros(4, 1))
    >>> (h, c), gates = cell.step(cell.project(torch.ones(1, 1)), (torch.zeros(1, 1), torch.ones(1, 1)))
    >>> float(c), float(gates["f"])
    (0.5, 0.5)
    """

    states: ClassVar[tuple[str, ...]] = ("h", "c")
    blocks: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "o")

    @classmethod
    @torch.no_grad()
    def initialise(cls, parameters: dict[str, Tensor]) -> None:
        """As for every cell, with the forget gate open: a bias of 1 (Jozefowicz et al. 2015)."""
        super().initialise(parameters)
        if "bias_ih" in parameters:
            parameters["bias_ih"].chunk(4)[1].fill_(1.0)

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        h, c = state
        i, f, g, o = (projected + F.linear(h, self.weight_hh)).chunk(4, -1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * c + i * g
        h = o * torch.tanh(c)
        return (h, c), {"i": i, "f": f, "g": g, "o": o}

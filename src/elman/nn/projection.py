"""The long short-term memory whose output is narrower than its memory."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.cells.base import Cell, State


class ProjectedLSTM(Cell):
    """An LSTM whose output is projected before it is given out and carried on.

        i, f, o = σ(W_i·x + b_i + W_h·h + b_h)        g = tanh(...), as in the LSTM
        c' = f∘c + i∘g        h' = W_hr·(o∘tanh(c'))

    Of the states, `h` has `proj_size` features and `c` has those of the memory. Parameters and their
    shapes are torch's. Source: Sak et al. 2014, arXiv 1402.1128.

    Shapes, with a memory of `hidden` features:
        weight_ih: `4*hidden input`    weight_hh: `4*hidden proj_size`    weight_hr: `proj_size hidden`

    >>> cell = ProjectedLSTM(torch.zeros(8, 1), torch.zeros(8, 1), weight_hr=torch.ones(1, 2))
    >>> (h, c), gates = cell.step(cell.project(torch.ones(1, 1)), (torch.zeros(1, 1), torch.ones(1, 2)))
    >>> c.tolist(), round(float(h), 4)
    ([[0.5, 0.5]], 0.4621)
    """

    states: ClassVar[tuple[str, ...]] = ("h", "c")
    blocks: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "o")

    def __init__(
        self,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None = None,
        bias_hh: Tensor | None = None,
        *,
        weight_hr: Tensor,
    ) -> None:
        super().__init__(weight_ih, weight_hh, bias_ih, bias_hh)
        self.weight_hr = self.weights["weight_hr"] = weight_hr

    @classmethod
    def shapes(
        cls, input_size: int, hidden_size: int, *, bias: bool = True, proj_size: int = 1
    ) -> dict[str, tuple[int, ...]]:
        """As for every cell, the output being `proj_size` wide, and `weight_hr` at the end."""
        shapes = super().shapes(input_size, hidden_size, bias=bias)
        narrow = {"weight_hh": (4 * hidden_size, proj_size), "weight_hr": (proj_size, hidden_size)}
        return shapes | narrow

    @property
    def widths(self) -> tuple[int, ...]:
        """`proj_size` for the output, the size of the memory for `c`."""
        return self.weight_hr.shape[0], self.weight_hr.shape[1]

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        h, c = state
        i, f, g, o = (projected + F.linear(h, self.weight_hh)).chunk(4, -1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * c + i * g
        h = F.linear(o * torch.tanh(c), self.weight_hr)
        return (h, c), {"i": i, "f": f, "g": g, "o": o}

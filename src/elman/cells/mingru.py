"""The minimal gated recurrent unit: a linear recurrence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from elman.cells.base import LinearCell


class MinGRU(LinearCell):
    """Minimal gated recurrent unit: its gate reads the input alone, so that the recurrence is linear.

        z = σ(W_z·x + b_z)        how much is replaced
        n = W_n·x + b_n           the candidate
        h' = (1 - z)∘h + z∘n

    One layer mixes time; what depends on an earlier state needs a second layer above.
    Source: Feng et al. 2024, arXiv 2410.01201.

    >>> cell = MinGRU(torch.tensor([[0.0], [2.0]]))
    >>> (h,), blocks = cell.step(cell.project(torch.ones(1, 1)), (torch.zeros(1, 1),))
    >>> float(h), float(blocks["z"])
    (1.0, 0.5)
    """

    blocks: ClassVar[tuple[str, ...]] = ("z", "n")
    gates: ClassVar[tuple[str, ...]] = ("z",)

    @classmethod
    @torch.no_grad()
    def initialise(cls, parameters: dict[str, Tensor]) -> None:
        """As for every cell, with a gate that keeps more than it replaces: a bias of -1."""
        super().initialise(parameters)
        if "bias_ih" in parameters:
            parameters["bias_ih"].chunk(2)[0].fill_(-1.0)

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        z, n = projected.chunk(2, -1)
        z = torch.sigmoid(z)
        return 1 - z, z * n, {"z": z, "n": n}

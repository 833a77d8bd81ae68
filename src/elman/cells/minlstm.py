"""The minimal long short-term memory: a linear recurrence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from elman.cells.base import LinearCell


class MinLSTM(LinearCell):
    """Minimal long short-term memory: two gates that read the input alone and sum to one.

        f̂ = σ(W_f·x + b_f)        î = σ(W_i·x + b_i)        g = W_g·x + b_g
        f = f̂ / (f̂ + î)           what stays
        i = î / (f̂ + î)           what enters
        h' = f∘h + i∘g

    One layer mixes time; what depends on an earlier state needs a second layer above.
    Source: Feng et al. 2024, arXiv 2410.01201.

    >>> cell = MinLSTM(torch.tensor([[0.0], [0.0], [2.0]]))
    >>> (h,), blocks = cell.step(cell.project(torch.ones(1, 1)), (torch.zeros(1, 1),))
    >>> float(h), float(blocks["f"])
    (1.0, 0.5)
    """

    blocks: ClassVar[tuple[str, ...]] = ("f", "i", "g")
    gates: ClassVar[tuple[str, ...]] = ("f", "i")

    @classmethod
    @torch.no_grad()
    def initialise(cls, parameters: dict[str, Tensor]) -> None:
        """As for every cell, with the forget gate open: a bias of 1."""
        super().initialise(parameters)
        if "bias_ih" in parameters:
            parameters["bias_ih"].chunk(3)[0].fill_(1.0)

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        forget, enter, g = projected.chunk(3, -1)
        # σ(p) / (σ(p) + σ(q)) as one function of a difference: nothing divides by a sum that underflows.
        f = torch.sigmoid(torch.nn.functional.softplus(-enter) - torch.nn.functional.softplus(-forget))
        return f, (1 - f) * g, {"f": f, "i": 1 - f, "g": g}

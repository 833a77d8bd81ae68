"""Small networks of every structure, and how each is asked: what the laws of structures are tried on.

A new structure enters its variants here; until it does, `test_structures.py` names it and fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from elman.layers.pooling import POOLINGS
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_n import NToN
from elman.structures.n_to_one import NToOne

Build = Callable[..., Any]


def _recurrent(cell: str, **options: Any) -> Recurrent:
    return Recurrent(cell, 3, 4, **options)


def _n_to_one(pooling: str) -> Build:
    def build(cell: str, **options: Any) -> nn.Module:
        return NToOne(
            nn.Linear(2, 3), _recurrent(cell, **options), outputs=3, pooling=pooling, dropout=0.5
        )

    return build


def _n_to_n(labels: int) -> Build:
    def build(cell: str, **options: Any) -> nn.Module:
        return NToN(nn.Linear(2, 3), _recurrent(cell, **options), outputs=3, labels=labels, dropout=0.5)

    return build


def _wholes(network: Any, xs: Ragged) -> list[Tensor]:
    return list(network(xs)[:, None])


def _steps(network: Any, xs: Ragged) -> list[Tensor]:
    return network(xs).unbind()


def _both(network: Any, xs: Ragged) -> list[Tensor]:
    """Each step's answer, and the answer to the whole below it."""
    steps, whole = network.joint(xs)
    return [torch.cat([one, end[None, [0, 1, 1]]]) for one, end in zip(steps, whole, strict=True)]


# By structure and variant: the network of a cell, its answers sequence by sequence (rows of numbers),
# and whether it can go step by step.
VARIANTS: dict[str, tuple[Build, Callable[[Any, Ragged], list[Tensor]], bool]] = {
    **{f"n-to-one {pooling}": (_n_to_one(pooling), _wholes, True) for pooling in POOLINGS},
    "n-to-n": (_n_to_n(0), _steps, True),
    "n-to-n joint": (_n_to_n(2), _both, False),
}


def network_of(variant: str, cell: str, **options: Any) -> Any:
    """The network in double precision, in evaluation mode."""
    return VARIANTS[variant][0](cell, **options).double().eval()


def answers_of(variant: str, network: Any, xs: Ragged) -> list[Tensor]:
    """The answers to each sequence: `rows numbers`, one row for a whole."""
    return VARIANTS[variant][1](network, xs)


def batch_of(lengths: list[int]) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(torch.randn(int(offsets[-1]), 2, dtype=torch.float64), offsets)


def gradients(network: nn.Module, answers: Tensor) -> dict[str, Tensor]:
    """The gradient of each weight, of a sum in which every answer has its own share."""
    weights = dict(network.named_parameters())
    scale = torch.linspace(-1, 1, answers.numel(), dtype=torch.float64).view_as(answers)
    found = torch.autograd.grad(
        (answers * scale).sum(), list(weights.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))

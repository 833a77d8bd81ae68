"""Dropout, with random numbers that cost little."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 2**16


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:  # noqa: FBT001, FBT002 - as torch has it
    """Each number is zero with the chance `p`, in training; those that stay are scaled to keep the mean.

        y = x · m / (1 - p)        m ~ Bernoulli(1 - p)

    torch draws a number of the generator for each element; on a CPU four elements here share one of 64 bits,
    so that `p` is met to within 2^-17. What is drawn depends on torch's generator alone, and moves it on.
    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    Args:
        x: numbers, of any shape.
        p: the chance, from 0 to below 1.
        training: without it, `x` itself.

    >>> torch.manual_seed(0) and dropout(torch.ones(4, 2), 0.5).unique()
    tensor([0., 2.])
    """
    if not training or not p:
        return x
    if x.device.type != "cpu" or p >= 1 or not x.numel():
        return F.dropout(x, p, training)
    count = x.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    levels = drawn.view(torch.int16)[:count].view(x.shape)
    kept = levels >= round(p * _LEVELS) - _LEVELS // 2
    return x * kept.to(x.dtype).mul_(1 / (1 - p))


class Dropout(nn.Dropout):
    """`dropout` as a module; torch's own, with the cheaper numbers.

    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)

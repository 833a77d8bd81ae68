"""Dense weights under AdamW, compiled: the norm of all gradients, and one step of all weights."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref, c_double
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elman.scan.library import Moved, Weights, library, run


class Moment(NamedTuple):
    """What one step of a tensor needs.

    Attributes:
        weight, grad, exp_avg, exp_avg_sq: a tensor, its gradient, the means of those and of their squares.
        kept: 1 - η·λ. size, eps: those of the step, corrected for the bias.
    """

    weight: Tensor
    grad: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor
    kept: float
    size: float
    eps: float


def compiled(tensors: Sequence[Tensor]) -> bool:
    """Whether there are compiled functions, and they can work on these: a subclass may have no memory."""
    return library() is not None and all(
        type(one) in (Tensor, nn.Parameter)
        and one.dtype == torch.float32
        and one.device.type == "cpu"
        and one.is_contiguous()
        for one in tensors
    )


def norm(grads: Sequence[Tensor]) -> float:
    """The norm of all gradients together, which must be `compiled`.

    >>> ones = torch.ones(8, 8)
    >>> norm([ones]) if compiled([ones]) else 8.0
    8.0
    """
    found = c_double()
    run("elman_norm", _call([Weights(one.numel(), one.data_ptr()) for one in grads]), byref(found))
    return found.value


def move(moments: Sequence[Moment], betas: tuple[float, float], scale: float) -> None:
    """One step of every tensor, with gradients that are multiplied by `scale`; all must be `compiled`.

    m ← β1·m + (1-β1)·g        v ← β2·v + (1-β2)·g²        w ← kept·w - size·m / (√v + eps)
    """
    tensors = []
    for weight, grad, m, v, *step in moments:
        addresses = (one.data_ptr() for one in (grad, weight, m, v))
        tensors.append(Weights(weight.numel(), *addresses, *step))
    run("elman_move_weights", _call(tensors, betas, scale))


def _call(tensors: list[Weights], betas: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> Moved:
    array = (Weights * len(tensors))(*tensors)
    return Moved(torch.get_num_threads(), len(tensors), array, *betas, scale)

"""Dense weights under AdamW, compiled: the norm of all gradients, and one step of all weights."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref, c_double
from typing import Any

import torch
from torch import Tensor, nn

from elman.library import Moved, Weights, library, run

Moment = tuple[Tensor, dict[str, Tensor], dict[str, Any]]
"""A weight that has a gradient, its state as torch's AdamW keeps it, and the settings of its group."""


def compiled(tensors: Sequence[Tensor]) -> bool:
    """Whether there are compiled functions, and they can work on these: a subclass may have no memory."""
    return library() is not None and all(
        type(one) in (Tensor, nn.Parameter)
        and one.dtype == torch.float32
        and one.is_cpu
        and one.is_contiguous()
        for one in tensors
    )


def norm(grads: Sequence[Tensor]) -> float:
    """The norm of all gradients together, which must be `compiled`.

    >>> ones = torch.ones(8, 8)
    >>> norm([ones]) if compiled([ones]) else 8.0
    8.0
    """
    return _norm(_call([(one.numel(), one.data_ptr()) for one in grads]))


class Step:
    """One step of every tensor, all of which must be `compiled`; their addresses are gathered once.

    The equations are those of `elman.optimizer.LazyAdamW`. The steps of each are counted in its state.
    """

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._kept = moments  # what the addresses are of
        self._call = _call([_addresses(*one) for one in moments])

    def norm(self) -> float:
        """The norm of all gradients together."""
        return _norm(self._call)

    def take(self, scale: float) -> None:
        """Move the weights, with gradients that are multiplied by `scale`."""
        self._call.scale = scale
        run("elman_move_weights", self._call)


def _norm(call: Moved) -> float:
    found = c_double()
    run("elman_norm", call, byref(found))
    return found.value


def _addresses(weight: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> tuple[Any, ...]:
    beta1, beta2 = group["betas"]
    return (
        weight.numel(),
        weight.grad.data_ptr(),  # pyright: ignore[reportOptionalMemberAccess]
        weight.data_ptr(),
        state["exp_avg"].data_ptr(),
        state["exp_avg_sq"].data_ptr(),
        state["step"].data_ptr(),
        group["lr"],
        group["weight_decay"],
        beta1,
        beta2,
        group["eps"],
    )


def _call(tensors: list[tuple[Any, ...]]) -> Moved:
    return Moved(torch.get_num_threads(), len(tensors), (Weights * len(tensors))(*tensors), 1.0)

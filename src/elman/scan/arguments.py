"""What the operators accept: whoever calls them directly gets an error, and never a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elman.cells.base import Cell
from elman.errors import ShapeError


def check_layer(
    x: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    initial: Sequence[Tensor],
    kind: type[Cell],
    *,
    bias: bool,
) -> None:
    """Raise a ShapeError where a layer's tensors do not fit its cell or one another.

    There may be no initial state at all, which is one of zeros.
    """
    each = 4 if bias else 2
    ways, hidden = len(weights) // each, weights[1].shape[-1] if len(weights) > 1 else 0
    rows = len(kind.blocks) * hidden
    tensors = [*weights, *initial]
    found = [one.shape for one in tensors]
    wanted: list[Any] = [(rows, x.shape[-1]), (rows, hidden), *[(rows,)] * (each - 2)] * ways
    wanted += [(ways, offsets.shape[0] - 1, hidden)] * (len(kind.states) if initial else 0)
    if (
        ways not in (1, 2)
        or found != wanted
        or x.dim() != 2
        or offsets.dtype != torch.int64
        or {one.dtype for one in tensors} != {x.dtype}
    ):
        raise ShapeError(
            f"elman::recurrent received tensors that do not fit {kind.__name__} or one another.",
            expected=f"weights and states of shapes {wanted} in {x.dtype}, offsets in torch.int64",
            received=f"{[tuple(one) for one in found]} in {sorted({str(one.dtype) for one in tensors})}, "
            f"offsets in {offsets.dtype}",
        )


def check_linear(a: Tensor, b: Tensor, offsets: Tensor, initial: Tensor) -> None:
    """Raise a ShapeError where the tensors of a linear recurrence do not fit one another."""
    state = (offsets.shape[0] - 1, a.shape[-1])
    if (
        a.dim() != 2
        or a.shape != b.shape
        or tuple(initial.shape) != state
        or offsets.dtype != torch.int64
        or {a.dtype, b.dtype, initial.dtype} != {a.dtype}
    ):
        raise ShapeError(
            "elman::linear_recurrence received tensors that do not fit one another.",
            expected=f"a and b of one shape and type, a state of shape {state}, offsets in torch.int64",
            received=f"{tuple(a.shape)}, {tuple(b.shape)}, {tuple(initial.shape)}, {offsets.dtype}",
        )

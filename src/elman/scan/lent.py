"""Large memory that is lent, given back and lent again.

What a scan keeps for its backward pass is as large in every step of a training. An allocator that gives it back
to the system each time has the system make every page anew, which takes up to a third of the step.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

LARGE = 1 << 20
"""Bytes from which memory is kept; less is left to torch."""
HELD = 1 << 28
"""Bytes that are kept at most while nobody uses them."""

_TYPES = {torch.float32: np.float32, torch.float64: np.float64}

_free: dict[int, np.ndarray] = {}
"""By its address in Python, what nobody uses, the longest unused first."""


def empty(like: Tensor, *shape: int) -> Tensor:
    """A tensor of the type and device of another one, filled with anything.

    >>> empty(torch.zeros(2), 3, 4).shape
    torch.Size([3, 4])
    """
    if type(like) not in (Tensor, nn.Parameter) or not like.is_cpu:  # one that is traced has no memory
        return like.new_empty(shape)
    size, kind = math.prod(shape) * like.itemsize, _TYPES.get(like.dtype)
    if size < LARGE or kind is None:
        return like.new_empty(shape)
    rounded = _rounded(size)
    block = _taken(rounded)
    if block is None:
        block = np.empty(rounded, np.uint8)
    return torch.from_numpy(_Lent(shape, kind, block))


class _Lent(np.ndarray):
    """The beginning of a block, which goes back when the tensor that is made of this is gone."""

    def __del__(self) -> None:
        if isinstance(self.base, np.ndarray):
            _back(self.base)


def held() -> int:
    """Bytes that nobody uses now."""
    return sum(block.nbytes for block in _all())


def _all() -> list[np.ndarray]:
    """What is free, at a moment at which no thread and no finalizer changes it."""
    while True:
        try:
            return list(_free.values())
        except RuntimeError:
            continue


def _taken(kind: int) -> np.ndarray | None:
    for block in reversed(_all()):
        if block.nbytes == kind and _free.pop(id(block), None) is not None:
            return block
    return None


def _back(block: np.ndarray) -> None:
    """Keep it, and give the system what is over: what has been unused for longest."""
    _free[id(block)] = block
    over = held() - HELD
    for one in _all():
        if over <= 0:
            break
        if _free.pop(id(one), None) is not None:
            over -= one.nbytes


def _rounded(size: int) -> int:
    """The next of four sizes between two powers of two, so that batches of about one size share memory.

    >>> _rounded(5 << 20) >> 20, _rounded((5 << 20) + 1) >> 20
    (5, 6)
    """
    part = 1 << (size - 1).bit_length() - 3
    return -(-size // part) * part

"""Large memory that is lent, given back and lent again.

What a scan keeps for its backward pass is as large in every step of a training. An allocator that gives it back
to the system each time has the system make every page anew, which takes up to a third of the step.
"""

from __future__ import annotations

import math
import weakref
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

LARGE = 1 << 20
"""Bytes from which memory is kept; less is left to torch."""
HELD = 1 << 28
"""Bytes that are kept at most while nobody uses them."""

_free: defaultdict[int, list[np.ndarray]] = defaultdict(list)


def empty(like: Tensor, *shape: int) -> Tensor:
    """A tensor of the type and device of another one, filled with anything.

    >>> empty(torch.zeros(2), 3, 4).shape
    torch.Size([3, 4])
    """
    if type(like) is not Tensor or like.device.type != "cpu":  # one that is traced has no memory
        return like.new_empty(shape)
    size = math.prod(shape) * like.element_size()
    if size < LARGE:
        return like.new_empty(shape)
    kind = _rounded(size)
    try:
        block = _free[kind].pop()
    except IndexError:
        block = np.empty(kind, np.uint8)
    lent = block[:size]
    weakref.finalize(lent, _back, block).atexit = False
    return torch.from_numpy(lent).view(like.dtype).view(shape)


def held() -> int:
    """Bytes that nobody uses now."""
    return sum(kind * len(blocks) for kind, blocks in list(_free.items()))


def _back(block: np.ndarray) -> None:
    if held() + block.nbytes <= HELD:
        _free[block.nbytes].append(block)


def _rounded(size: int) -> int:
    """The next of four sizes between two powers of two, so that batches of about one size share memory.

    >>> _rounded(5 << 20) >> 20, _rounded((5 << 20) + 1) >> 20
    (5, 6)
    """
    part = 1 << (size - 1).bit_length() - 3
    return -(-size // part) * part

"""Some sequences of a ragged batch, compiled: what every step of a training begins with."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from elman import library


def pick(values: Tensor, offsets: Tensor, chosen: np.ndarray) -> tuple[Tensor, Tensor] | None:
    """The steps of the chosen sequences, and where each of them starts.

    None where this cannot be compiled: not on a CPU, with a gradient, or of numbers that are not those of
    sequences.

    Shapes: values `steps *features`, offsets `batch + 1`, chosen `count`, int64. Result: `picked *features`
    and `count + 1`.

    >>> values, starts = pick(torch.arange(5.0), torch.tensor([0, 2, 5]), np.array([1, 0]))
    >>> values.tolist(), starts.tolist()
    ([2.0, 3.0, 4.0, 0.0, 1.0], [0, 3, 5])
    """
    plain = (
        chosen.dtype == np.int64
        and chosen.ndim == 1
        and chosen.flags.c_contiguous
        and values.is_cpu
        and values.is_contiguous()
        and offsets.is_contiguous()
        and not (values.requires_grad and torch.is_grad_enabled())
        and library.unwatched([values, offsets])
    )
    found = library.library()
    if found is None or not plain:
        return None
    count, features = len(chosen), values.shape[1:]
    starts = torch.empty(count + 1, dtype=torch.int64)
    where = offsets.data_ptr(), count, chosen.__array_interface__["data"][0]
    steps = found.elman_starts(len(offsets) - 1, *where, starts.data_ptr())
    if steps < 0:
        return None
    picked = values.new_empty(steps, *features)
    size = values.element_size() * math.prod(features)
    if size and found.elman_pick(*where, size, values.data_ptr(), starts.data_ptr(), picked.data_ptr()):
        return None
    return picked, starts

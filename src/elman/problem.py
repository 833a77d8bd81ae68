"""What is to be learned, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from elman.data.batching import Batches
from elman.data.windows import Windows
from elman.weights import Gradients


@dataclass(frozen=True)
class Problem:
    """What is to be learned, as the loop sees it.

    Attributes:
        lengths: the number of steps of each training example.
        batch: from the numbers of examples to a batch, a tuple of things that have `to(device)`.
        loss: from the model and a batch to a scalar.
        gradients: from them to the loss and its gradients, where these are found together, or to None.
        evaluate: from the model to its dev figures, or None where there is no dev set.
        monitor: the figure that decides which epoch was best; higher is better.
        order: what gives the batches of an epoch, where they are not drawn by length (see `Batches.epoch`).
        carried: tensors by name that `loss` hands on from batch to batch, such as the states of streams. They
            are a part of every checkpoint, and there are none when an epoch begins.
    """

    lengths: Sequence[int]
    batch: Callable[[np.ndarray], tuple[Any, ...]]
    loss: Callable[[nn.Module, Any], Tensor]
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None
    monitor: str = "accuracy"
    order: Batches | Windows | None = None
    carried: dict[str, Tensor] = field(default_factory=dict)
    gradients: Callable[[nn.Module, Any], Gradients | None] | None = None

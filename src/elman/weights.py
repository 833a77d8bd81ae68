"""Dense weights under AdamW, compiled: the norm of all gradients, and one step of all weights."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref, c_double
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from elman.errors import BackendError
from elman.library import Moved, Weights, library, run

Moment = tuple[Tensor, int, dict[str, Tensor], dict[str, Any]]
"""A weight, where its gradient begins, its state as torch's AdamW keeps it, and the settings of its group."""

OfRows = tuple[Tensor, Tensor, Tensor]
"""A table, some of its rows, each once, and their gradients."""


class Gradients(NamedTuple):
    """A loss and the gradients of some weights, found together.

    Attributes:
        loss: a number.
        weights: what they are of, each of them once.
        block: the gradients, those of one weight behind those of the other.
        sizes: how many numbers of the block are of each.
        rows: None; or, where the first weight is a table, which of its rows `block` begins with: each once, and
            the others have no gradient.
    """

    loss: float
    weights: list[Tensor]
    block: Tensor
    sizes: list[int]
    rows: Tensor | None

    def each(self) -> list[Tensor]:
        """The gradient of each weight, in its shape; that of a table by rows is sparse."""
        parts, weights = self.block.split_with_sizes(self.sizes), self.weights
        if self.rows is None:
            return [one.view_as(own) for one, own in zip(parts, weights, strict=True)]
        rest = [one.view_as(own) for one, own in zip(parts[1:], weights[1:], strict=True)]
        given = self.rows[None], self._of_rows(self.rows), weights[0].shape
        return [torch.sparse_coo_tensor(*given, check_invariants=False), *rest]

    def read(self) -> list[OfRows]:
        """The table that was read, if `rows` are all that it has gradients of."""
        return [] if self.rows is None else [(self.weights[0], self.rows, self._of_rows(self.rows))]

    def _of_rows(self, rows: Tensor) -> Tensor:
        count, width = len(rows), self.weights[0].shape[1]
        return self.block[: count * width].view(count, width)

    def places(self) -> dict[Tensor, int]:
        """Where the gradient of each weight begins, but for those of a table by rows.

        Raises:
            BackendError: the block has too few numbers, or a weight another number of them.
        """
        start, size = self.block.data_ptr(), self.block.element_size()
        ends = accumulate(self.sizes[:-1], initial=0)
        found = {one: start + size * at for one, at in zip(self.weights, ends, strict=True)}
        dense, sizes = self.weights, self.sizes
        if self.rows is not None:
            del found[self.weights[0]]
            dense, sizes = dense[1:], sizes[1:]
        if sizes != [one.numel() for one in dense] or sum(self.sizes) > self.block.numel():
            raise BackendError(
                "These gradients are not those of their weights.",
                expected=f"{[one.numel() for one in dense]} numbers",
                received=f"{sizes}, and {self.block.numel()} in all",
            )
        return found


def compiled(tensors: Sequence[Tensor]) -> bool:
    """Whether there are compiled functions, and they can work on these: a subclass may have no memory."""
    return library() is not None and all(
        type(one) in (Tensor, nn.Parameter)
        and one.dtype == torch.float32
        and one.is_cpu
        and one.is_contiguous()
        for one in tensors
    )


class Step:
    """One step of every weight, all of which must be `compiled`; their addresses are gathered once.

    The equations are those of `elman.optimizer.LazyAdamW`. The steps of each are counted in its state.

    Args:
        moments: what is moved.
        others: gradients that count in the norm as well, and are `compiled` too.
    """

    def __init__(self, moments: Sequence[Moment], others: Sequence[Tensor] = ()) -> None:
        self._kept = moments, others  # what the addresses are of
        counted = [(one.numel(), one.data_ptr()) for one in others]
        tensors = [*(_addresses(*one) for one in moments), *counted]
        self._call = Moved(
            torch.get_num_threads(), len(tensors), (Weights * len(tensors))(*tensors), 1.0
        )

    def norm(self) -> float:
        """The norm of all gradients together."""
        found = c_double()
        run("elman_norm", self._call, byref(found))
        return found.value

    def take(self, scale: float) -> None:
        """Move the weights, with gradients that are multiplied by `scale`."""
        self._call.tensors, self._call.scale = len(self._kept[0]), scale
        run("elman_move_weights", self._call)


def _addresses(
    weight: Tensor, grad: int, state: dict[str, Tensor], group: dict[str, Any]
) -> tuple[Any, ...]:
    beta1, beta2 = group["betas"]
    return (
        weight.numel(),
        grad,
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

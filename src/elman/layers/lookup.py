"""Rows of a table by their numbers, and the gradient of the table from theirs, compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from elman import library
from elman.errors import BackendError
from elman.scan import lent


def lookup(table: Tensor, numbers: Tensor) -> Tensor:
    """Each number's row of the table; its gradient is zero, with what was read of each row added.

    Shapes: table `rows features`, numbers `…`, int64. Result: `… features`.

    >>> table = torch.ones(4, 2, requires_grad=True)
    >>> lookup(table, torch.tensor([2, 0, 2])).sum().backward()
    >>> table.grad[:, 0].tolist()
    [1.0, 0.0, 2.0, 0.0]
    """
    if (
        torch.is_grad_enabled()
        and table.requires_grad
        and table.dtype == torch.float32
        and table.is_cpu
        and numbers.dtype == torch.int64
        and table.numel()
        and library.available()
        and library.unwatched([table, numbers])
    ):
        return _Lookup.apply(table, numbers)
    return F.embedding(numbers, table)


def distinct(numbers: Tensor, table: int) -> tuple[Tensor, Tensor] | None:
    """The distinct ones of these numbers, in the order in which they come first, and which of them each is.

    None where this cannot be compiled, or a number is not of the table.

    >>> [one.tolist() for one in distinct(torch.tensor([7, 2, 7, 7]), table=9)]
    [[7, 2], [0, 1, 0, 0]]
    """
    found = library.library()
    plain = numbers.is_cpu and numbers.dtype == torch.int64 and numbers.dim() == 1
    if found is None or not plain or not library.unwatched([numbers]):
        return None
    numbers = numbers.contiguous()
    rows, which = torch.empty_like(numbers), torch.empty_like(numbers)
    addresses = (one.data_ptr() for one in (numbers, rows, which))
    count = found.elman_distinct(len(numbers), table, *addresses)
    return None if count < 0 else (rows[:count], which)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        table, numbers = given
        ctx.save_for_backward(numbers)
        ctx.shape = table.shape
        return F.embedding(numbers, table)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (grad,), (numbers,) = outer, ctx.saved_tensors
        rows, width = ctx.shape
        if torch.is_grad_enabled():  # it is to be differentiated again
            flat = numbers.flatten()
            return grad.new_zeros(rows, width).index_add(0, flat, grad.reshape(len(flat), width)), None
        return added(grad, numbers, rows), None


def added(grad: Tensor, numbers: Tensor, rows: int) -> Tensor:
    """The gradient of a table of so many rows, from that of the rows with these numbers.

    Raises:
        BackendError: a number is of no row.
    """
    numbers, grad = numbers.contiguous(), grad.contiguous()
    sums = lent.empty(grad, rows, grad.shape[-1])
    addresses = (one.data_ptr() for one in (numbers, grad, sums))
    found, sizes = library.library(), (numbers.numel(), grad.shape[-1], rows)
    if found is None or found.elman_add_rows(torch.get_num_threads(), *sizes, *addresses):
        raise BackendError("The gradient of a table could not be made.", received=(rows, grad.shape[-1]))
    return sums

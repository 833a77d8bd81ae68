"""Rows of a table under AdamW: one step of those that have a gradient, and what others missed made up for.

Compiled where there is a compiler; what is written here in tensors is the reference, and the way elsewhere.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from elman.errors import BackendError
from elman.library import Rows, library, run

TINY = 1e-30
"""What is divided by at least: a row that was never moved has no momentum either."""

REACH = 400
"""Steps after which what is left of a momentum, (β1/√β2)^400 < 1e-18, moves nothing."""


class Moments(NamedTuple):
    """A table and what AdamW keeps of it.

    Attributes:
        weight, exp_avg, exp_avg_sq: `table width`: the table, and the means of its gradients and their squares.
        step: how many were taken. moved: `table`: the one at which each row was moved last.
        reach: by step: how far the momentum that it leaves will have carried a row by now.
        decay: by step: the logarithm of what is left of a weight after all so far.
    """

    weight: Tensor
    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor
    moved: Tensor
    reach: Tensor
    decay: Tensor


class Step(NamedTuple):
    """One step: `kept` is 1 - η·λ, `size` and `eps` are those of the step, corrected for the bias.

    `scale` is what gradients are multiplied by.
    """

    betas: tuple[float, float]
    kept: float
    size: float
    eps: float
    scale: float = 1.0


def summed(rows: Tensor, grads: Tensor, table: int) -> tuple[Tensor, Tensor]:
    """Each row of those read once, in whatever order, with the sum of its gradients.

    Raises:
        BackendError: a row that is not of the table.

    >>> distinct, sums = summed(torch.tensor([7, 2, 7]), torch.ones(3, 4), table=9)
    >>> dict(zip(distinct.tolist(), sums.sum(1).tolist())) == {7: 8.0, 2: 4.0}
    True
    """
    found = library()
    if found is None or not _plain(grads):
        if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= table):
            raise _beyond(table)
        distinct, place = rows.unique(return_inverse=True)
        return distinct, grads.new_zeros(len(distinct), *grads.shape[1:]).index_add_(0, place, grads)
    rows, grads = rows.contiguous(), grads.contiguous()
    distinct, sums = torch.empty_like(rows), torch.empty_like(grads)
    addresses = (one.data_ptr() for one in (rows, grads, distinct, sums))
    count = found.elman_sum_rows(len(rows), grads.shape[1], table, *addresses)
    if count < 0:
        raise _beyond(table)
    return distinct[:count], sums[:count]


@torch.no_grad()
def catch_up(on: Moments, rows: Tensor | None, betas: tuple[float, float], eps: float) -> None:
    """Do to these rows, to all if None, what the steps that they missed would have done without a gradient.

    A row may be named more than once.
    """
    if library() is not None and _plain(on.weight):
        _run(on, rows, None, Step(betas, 1.0, 0.0, eps))
        return
    rows = torch.arange(len(on.weight)) if rows is None else rows.unique()
    last, step = on.moved[rows], int(on.step)
    late = last < step
    if not bool(late.any()):
        return
    rows, last = rows[late], last[late].long()
    beta1, beta2 = betas
    gone = (step - last).to(on.weight.dtype)[:, None]
    m, v, w = on.exp_avg[rows], on.exp_avg_sq[rows], on.weight[rows]
    decayed = on.decay[step].exp()
    w = w * (decayed / on.decay[last].exp())[:, None]
    small = eps * (1 - beta2 ** last.to(w.dtype)).sqrt()[:, None]
    w = w - (decayed * on.reach[last])[:, None] * m / (v.sqrt() + small).clamp_min(TINY)
    for kept, value in ((on.exp_avg, m * beta1**gone), (on.exp_avg_sq, v * beta2**gone), (on.weight, w)):
        kept.index_copy_(0, rows, value)
    on.moved.index_fill_(0, rows, float(step))


def move(on: Moments, rows: Tensor, grads: Tensor, step: Step) -> None:
    """One step of rows that are up to date with the step before; each is named once.

    What it leaves undone in the other rows is noted: `reach` and `decay` have room for it.
    """
    if library() is not None and _plain(on.weight):
        _run(on, rows, grads, step)
        return
    _note(on, step)
    (beta1, beta2), grads = step.betas, grads * step.scale
    m = on.exp_avg[rows].lerp_(grads, 1 - beta1)
    v = (on.exp_avg_sq[rows] * beta2).addcmul_(grads, grads, value=1 - beta2)
    w = (on.weight[rows] * step.kept).addcdiv_(m, v.sqrt().add_(step.eps), value=-step.size)
    for kept, value in ((on.exp_avg, m), (on.exp_avg_sq, v), (on.weight, w)):
        kept.index_copy_(0, rows, value)
    on.moved.index_fill_(0, rows, float(on.step))


def _note(on: Moments, step: Step) -> None:
    """Add this step to what a row will owe that was moved last at an earlier one."""
    number, (beta1, beta2) = int(on.step), step.betas
    first = max(0, number - REACH)
    powers = (beta1 / math.sqrt(beta2)) ** torch.arange(number - first, 0, -1, dtype=on.reach.dtype)
    on.decay[number] = on.decay[number - 1] + math.log(step.kept)
    on.reach[first:number] += powers * (step.size / math.exp(float(on.decay[number])))


def _run(on: Moments, rows: Tensor | None, grads: Tensor | None, step: Step) -> None:
    rows = None if rows is None else rows.contiguous()
    grads = None if grads is None else grads.contiguous()
    call = Rows(
        torch.get_num_threads(),
        len(on.weight) if rows is None else len(rows),
        on.weight.shape[1],
        len(on.weight),
        int(on.step),
        None if rows is None else rows.data_ptr(),
        None if grads is None else grads.data_ptr(),
        *(one.data_ptr() for one in (on.weight, on.exp_avg, on.exp_avg_sq, on.moved)),
        *(one.data_ptr() for one in (on.reach, on.decay)),
        *step.betas,
        *step[1:],
    )
    run("elman_move_rows", call)


def _beyond(table: int) -> BackendError:
    return BackendError(
        "A gradient is of a row that the table does not have.", expected=f"0 to {table - 1}"
    )


def _plain(table: Tensor) -> bool:
    """Whether the compiled functions can work on it."""
    return table.dtype == torch.float32 and table.device.type == "cpu"

"""The loss of a plain classifier and all its gradients: one compiled call, and one node of autograd."""

from __future__ import annotations

from ctypes import byref, c_double, c_int64, c_void_p, pointer
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import library
from elman.cells.base import Cell
from elman.layers import entropy
from elman.layers.embedding import SHARED, Table
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import compiles, lent, native, scan_layer


def whole_loss(
    inputs: nn.Module,
    recurrent: Recurrent,
    head: nn.Module,
    xs: Ragged,
    targets: Tensor,
    smoothing: float,
) -> Tensor | None:
    """The mean cross entropy of what a layer makes of the last states of a stack that has read words.

        e = E[word]    h = cell(…)    z = head([h_T forwards ; h_1 backwards])    loss: `elman.layers.entropy`

    In operators of torch that is some sixty, each with its node, for which a small network waits as long as for
    its numbers. Where all parts are compiled and nothing is dropped between them, it is one call, which goes
    forwards and back at once and keeps nothing but the gradients.

    None where it is no such network, or no such batch: it then takes the way of all others.

    Shapes: xs `steps`, int64, targets `batch`, int64. Result: a number.

    >>> recurrent, head, targets = Recurrent("gru", 3, 8), nn.Linear(8, 4), torch.tensor([3, 0])
    >>> xs = Ragged.of([torch.tensor([1, 2, 1]), torch.tensor([4])])
    >>> loss = whole_loss(Table(5, 3), recurrent, head, xs, targets, 0.0)
    >>> None if loss is None else loss.shape
    torch.Size([])
    """
    if type(inputs) is not Table or type(head) is not nn.Linear or not _plain(inputs, recurrent, head):
        return None
    learned = [inputs.weight, *recurrent.weights(), head.weight, head.bias]
    shapes = _shapes(recurrent.cell_type, *_sizes(recurrent), len(inputs.weight), len(head.weight))
    if learned[-1] is None:
        learned, shapes = learned[:-1], shapes[:-1]
    numbers = xs.values, xs.offsets, targets
    if (
        [one.shape for one in learned] != shapes
        or {_kind(one) for one in learned} != _LEARNED
        or {_kind(one) for one in numbers} != _NUMBERS
        or len(targets) != len(xs)
        or not library.unwatched([*numbers, *learned])
    ):
        return None
    inputs.prepare(xs.values)
    read = _Read(recurrent, *numbers, smoothing)
    found = _solved(read, learned, biased=head.bias is not None, sparse=inputs.sparse)
    return None if found is None else _Whole.apply(read, *found, *learned)


class _Read(NamedTuple):
    """What is read of a batch, and by what."""

    recurrent: Recurrent
    words: Tensor
    offsets: Tensor
    targets: Tensor
    smoothing: float


_LEARNED = {(torch.float32, True, True, True)}
_NUMBERS = {(torch.int64, True, True, False)}


def _kind(one: Tensor) -> tuple[torch.dtype, bool, bool, bool]:
    return one.dtype, one.is_cpu, one.is_contiguous(), one.requires_grad


def _plain(inputs: Table, recurrent: Recurrent, head: nn.Linear) -> bool:
    return (
        type(recurrent) is Recurrent
        and inputs.plain
        and not (recurrent.training and (recurrent.dropout or recurrent.recurrent_dropout))
        and native.number(recurrent.cell_type) is not None
        and compiles()
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not any(entropy.hooked(one) for one in (inputs, recurrent, head))
    )


def _sizes(recurrent: Recurrent) -> tuple[int, int, int, int, bool]:
    own = recurrent.input_size, recurrent.hidden_size, recurrent.num_layers, recurrent.directions
    return *own, recurrent.bias


@cache
def _shapes(kind: type[Cell], *sizes: int) -> list[tuple[int, ...]]:
    """Those of all that is learned: the table, layer by layer and direction by direction, the head."""
    input_size, hidden, layers, directions, bias, rows, outputs = sizes
    found: list[tuple[int, ...]] = [(rows, input_size)]
    for layer in range(layers):
        own = kind.shapes(directions * hidden if layer else input_size, hidden, bias=bool(bias))
        found += [*own.values()] * directions
    return [*found, (outputs, directions * hidden), (outputs,)]


def _solved(
    read: _Read, learned: list[Tensor], *, biased: bool, sparse: bool
) -> tuple[float, list[Tensor]] | None:
    """The loss, and the gradient of each that is learned; None where a word or a target is out of range.

    That of a `sparse` table is one: of the rows that were read.
    """
    recurrent, table = read.recurrent, learned[0]
    sizes, addresses = [one.numel() for one in learned], [one.data_ptr() for one in learned]
    if sparse:
        sizes[0] = len(read.words) * table.shape[1]
    rows = torch.empty_like(read.words) if sparse else None
    grads = lent.empty(table, sum(sizes))
    head, bias = addresses[-2:] if biased else (addresses[-1], None)
    weights = addresses[1:-2] if biased else addresses[1:-1]
    loss, count = c_double(), c_int64()
    call = library.Classifier(
        native.number(recurrent.cell_type),
        recurrent.num_layers,
        recurrent.directions,
        recurrent.bias,
        torch.get_num_threads(),
        len(read.targets),
        len(read.words),
        *table.shape,
        recurrent.hidden_size,
        len(learned[-1]),
        read.offsets.data_ptr(),
        read.words.data_ptr(),
        read.targets.data_ptr(),
        read.smoothing,
        SHARED,
        addresses[0],
        (c_void_p * len(weights))(*weights),
        head,
        bias,
        grads.data_ptr(),
        None if rows is None else rows.data_ptr(),
        None if rows is None else pointer(count),
    )
    compiled = library.library()
    if compiled is None or compiled.elman_classify(byref(call), byref(loss)):
        return None
    of_table, *rest = grads.split_with_sizes(sizes)
    found = [one.view_as(own) for one, own in zip(rest, learned[1:], strict=True)]
    if rows is None:
        return loss.value, [of_table.view_as(table), *found]
    return loss.value, [_of_rows(rows[: count.value], of_table, table), *found]


def _of_rows(rows: Tensor, grads: Tensor, table: Tensor) -> Tensor:
    width = table.shape[1]
    values = grads[: len(rows) * width].view(len(rows), width)
    return torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)


class _Whole(torch.autograd.Function):
    """What `apply` takes: what was read, the loss, the gradients, and all that is learned."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        ctx.read, loss, ctx.grads, *learned = given
        ctx.save_for_backward(*learned)
        return torch.tensor(loss, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (factor,), learned = outer, ctx.saved_tensors  # refused where they were changed or given up
        if not torch.is_grad_enabled():
            return None, None, None, *entropy.taken(ctx, factor)
        # It is to be differentiated again.
        again = torch.autograd.grad(_again(ctx.read, *learned), learned, factor, create_graph=True)
        return None, None, None, *again


def _again(read: _Read, table: Tensor, *learned: Tensor) -> Tensor:
    """The same loss, each part a node of its own."""
    recurrent, xs, final = read.recurrent, Ragged(F.embedding(read.words, table), read.offsets), table
    names = tuple(recurrent.cell_type.shapes(1, 1, bias=recurrent.bias))
    count = recurrent.num_layers * recurrent.directions * len(names)
    cells = [
        recurrent.cell_type(**dict(zip(names, learned[n : n + len(names)], strict=True)))
        for n in range(0, count, len(names))
    ]
    for n in range(0, len(cells), recurrent.directions):
        scan = scan_layer(cells[n : n + recurrent.directions], xs)
        xs, final = scan.outputs, scan.final[0]
    logits = F.linear(final.transpose(0, 1).flatten(1), *learned[count:])
    return F.cross_entropy(logits, read.targets, label_smoothing=read.smoothing)

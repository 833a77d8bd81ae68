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
from elman.weights import Gradients


class Parts(NamedTuple):
    """What reads the words, what goes through them, and what makes of its last states a logit a class."""

    inputs: nn.Module
    recurrent: Recurrent
    head: nn.Module


def whole_loss(of: Parts, xs: Ragged, targets: Tensor, smoothing: float) -> Tensor | None:
    """The mean cross entropy of what a layer makes of the last states of a stack that has read words.

        e = E[word]    h = cell(…)    z = head([h_T forwards ; h_1 backwards])    loss: `elman.layers.entropy`

    In operators of torch that is some sixty, each with its node, for which a small network waits as long as for
    its numbers. Where all parts are compiled and nothing is dropped between them, it is one call, which goes
    forwards and back at once and keeps nothing but the gradients.

    None where it is no such network, or no such batch: it then takes the way of all others.

    Shapes: xs `steps`, int64, targets `batch`, int64. Result: a number.

    >>> recurrent, head, targets = Recurrent("gru", 3, 8), nn.Linear(8, 4), torch.tensor([3, 0])
    >>> xs = Ragged.of([torch.tensor([1, 2, 1]), torch.tensor([4])])
    >>> loss = whole_loss(Parts(Table(5, 3), recurrent, head), xs, targets, 0.0)
    >>> None if loss is None else loss.shape
    torch.Size([])
    """
    given = _given(of, xs, targets, smoothing)
    found = None if given is None else _solved(*given)
    if given is None or found is None:
        return None
    return _Whole.apply(given[0], found.loss, found.each(), *found.weights)


def whole_gradients(of: Parts, xs: Ragged, targets: Tensor, smoothing: float) -> Gradients | None:
    """The same loss and its gradients, for who wants nothing else: no autograd comes between.

    None also where autograd would tell somebody, or has more to do: of weights with hooks, or made of others,
    or that stand in two places.

    >>> recurrent, head, targets = Recurrent("gru", 3, 8), nn.Linear(8, 4), torch.tensor([3, 0])
    >>> xs = Ragged.of([torch.tensor([1, 2, 1]), torch.tensor([4])])
    >>> found = whole_gradients(Parts(Table(5, 3), recurrent, head), xs, targets, 0.0)
    >>> None if found is None else [tuple(one.shape) for one in found.each()]
    [(5, 3), (24, 3), (24, 8), (24,), (24,), (4, 8), (4,)]
    """
    given = _given(of, xs, targets, smoothing)
    if given is None:
        return None
    learned = given[1]
    if len({id(one) for one in learned}) < len(learned) or not all(_silent(one) for one in learned):
        return None
    return _solved(*given)


def _silent(one: Tensor) -> bool:
    return one.is_leaf and not one._backward_hooks and not one._post_accumulate_grad_hooks


def _given(
    of: Parts, xs: Ragged, targets: Tensor, smoothing: float
) -> tuple[_Read, list[Tensor]] | None:
    """What a call is to read, with rows that are up to date, and all that is learned; None if it cannot."""
    inputs, recurrent, head = of
    looks = getattr(inputs, "looked_up", None)
    looked_up = looks(xs.values) if looks is not None and not entropy.hooked(inputs) else None
    if looked_up is None or type(head) is not nn.Linear:
        return None
    table, words = looked_up
    if not _plain(table, recurrent, head):
        return None
    learned = [table.weight, *recurrent.weights(), head.weight, head.bias]
    shapes = _shapes(recurrent.cell_type, *_sizes(recurrent), len(table.weight), len(head.weight))
    if learned[-1] is None:
        learned, shapes = learned[:-1], shapes[:-1]
    numbers = words.contiguous(), xs.offsets, targets
    if (
        [one.shape for one in learned] != shapes
        or {_kind(one) for one in learned} != _LEARNED
        or {_kind(one) for one in numbers} != _NUMBERS
        or (words.dim(), targets.dim()) != (1, 1)
        or len(targets) != len(xs)
        or not library.unwatched([*numbers, *learned])
    ):
        return None
    table.prepare(numbers[0])
    return _Read(recurrent, *numbers, smoothing, table.sparse), learned


class _Read(NamedTuple):
    """What is read of a batch, and by what."""

    recurrent: Recurrent
    words: Tensor
    offsets: Tensor
    targets: Tensor
    smoothing: float
    sparse: bool


_LEARNED = {(torch.float32, True, True, True)}
_NUMBERS = {(torch.int64, True, True, False)}


def _kind(one: Tensor) -> tuple[torch.dtype, bool, bool, bool]:
    return one.dtype, one.is_cpu, one.is_contiguous(), one.requires_grad


def _plain(table: Table, recurrent: Recurrent, head: nn.Linear) -> bool:
    return (
        type(recurrent) is Recurrent
        and type(table) is Table
        and table.plain
        and not (recurrent.training and (recurrent.dropout or recurrent.recurrent_dropout))
        and native.number(recurrent.cell_type) is not None
        and compiles()
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not any(entropy.hooked(one) for one in (table, recurrent, head))
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


def _solved(read: _Read, learned: list[Tensor]) -> Gradients | None:
    """The loss, and the gradient of each that is learned; None where a word or a target is out of range."""
    recurrent, table = read.recurrent, learned[0]
    head = len(learned) - 1 - (learned[-1].dim() == 1)  # where it stands: its bias is behind it
    addresses = [one.data_ptr() for one in learned]
    sizes = [one.numel() for one in learned]
    if read.sparse:
        sizes[0] = len(read.words) * table.shape[1]
    rows = torch.empty_like(read.words) if read.sparse else None
    block = lent.empty(table, sum(sizes))
    loss, reads = c_double(), c_int64()
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
        len(learned[head]),
        read.offsets.data_ptr(),
        read.words.data_ptr(),
        read.targets.data_ptr(),
        read.smoothing,
        SHARED,
        addresses[0],
        (c_void_p * (head - 1))(*addresses[1:head]),
        *(addresses[head:] if head < len(learned) - 1 else (addresses[head], None)),
        block.data_ptr(),
        None if rows is None else rows.data_ptr(),
        None if rows is None else pointer(reads),
    )
    compiled = library.library()
    if compiled is None or compiled.elman_classify(byref(call), byref(loss)):
        return None
    return Gradients(loss.value, learned, block, sizes, None if rows is None else rows[: reads.value])


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

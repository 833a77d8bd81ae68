"""The loss of a plain classifier, from the words to all gradients, as one node of autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import library
from elman.layers import entropy
from elman.layers.embedding import Table, shared
from elman.layers.lookup import added
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged, Shared
from elman.scan import compiled, native, scan_layer


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
    its numbers. Where all parts are compiled and nothing is dropped between them, it is one node, which goes
    forwards and back at once and keeps nothing but the gradients.

    None where it is no such network: it then takes the way of all others.

    Shapes: xs `steps`, int64, targets `batch`, int64. Result: a number.

    >>> recurrent, head, targets = Recurrent("gru", 3, 8), nn.Linear(8, 4), torch.tensor([3, 0])
    >>> xs = Ragged.of([torch.tensor([1, 2, 1]), torch.tensor([4])])
    >>> loss = whole_loss(Table(5, 3), recurrent, head, xs, targets, 0.0)
    >>> None if loss is None else loss.shape
    torch.Size([])
    """
    if (
        type(inputs) is not Table
        or not inputs.plain
        or not torch.is_grad_enabled()
        or not _plain(recurrent)
    ):
        return None
    bound = [recurrent.cells(layer) for layer in range(recurrent.num_layers)]
    weights = [one for cells in bound for cell in cells for one in cell.weights.values()]
    learned = [inputs.weight, *weights, *head.parameters()]
    if (
        xs.values.dtype != torch.int64
        or xs.values.dim() != 1
        or not len(xs.values)
        or entropy.hooked(inputs)
        or not all(one.requires_grad and one.dtype == torch.float32 for one in learned)
        or len(xs) != targets.numel()
        or not entropy.fits(head, recurrent.output_size, targets, smoothing)
        or not library.unwatched([xs.values, xs.offsets, *learned])
    ):
        return None
    rows, reads = shared(xs.values, inputs) or (xs.values, None)
    x = F.embedding(rows, inputs.weight.detach())
    if not compiled(bound[0], xs.with_values(x) if reads is None else Shared.like(xs, x, reads)):
        return None
    read = _Read(recurrent, xs.offsets, x, rows, reads, targets, smoothing)
    return _Whole.apply(read, inputs.weight, *weights, head.weight, head.bias)


class _Read(NamedTuple):
    """What is read of a batch: x are `rows` of the table, and `reads` which of them a step is."""

    recurrent: Recurrent
    offsets: Tensor
    x: Tensor
    rows: Tensor
    reads: Tensor | None
    targets: Tensor
    smoothing: float

    def by_layer(self, weights: Sequence[Any]) -> list[list[Any]]:
        """The weights of each layer."""
        each = len(weights) // self.recurrent.num_layers
        return [list(weights[n : n + each]) for n in range(0, len(weights), each)]


def _plain(recurrent: Recurrent) -> bool:
    dropped = recurrent.training and (recurrent.dropout or recurrent.recurrent_dropout)
    return type(recurrent) is Recurrent and not dropped and not entropy.hooked(recurrent)


class _Whole(torch.autograd.Function):
    """What `apply` takes: what was read, the table, the weights of the layers, those of the head."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        read, table, *weights, head, bias = given
        cell, biased, back = read.recurrent.cell, read.recurrent.bias, False
        x, reads, layers = read.x, read.reads, []
        final: Any = None
        for own in read.by_layer(weights):
            outputs, final, kept = native.forward(
                x, read.offsets, own, [], cell, biased, back, True, reads=reads
            )
            layers.append((x, reads, own, outputs, kept))
            x, reads = outputs, None
        loss, (ends, *of_head) = entropy.solved(final[0], head, bias, read.targets, read.smoothing)
        grad_x: Any = None
        found: list[Any] = []
        while layers:
            x, reads, own, outputs, (gates, memory, inside) = layers.pop()
            grad_x, *grads = native.backward(
                grad_x,
                ends,
                None,
                x,
                read.offsets,
                own,
                [],
                outputs,
                gates,
                memory,
                inside,
                cell,
                biased,
                back,
                True,
                reads=reads,
                over=True,
            )
            ends, found = None, [*grads, *found]
        ctx.grads = [added(grad_x, read.rows, len(table)), *found, *of_head]
        ctx.read = read
        ctx.save_for_backward(table, *weights, head, bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (factor,), learned = outer, ctx.saved_tensors  # refused where they were changed or given up
        if not torch.is_grad_enabled():
            return None, *entropy.taken(ctx, factor)
        # It is to be differentiated again.
        asked = [one for one in learned if one is not None]
        found = iter(torch.autograd.grad(_again(ctx.read, *learned), asked, factor, create_graph=True))
        return None, *(None if one is None else next(found) for one in learned)


def _again(read: _Read, table: Tensor, *learned: Any) -> Tensor:
    """The same loss, each part a node of its own."""
    *weights, head, bias = learned
    rows = read.rows if read.reads is None else read.rows[read.reads]
    xs, final = Ragged(F.embedding(rows, table), read.offsets), table
    names = tuple(read.recurrent.cell_type.shapes(1, 1, bias=read.recurrent.bias))
    for own in read.by_layer(weights):
        cells = [
            read.recurrent.cell_type(**dict(zip(names, own[n : n + len(names)], strict=True)))
            for n in range(0, len(own), len(names))
        ]
        scan = scan_layer(cells, xs)
        xs, final = scan.outputs, scan.final[0]
    logits = F.linear(final.transpose(0, 1).flatten(1), head, bias)
    return F.cross_entropy(logits, read.targets, label_smoothing=read.smoothing)

"""Attentive pooling: the last state of each sequence, joined by the mean of the steps that a query asks for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import library
from elman.layers.entropy import hooked
from elman.ragged import Ragged
from elman.scan import lent


def attentive(outputs: Ragged, last: Tensor, key: nn.Linear, query: nn.Linear) -> Tensor:
    """Both joined, of each sequence.

        p = [h_T ; Σ a_t·h_t]        a = softmax(vᵀ·tanh(W·h_t + b))

    On a CPU in float32 it is one compiled call, and one for all its gradients. No steps give zeros.

    Shapes: outputs `steps size`, last `batch size`, key `size size`, query `1 size`. Result: `batch 2*size`.

    >>> outputs, last = Ragged.of([torch.randn(5, 4), torch.randn(2, 4)]), torch.randn(2, 4)
    >>> attentive(outputs, last, nn.Linear(4, 4), nn.Linear(4, 1, bias=False)).shape
    torch.Size([2, 8])
    """
    if not _compiled(outputs, last, key, query):
        return _parts(outputs.values, outputs.rows, last, score_of(outputs.values, key, query))
    given = outputs.values, outputs.offsets, last, key.weight, key.bias, query.weight
    if torch.is_grad_enabled() and any(one.requires_grad for one in given):
        return _Attentive.apply(*given)
    return _pooled(*given)[0]


def score_of(h: Tensor, key: nn.Module, query: nn.Module) -> Tensor:
    """How much each row is asked for: vᵀ·tanh(W·h + b)."""
    return query(torch.tanh(key(h))).squeeze(-1)


def _parts(h: Tensor, rows: Tensor, last: Tensor, score: Tensor) -> Tensor:
    """The same in operators of torch: rows are the numbers of the sequences that steps belong to."""
    highest = score.new_full(last.shape[:1], -torch.inf)
    highest = highest.scatter_reduce(0, rows, score.detach(), "amax")
    weight = (score - highest[rows]).exp()
    total = torch.zeros_like(highest).index_add(0, rows, weight)
    summary = torch.zeros_like(last).index_add(0, rows, h * (weight / total[rows])[:, None])
    return torch.cat([last, summary], -1)


def _compiled(outputs: Ragged, last: Tensor, key: nn.Linear, query: nn.Linear) -> bool:
    h, size = outputs.values, last.shape[-1]
    weights = key.weight, key.bias, query.weight
    return (
        library.available()
        and library.unwatched([h, outputs.offsets, last, *weights])
        and {(one.dtype, one.is_cpu) for one in (h, last, *weights)} == {(torch.float32, True)}
        and h.shape[1:] == last.shape[1:] == key.bias.shape
        and last.shape[0] == len(outputs)
        and key.weight.shape == (size, size)
        and query.weight.shape == (1, size)
        and h.numel() > 0
        and type(key) is nn.Linear is type(query)
        and query.bias is None
        and not torch.is_autocast_enabled("cpu")
        and not hooked(key)
        and not hooked(query)
    )


def _call(h: Tensor, offsets: Tensor, *more: Tensor) -> library.Pooling:
    call = library.Pooling(torch.get_num_threads(), len(offsets) - 1, *h.shape)
    names = "offsets", "h", "last", "key", "bias", "query", "keys", "shares", "pooled"
    for name, one in zip(names, (offsets, h, *more), strict=False):
        setattr(call, name, one.data_ptr())
    return call


def _pooled(
    h: Tensor, offsets: Tensor, last: Tensor, key: Tensor, bias: Tensor, query: Tensor
) -> tuple[Tensor, ...]:
    """What comes of it, and what the way back needs: keys and shares."""
    given = [one.contiguous() for one in (h, offsets, last, key, bias, query)]
    pooled = last.new_empty(len(last), 2 * h.shape[1])
    keys, shares = lent.empty(h, *h.shape), h.new_empty(len(h))
    library.run("elman_pool", _call(*given, keys, shares, pooled))
    return pooled, keys, shares


class _Attentive(torch.autograd.Function):
    """What `apply` takes: h, offsets, the last states, the key's weight and bias, the query's weight."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        pooled, *kept = _pooled(*given)
        ctx.save_for_backward(*given, *kept)
        return pooled

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (grad,), (*given, keys, shares) = outer, ctx.saved_tensors
        h, offsets, last, *weights = given
        if torch.is_grad_enabled():  # it is to be differentiated again
            score = F.linear(torch.tanh(F.linear(h, *weights[:2])), weights[2]).squeeze(-1)
            again = _parts(h, Ragged(h, offsets).rows, last, score)
            asked = [one for one in (h, last, *weights) if one.requires_grad]
            found = iter(torch.autograd.grad(again, asked, grad, create_graph=True, allow_unused=True))
            grads = [next(found) if one.requires_grad else None for one in (h, last, *weights)]
            return grads[0], None, *grads[1:]
        dense = [one.contiguous() for one in (grad, *given)]
        call = _call(*dense[1:], keys, shares)
        grads = [lent.empty(one, *one.shape) for one in (h, *weights)]
        call.grad = dense[0].data_ptr()
        call.grad_h, call.grad_key, call.grad_bias, call.grad_query = [one.data_ptr() for one in grads]
        library.run("elman_pool", call)
        return grads[0], None, grad[:, : h.shape[1]], *grads[1:]

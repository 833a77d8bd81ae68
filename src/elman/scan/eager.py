"""The native scan without torch's dispatcher: the same calls, when nothing but a gradient is wanted.

An operator passes a dispatcher that turns lists into trees and back, for whatever may be watching: a
compiler, an exporter, a mode, a transform of functions. Where nobody is, that is a third of a
millisecond for each layer and step, as much as a small layer itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._C import _autograd

Pass = Callable[..., Any]


class Differentiable(torch.autograd.Function):
    """One layer and its gradient, each pass a call of Python; a gradient of the gradient is the operator's.

    What `apply` takes: the passes forwards and backwards, the operator that differentiates the latter,
    (cell, bias, reverse), the number of weights, a list that receives what is kept at every step (gates,
    memory, candidates; None where there are none), or None where nobody else will look at it, x, offsets, which
    row of x each step reads (None: its own), the weights, the initial states. It gives the outputs and the
    final states.

    What nobody else looks at is written over by a backward pass that no other will follow: the gradients of
    the gates need no memory of their own.
    """

    # Not with setup_context, for which torch would look up the signature each time.
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        (ahead, *ctx.back), ctx.settings, ctx.weights, kept, x, offsets, reads, *rest = given
        weights, initial = rest[: ctx.weights], rest[ctx.weights :]
        outputs, final, found = ahead(x, offsets, weights, initial, *ctx.settings, True, reads=reads)
        ctx.alone = kept is None
        if kept is not None:
            kept += found
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, offsets, reads, outputs, *found, *rest)
        return outputs, *final

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, offsets, reads, outputs, gates, memory, inside, *rest = ctx.saved_tensors
        if all(one is None for one in grads):
            return (None,) * (7 + len(rest))
        weights, initial = rest[: ctx.weights], rest[ctx.weights :]
        back, differentiable = ctx.back
        kept = [outputs, gates, memory, inside]
        need = ctx.needs_input_grad[4]
        outer = grads if len(grads) == 3 else (*grads, None)
        if torch.is_grad_enabled():  # the operator cannot leave anything out, and knows no shared rows
            kept = [x.new_empty(0) if one is None else one for one in kept]
            steps = x if reads is None else x.index_select(0, reads)
            given = (*outer, steps, offsets, weights, initial, *kept, *ctx.settings, need)
            grad_x, *found = differentiable(*given)
            if need and reads is not None:
                grad_x = torch.zeros_like(x).index_add(0, reads, grad_x)
        else:
            given = (*outer, x, offsets, weights, initial, *kept, *ctx.settings, need)
            grad_x, *found = back(*given, reads=reads, over=ctx.alone and last())
        states, weights = found[: len(initial)], found[len(initial) :]
        return (None, None, None, None, grad_x if need else None, None, None, *weights, *states)


def last() -> bool:
    """Whether the graph is given up by the backward pass that is under way, as far as torch tells."""
    keeps = getattr(_autograd, "_get_current_graph_task_keep_graph", None)
    return keeps is not None and not keeps()

"""The native scan without torch's dispatcher: the same calls, when nothing but a gradient is wanted.

An operator passes a dispatcher that turns lists into trees and back, for whatever may be watching: a
compiler, an exporter, a mode, a transform of functions. Where nobody is, that is a third of a
millisecond for each layer and step, as much as a small layer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

_PLAIN = (Tensor, nn.Parameter)
_transformed: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)

Pass = Callable[..., Any]


def unwatched(tensors: Sequence[Tensor]) -> bool:
    """Whether these are tensors and no more, and nothing has to see what is done to them.

    >>> unwatched([torch.zeros(2)])
    True
    """
    return (
        not torch.compiler.is_compiling()
        and not torch._C._is_tracing()
        and not is_in_torch_dispatch_mode()
        and not _transformed()
        and all(type(one) in _PLAIN for one in tensors)
    )


class Differentiable(torch.autograd.Function):
    """One layer and its gradient, each pass a call of Python; a gradient of the gradient is the operator's.

    What `apply` takes: the passes forwards and backwards, the operator that differentiates the latter,
    (cell, bias, reverse), the number of weights, x, offsets, the weights, the initial states.
    """

    # Not with setup_context, for which torch would look up the signature each time.
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        (ahead, *ctx.back), ctx.settings, ctx.weights, x, offsets, *rest = given
        found = ahead(x, offsets, rest[: ctx.weights], rest[ctx.weights :], *ctx.settings, True)
        outputs, _, c, gates, memory, inside = found
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(gates, memory, inside, *(() if ctx.settings[0] == "lstm" else (c,)))
        ctx.save_for_backward(x, offsets, outputs, gates, memory, inside, *rest)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, offsets, outputs, gates, memory, inside, *rest = ctx.saved_tensors
        nothing = [None] * (5 + len(rest))
        if all(one is None for one in grads[:3]):
            return tuple(nothing)
        weights, initial = rest[: ctx.weights], rest[ctx.weights :]
        back, differentiable = ctx.back
        kept = (outputs, gates, memory, inside)
        need = ctx.needs_input_grad[3]
        run = differentiable if torch.is_grad_enabled() else back
        grad_x, *found = run(*grads[:3], x, offsets, weights, initial, *kept, *ctx.settings, need)
        states, weights = found[: len(initial)], found[len(initial) :]
        return (None, None, None, grad_x if need else None, None, *weights, *states)

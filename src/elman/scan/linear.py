"""The linear recurrence h[t] = a[t]·h[t-1] + b[t] on a CPU, compiled: every linear cell scans by it.

    forward     h[t] = a[t]·h[t-1] + b[t]
    backward    d[t] = a[t+1]·d[t+1] + ∂h[t]        ∂b[t] = d[t]        ∂a[t] = d[t]·h[t-1]

What makes `a` and `b` from the input is one matrix product and a few pointwise functions over all steps at
once, and torch's. The gradient is a linear recurrence the other way round, and so is the gradient's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from elman import library
from elman.cells.base import LinearCell, State
from elman.ragged import Ragged
from elman.scan import arguments
from elman.scan.reference import Scan

_TYPES = {torch.float32: 0, torch.float64: 1}


def run(cell: LinearCell, xs: Ragged, state: State, *, reverse: bool, record: tuple[str, ...]) -> Scan:
    """The scan of one linear cell in one direction."""
    projected = cell.project(xs.distinct)
    if xs.reads is not None:
        projected = F.embedding(xs.reads, projected)
    a, b, blocks = cell.coefficients(projected)
    initial = state[0].to(a.dtype)
    h, final = torch.ops.elman.linear_recurrence(a, b, xs.offsets, initial, reverse)
    seen = blocks | {"h": h}
    return Scan(
        xs.with_values(h), (final,), {name: xs.with_values(seen[name].detach()) for name in record}
    )


_operators = torch.library.Library("elman", "FRAGMENT")
_operators.define(
    "linear_recurrence(Tensor a, Tensor b, Tensor offsets, Tensor initial, bool reverse) -> (Tensor, Tensor)"
)
_operators.define(
    "linear_recurrence_backward(Tensor? grad_outputs, Tensor? grad_final, Tensor a, Tensor offsets, "
    "Tensor initial, Tensor outputs, bool reverse) -> (Tensor, Tensor, Tensor)"
)


def _call(a: Tensor, offsets: Tensor, initial: Tensor, outputs: Tensor, *, reverse: bool) -> Any:
    call = library.Linear()
    call.type, call.threads, call.reverse = _TYPES[a.dtype], torch.get_num_threads(), reverse
    call.batch, call.rows, call.width = initial.shape[0], a.shape[0], a.shape[1]
    call.offsets, call.a = offsets.data_ptr(), a.data_ptr()
    call.initial, call.outputs = initial.data_ptr(), outputs.data_ptr()
    return call


def _forward(  # a flag of an operator cannot be keyword-only
    a: Tensor,
    b: Tensor,
    offsets: Tensor,
    initial: Tensor,
    reverse: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor]:
    arguments.check_linear(a, b, offsets, initial)
    a, b, offsets, initial = a.contiguous(), b.contiguous(), offsets.contiguous(), initial.contiguous()
    outputs, final = torch.empty_like(b), torch.empty_like(initial)
    call = _call(a, offsets, initial, outputs, reverse=reverse)
    call.b, call.final = b.data_ptr(), final.data_ptr()
    library.run("elman_linear_forward", call)
    return outputs, final


def _backward(
    grad_outputs: Tensor | None,
    grad_final: Tensor | None,
    a: Tensor,
    offsets: Tensor,
    initial: Tensor,
    outputs: Tensor,
    reverse: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor]:
    a, offsets, initial = a.contiguous(), offsets.contiguous(), initial.contiguous()
    outputs = outputs.contiguous()
    grad_a, grad_b = torch.empty_like(a), torch.empty_like(a)
    carry = (
        torch.zeros_like(initial)
        if grad_final is None
        else grad_final.clone(memory_format=torch.contiguous_format)
    )
    call = _call(a, offsets, initial, outputs, reverse=reverse)
    if grad_outputs is not None:
        grad_outputs = grad_outputs.contiguous()
        call.grad_outputs = grad_outputs.data_ptr()
    call.grad_a, call.grad_b = grad_a.data_ptr(), grad_b.data_ptr()
    call.grad_initial = carry.data_ptr()
    library.run("elman_linear_backward", call)
    return grad_a, grad_b, carry


# --- gradients ---


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    a, _, offsets, initial, ctx.reverse = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(a, offsets, initial, output[0])


def _gradient(ctx: Any, grad_outputs: Tensor | None, grad_final: Tensor | None) -> tuple[Any, ...]:
    if grad_outputs is None and grad_final is None:
        return None, None, None, None, None
    grad_a, grad_b, grad_initial = torch.ops.elman.linear_recurrence_backward(
        grad_outputs, grad_final, *ctx.saved_tensors, ctx.reverse
    )
    return grad_a, grad_b, None, grad_initial, None


def _remember_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.reverse = inputs
    ctx.save_for_backward(*tensors)


def _second(ctx: Any, *wanted: Tensor) -> tuple[Any, ...]:
    """The gradient of the gradient: of the same numbers, made of what torch can differentiate again."""
    offsets = ctx.saved_tensors[3]
    given: list[Any]
    with torch.enable_grad():
        given = [
            # Another name for each argument: what one owes to another further up is not counted twice.
            one.view_as(one) if one is not None and one.requires_grad else one
            for one in ctx.saved_tensors
        ]
        first = _composed(*given, reverse=ctx.reverse)
    sources = [one for one in given if one is not None and one.requires_grad and one is not offsets]
    found = iter(
        torch.autograd.grad(
            first, sources, wanted, create_graph=torch.is_grad_enabled(), allow_unused=True
        )
    )
    grads = [next(found) if any(one is source for source in sources) else None for one in given]
    return (*grads, None)


def _composed(
    grad_outputs: Tensor | None,
    grad_final: Tensor | None,
    a: Tensor,
    offsets: Tensor,
    initial: Tensor,
    outputs: Tensor,
    *,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `linear_recurrence_backward` computes, as a linear recurrence the other way round."""
    some = torch.nonzero(offsets.diff()).flatten()
    low, high = offsets[:-1][some], offsets[1:][some] - 1
    first, last = (high, low) if reverse else (low, high)
    back = -1 if reverse else 1
    grad_outputs = torch.zeros_like(a) if grad_outputs is None else grad_outputs
    grad_final = torch.zeros_like(initial) if grad_final is None else grad_final
    after = a.roll(-back, 0).index_fill(0, last, 1.0)
    d = torch.ops.elman.linear_recurrence(after, grad_outputs, offsets, grad_final, not reverse)[0]
    before = outputs.roll(back, 0).index_put((first,), initial[some])
    grad_initial = grad_final.index_put((some,), a[first] * d[first])
    return d * before, d, grad_initial


def _fake(a: Tensor, b: Tensor, offsets: Tensor, initial: Tensor, reverse: Any) -> tuple[Tensor, Tensor]:
    return b.new_empty(b.shape), initial.new_empty(initial.shape)


def _fake_backward(grad_outputs: Any, grad_final: Any, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
    a, _, initial, *_ = given
    return a.new_empty(a.shape), a.new_empty(a.shape), initial.new_empty(initial.shape)


_operators.impl("linear_recurrence", _forward, "CPU")
_operators.impl("linear_recurrence_backward", _backward, "CPU")
torch.library.register_fake("elman::linear_recurrence", _fake, lib=_operators)
torch.library.register_fake("elman::linear_recurrence_backward", _fake_backward, lib=_operators)
torch.library.register_autograd(
    "elman::linear_recurrence", _gradient, setup_context=_remember, lib=_operators
)
torch.library.register_autograd(
    "elman::linear_recurrence_backward", _second, setup_context=_remember_backward, lib=_operators
)

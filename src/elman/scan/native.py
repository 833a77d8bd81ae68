"""The fast scan on a CPU: one layer, in one direction or both, as one operator of torch.

Only the recurrence itself is compiled. What is a large matrix product (the projection of all steps, and
the gradients of the input and of the weights) is left to torch:

    forward     P = X·W_ihᵀ + b            then, step by step: gates, outputs from P and W_hh
    backward    dP step by step            then dX = dP·W_ih, dW_ih = dPᵀ·X, dW_hh = dPᵀ·H[t-1]

The operators `elman::recurrent` and `elman::recurrent_backward` have fake kernels and gradients, so that
`torch.compile` and `torch.export` pass over them, and a gradient of a gradient is that of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elman.cells.base import Cell, LinearCell, State
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.rnn import RNN
from elman.cells.rnn_relu import RNNReLU
from elman.ragged import Ragged
from elman.scan import arguments, library, second_order
from elman.scan.reference import Scan

_CELLS: dict[str, type[Cell]] = {"rnn": RNN, "rnn-relu": RNNReLU, "lstm": LSTM, "gru": GRU}
_NUMBERS = {"rnn": 0, "rnn-relu": 1, "lstm": 2, "gru": 3}
_NAMES = {cell: name for name, cell in _CELLS.items()}
_TYPES = {torch.float32: 0, torch.float64: 1}

NOT_BUILT = "the compiled library was not built"


def obstacle(cells: Sequence[Cell], xs: Ragged) -> str | None:
    """Why this scan cannot be native, or None if it can."""
    weights = [one for cell in cells for one in cell.weights.values()]
    if type(cells[0]) not in _NAMES and not isinstance(cells[0], LinearCell):
        return f"the cell {type(cells[0]).__name__} has no kernel"
    if any(one.device.type != "cpu" for one in (xs.values, *weights)):
        return "it runs on a CPU only"
    if any(one.dtype != weights[0].dtype for one in weights) or weights[0].dtype not in _TYPES:
        return "it knows float32 and float64 only"
    if not library.available():
        return NOT_BUILT
    return None


def run(
    cells: Sequence[Cell], xs: Ragged, state: State, *, reverse: bool, record: tuple[str, ...]
) -> Scan:
    """One layer: outputs joined, the final states `directions batch hidden`, and what was recorded."""
    name, bias = _NAMES[type(cells[0])], cells[0].bias_ih is not None
    weights = [one for cell in cells for one in cell.weights.values()]
    x = xs.values.to(weights[0].dtype)
    state = tuple(one.to(x.dtype) for one in state)
    keep = bool(record) or _differentiable(x, *weights, *state)
    outputs, h, c, gates, memory, _ = torch.ops.elman.recurrent(
        x, xs.offsets, weights, list(state), name, bias, reverse, keep
    )
    trace: dict[str, Ragged] = {}
    for n, cell in enumerate(cells if record else ()):
        known = dict(zip(cell.blocks, gates[n].chunk(len(cell.blocks), -1), strict=True))
        known["h"] = outputs.detach()[:, n * cell.hidden_size : (n + 1) * cell.hidden_size]
        if name == "lstm":
            known["c"] = memory[n]
        trace |= {f"{one}.{n}": xs.with_values(known[one]) for one in record}
    return Scan(xs.with_values(outputs), (h, c) if name == "lstm" else (h,), trace)


def _differentiable(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(one.requires_grad for one in tensors)


# --- the operators ---

_operators = torch.library.Library("elman", "DEF")
_operators.define(
    "recurrent(Tensor x, Tensor offsets, Tensor[] weights, Tensor[] initial, str cell, bool bias, "
    "bool reverse, bool keep) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_operators.define(
    "recurrent_backward(Tensor? grad_outputs, Tensor? grad_h, Tensor? grad_c, Tensor x, Tensor offsets, "
    "Tensor[] weights, Tensor[] initial, Tensor outputs, Tensor gates, Tensor memory, Tensor inside, "
    "str cell, bool bias, bool reverse, bool need_x) -> Tensor[]"
)


class _Layer:
    """The sizes of one call, and its arguments by direction."""

    def __init__(
        self,
        x: Tensor,
        offsets: Tensor,
        weights: Sequence[Tensor],
        initial: Sequence[Tensor],
        cell: str,
        *,
        bias: bool,
    ) -> None:
        arguments.check_layer(x, offsets, weights, initial, _CELLS[cell], bias=bias)
        each = 4 if bias else 2
        self.parts = [weights[n : n + each] for n in range(0, len(weights), each)]
        self.hidden = weights[1].shape[1]
        self.blocks = weights[1].shape[0] // self.hidden
        self.grad_blocks = 4 if cell == "gru" else self.blocks
        self.batch, self.rows = offsets.shape[0] - 1, x.shape[0]
        self.cell, self.bias, self.directions = cell, bias, len(self.parts)
        self.width = self.directions * self.hidden

    def reversed(self, direction: int, *, reverse: bool) -> bool:
        return reverse or direction == 1

    def call(self, x: Tensor, offsets: Tensor, outputs: Tensor, *, keep: bool) -> library.Call:
        call = library.Call()
        call.cell, call.type, call.directions = _NUMBERS[self.cell], _TYPES[x.dtype], self.directions
        call.threads, call.keep = torch.get_num_threads(), keep
        call.batch, call.rows, call.hidden = self.batch, self.rows, self.hidden
        call.output_stride, call.offsets = self.width, offsets.data_ptr()
        for n in range(self.directions):
            call.direction[n].outputs = outputs.data_ptr() + n * self.hidden * x.element_size()
        return call

    def projection_bias(self, part: Sequence[Tensor]) -> Tensor | None:
        if not self.bias:
            return None
        if self.cell != "gru":
            return part[2] + part[3]
        both = part[2].clone()
        both[: 2 * self.hidden] += part[3][: 2 * self.hidden]
        return both


def _at(tensor: Tensor, number: int = 0) -> int:
    return tensor.data_ptr() + number * tensor.stride(0) * tensor.element_size()


def _recurrent(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    offsets: Tensor,
    weights: list[Tensor],
    initial: list[Tensor],
    cell: str,
    bias: bool,  # noqa: FBT001
    reverse: bool,  # noqa: FBT001
    keep: bool,  # noqa: FBT001
) -> tuple[Tensor, ...]:
    layer = _Layer(x, offsets, weights, initial, cell, bias=bias)
    ways, rows, batch, hidden = layer.directions, layer.rows, layer.batch, layer.hidden
    outputs, h, c, gates, memory, inside = _empty(x, layer, keep=keep)
    offsets, initial = offsets.contiguous(), [one.contiguous() for one in initial]
    x = x.contiguous()
    call = layer.call(x, offsets, outputs, keep=keep)
    held: list[Tensor] = []  # what the call points at must live as long as the call
    if not keep:
        gates = x.new_empty(ways, rows, layer.blocks * hidden)
        memory = x.new_empty(ways, batch, hidden) if cell == "lstm" else memory
    for n, part in enumerate(layer.parts):
        projection, weight = layer.projection_bias(part), part[1].contiguous()
        if projection is None:
            torch.mm(x, part[0].t(), out=gates[n])
        else:
            torch.addmm(projection, x, part[0].t(), out=gates[n])
        way = call.direction[n]
        way.reverse, way.weight, way.gates = (
            layer.reversed(n, reverse=reverse),
            _at(weight),
            _at(gates, n),
        )
        held.append(weight)
        if cell == "gru":
            if bias:
                inner = part[3][2 * hidden :].contiguous()
                way.bias = _at(inner)
                held.append(inner)
            if keep:
                way.candidates = _at(inside, n)
        if cell == "lstm":
            way.cells, way.final[1] = _at(memory, n), _at(c, n)
        way.final[0] = _at(h, n)
        for number, one in enumerate(initial):
            way.initial[number] = _at(one, n)
    library.run("elman_forward", call)
    if not keep:
        gates = memory = x.new_empty(0)
    return outputs, h, c, gates, memory, inside


def _empty(x: Tensor, layer: _Layer, *, keep: bool) -> tuple[Tensor, ...]:
    ways, lstm, gru = layer.directions, layer.cell == "lstm", layer.cell == "gru"
    per_step = (ways, layer.rows, layer.hidden)
    return (
        x.new_empty(layer.rows, layer.width),
        x.new_empty(ways, layer.batch, layer.hidden),
        x.new_empty((ways, layer.batch, layer.hidden) if lstm else 0),
        x.new_empty((ways, layer.rows, layer.blocks * layer.hidden) if keep else 0),
        x.new_empty(per_step if lstm and keep else 0),
        x.new_empty(per_step if gru and keep else 0),
    )


def _fake(x: Tensor, offsets: Tensor, weights: list[Tensor], initial: Any, *rest: Any) -> Any:
    cell, bias, _, keep = rest
    return _empty(x, _Layer(x, offsets, weights, initial, cell, bias=bias), keep=keep)


def _recurrent_backward(  # noqa: PLR0913 - the operator's own arguments
    grad_outputs: Tensor | None,
    grad_h: Tensor | None,
    grad_c: Tensor | None,
    x: Tensor,
    offsets: Tensor,
    weights: list[Tensor],
    initial: list[Tensor],
    outputs: Tensor,
    gates: Tensor,
    memory: Tensor,
    inside: Tensor,
    cell: str,
    bias: bool,  # noqa: FBT001
    reverse: bool,  # noqa: FBT001
    need_x: bool,  # noqa: FBT001
) -> list[Tensor]:
    layer = _Layer(x, offsets, weights, initial, cell, bias=bias)
    ways, rows, hidden = layer.directions, layer.rows, layer.hidden
    offsets, initial = offsets.contiguous(), [one.contiguous() for one in initial]
    call = layer.call(x, offsets, outputs, keep=True)
    grads = x.new_empty(ways, rows, layer.grad_blocks * hidden)
    sums = x.new_empty(ways, layer.grad_blocks * hidden)
    finals = [grad_h, grad_c][: len(initial)]
    # What comes in is the gradient of the final state; what comes out is that of the initial one.
    states = [
        torch.zeros_like(one) if final is None else final.clone(memory_format=torch.contiguous_format)
        for one, final in zip(initial, finals, strict=True)
    ]
    if grad_outputs is not None:
        grad_outputs = grad_outputs.contiguous()
        call.grad_stride = layer.width
    held = []
    for n, part in enumerate(layer.parts):
        way, weight = call.direction[n], part[1].contiguous()
        held.append(weight)
        way.reverse, way.weight, way.gates = (
            layer.reversed(n, reverse=reverse),
            _at(weight),
            _at(gates, n),
        )
        if cell == "lstm":
            way.cells = _at(memory, n)
        if cell == "gru":
            way.candidates = _at(inside, n)
        for number, one in enumerate(initial):
            way.initial[number] = _at(one, n)
            way.grad_initial[number] = _at(states[number], n)
        if grad_outputs is not None:
            way.grad_outputs = grad_outputs.data_ptr() + n * hidden * x.element_size()
        way.grad_gates, way.grad_bias = _at(grads, n), _at(sums, n)
    library.run("elman_backward", call)
    grad_x, found = _products(
        layer, x, offsets, initial, outputs, grads, sums, reverse=reverse, need_x=need_x
    )
    return [grad_x, *states, *found]


def _products(  # noqa: PLR0913
    layer: _Layer,
    x: Tensor,
    offsets: Tensor,
    initial: list[Tensor],
    outputs: Tensor,
    grads: Tensor,
    sums: Tensor,
    *,
    reverse: bool,
    need_x: bool,
) -> tuple[Tensor, list[Tensor]]:
    """The gradients of the input and of the weights, from those of the projections."""
    hidden, projected = layer.hidden, layer.blocks * layer.hidden
    grad_x = torch.zeros_like(x) if need_x else x.new_empty(0)
    some = torch.nonzero(offsets.diff()).flatten()
    found: list[Tensor] = []
    for n, part in enumerate(layer.parts):
        d = grads[n]
        if need_x:
            grad_x.addmm_(d[:, :projected], part[0], beta=1 if n else 0)
        found.append(d[:, :projected].t() @ x)
        # H[t-1] is H a row further up (down, in reverse), but for the first step of each sequence, whose
        # row is taken out: it belongs to the initial state.
        back = layer.reversed(n, reverse=reverse)
        starts = offsets[1:][some] - 1 if back else offsets[:-1][some]
        h0 = initial[0][n].index_select(0, some)
        first = d.index_select(0, starts)
        d.index_fill_(0, starts, 0.0)
        h = outputs[:, n * hidden : (n + 1) * hidden]
        later, before = (d[:-1], h[1:]) if back else (d[1:], h[:-1])

        def product(columns: slice) -> Tensor:
            return torch.addmm(first[:, columns].t() @ h0, later[:, columns].t(), before)  # noqa: B023

        if layer.cell == "gru":
            both = product(slice(0, 2 * hidden)), product(slice(3 * hidden, None))
            found.append(torch.cat(both))
        else:
            found.append(product(slice(None)))
        if layer.bias:
            found.append(sums[n, :projected].clone())
            found.append(
                torch.cat([sums[n, : 2 * hidden], sums[n, 3 * hidden :]])
                if layer.cell == "gru"
                else sums[n].clone()
            )
    return grad_x, found


def _fake_backward(*arguments: Any) -> list[Tensor]:
    x, weights, initial, need_x = arguments[3], arguments[5], arguments[6], arguments[14]
    grad_x = torch.empty_like(x) if need_x else x.new_empty(0)
    return [grad_x, *(torch.empty_like(one) for one in (*initial, *weights))]


# --- their gradients ---


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, offsets, weights, initial, cell, bias, reverse, _ = inputs
    outputs, _, c, gates, memory, inside = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gates, memory, inside, *([] if cell == "lstm" else [c]))
    ctx.save_for_backward(x, offsets, outputs, gates, memory, inside, *weights, *initial)
    ctx.weights, ctx.settings, ctx.need_x = len(weights), (cell, bias, reverse), x.requires_grad


def _gradient(ctx: Any, grad_outputs: Any, grad_h: Any, grad_c: Any, *_: Any) -> tuple[Any, ...]:
    x, offsets, outputs, gates, memory, inside, *rest = ctx.saved_tensors
    weights, initial = rest[: ctx.weights], rest[ctx.weights :]
    if grad_outputs is None and grad_h is None and grad_c is None:
        return None, None, [None] * len(weights), [None] * len(initial), None, None, None, None
    grad_x, *grads = torch.ops.elman.recurrent_backward(
        grad_outputs,
        grad_h,
        grad_c,
        x,
        offsets,
        weights,
        initial,
        outputs,
        gates,
        memory,
        inside,
        *ctx.settings,
        ctx.need_x,
    )
    states, found = grads[: len(initial)], grads[len(initial) :]
    return (grad_x if ctx.need_x else None, None, list(found), list(states), None, None, None, None)


_operators.impl("recurrent", _recurrent, "CPU")
_operators.impl("recurrent_backward", _recurrent_backward, "CPU")
torch.library.register_fake("elman::recurrent", _fake, lib=_operators)
torch.library.register_fake("elman::recurrent_backward", _fake_backward, lib=_operators)
torch.library.register_autograd("elman::recurrent", _gradient, setup_context=_remember, lib=_operators)
torch.library.register_autograd(
    "elman::recurrent_backward",
    lambda ctx, grads: second_order.gradient(ctx, grads, _CELLS),
    setup_context=second_order.remember,
    lib=_operators,
)

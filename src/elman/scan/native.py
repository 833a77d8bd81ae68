"""The fast scan on a CPU: one layer, in one direction or both, as one operator of torch.

A call of the compiled library is the whole layer, with the large matrix products before and after:

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

from elman import library
from elman.cells.base import Cell, LinearCell, State
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.rnn import RNN
from elman.cells.rnn_relu import RNNReLU
from elman.ragged import Ragged
from elman.scan import arguments, eager, lent, second_order
from elman.scan.reference import Scan

_CELLS: dict[str, type[Cell]] = {"rnn": RNN, "rnn-relu": RNNReLU, "lstm": LSTM, "gru": GRU}
_NUMBERS = {"rnn": 0, "rnn-relu": 1, "lstm": 2, "gru": 3}
_NAMES = {cell: name for name, cell in _CELLS.items()}
_TYPES = {torch.float32: 0, torch.float64: 1}
_TYPED = [{one} for one in _TYPES]

NOT_BUILT = "the compiled library was not built, or for another version of elman"


def number(kind: type[Cell]) -> int | None:
    """By which number the compiled library knows a standard cell; None for any other.

    >>> number(LSTM)
    2
    """
    return _NUMBERS.get(_NAMES.get(kind, ""))


def obstacle(cells: Sequence[Cell], xs: Ragged) -> str | None:
    """Why this scan cannot be native, or None if it can."""
    weights = [one for cell in cells for one in cell.weights.values()]
    if type(cells[0]) not in _NAMES and not isinstance(cells[0], LinearCell):
        return f"the cell {type(cells[0]).__name__} has no kernel"
    if {one.is_cpu for one in (xs.distinct, *weights)} != {True}:
        return "it runs on a CPU only"
    if {one.dtype for one in weights} not in _TYPED:
        return "it knows float32 and float64 only"
    if not library.available():
        return NOT_BUILT
    return None


def run(
    cells: Sequence[Cell], xs: Ragged, state: State | None, *, reverse: bool, record: tuple[str, ...]
) -> Scan:
    """One layer: outputs joined, the final states `directions batch hidden`, and what was recorded.

    Without a state it begins with zeros, and neither multiplies by them nor asks for their gradient.
    """
    name, bias = _NAMES[type(cells[0])], cells[0].bias_ih is not None
    weights = [one for cell in cells for one in cell.weights.values()]
    x, reads, initial = xs.distinct, xs.reads, list(state or ())
    if reads is not None and not len(reads):  # numbers that have no address
        x, reads = xs.values, None
    if {one.dtype for one in (x, *initial)} != {weights[0].dtype}:
        x, *initial = [one.to(weights[0].dtype) for one in (x, *initial)]
    wanted = _differentiable(x, *weights, *initial)
    keep, settings = bool(record) or wanted, (name, bias, reverse)
    if not library.unwatched([x, xs.offsets, *weights, *initial]):
        outputs, *final, gates, memory, _ = torch.ops.elman.recurrent(
            x if reads is None else x[reads], xs.offsets, weights, initial, *settings, keep
        )
    elif wanted:
        kept: list[Tensor | None] = []
        outputs, *final = eager.Differentiable.apply(
            _PASSES,
            settings,
            len(weights),
            kept if record else None,
            x,
            xs.offsets,
            reads,
            *weights,
            *initial,
        )
        gates, memory, _ = kept or (None, None, None)
    else:
        outputs, final, (gates, memory, _) = forward(
            x, xs.offsets, weights, initial, *settings, keep, reads=reads
        )
    trace: dict[str, Ragged] = {}
    if record and gates is not None:
        for n, cell in enumerate(cells):
            known = dict(zip(cell.blocks, gates[n].chunk(len(cell.blocks), -1), strict=True))
            known["h"] = outputs.detach()[:, n * cell.hidden_size : (n + 1) * cell.hidden_size]
            if name == "lstm" and memory is not None:
                known["c"] = memory[n]
            trace |= {f"{one}.{n}": xs.with_values(known[one]) for one in record}
    return Scan(xs.with_values(outputs), tuple(final[: len(cells[0].states)]), trace)


def _differentiable(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and True in {one.requires_grad for one in tensors}


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
        reads: Tensor | None = None,
    ) -> None:
        self.kind = _CELLS[cell]
        arguments.check_layer(x, offsets, weights, initial, self.kind, bias=bias)
        each = 4 if bias else 2
        self.parts = [weights[n : n + each] for n in range(0, len(weights), each)]
        self.hidden = weights[1].shape[1]
        self.blocks = weights[1].shape[0] // self.hidden
        self.batch, self.reads = offsets.shape[0] - 1, reads
        self.rows = x.shape[0] if reads is None else reads.shape[0]
        self.cell, self.bias, self.directions = cell, bias, len(self.parts)
        self.width = self.directions * self.hidden

    def call(
        self, x: Tensor, offsets: Tensor, initial: Sequence[Tensor], outputs: Tensor, *, reverse: bool
    ) -> library.Call:
        """What both passes are given. What it points at must live as long as the call."""
        call = library.Call()
        call.cell, call.type, call.directions = _NUMBERS[self.cell], _TYPES[x.dtype], self.directions
        call.threads, call.keep = torch.get_num_threads(), True
        call.batch, call.rows, call.input, call.hidden = self.batch, self.rows, x.shape[1], self.hidden
        call.output_stride, call.offsets, call.x = self.width, offsets.data_ptr(), x.data_ptr()
        if self.reads is not None:
            call.reads, call.inputs = self.reads.data_ptr(), x.shape[0]
        for n, part in enumerate(self.parts):
            way = call.direction[n]
            way.reverse = reverse or n == 1
            way.outputs = outputs.data_ptr() + n * self.hidden * x.itemsize
            way.weight_ih, way.weight_hh = part[0].data_ptr(), part[1].data_ptr()
            if self.bias:
                way.bias_ih, way.bias_hh = part[2].data_ptr(), part[3].data_ptr()
            for number, one in enumerate(initial):
                way.initial[number] = _at(one, n)
        return call


def _at(tensor: Tensor, number: int) -> int:
    """Where the part of one direction begins."""
    return tensor.data_ptr() + (number * tensor.stride(0) * tensor.itemsize if number else 0)


def _dense(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [one if one.is_contiguous() else one.contiguous() for one in tensors]


def forward(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    initial: Sequence[Tensor],
    cell: str,
    bias: bool,  # noqa: FBT001
    reverse: bool,  # noqa: FBT001
    keep: bool,  # noqa: FBT001
    *,
    reads: Tensor | None = None,
) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    """The outputs, the final states, and what is kept for the way back: gates, memory, candidates."""
    (x, offsets), weights, initial = _dense([x, offsets]), _dense(weights), _dense(initial)
    layer = _Layer(x, offsets, weights, initial, cell, bias=bias, reads=reads)
    outputs, final, kept = _empty(x, layer, keep=keep)
    call = layer.call(x, offsets, initial, outputs, reverse=reverse)
    call.keep = keep
    gates, memory, inside = kept
    if cell == "lstm" and memory is None:
        memory = torch.empty_like(final[1])  # of one step
    for n in range(layer.directions):
        way = call.direction[n]
        for number, one in enumerate(final):
            way.final[number] = _at(one, n)
        if gates is not None:
            way.gates = _at(gates, n)
        if memory is not None:
            way.cells = _at(memory, n)
        if inside is not None:
            way.candidates = _at(inside, n)
    library.run("elman_forward", call)
    return outputs, final, kept


def _empty(x: Tensor, layer: _Layer, *, keep: bool) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    ways, rows, hidden, lstm = layer.directions, layer.rows, layer.hidden, layer.cell == "lstm"
    return (
        lent.empty(x, rows, layer.width),
        [x.new_empty(ways, layer.batch, hidden) for _ in layer.kind.states],
        [
            lent.empty(x, ways, rows, layer.blocks * hidden) if keep else None,
            lent.empty(x, ways, rows, hidden) if keep and lstm else None,
            lent.empty(x, ways, rows, hidden) if keep and layer.cell == "gru" else None,
        ],
    )


def _recurrent(x: Tensor, *given: Any) -> tuple[Tensor, ...]:
    return _six(x, *forward(x, *given))


def _fake(x: Tensor, *given: Any) -> tuple[Tensor, ...]:
    offsets, weights, initial, cell, bias, _, keep = given
    return _six(x, *_empty(x, _Layer(x, offsets, weights, initial, cell, bias=bias), keep=keep))


def _six(
    x: Tensor, outputs: Tensor, final: list[Tensor], kept: list[Tensor | None]
) -> tuple[Tensor, ...]:
    """What an operator gives, which cannot leave anything out."""
    c = final[1] if len(final) > 1 else None
    return outputs, final[0], *(x.new_empty(0) if one is None else one for one in (c, *kept))


def backward(  # noqa: PLR0913 - the operator's own arguments
    grad_outputs: Tensor | None,
    grad_h: Tensor | None,
    grad_c: Tensor | None,
    x: Tensor,
    offsets: Tensor,
    weights: list[Tensor],
    initial: list[Tensor],
    outputs: Tensor,
    gates: Tensor,
    memory: Tensor | None,
    inside: Tensor | None,
    cell: str,
    bias: bool,  # noqa: FBT001
    reverse: bool,  # noqa: FBT001
    need_x: bool,  # noqa: FBT001
    *,
    reads: Tensor | None = None,
    over: bool = False,
) -> list[Tensor]:
    """The gradients of x, the initial states and the weights; `over`: the gates are not needed any more."""
    (x, offsets), weights, initial = _dense([x, offsets]), _dense(weights), _dense(initial)
    layer = _Layer(x, offsets, weights, initial, cell, bias=bias, reads=reads)
    call = layer.call(x, offsets, initial, outputs, reverse=reverse)
    call.need_initial = bool(initial)
    # What comes in is the gradient of the final state; what comes out is that of the initial one.
    states = [
        x.new_zeros(layer.directions, layer.batch, layer.hidden)
        if final is None
        else final.clone(memory_format=torch.contiguous_format)
        for final in (grad_h, grad_c)[: len(layer.kind.states)]
    ]
    if grad_outputs is not None:
        grad_outputs = grad_outputs.contiguous()
        call.grad_stride = layer.width
    grad_x = lent.empty(x, *x.shape) if need_x else x.new_empty(0)
    call.grad_x = grad_x.data_ptr() if need_x else None
    found = [lent.empty(one, *one.shape) for one in weights]
    each = len(layer.parts[0])
    for n in range(layer.directions):
        way, own = call.direction[n], found[n * each : (n + 1) * each]
        way.gates = _at(gates, n)
        if over and cell != "gru":  # which has one more gradient than it has gates
            way.grad_gates = way.gates
        way.grad_weight_ih, way.grad_weight_hh = own[0].data_ptr(), own[1].data_ptr()
        if bias:
            way.grad_bias_ih, way.grad_bias_hh = own[2].data_ptr(), own[3].data_ptr()
        if cell == "lstm" and memory is not None:
            way.cells = _at(memory, n)
        if cell == "gru" and inside is not None:
            way.candidates = _at(inside, n)
        for number, one in enumerate(states):
            way.grad_initial[number] = _at(one, n)
        if grad_outputs is not None:
            way.grad_outputs = grad_outputs.data_ptr() + n * layer.hidden * x.itemsize
    library.run("elman_backward", call)
    return [grad_x, *states[: len(initial)], *found]


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


_PASSES = (forward, backward, torch.ops.elman.recurrent_backward)

_operators.impl("recurrent", _recurrent, "CPU")
_operators.impl("recurrent_backward", backward, "CPU")
torch.library.register_fake("elman::recurrent", _fake, lib=_operators)
torch.library.register_fake("elman::recurrent_backward", _fake_backward, lib=_operators)
torch.library.register_autograd("elman::recurrent", _gradient, setup_context=_remember, lib=_operators)
torch.library.register_autograd(
    "elman::recurrent_backward",
    lambda ctx, grads: second_order.gradient(ctx, grads, _CELLS),
    setup_context=second_order.remember,
    lib=_operators,
)

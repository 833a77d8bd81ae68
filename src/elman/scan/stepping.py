"""One step of a whole stack on a CPU, compiled: no Python between the layers.

The weights are read where they lie, once a step, so that a stack of any depth costs one call. They may
also be stored in fewer bits (`bfloat16`, or `int8` with one scale for each row); the sums and the gates
are float32 all the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from elman import library
from elman.cells.base import Cell
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.mingru import MinGRU
from elman.cells.minlstm import MinLSTM
from elman.cells.rnn import RNN
from elman.cells.rnn_relu import RNNReLU

_NUMBERS: dict[type[Cell], int] = {RNN: 0, RNNReLU: 1, LSTM: 2, GRU: 3, MinGRU: 4, MinLSTM: 5}
_TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.int8: 3}

Stored = tuple[Tensor, Tensor | None]
"""A matrix of weights as it is kept, and the scale of each of its rows."""


def supports(cells: Sequence[Cell]) -> bool:
    """Whether there is a kernel for a stack of these cells."""
    weights = [one for cell in cells for one in cell.weights.values()]
    return (
        library.available()
        and type(cells[0]) in _NUMBERS
        and all(one.dtype == weights[0].dtype and one.device.type == "cpu" for one in weights)
        and weights[0].dtype in (torch.float32, torch.float64)
    )


class Stack:
    """The weights of a stack and the memory of its state, as one call of the library wants them.

    A step replaces `h` (and `c`) by the state after it. With `panels` the weights are laid out anew, which
    pays after some steps.
    """

    def __init__(
        self, cells: Sequence[Cell], state: Sequence[Tensor], stored: list[Any], *, panels: bool = False
    ) -> None:
        h = state[0]
        layers = (library.StepLayer * len(cells))()
        self._held: list[Any] = [layers, *state]  # what the call points at must live as long as the call
        for layer, cell, (ih, hh) in zip(layers, cells, stored, strict=True):
            layer.input = cell.input_size
            if panels:
                parts = 2 * cell.hidden_size if isinstance(cell, GRU) else None
                ih, hh = (in_panels(ih[0]), ih[1]), (in_panels(hh[0], parts), hh[1])
            layer.weight_ih, layer.scale_ih = self._hold(ih[0]), self._hold(ih[1])
            layer.weight_hh, layer.scale_hh = self._hold(hh[0]), self._hold(hh[1])
            layer.bias_ih, layer.bias_hh = self._hold(cell.bias_ih), self._hold(cell.bias_hh)
        call = library.Steps()
        call.cell, call.weights, call.layers = (
            _NUMBERS[type(cells[0])],
            _TYPES[stored[0][0][0].dtype],
            len(cells),
        )
        call.batch, call.hidden, call.layer, call.panels = h.shape[1], h.shape[2], layers, panels
        call.threads, call.h = torch.get_num_threads(), h.data_ptr()
        if len(state) > 1:
            call.c = state[1].data_ptr()
        call.scratch = self._hold(h.new_empty(4 * h.shape[2]))
        self.call = call
        self.address = ctypes.addressof(call)

    def _hold(self, tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        tensor = tensor.detach().contiguous()
        self._held.append(tensor)
        return tensor.data_ptr()


def plain(cells: Sequence[Cell]) -> list[tuple[Stored, Stored]]:
    """The matrices of each layer, as they are."""
    none: Any = None
    return [((cell.weight_ih, None), (getattr(cell, "weight_hh", none), None)) for cell in cells]


PANEL = 64
"""The rows of a panel: `kPanel` of native/step.h."""


def in_panels(matrix: Tensor | None, cut: int | None = None) -> Tensor | None:
    """A matrix of weights in blocks of 64 rows, each turned over, so that a vector holds a column of rows.

    With `cut`, the rows from there on are blocks of their own. Shapes: `rows depth` to `blocks depth 64`; in
    bfloat16 to `blocks depth/2 64 2`, two numbers of a row side by side, which are unpacked together.

    >>> in_panels(torch.ones(65, 3)).shape, in_panels(torch.ones(65, 3), 5).shape
    (torch.Size([2, 3, 64]), torch.Size([2, 3, 64]))
    """
    if matrix is None:
        return None
    pieces = matrix.detach().tensor_split([cut] if cut else [])
    blocks = [F.pad(one, (0, 0, 0, -one.shape[0] % PANEL)).unflatten(0, (-1, PANEL)) for one in pieces]
    turned = torch.cat(blocks).transpose(1, 2)
    if matrix.dtype == torch.bfloat16:
        turned = F.pad(turned, (0, 0, 0, turned.shape[1] % 2)).unflatten(1, (-1, 2)).transpose(2, 3)
    return turned.contiguous()


def stored(matrix: Tensor, kind: torch.dtype) -> Stored:
    """A matrix of weights in fewer bits.

    >>> stored(torch.tensor([[1.27, -0.5]]), torch.int8)[0]
    tensor([[127, -50]], dtype=torch.int8)
    """
    if kind != torch.int8:
        return matrix.detach().to(kind), None
    scale = matrix.detach().abs().amax(1).clamp_min(torch.finfo(matrix.dtype).tiny) / 127
    return (matrix.detach() / scale[:, None]).round().to(torch.int8), scale


def restored(kept: Stored) -> Tensor:
    """The numbers that a stored matrix stands for, in float32."""
    matrix, scale = kept
    return matrix.float() if scale is None else matrix.float() * scale[:, None]


def step(cells: Sequence[Cell], x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The state after one step of the stack: for each name in `Cell.states`, `layers batch hidden`."""
    after = tuple(one.clone(memory_format=torch.contiguous_format) for one in state)
    x = x.contiguous()
    stack = Stack(cells, after, plain(cells))
    library.step_function()(stack.address, x.data_ptr())
    return after

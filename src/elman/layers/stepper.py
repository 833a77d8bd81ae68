"""A stack of recurrences that goes step by step, as fast as it can: microseconds, no memory that grows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman import library
from elman.cells.base import Cell, State
from elman.errors import SettingsError, ShapeError
from elman.layers.recurrent import Recurrent
from elman.scan import stepping

WEIGHTS = ("bfloat16", "int8")


class Stepper:
    """A session over a stack: it owns the state, and `push` replaces it by the one after a step.

    The weights are those of the stack at the time; what is trained later is not seen. `Recurrent.step` is
    the same step as a function of a state, for those who keep the states themselves.

    Args:
        recurrent: the stack; it reads forwards only.
        batch: how many sequences go side by side.
        weights: `bfloat16` or `int8` to store the matrices in half or a quarter of the memory. `int8`
            has one scale for each row, max|W| / 127. None keeps them as they are.

    Shapes: push takes `batch input_size` and returns `batch hidden_size`.

    Raises:
        SettingsError: the stack reads backwards too, or the storage has no such name.

    >>> layer = Recurrent("gru", 3, 8, num_layers=2)
    >>> stepper = Stepper(layer)
    >>> xs = torch.randn(5, 3)
    >>> outputs = torch.cat([stepper.push(x).clone() for x in xs.split(1)])
    >>> outputs.shape
    torch.Size([5, 8])
    """

    @torch.no_grad()
    def __init__(self, recurrent: Recurrent, batch: int = 1, weights: str | None = None) -> None:
        if batch < 1:
            raise SettingsError("batch must be at least 1.", received=batch, fix="pass batch=1 or more")
        if weights is not None and weights not in WEIGHTS:
            raise SettingsError(
                "The weights cannot be stored like that.",
                expected=" or ".join(WEIGHTS) + ", or None to keep them as they are",
                received=weights,
            )
        cells = recurrent.step_cells()
        kinds = stepping.plain(cells)
        if weights is not None:
            kinds = [tuple(_stored(one[0], weights) for one in pair) for pair in kinds]
            self._cells = [_restored(cell, pair) for cell, pair in zip(cells, kinds, strict=True)]
        else:
            self._cells = [_copied(cell) for cell in cells]
            kinds = stepping.plain(self._cells)
        like = self._cells[0].weight_ih
        self.size = sum(
            one.numel() * one.element_size()
            for pair in kinds
            for two in pair
            for one in two
            if one is not None
        )
        self._state = tuple(like.new_zeros(len(cells), batch, width) for width in self._cells[0].widths)
        self._output = self._state[0][-1]
        self._shape, self._dtype = torch.Size((batch, recurrent.input_size)), like.dtype
        self._stack = (
            stepping.Stack(self._cells, self._state, kinds, panels=True)
            if stepping.supports(self._cells)
            else None
        )
        if self._stack is not None:
            library.check_step(self._stack.call)
        self._address = None if self._stack is None else self._stack.address
        self._run = library.step_function()

    def push(self, x: Tensor) -> Tensor:
        """Read one more step of every sequence; the last layer's output.

        The tensor that comes back is the session's own, and the next push writes over it: `clone()` it to
        keep it.

        Raises:
            ShapeError: the step has another shape.
        """
        if x.shape != self._shape or x.dtype != self._dtype or not x.is_contiguous():
            x = self._fitting(x)
        if self._address is None:
            self._by_hand(x)
        else:
            self._run(self._address, x.data_ptr())
        return self._output

    @property
    def state(self) -> State:
        """The state after what was read, `layers batch hidden` for each name: a copy; it can be set."""
        return tuple(one.clone() for one in self._state)

    @state.setter
    def state(self, state: State) -> None:
        shapes, wanted = [tuple(one.shape) for one in state], [tuple(one.shape) for one in self._state]
        if shapes != wanted:
            raise ShapeError(
                "The stepper received a state that does not fit.",
                expected=f"({', '.join(self._cells[0].states)}) of shapes {wanted}",
                received=shapes,
            )
        for own, given in zip(self._state, state, strict=True):
            own.copy_(given.detach())

    def reset(self) -> None:
        """Forget what was read."""
        for one in self._state:
            one.zero_()

    @torch.no_grad()
    def _by_hand(self, x: Tensor) -> None:
        for n, cell in enumerate(self._cells):
            after, _ = cell.step(cell.project(x), tuple(one[n] for one in self._state))
            for own, new in zip(self._state, after, strict=True):
                own[n] = new
            x = after[0]

    def _fitting(self, x: Tensor) -> Tensor:
        if x.shape != self._shape:
            raise ShapeError(
                "The stepper received a step of another shape.",
                expected=f"(batch, input_size) = {tuple(self._shape)}",
                received=tuple(x.shape),
                fix="give one step of every sequence; Stepper(recurrent, batch=...) sets how many there are",
            )
        return x.detach().to(self._dtype).contiguous()


def _stored(matrix: Tensor | None, weights: str) -> Any:
    return (None, None) if matrix is None else stepping.stored(matrix.float(), getattr(torch, weights))


def _restored(cell: Cell, pair: Any) -> Cell:
    """The cell with the numbers that its stored weights stand for."""
    kept = {"weight_ih": pair[0], "weight_hh": pair[1]}
    return type(cell)(
        **{
            name: stepping.restored(kept[name]) if name in kept else one.detach().float().clone()
            for name, one in cell.weights.items()
        }
    )


def _copied(cell: Cell) -> Cell:
    return type(cell)(**{name: one.detach().clone() for name, one in cell.weights.items()})

"""What every cell is: one step of a recurrence, written as its equation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.errors import ShapeError

State = tuple[Tensor, ...]
"""The state of a cell: one tensor `batch hidden` for each name in `Cell.states`, the output first."""


class Cell(ABC):
    """One step of a recurrence, with its weights: `step(projected, state) -> (state, blocks by name)`.

    A cell owns no state and is no module: a layer owns the parameters (under torch's names) and
    binds them to a cell for one pass. A new cell is one new file with one subclass that gives
    `step` and these names:

    Attributes:
        states: what is carried from step to step, the output first.
        blocks: what the weights compute, in the order of their rows.
        gates: those of the blocks that open and shut, between 0 and 1.
        weights: the tensors that an object was made of, by name, in torch's order.

    Shapes, with `blocks` the number of names in `blocks`:
        weight_ih: `blocks*hidden input`      weight_hh: `blocks*hidden hidden`
        bias_ih, bias_hh: `blocks*hidden`, or None
    """

    states: ClassVar[tuple[str, ...]] = ("h",)
    blocks: ClassVar[tuple[str, ...]]
    gates: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None = None,
        bias_hh: Tensor | None = None,
    ) -> None:
        self.weight_ih, self.weight_hh = weight_ih, weight_hh
        self.bias_ih, self.bias_hh = bias_ih, bias_hh
        self.weights = {"weight_ih": weight_ih, "weight_hh": weight_hh}
        if bias_ih is not None:
            self.weights["bias_ih"] = bias_ih
        if bias_hh is not None:
            self.weights["bias_hh"] = bias_hh
        self.input_size, self.hidden_size = weight_ih.shape[1], weight_hh.shape[1]

    @classmethod
    def shapes(
        cls, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> dict[str, tuple[int, ...]]:
        """The name and shape of each parameter, in torch's order."""
        rows = len(cls.blocks) * hidden_size
        weights = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        return weights | ({"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {})

    @classmethod
    @torch.no_grad()
    def initialise(cls, parameters: dict[str, Tensor]) -> None:
        """Glorot's uniform for the input, an orthogonal matrix for each block's recurrence, zero bias.

        Sources: Glorot and Bengio 2010; Saxe et al. 2013, arXiv 1312.6120.
        """
        for block in parameters["weight_ih"].chunk(len(cls.blocks)):
            nn.init.xavier_uniform_(block)
        if "weight_hh" in parameters:
            for block in parameters["weight_hh"].chunk(len(cls.blocks)):
                nn.init.orthogonal_(block)
        for name in ("bias_ih", "bias_hh"):
            if name in parameters:
                parameters[name].zero_()

    @classmethod
    def knows(cls, setting: str) -> bool:
        """Whether a setting of a network has a meaning here: `recurrent_dropout` needs recurrent weights."""
        return setting != "recurrent_dropout" or "weight_hh" in cls.shapes(1, 1)

    def project(self, x: Tensor) -> Tensor:
        """The input's part of every block, for any number of steps in one product: `steps blocks*hidden`.

        W_ih·x + b_ih + b_hh
        """
        self.check(x)
        bias = None if self.bias_ih is None or self.bias_hh is None else self.bias_ih + self.bias_hh
        return F.linear(x, self.weight_ih, bias)

    @abstractmethod
    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        """The next state and the blocks by name, from one step's projection and the state before."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The features of each state, in the order of `states`: `hidden_size`, all of them."""
        return (self.hidden_size,) * len(self.states)

    def start(self, batch: int) -> State:
        """The state before the first step: zeros, `batch hidden` for each name in `states`."""
        return tuple(self.weight_ih.new_zeros(batch, width) for width in self.widths)

    def check(self, x: Tensor) -> None:
        """Raise a ShapeError where these steps do not fit the cell."""
        if x.shape[-1] != self.input_size:
            name = f"{type(self).__name__}(input_size={self.input_size})"
            raise ShapeError(
                f"{name} received steps with {x.shape[-1]} features.",
                expected=f"(steps, {self.input_size})",
                received=tuple(x.shape),
                fix=f"pass input_size={x.shape[-1]}, or project the input first",
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(input_size={self.input_size}, hidden_size={self.hidden_size})"


class LinearCell(Cell):
    """A cell whose step is linear in its one state, with coefficients that the input alone decides.

        h[t] = a[t]∘h[t-1] + b[t]

    Every step's coefficients are known before the first step is made, which is what makes it fast. A new
    linear cell gives `blocks`, `gates` and `coefficients`. There are no recurrent weights.

    Shapes: weight_ih `blocks*hidden input`, bias_ih `blocks*hidden` or None.
    """

    def __init__(self, weight_ih: Tensor, bias_ih: Tensor | None = None) -> None:
        self.weight_ih, self.bias_ih, self.bias_hh = weight_ih, bias_ih, None
        self.weights = {"weight_ih": weight_ih} | ({} if bias_ih is None else {"bias_ih": bias_ih})
        self.input_size, self.hidden_size = weight_ih.shape[1], weight_ih.shape[0] // len(self.blocks)

    @classmethod
    def shapes(
        cls, input_size: int, hidden_size: int, *, bias: bool = True
    ) -> dict[str, tuple[int, ...]]:
        rows = len(cls.blocks) * hidden_size
        return {"weight_ih": (rows, input_size)} | ({"bias_ih": (rows,)} if bias else {})

    def project(self, x: Tensor) -> Tensor:
        """`W_ih·x + b_ih`, for any number of steps in one product: `steps blocks*hidden`."""
        self.check(x)
        return F.linear(x, self.weight_ih, self.bias_ih)

    @abstractmethod
    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """`a`, `b` and the blocks by name, of any number of steps: `steps hidden` each."""

    def step(self, projected: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        a, b, blocks = self.coefficients(projected)
        return (a * state[0] + b,), blocks

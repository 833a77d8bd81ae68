"""RNNCell, LSTMCell and GRUCell with torch's face: one step, with the weights of one layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elman.cells.base import Cell, State
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.rnn import RNN
from elman.cells.rnn_relu import RNNReLU
from elman.errors import DataError, SettingsError, ShapeError

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Step(nn.Module):
    """What the three have in common; a subclass gives `forward`."""

    def __init__(
        self,
        cell_type: type[Cell],
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        shapes = cell_type.shapes(input_size, hidden_size, bias=bool(bias))
        for name in NAMES:
            weight = torch.empty(shapes[name], device=device, dtype=dtype) if name in shapes else None
            self.register_parameter(name, None if weight is None else nn.Parameter(weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight anew as torch does: U(-1/√hidden_size, 1/√hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """The arguments that are not at their default, as torch shows them."""
        bias = "" if self.bias is True else f", bias={self.bias}"
        return f"{self.input_size}, {self.hidden_size}{bias}"

    def _step(self, input: Tensor, hx: Sequence[Tensor] | None) -> State:
        self._check_input(input)
        single = input.dim() == 1
        cell = self.cell_type(**{name: getattr(self, name) for name in NAMES})
        if hx is None:
            lead = () if single else input.shape[:1]
            state = tuple(input.new_zeros(*lead, self.hidden_size) for _ in cell.states)
        else:
            state = self._given(hx, input)
        after, _ = cell.step(cell.project(input), state)
        return after

    def _check_input(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise DataError(
                f"{type(self).__name__} cannot read this.",
                expected="a tensor",
                received=type(input).__name__,
            )
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}(input_size={self.input_size}) received another input.",
                expected=f"(batch, {self.input_size}) or ({self.input_size},)",
                received=tuple(input.shape),
                fix="give one step: one vector of features, or a batch of them",
            )

    def _given(self, hx: Sequence[Tensor], input: Tensor) -> State:
        names = self.cell_type.states
        wanted = [(*input.shape[:-1], self.hidden_size)] * len(names)
        shapes = [tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__ for one in hx]
        if shapes != wanted:
            raise ShapeError(
                f"{type(self).__name__} received a state that does not fit.",
                expected=", ".join(f"{name} {shape}" for name, shape in zip(names, wanted, strict=True)),
                received=", ".join(map(str, shapes)),
                fix="carry on the state of the same sequences, or pass None to start from zeros",
            )
        return tuple(hx)


class RNNCell(_Step):
    """torch's `RNNCell`: one step of the plain recurrent network.

        h' = tanh(W_ih·x + b_ih + W_hh·h + b_hh)        or max(0, …) with nonlinearity="relu"

    Args:
        input_size, hidden_size: features of the input and of the state.
        bias: whether there are b_ih and b_hh.
        nonlinearity: `tanh` or `relu`.
        device, dtype: where the parameters are made, and of which numbers.

    Shapes:
        input: `batch input_size`, or `input_size`. hx and h': `batch hidden_size`, or `hidden_size`.

    Raises:
        SettingsError: another nonlinearity.
        ShapeError: an input or a state of other sizes.

    >>> cell = RNNCell(8, 16)
    >>> cell(torch.randn(3, 8)).shape, cell(torch.randn(8), torch.randn(16)).shape
    (torch.Size([3, 16]), torch.Size([16]))

    Sources: Elman 1990; the face is torch's, torch.nn.RNNCell.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        cells = {"tanh": RNN, "relu": RNNReLU}
        if nonlinearity not in cells:
            raise SettingsError(
                "RNNCell has no such nonlinearity.", expected="tanh or relu", received=repr(nonlinearity)
            )
        super().__init__(cells[nonlinearity], input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state, from one step's input and the state before; zeros if None."""
        (h,) = self._step(input, None if hx is None else (hx,))
        return h

    def extra_repr(self) -> str:
        """The arguments that are not at their default, as torch shows them."""
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(_Step):
    """torch's `LSTMCell`: one step of the long short-term memory.

        i, f, o = σ(W·x + b + W_h·h + b_h)        g = tanh(W_g·x + b_g + W_hg·h + b_hg)
        c' = f∘c + i∘g        h' = o∘tanh(c')

    Args:
        input_size, hidden_size, bias, device, dtype: as for `RNNCell`.

    Shapes:
        input: `batch input_size`, or `input_size`.
        hx, and what is returned: the pair `(h, c)`, each `batch hidden_size`, or `hidden_size`.

    Raises:
        ShapeError: an input or a state of other sizes.

    >>> h, c = LSTMCell(8, 16)(torch.randn(3, 8))
    >>> h.shape, c.shape
    (torch.Size([3, 16]), torch.Size([3, 16]))

    Sources: Hochreiter and Schmidhuber 1997; the face is torch's, torch.nn.LSTMCell.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(LSTM, input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next `(h, c)`, from one step's input and the pair before; zeros if None."""
        h, c = self._step(input, (hx,) if isinstance(hx, Tensor) else hx)
        return h, c


class GRUCell(_Step):
    """torch's `GRUCell`: one step of the gated recurrent unit.

        r, z = σ(W·x + b + W_h·h + b_h)
        n = tanh(W_in·x + b_in + r∘(W_hn·h + b_hn))        h' = (1 - z)∘n + z∘h

    Args:
        input_size, hidden_size, bias, device, dtype: as for `RNNCell`.

    Shapes:
        input: `batch input_size`, or `input_size`. hx and h': `batch hidden_size`, or `hidden_size`.

    Raises:
        ShapeError: an input or a state of other sizes.

    >>> GRUCell(8, 16)(torch.randn(3, 8)).shape
    torch.Size([3, 16])

    Sources: Cho et al. 2014, arXiv 1406.1078; the face is torch's, torch.nn.GRUCell.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(GRU, input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state, from one step's input and the state before; zeros if None."""
        (h,) = self._step(input, None if hx is None else (hx,))
        return h

"""RNN, LSTM and GRU with torch's face: whole sequences, any number of layers, one direction or both."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.cells.base import State
from elman.errors import SettingsError, SettingsTypeError, ShapeError
from elman.layers.recurrent import Recurrent
from elman.nn.forms import Form, Sequences, opened
from elman.nn.projection import ProjectedLSTM


class _Layers(Recurrent):
    """What the three have in common: torch's arguments, attributes and initialisation.

    A subclass gives `forward`, which takes and returns what torch's does, not a `Scan`.
    """

    proj_size: int = 0

    def __init__(
        self,
        cell: str,
        *sizes: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        **made: Any,
    ) -> None:
        for name, size in zip(("input_size", "hidden_size", "num_layers"), sizes, strict=True):
            _check_type(name, size, int)
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            _check_type(name, flag, bool)
        if isinstance(dropout, bool) or not isinstance(dropout, float | int) or not 0 <= dropout <= 1:
            raise SettingsError("dropout is a chance.", expected="0 <= dropout <= 1", received=dropout)
        if dropout and sizes[-1] == 1:
            warnings.warn(
                f"dropout={dropout} lies between layers, and num_layers=1 has nothing between them: "
                "pass num_layers=2 or more, or dropout=0",
                stacklevel=3,
            )
        super().__init__(cell, *sizes, bidirectional=bool(bidirectional), bias=bias, **made)
        self.batch_first, self.dropout = batch_first, float(dropout)
        self.mode = {"rnn": "RNN_TANH", "rnn-relu": "RNN_RELU"}.get(cell, cell.upper())

    def _dropped(self, values: Tensor) -> Tensor:
        # By torch's own draws: the same seed drops the same features.
        return F.dropout(values, self.dropout, self.training)

    def reset_parameters(self) -> None:
        """Draw every weight anew as torch does, in torch's order: U(-1/√hidden_size, 1/√hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each direction of each layer, the lowest layer first, as torch lists them."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [list(self._parameters_of(suffix).values()) for suffix in suffixes]

    def flatten_parameters(self) -> None:
        """Nothing: torch moves weights together in memory here, which elman has no need of."""

    def extra_repr(self) -> str:
        """The arguments that are not at their default, as torch shows them."""
        plain = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        plain |= {"dropout": 0, "bidirectional": False}
        changed = [f"{name}={value}" for name in plain if (value := getattr(self, name)) != plain[name]]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])

    def _run(self, input: Sequences, hx: Sequence[Tensor] | None) -> tuple[Sequences, State]:
        form = opened(type(self).__name__, input, self.input_size, batch_first=self.batch_first)
        values = form.xs.values
        weight = next(self.parameters(), None)  # None in a replica of torch.nn.DataParallel
        if weight is not None:
            self._check_format("an input", values, weight.dtype)
        result = super().forward(form.xs, None if hx is None else self._given(hx, form))
        final = tuple(one.squeeze(1) for one in result.final) if form.single else result.final
        return form.back(result.outputs), final

    def _given(self, hx: Sequence[Tensor], form: Form) -> State:
        """The initial state that was passed, with the batch that a single sequence has not."""
        wanted: list[Any] = self._state_shapes(len(form.xs))
        if form.single:
            wanted = [(layers, width) for layers, _, width in wanted]
        names = self.cell_type.states
        shapes = [tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__ for one in hx]
        if shapes != wanted:
            raise ShapeError(
                f"{type(self).__name__} received an initial state that does not fit.",
                expected=", ".join(f"{name} {shape}" for name, shape in zip(names, wanted, strict=True)),
                received=", ".join(map(str, shapes)),
                fix="carry on the state of the same sequences, or pass None to start from zeros",
            )
        for name, one in zip(names, hx, strict=True):
            self._check_format(f"an initial state {name}", one, form.xs.values.dtype)
        return tuple(one.unsqueeze(1) for one in hx) if form.single else tuple(hx)

    def _check_format(self, what: str, values: Tensor, wanted: torch.dtype) -> None:
        if values.dtype != wanted and not torch.is_autocast_enabled(values.device.type):
            raise ShapeError(
                f"{type(self).__name__} received {what} in another number format.",
                expected=wanted,
                received=values.dtype,
                fix=f"convert it with .to({wanted}), or the model with .to({values.dtype})",
            )


class RNN(_Layers):
    """torch's `RNN`: the plain recurrent network, in any number of layers.

        h[t] = tanh(W_ih·x[t] + b_ih + W_hh·h[t-1] + b_hh)        or max(0, …) with nonlinearity="relu"

    Args:
        input_size, hidden_size, num_layers: features of a step, features of a state, layers.
        nonlinearity: `tanh` or `relu`.
        bias: whether there are b_ih and b_hh.
        batch_first: whether a tensor is `batch time features` rather than `time batch features`.
        dropout: chance that a feature is dropped between layers.
        bidirectional: whether each sequence is also read backwards; outputs are joined.
        proj_size: 0; torch has projections in its LSTM only.
        device, dtype: where the parameters are made, and of which numbers.

    Shapes:
        input: `time batch input_size`, `batch time input_size` with `batch_first`, or `time input_size`
            of a single sequence; a `PackedSequence`; a `Ragged`. The outputs come in the same form,
            with `directions*hidden_size` features.
        hx, and the final state: `layers*directions batch hidden_size`, without the batch where the
            input has none. In the order of the sequences before packing.

    Raises:
        SettingsError: an argument out of its range, or of another type (then also a TypeError).
        ShapeError: an input or a state of other sizes or numbers, or a tensor without steps.

    >>> layer = RNN(8, 16, num_layers=2, batch_first=True)
    >>> outputs, h = layer(torch.randn(3, 5, 8))
    >>> outputs.shape, h.shape
    (torch.Size([3, 5, 16]), torch.Size([2, 3, 16]))

    Sources: Elman 1990; the face is torch's, torch.nn.RNN.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        cells = {"tanh": "rnn", "relu": "rnn-relu"}
        if nonlinearity not in cells:
            raise SettingsError(
                "RNN has no such nonlinearity.", expected="tanh or relu", received=repr(nonlinearity)
            )
        _no_projection("RNN", proj_size)
        super().__init__(
            cells[nonlinearity],
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - torch's face, not the layer's
        self, input: Sequences, hx: Tensor | None = None
    ) -> tuple[Sequences, Tensor]:
        """The outputs at every step, in the form of the input, and the state after the last one."""
        outputs, (h,) = self._run(input, None if hx is None else (hx,))
        return outputs, h


class LSTM(_Layers):
    """torch's `LSTM`: the long short-term memory, in any number of layers.

        i, f, o = σ(W·x[t] + b + W_h·h[t-1] + b_h)        g = tanh(W_g·x[t] + b_g + W_hg·h[t-1] + b_hg)
        c[t] = f∘c[t-1] + i∘g        h[t] = o∘tanh(c[t])        or W_hr·(o∘tanh(c[t])) with a proj_size

    Args:
        proj_size: features of `h` after a projection, less than `hidden_size`; 0 is none.
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype:
            as for `RNN`.

    Shapes:
        input: as for `RNN`. Outputs and `h` have `proj_size` features a direction where it is given.
        hx, and the final state: the pair `(h, c)`, `c` being `layers*directions batch hidden_size`.

    Raises:
        SettingsError, ShapeError: as for `RNN`.

    >>> layer = LSTM(8, 16, bidirectional=True, proj_size=4)
    >>> outputs, (h, c) = layer(torch.randn(5, 3, 8))
    >>> outputs.shape, h.shape, c.shape
    (torch.Size([5, 3, 8]), torch.Size([2, 3, 4]), torch.Size([2, 3, 16]))

    Sources: Hochreiter and Schmidhuber 1997; Sak et al. 2014, arXiv 1402.1128; the face is torch's,
    torch.nn.LSTM.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _check_type("proj_size", proj_size, int)
        if proj_size and not 0 < proj_size < hidden_size:
            raise SettingsError(
                "proj_size must be smaller than hidden_size.",
                expected=f"0 for no projection, or 1 to {hidden_size - 1}",
                received=proj_size,
            )
        self.proj_size = proj_size  # before all else, because the shapes of the weights follow from it
        super().__init__(
            "lstm",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )
        if proj_size:
            self.cell_type = ProjectedLSTM

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - torch's face, not the layer's
        self, input: Sequences, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Sequences, tuple[Tensor, Tensor]]:
        """The outputs at every step, in the form of the input, and `(h, c)` after the last one."""
        # A tensor alone would be taken for the pair of its first two layers.
        outputs, (h, c) = self._run(input, (hx,) if isinstance(hx, Tensor) else hx)
        return outputs, (h, c)

    def _widths(self) -> tuple[int, ...]:
        return self.proj_size or self.hidden_size, self.hidden_size

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        if not self.proj_size:
            return super()._shapes(layer)
        size = self.input_size if layer == 0 else self.output_size
        sizes = {"bias": self.bias, "proj_size": self.proj_size}
        return ProjectedLSTM.shapes(size, self.hidden_size, **sizes)


class GRU(_Layers):
    """torch's `GRU`: the gated recurrent unit, in any number of layers.

        r, z = σ(W·x[t] + b + W_h·h[t-1] + b_h)
        n = tanh(W_in·x[t] + b_in + r∘(W_hn·h[t-1] + b_hn))        h[t] = (1 - z)∘n + z∘h[t-1]

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype: as for `RNN`.

    Shapes:
        input, hx, outputs and the final state: as for `RNN`.

    Raises:
        SettingsError, ShapeError: as for `RNN`.

    >>> from elman.ragged import Ragged
    >>> xs = Ragged.of([torch.randn(5, 8), torch.randn(2, 8)])
    >>> outputs, h = GRU(8, 16)(xs)
    >>> outputs.lengths.tolist(), outputs.values.shape, h.shape
    ([5, 2], torch.Size([7, 16]), torch.Size([1, 2, 16]))

    Sources: Cho et al. 2014, arXiv 1406.1078; the face is torch's, torch.nn.GRU.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _no_projection("GRU", proj_size)
        super().__init__(
            "gru",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - torch's face, not the layer's
        self, input: Sequences, hx: Tensor | None = None
    ) -> tuple[Sequences, Tensor]:
        """The outputs at every step, in the form of the input, and the state after the last one."""
        outputs, (h,) = self._run(input, None if hx is None else (hx,))
        return outputs, h


def _check_type(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise SettingsTypeError(
            f"{name} is of another type.",
            expected=kind.__name__,
            received=f"{value!r}, {type(value).__name__}",
        )


def _no_projection(what: str, proj_size: object) -> None:
    if proj_size:
        raise SettingsError(
            f"{what} has no proj_size: only the LSTM has.", received=proj_size, fix="leave it out"
        )

"""A stack of recurrences: any number of layers, one direction or both."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elman import cells
from elman.cells.base import Cell, State
from elman.errors import SettingsError, ShapeError
from elman.layers.dropout import dropout
from elman.ragged import Ragged
from elman.scan import Scan, may_step, scan_layer, stepping


class Recurrent(nn.Module):
    """Layers of one cell, each reading the outputs of the one below.

    Parameter names, shapes and gate order are torch's (`weight_ih_l0`, `weight_hh_l0_reverse`, ...),
    so that a `state_dict` of `torch.nn.RNN`, `LSTM` or `GRU` loads as it is.

    Args:
        cell: a name (`rnn`, `rnn-relu`, `lstm`, `gru`, ...).
        input_size: features of a step.
        hidden_size: features of a state, for each direction.
        num_layers: how many layers.
        bidirectional: whether a second scan reads each sequence backwards; outputs are joined.
        dropout: chance that a feature is dropped between layers.
        recurrent_dropout: chance that a recurrent weight is dropped, the same ones at every step of a
            pass (variational; Merity et al. 2017, arXiv 1708.02182).
        bias: whether the gates have biases.
        device, dtype: where the parameters are made, and of which numbers; torch's defaults if None.

    Shapes:
        xs: `steps input_size`. Outputs: `steps directions*hidden_size`.
        A state: for each name in `Cell.states` a tensor `layers*directions batch hidden_size`.

    Raises:
        SettingsError: a size below 1 or a chance outside [0, 1).
        ShapeError: input or state of other sizes.

    >>> layer = Recurrent("gru", 8, 16, num_layers=2, bidirectional=True)
    >>> xs = Ragged.of([torch.randn(5, 8), torch.randn(2, 8)])
    >>> result = layer(xs)
    >>> result.outputs.values.shape, result.final[0].shape
    (torch.Size([7, 32]), torch.Size([4, 2, 16]))
    """

    def __init__(  # noqa: PLR0913 - torch's own arguments
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if value < 1:
                raise SettingsError(
                    f"{name} must be at least 1.", received=value, fix=f"pass {name}=1 or more"
                )
        for name, chance in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0.0 <= chance < 1.0:
                raise SettingsError(f"{name} is a chance.", expected="0 <= chance < 1", received=chance)
        self.cell = cell
        self.cell_type: type[Cell] = cells.get(cell)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.dropout, self.recurrent_dropout = (
            bidirectional,
            dropout,
            recurrent_dropout,
        )
        if recurrent_dropout and not self.cell_type.knows("recurrent_dropout"):
            raise SettingsError(
                f"{cell} has no recurrent weights for recurrent_dropout to drop.",
                received=f"recurrent_dropout={recurrent_dropout}",
                fix="leave it out, or use dropout, which drops features between layers",
            )
        self.bias = bias
        self.directions = 2 if bidirectional else 1
        self.output_size = self._widths()[0] * self.directions
        self._names = tuple(self._shapes(0))
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                for name, shape in self._shapes(layer).items():
                    weight = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(name + suffix, nn.Parameter(weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, each cell by its own rule."""
        for layer in range(self.num_layers):
            for suffix in self._suffixes(layer):
                self.cell_type.initialise(self._parameters_of(suffix))

    def forward(self, xs: Ragged, state: State | None = None, record: Sequence[str] = ()) -> Scan:
        """Run the stack. What is recorded comes back as `name_l0`, `name_l0_reverse`, ..."""
        if state is not None:
            self._check_state(state, xs.batch_size)
        finals: list[State] = []
        trace: dict[str, Ragged] = {}
        for layer in range(self.num_layers):
            if layer and self.dropout:
                xs = xs.with_values(self._dropped(xs.values))
            suffixes = self._suffixes(layer)
            places = slice(layer * self.directions, (layer + 1) * self.directions)
            own = None if state is None else tuple(one[places] for one in state)
            result = scan_layer(self.cells(layer), xs, own, record)
            xs = result.outputs
            finals.append(result.final)
            for name, values in result.trace.items():
                block, direction = name.rsplit(".", 1)
                trace[block + suffixes[int(direction)]] = values
        final = (
            finals[0] if len(finals) == 1 else tuple(torch.cat(one) for one in zip(*finals, strict=True))
        )
        return Scan(xs, final, trace)

    def cells(self, layer: int) -> list[Cell]:
        """The cells of a layer, one for each direction, bound to its weights for one pass."""
        return [self._bound(suffix) for suffix in self._suffixes(layer)]

    def weights(self) -> list[Tensor]:
        """Layer by layer and direction by direction, in the order of the cell's own names."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [one for suffix in suffixes for one in self._parameters_of(suffix).values()]

    def last(self, scan: Scan) -> Tensor:
        """The last state of the upper layer, both directions' joined: `batch output_size`."""
        return self.ends(scan).transpose(0, 1).flatten(1)

    def ends(self, scan: Scan) -> Tensor:
        """The last state of the upper layer by direction: `directions batch hidden_size`."""
        top = scan.final[0]
        return top if len(top) == self.directions else top[-self.directions :]

    def start(self, batch: int) -> State:
        """The state before the first step: zeros."""
        like: Tensor = next(self.parameters())
        return tuple(like.new_zeros(shape) for shape in self._state_shapes(batch))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step of every layer: `batch input_size` in, `batch hidden_size` and the next state out.

        Raises:
            SettingsError: the stack reads backwards too, so its first output needs the last input.
        """
        cells = self.step_cells()
        if may_step(cells, x, state):
            cells[0].check(x)
            self._check_state(state, len(x))
            state = stepping.step(cells, x.to(state[0].dtype), state)
            return state[0][-1].clone(), state
        after: list[State] = []
        for layer, cell in enumerate(cells):
            now, _ = cell.step(cell.project(x), tuple(one[layer] for one in state))
            x = now[0]
            after.append(now)
        return x, tuple(torch.stack(one) for one in zip(*after, strict=True))

    @property
    def state_size(self) -> int:
        """The numbers of one sequence's state, of all layers and names together."""
        return sum(layers * width for layers, _, width in self._state_shapes(1))

    def divided(self, numbers: Tensor) -> State:
        """A state of these numbers: `batch state_size`."""
        shapes = self._state_shapes(len(numbers))
        parts = numbers.split([layers * width for layers, _, width in shapes], 1)
        return tuple(
            one.reshape(batch, layers, width).transpose(0, 1).contiguous()
            for one, (layers, batch, width) in zip(parts, shapes, strict=True)
        )

    def select(self, state: State, rows: Tensor) -> State:
        """The state of these sequences, in this order; one may come twice, or not at all."""
        return tuple(one.index_select(1, rows) for one in state)

    def step_cells(self) -> list[Cell]:
        """The cell of each layer, of a stack that can go step by step.

        Raises:
            SettingsError: the stack reads backwards too, so its first output needs the last input.
        """
        if self.bidirectional:
            raise SettingsError(
                "A bidirectional layer cannot go step by step: its first output needs the last input.",
                fix="use bidirectional=False, or give the whole sequence",
            )
        return [self._bound(f"_l{layer}") for layer in range(self.num_layers)]

    def _dropped(self, values: Tensor) -> Tensor:
        """What goes on from one layer to the next."""
        return dropout(values, self.dropout, self.training)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self.directions]

    def _widths(self) -> tuple[int, ...]:
        """The features of each state in one direction, the output first."""
        return (self.hidden_size,) * len(self.cell_type.states)

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of each parameter of one direction of a layer, in torch's order."""
        size = self.input_size if layer == 0 else self.output_size
        return self.cell_type.shapes(size, self.hidden_size, bias=self.bias)

    def _parameters_of(self, suffix: str) -> dict[str, Tensor]:
        # One that is parametrized is found as an attribute only.
        found, own = {}, self._parameters
        for name in self._names:
            one = own.get(name + suffix)
            found[name] = one if one is not None else getattr(self, name + suffix)
        return found

    def _bound(self, suffix: str) -> Cell:
        weights = self._parameters_of(suffix)
        if self.recurrent_dropout and self.training:
            weights["weight_hh"] = dropout(weights["weight_hh"], self.recurrent_dropout)
        return self.cell_type(**weights)

    def _state_shapes(self, batch: int) -> list[tuple[int, int, int]]:
        return [(self.num_layers * self.directions, batch, width) for width in self._widths()]

    def _check_state(self, state: State, batch: int) -> None:
        wanted = self._state_shapes(batch)
        shapes = [tuple(one.shape) for one in state]
        if shapes != wanted:
            raise ShapeError(
                f"Recurrent({self.cell!r}) received a state that does not fit.",
                expected=f"({', '.join(self.cell_type.states)}) of shapes {wanted}",
                received=shapes,
                fix="carry on the state of the same sequences, or pass None to start from zeros",
            )

    def extra_repr(self) -> str:
        return (
            f"{self.cell}, {self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bidirectional={self.bidirectional}, dropout={self.dropout}"
        )

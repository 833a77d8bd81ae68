"""torch's own recurrent kernels: cuDNN's on a GPU. On a CPU they are there to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elman.cells.base import Cell, State
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.rnn import RNN
from elman.cells.rnn_relu import RNNReLU
from elman.ragged import Ragged, Walk
from elman.scan.reference import Scan

_KERNELS: dict[type[Cell], Any] = {
    RNN: torch.rnn_tanh,
    RNNReLU: torch.rnn_relu,
    LSTM: torch.lstm,
    GRU: torch.gru,
}


def obstacle(cells: Sequence[Cell], record: Sequence[str]) -> str | None:
    """Why this scan cannot be torch's, or None if it can."""
    if type(cells[0]) not in _KERNELS:
        return f"torch has no kernel for the cell {type(cells[0]).__name__}"
    return "torch's kernels keep no gates to record" if record else None


def run(cells: Sequence[Cell], xs: Ragged, state: State, *, reverse: bool) -> Scan:
    """One layer, packed longest first; sequences of no steps keep their state."""
    if not len(xs.values):
        shape = (0, sum(cell.hidden_size for cell in cells))
        return Scan(xs.with_values(cells[0].weight_ih.new_zeros(shape)), state, {})
    walk = Walk.over(xs.offsets, reverse=reverse)
    sizes = torch.tensor(walk.sizes, dtype=torch.int64)
    running = walk.order[: walk.sizes[0]]
    initial = [one.index_select(1, running) for one in state]
    weights = [one for cell in cells for one in cell.weights.values()]
    found: tuple[Tensor, ...] = _KERNELS[type(cells[0])](
        walk.along(xs.values.to(weights[0].dtype)),
        sizes,
        initial if len(state) > 1 else initial[0],
        weights,
        cells[0].bias_ih is not None,
        1,
        0.0,
        torch.is_grad_enabled(),
        len(cells) == 2,
    )
    ended = tuple(
        one.index_copy(1, running, new.to(one.dtype)) for one, new in zip(state, found[1:], strict=True)
    )
    return Scan(xs.with_values(walk.back(found[0])), ended, {})


def fits(cells: Sequence[Cell], xs: Ragged) -> bool:
    """Whether this is where the vendor's kernels are the fast ones."""
    return xs.distinct.is_cuda and all(one.is_cuda for cell in cells for one in cell.weights.values())

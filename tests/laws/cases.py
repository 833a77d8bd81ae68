"""What the laws are tried on: a cell with random weights, a batch and a state, drawn from a `Case`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from elman.cells.base import Cell, State
from elman.ragged import Ragged

TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5}


def biased(layer: nn.Module) -> Any:
    """The layer with biases that are drawn: most begin as zeros, and one left out would not be missed."""
    for one in layer.parameters():
        if one.dim() == 1:
            nn.init.uniform_(one, -0.5, 0.5)
    return layer


@dataclass(frozen=True)
class Case:
    """A scan to be made: sizes, and the seed of its numbers."""

    lengths: tuple[int, ...] = (4, 0, 1, 3)
    input_size: int = 2
    hidden_size: int = 3
    seed: int = 0
    dtype: torch.dtype = torch.float64
    reverse: bool = False
    bias: bool = True


CASES = st.builds(
    Case,
    lengths=st.lists(st.integers(0, 6), max_size=5).map(tuple),
    input_size=st.integers(1, 3),
    hidden_size=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    dtype=st.sampled_from([torch.float64, torch.float64, torch.float32]),
    reverse=st.booleans(),
    bias=st.booleans(),
)


# --- what a case is made of ---


def numbers_of(case: Case) -> Any:
    """A function from a shape to random numbers, the same ones for the same case."""
    generator = torch.Generator().manual_seed(case.seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(case.dtype)

    return draw


def weights_of(cell_type: type[Cell], case: Case, draw: Any) -> dict[str, Tensor]:
    shapes = cell_type.shapes(case.input_size, case.hidden_size, bias=case.bias)
    return {name: 0.5 * draw(*shape) for name, shape in shapes.items()}


def made(cell_type: type[Cell], case: Case) -> tuple[Cell, Ragged, State]:
    """A cell, a batch and an initial state."""
    draw = numbers_of(case)
    cell = cell_type(**weights_of(cell_type, case, draw))
    lengths = torch.tensor(case.lengths, dtype=torch.int64)
    values = draw(int(lengths.sum()), case.input_size)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    state = tuple(draw(len(lengths), case.hidden_size) for _ in cell_type.states)
    return cell, Ragged(values, offsets), state


def recordable(cell_type: type[Cell]) -> tuple[str, ...]:
    return (*cell_type.states, *cell_type.blocks)


def by_hand(
    cell: Cell, xs: Ragged, state: State, *, reverse: bool
) -> tuple[list[Tensor], list[State], dict[str, list[Tensor]]]:
    """The scan as a reader would do it: one sequence at a time, one step at a time."""
    outputs, finals = [], []
    trace: dict[str, list[Tensor]] = {name: [] for name in recordable(type(cell))}
    for number, sequence in enumerate(xs):
        now = tuple(one[number : number + 1] for one in state)
        seen: list[dict[str, Tensor]] = [{}] * len(sequence)
        times = range(len(sequence))
        for t in reversed(times) if reverse else times:
            now, blocks = cell.step(cell.project(sequence[t : t + 1]), now)
            seen[t] = blocks | dict(zip(cell.states, now, strict=True))
        outputs.extend(one[cell.states[0]] for one in seen)
        finals.append(now)
        for name, rows in trace.items():
            rows.extend(one[name] for one in seen)
    return outputs, finals, trace


def same(left: Tensor, right: Tensor, what: str) -> None:
    tolerance = TOLERANCE[left.dtype]
    torch.testing.assert_close(
        left, right, rtol=tolerance, atol=tolerance, msg=lambda text: f"{what}: {text}"
    )


def rows(xs: Ragged, number: int) -> slice:
    return slice(int(xs.offsets[number]), int(xs.offsets[number + 1]))

"""The definition of a scan: a plain loop over time, on any device, differentiable by torch.

Faster backends are held to this one, output by output and gradient by gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from elman.cells.base import Cell, State
from elman.ragged import Ragged, Walk


@dataclass(frozen=True, eq=False)
class Scan:
    """What a scan gives: every output, the state after the end, and what was recorded on the way.

    What was recorded is for looking at: it has no gradient.
    """

    outputs: Ragged
    final: State
    trace: dict[str, Ragged]


def run(cell: Cell, xs: Ragged, state: State, *, reverse: bool, record: tuple[str, ...]) -> Scan:
    """Walk the steps, longest sequence first, so that the running ones are a leading slice."""
    walk = Walk.over(xs.offsets, reverse=reverse)
    # One split whose backward is one concatenation: slicing step by step would fill a full-size
    # gradient at every step, which is quadratic in time.
    projected = walk.along(cell.project(xs.values)).split(walk.sizes)
    running = tuple(one.index_select(0, walk.order) for one in state)
    kept: dict[str, list[Tensor]] = {name: [] for name in ("", *record)}
    ended: list[State] = []
    for x in projected:
        ended.append(tuple(one[len(x) :] for one in running))
        running, blocks = cell.step(x, tuple(one[: len(x)] for one in running))
        kept[""].append(running[0])
        seen = blocks | dict(zip(cell.states, running, strict=True))
        for name in record:
            kept[name].append(seen[name].detach())
    ended.append(running)
    back = torch.argsort(walk.order)
    final = tuple(torch.cat(pieces[::-1]).index_select(0, back) for pieces in zip(*ended, strict=True))
    rows = {name: _joined(steps, xs, cell, walk) for name, steps in kept.items()}
    outputs = rows.pop("")
    return Scan(outputs, final, rows)


def _joined(steps: list[Tensor], xs: Ragged, cell: Cell, walk: Walk) -> Ragged:
    if not steps:
        return xs.with_values(cell.weight_ih.new_zeros(0, cell.hidden_size))
    return xs.with_values(walk.back(torch.cat(steps)))

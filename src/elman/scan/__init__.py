"""Many steps: a cell carried along every sequence of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from elman.cells.base import Cell, State
from elman.errors import SettingsError, ShapeError
from elman.ragged import Ragged
from elman.scan.reference import Scan
from elman.scan.reference import run as _reference

__all__ = ["Scan", "scan"]


def scan(
    cell: Cell,
    xs: Ragged,
    state: State | None = None,
    *,
    reverse: bool = False,
    record: Sequence[str] = (),
) -> Scan:
    """Carry a cell along each sequence: `state[t], blocks[t] = cell.step(cell.project(x)[t], state[t-1])`.

    Args:
        cell: one step, with its weights.
        xs: the inputs, `steps input`.
        state: the state before the first step, `batch hidden` each; zeros if None.
        reverse: read each sequence from its own last step to its first.
        record: names of blocks or states to keep at every step, for looking inside.

    Returns:
        `Scan(outputs, final, trace)`, always. `outputs` and the recorded are in the order of `xs`;
        `final` is the state after each sequence's last step read (the initial one for length 0).

    Raises:
        ShapeError: the input or the state does not fit the cell.
        SettingsError: a name in `record` that the cell does not have.

    >>> import torch
    >>> from elman.cells.rnn import RNN
    >>> xs = Ragged.of([torch.ones(3, 2), torch.ones(1, 2)])
    >>> result = scan(RNN(torch.randn(4, 2), torch.randn(4, 4)), xs)
    >>> result.outputs.values.shape, result.final[0].shape
    (torch.Size([4, 4]), torch.Size([2, 4]))
    """
    known = {*cell.blocks, *cell.states}
    if unknown := [name for name in record if name not in known]:
        raise SettingsError(
            f"{cell!r} has nothing named {unknown[0]!r} to record.",
            expected=", ".join(sorted(known)),
            received=list(record),
            fix="choose among the names expected",
        )
    if state is None:
        state = cell.start(len(xs))
    shapes = [tuple(one.shape) for one in state]
    wanted = [(len(xs), width) for width in cell.widths]
    if shapes != wanted:
        raise ShapeError(
            f"{cell!r} received a state that does not fit.",
            expected=f"({', '.join(cell.states)}) of shapes {wanted}",
            received=shapes,
            fix="carry on the state of the same sequences, or pass None to start from zeros",
        )
    return _reference(cell, xs, state, reverse=reverse, record=tuple(record))

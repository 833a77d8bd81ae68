"""Many steps: a cell carried along every sequence of a batch, by the fastest backend that can.

    reference   a plain loop, on any device: the definition
    torch       torch's own kernels, cuDNN's on a GPU; the standard cells, with nothing recorded
    native      compiled for the CPU; the standard cells and all linear ones, in float32 and float64

Both give the same answers and gradients. The choice is made call by call; `with backend("reference"):`
makes it for a block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor

from elman import library
from elman.cells.base import Cell, LinearCell, State
from elman.errors import BackendError, SettingsError, ShapeError, UnknownNameError
from elman.ragged import Ragged
from elman.scan import linear, native, reference, stepping, vendor
from elman.scan.reference import Scan

__all__ = ["BACKENDS", "Scan", "backend", "compiles", "may_step", "scan", "scan_layer"]

BACKENDS = ("auto", "native", "reference", "torch")

_chosen: ContextVar[str] = ContextVar("elman_backend", default="auto")


@contextmanager
def backend(name: str) -> Iterator[None]:
    """Scan by this backend inside the block: `auto` (the fastest that can), or one of the others.

    Raises:
        UnknownNameError: no backend of that name.
        BackendError: at the scan, if the backend asked for cannot do it.

    >>> from elman.layers.recurrent import Recurrent
    >>> with backend("reference"):
    ...     outputs = Recurrent("gru", 2, 4)(Ragged.of([torch.ones(3, 2)])).outputs
    """
    if name not in BACKENDS:
        raise UnknownNameError.among("backend", name, BACKENDS)
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


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
        BackendError: the backend that was asked for cannot do this scan.

    >>> import torch
    >>> from elman.cells.rnn import RNN
    >>> xs = Ragged.of([torch.ones(3, 2), torch.ones(1, 2)])
    >>> result = scan(RNN(torch.randn(4, 2), torch.randn(4, 4)), xs)
    >>> result.outputs.values.shape, result.final[0].shape
    (torch.Size([4, 4]), torch.Size([2, 4]))
    """
    given = None if state is None else tuple(one[None] for one in state)
    result = _run([cell], xs, given, reverse=reverse, record=record)
    trace = {name.removesuffix(".0"): values for name, values in result.trace.items()}
    return Scan(result.outputs, tuple(one[0] for one in result.final), trace)


def scan_layer(
    cells: Sequence[Cell], xs: Ragged, state: State | None = None, record: Sequence[str] = ()
) -> Scan:
    """One layer: the first cell reads forwards, the second, if there is one, backwards.

    Shapes:
        state, final: `directions batch hidden`, one for each name in `Cell.states`; zeros if None.
        outputs: `steps directions*hidden`, joined. trace: `name.0`, `name.1`, by direction.

    >>> from elman.cells.rnn import RNN
    >>> cells = [RNN(torch.randn(4, 2), torch.randn(4, 4)) for _ in range(2)]
    >>> scan_layer(cells, Ragged.of([torch.ones(3, 2)])).outputs.values.shape
    torch.Size([3, 8])
    """
    return _run(cells, xs, state, reverse=False, record=record)


@torch.compiler.assume_constant_result
def _asked() -> str:
    return _chosen.get()


FEW = 4
"""Sequences up to which a compiled step, which reads the weights for each of them, is the fastest."""


def may_step(cells: Sequence[Cell], x: Tensor, state: State) -> bool:
    """Whether one step of a stack of these cells is made by the compiled step: no gradient, few sequences.

    >>> from elman.cells.rnn import RNN
    >>> with backend("reference"):
    ...     may_step([RNN(torch.randn(4, 2), torch.randn(4, 4))], torch.ones(1, 2), (torch.ones(1, 4),))
    False
    """
    return (
        not torch.compiler.is_compiling()
        and not torch.is_grad_enabled()
        and _asked() != "reference"
        and 0 < len(x) <= FEW
        and x.device.type == "cpu"
        and all(one.dtype == cells[0].weight_ih.dtype and one.device.type == "cpu" for one in state)
        and stepping.supports(cells)
    )


def compiles() -> bool:
    """Whether scans of the standard cells are compiled where they run on a CPU.

    >>> with backend("reference"):
    ...     compiles()
    False
    """
    return _asked() in ("auto", "native") and library.available()


def _run(
    cells: Sequence[Cell], xs: Ragged, state: State | None, *, reverse: bool, record: Sequence[str]
) -> Scan:
    for cell in cells:
        _check(cell, xs, record)
    if state is not None:
        _check_state(cells, xs, state)
    record = tuple(record)
    by = _backend(cells, xs, record)
    if by == "native" and not isinstance(cells[0], LinearCell):
        return native.run(cells, xs, state, reverse=reverse, record=record)
    if state is None:
        state = tuple(torch.stack([one] * len(cells)) for one in cells[0].start(xs.batch_size))
    if by == "torch":
        return vendor.run(cells, xs, state, reverse=reverse)
    results = []
    for n, cell in enumerate(cells):
        own, back = tuple(one[n] for one in state), reverse or n == 1
        if by == "native" and isinstance(cell, LinearCell):
            results.append(linear.run(cell, xs, own, reverse=back, record=record))
        else:
            results.append(reference.run(cell, xs, own, reverse=back, record=record))
    trace = {
        f"{name}.{n}": one for n, result in enumerate(results) for name, one in result.trace.items()
    }
    outputs = [one.outputs.values for one in results]
    joined = xs.with_values(torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0])
    return Scan(
        joined, tuple(torch.stack(one) for one in zip(*(r.final for r in results), strict=True)), trace
    )


def _backend(cells: Sequence[Cell], xs: Ragged, record: tuple[str, ...]) -> str:
    """The backend that was asked for, or else the fastest that can."""
    wanted = _asked()
    on_gpu = vendor.fits(cells, xs)
    if wanted == "torch" or (wanted == "auto" and on_gpu):
        obstacle = vendor.obstacle(cells, record)
    elif wanted != "reference":
        obstacle = native.obstacle(cells, xs)
    else:
        return "reference"
    if wanted != "auto":
        if obstacle is not None:
            raise BackendError(
                f"The {wanted} scan cannot do this: {obstacle}.",
                fix='use backend("auto"), which falls back to the reference',
            )
        return wanted
    if obstacle == native.NOT_BUILT:
        _say_once(obstacle)
    if obstacle is not None:
        return "reference"
    return "torch" if on_gpu else "native"


def _check(cell: Cell, xs: Ragged, record: Sequence[str]) -> None:
    cell.check(xs.distinct)
    if not record:
        return
    known = {*cell.blocks, *cell.states}
    if unknown := [name for name in record if name not in known]:
        raise SettingsError(
            f"{cell!r} has nothing named {unknown[0]!r} to record.",
            expected=", ".join(sorted(known)),
            received=list(record),
            fix="choose among the names expected",
        )


def _check_state(cells: Sequence[Cell], xs: Ragged, state: State) -> None:
    shapes = [tuple(one.shape[1:]) for one in state]
    wanted = [(xs.batch_size, width) for width in cells[0].widths]
    if shapes != wanted:
        raise ShapeError(
            f"{cells[0]!r} received a state that does not fit.",
            expected=f"({', '.join(cells[0].states)}) of shapes {wanted}",
            received=shapes,
            fix="carry on the state of the same sequences, or pass None to start from zeros",
        )


@cache
def _say_once(obstacle: str) -> None:
    logging.getLogger("elman").warning(
        "elman scans by the slower reference: %s. Install it where a C++17 compiler is found.", obstacle
    )

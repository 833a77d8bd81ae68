"""The forms in which torch's recurrent modules take sequences, each turned into a `Ragged` and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.errors import DataError, ShapeError
from elman.ragged import Ragged, Walk

Sequences = TypeVar("Sequences", Tensor, PackedSequence, Ragged)
"""What goes in, and comes out again as the same type."""


@dataclass(frozen=True, eq=False)
class Form:
    """An input as a `Ragged`, and the way back: from outputs over its steps to its own form.

    `single` says that it was one sequence without a batch, so that states have no batch either.
    """

    xs: Ragged
    back: Callable[[Ragged], Any]
    single: bool = False


def opened(what: str, input: object, input_size: int, *, batch_first: bool) -> Form:
    """Take an input apart: a tensor, a `PackedSequence` or a `Ragged`.

    A tensor `batch time features` is a `Ragged` already, without a copy; one that runs through time
    first is transposed. `what` is the name that errors give to the module.

    Raises:
        ShapeError: another number of dimensions or features, or a tensor without any step.
        DataError: something else altogether.

    >>> form = opened("GRU", torch.zeros(2, 3, 8), 8, batch_first=True)
    >>> form.xs.lengths.tolist(), form.back(form.xs).shape
    ([3, 3], torch.Size([2, 3, 8]))
    """
    if isinstance(input, Ragged):
        _check_features(what, input.values, input_size, 2)
        return Form(input, lambda outputs: outputs)
    if isinstance(input, PackedSequence):
        _check_features(what, input.data, input_size, 2)
        return _packed(input)
    if not isinstance(input, Tensor):
        raise DataError(
            f"{what} cannot read this.",
            expected="a tensor, a PackedSequence or a Ragged",
            received=type(input).__name__,
            fix="give one tensor a batch, or Ragged.of(list_of_tensors)",
        )
    _check_features(what, input, input_size, 2, 3)
    if 0 in (input.shape[:1] if input.dim() == 2 else input.shape[batch_first : batch_first + 1]):
        raise ShapeError(
            f"{what} received sequences without a step.",
            expected="a time of at least 1",
            received=tuple(input.shape),
            fix="leave them out, or pass a Ragged, in which a sequence may be empty",
        )
    return _single(input) if input.dim() == 2 else _dense(input, batch_first=batch_first)


def _single(input: Tensor) -> Form:
    offsets = torch.tensor([0, input.shape[0]], device=input.device)
    return Form(Ragged(input, offsets), lambda outputs: outputs.values, single=True)


def _dense(input: Tensor, *, batch_first: bool) -> Form:
    rows = input if batch_first else input.transpose(0, 1)
    batch, time = rows.shape[:2]

    def back(outputs: Ragged) -> Tensor:
        values = outputs.values.unflatten(0, (batch, time))
        # torch's outputs can be viewed in other shapes, so they are laid out as they are counted.
        return values if batch_first else values.transpose(0, 1).contiguous()

    offsets = torch.arange(batch + 1, device=input.device) * time
    return Form(Ragged(rows.reshape(batch * time, rows.shape[2]), offsets), back)


def _packed(input: PackedSequence) -> Form:
    xs = Ragged.from_packed(input)
    order = input.sorted_indices

    def back(outputs: Ragged) -> PackedSequence:
        walk = Walk.over(outputs.offsets, order=torch.arange(len(xs)) if order is None else order)
        values = walk.along(outputs.values)
        return PackedSequence(values, input.batch_sizes, order, input.unsorted_indices)

    return Form(xs, back)


def _check_features(what: str, values: Tensor, input_size: int, *dimensions: int) -> None:
    if values.dim() in dimensions and values.shape[-1] == input_size:
        return
    shapes = {2: f"(steps, {input_size})", 3: f"(batch and time in either order, {input_size})"}
    features = values.shape[-1] if values.dim() else 0
    known = f" with {features} features" if values.dim() in dimensions else ""
    raise ShapeError(
        f"{what}(input_size={input_size}) received a tensor of {values.dim()} dimensions{known}.",
        expected=" or ".join(shapes[one] for one in dimensions),
        received=tuple(values.shape),
        fix=f"pass input_size={features}, or project the input first"
        if known
        else "give one vector of features a step",
    )

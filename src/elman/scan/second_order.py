"""The gradient of a native gradient: the reference again, which torch differentiates as often as asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from elman.cells.base import Cell
from elman.ragged import Ragged
from elman.scan import reference


def remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    """Keep what `elman::recurrent_backward` was given; what the forward pass computed is computed anew."""
    *grads, x, offsets, weights, initial, _, _, _, _, cell, bias, reverse, need_x = inputs
    ctx.there = [one is not None for one in grads]
    ctx.sizes = [sum(ctx.there), 1, len(weights), len(initial)]
    ctx.settings, ctx.need_x = (cell, bias, reverse), need_x
    ctx.save_for_backward(offsets, *(one for one in grads if one is not None), x, *weights, *initial)


def gradient(ctx: Any, wanted: Sequence[Tensor | None], cells: dict[str, type[Cell]]) -> tuple[Any, ...]:
    """The gradients of `elman::recurrent_backward`, by way of `torch.autograd.grad` over the reference."""
    offsets, *saved = ctx.saved_tensors
    with torch.enable_grad():
        # Another name for each argument: what one owes to another further up is not counted twice.
        saved = [one.view_as(one) if one.requires_grad else one for one in saved]
        given, (x,), weights, initial = _split(saved, ctx.sizes)
        results = _layer(cells, x, offsets, weights, initial, *ctx.settings)
        reached = [one for one, there in zip(results, ctx.there, strict=False) if there]
        towards = [x if ctx.need_x else None, *initial, *weights]
        pairs = [
            (one, grad)
            for one, grad in zip(towards, wanted, strict=True)
            if one is not None and grad is not None and one.requires_grad
        ]
        first = torch.autograd.grad(
            reached, [one for one, _ in pairs], given, create_graph=True, materialize_grads=True
        )
    sources = [one for one in saved if one.requires_grad]
    found = torch.autograd.grad(
        first,
        sources,
        [grad for _, grad in pairs],
        create_graph=torch.is_grad_enabled(),
        allow_unused=True,
    )
    by_source = iter(found)
    every = [next(by_source) if one.requires_grad else None for one in saved]
    given, (x,), weights, initial = _split(every, ctx.sizes)
    by_place = iter(given)
    grads = [next(by_place) if there else None for there in ctx.there]
    return (*grads, x, None, weights, initial, *([None] * 8))


def _split(tensors: list[Any], sizes: list[int]) -> list[list[Any]]:
    ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    return [tensors[a:b] for a, b in pairwise(ends)]


def _layer(
    cells: dict[str, type[Cell]],
    x: Tensor,
    offsets: Tensor,
    weights: list[Tensor],
    initial: list[Tensor],
    *settings: Any,
) -> list[Tensor]:
    """Outputs, and the final states, of the layer."""
    cell, bias, reverse = settings
    results = []
    each, xs = 4 if bias else 2, Ragged(x, offsets)
    for n, part in enumerate(_split(weights, [each] * (len(weights) // each))):
        own = cells[cell](*part)
        state = tuple(one[n] for one in initial) or own.start(xs.batch_size)
        backwards = reverse or n == 1
        results.append(reference.run(own, xs, state, reverse=backwards, record=()))
    finals = [torch.stack(one) for one in zip(*(one.final for one in results), strict=True)]
    return [torch.cat([one.outputs.values for one in results], -1), *finals]

"""The laws that every cell obeys under a scan, as plain functions of a cell's class.

A law takes the class and a `Case`, says nothing when it holds and raises AssertionError when it does
not. `test_scan.py` runs them over every cell there is; `test_broken_cells.py` over broken ones.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from elman.cells.base import Cell
from elman.ragged import Ragged
from elman.scan import Scan, scan

from .cases import Case, by_hand, made, numbers_of, recordable, rows, same, weights_of


def same_scan(left: Scan, right: Scan) -> None:
    same(left.outputs.values, right.outputs.values, "outputs")
    for ours, theirs in zip(left.final, right.final, strict=True):
        same(ours, theirs, "final state")


def equals_the_loop(cell_type: type[Cell], case: Case) -> None:
    """Outputs, final states, all that can be recorded, and the gradient of every tensor that went in.

    What is recorded has no gradient: it is for looking at.
    """
    cell, xs, state = made(cell_type, case)
    weights = weights_of(cell_type, case, numbers_of(case))
    leaves = [xs.values, *state, *weights.values()]
    for leaf in leaves:
        leaf.requires_grad_()
    cell, names = cell_type(**weights), recordable(cell_type)
    result = scan(cell, xs, state, reverse=case.reverse, record=names)
    outputs, finals, trace = by_hand(cell, xs, state, reverse=case.reverse)

    none = xs.values.new_zeros(0, case.hidden_size)
    hand = [torch.cat([none, *outputs])]
    hand += [torch.cat([none, *(one[i] for one in finals)]) for i in range(len(state))]
    hand += [torch.cat([none, *trace[name]]) for name in names]
    ours = [result.outputs.values, *result.final, *(result.trace[name].values for name in names)]
    what = ["outputs", *(f"final {name}" for name in cell.states), *(f"trace {name}" for name in names)]
    for name, one, other in zip(what, ours, hand, strict=True):
        same(one, other, name)

    assert not any(one.values.requires_grad for one in result.trace.values())
    ours, hand = ours[: 1 + len(state)], hand[: 1 + len(state)]
    draw = numbers_of(Case(seed=case.seed + 1, dtype=case.dtype))
    scales = [draw(*one.shape) for one in hand]
    nothing = sum(0 * leaf.sum() for leaf in leaves)  # so that an empty batch has gradients, of zero
    gradients = []
    for group in (ours, hand):
        total = nothing + sum((one * scale).sum() for one, scale in zip(group, scales, strict=True))
        gradients.append(torch.autograd.grad(total, leaves, retain_graph=True))
    sources = ["inputs", *(f"initial {name}" for name in cell.states), *weights]
    for name, one, other in zip(sources, *gradients, strict=True):
        same(one, other, f"gradient of {name}")


def order_is_free(cell_type: type[Cell], case: Case) -> None:
    """The sequences of a batch may come in any order."""
    cell, xs, state = made(cell_type, case)
    whole = scan(cell, xs, state, reverse=case.reverse)
    order = torch.randperm(len(xs), generator=torch.Generator().manual_seed(case.seed))
    moved = scan(cell, xs[order.numpy()], tuple(one[order] for one in state), reverse=case.reverse)
    same(moved.outputs.values, whole.outputs[order.numpy()].values, "outputs")
    for ours, theirs in zip(moved.final, whole.final, strict=True):
        same(ours, theirs[order], "final state")


def mates_never_matter(cell_type: type[Cell], case: Case) -> None:
    """All other sequences may be garbage, NaN even: the one answers as if it were alone."""
    cell, xs, state = made(cell_type, case)
    for number in range(len(xs)):
        garbage = torch.full_like(xs.values, torch.nan)
        garbage[rows(xs, number)] = xs.values[rows(xs, number)]
        beside = tuple(torch.full_like(one, torch.nan) for one in state)
        for one, own in zip(beside, state, strict=True):
            one[number] = own[number]
        crowd = scan(cell, xs.with_values(garbage), beside, reverse=case.reverse)
        alone = scan(
            cell, xs[number], tuple(one[number : number + 1] for one in state), reverse=case.reverse
        )
        same(crowd.outputs.values[rows(xs, number)], alone.outputs.values, "outputs")
        for ours, theirs in zip(crowd.final, alone.final, strict=True):
            same(ours[number : number + 1], theirs, "final state")


def chunks_equal_the_whole(cell_type: type[Cell], case: Case) -> None:
    """Cut every sequence anywhere and carry the state over the cut."""
    cell, xs, state = made(cell_type, case)
    whole = scan(cell, xs, state, reverse=case.reverse)
    generator = torch.Generator().manual_seed(case.seed)
    cuts = [int(torch.randint(0, len(one) + 1, (1,), generator=generator)) for one in xs]
    empty = xs.values[:0]
    pieces = [[one[:cut] for one, cut in zip(xs, cuts, strict=True)]]
    pieces += [[one[cut:] for one, cut in zip(xs, cuts, strict=True)]]
    found: list[Ragged] = []
    for piece in reversed(pieces) if case.reverse else pieces:
        part = Ragged.of(piece) if piece else Ragged(empty, torch.zeros(1, dtype=torch.int64))
        result = scan(cell, part, state, reverse=case.reverse)
        state = result.final
        found.append(result.outputs)
    first, second = reversed(found) if case.reverse else found
    joined = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    for ours, theirs in zip(joined, whole.outputs, strict=True):
        same(ours, theirs, "outputs")
    for ours, theirs in zip(state, whole.final, strict=True):
        same(ours, theirs, "final state")


def flipped(xs: Ragged) -> Ragged:
    return xs.with_values(torch.cat([xs.values[:0], *(one.flip(0) for one in xs)]))


def reversing_twice_is_nothing(cell_type: type[Cell], case: Case) -> None:
    """Reading backwards what was turned round is reading forwards."""
    cell, xs, state = made(cell_type, case)
    plain = scan(cell, xs, state, reverse=case.reverse)
    twice = scan(cell, flipped(xs), state, reverse=not case.reverse)
    same_scan(Scan(flipped(twice.outputs), twice.final, {}), plain)


def never_looks_ahead(cell_type: type[Cell], case: Case) -> None:
    """What has not been read yet may be NaN: the outputs until then are the same."""
    cell, xs, state = made(cell_type, case)
    whole = scan(cell, xs, state, reverse=case.reverse)
    for t in range(max(case.lengths, default=0)):
        unread = xs.positions < t if case.reverse else xs.positions > t
        values = xs.values.masked_fill(unread[:, None], torch.nan)
        blind = scan(cell, xs.with_values(values), state, reverse=case.reverse)
        same(blind.outputs.values[~unread], whole.outputs.values[~unread], f"outputs until {t}")


def is_a_function(cell_type: type[Cell], case: Case) -> None:
    """Nothing is kept, drawn at random, or written into what the caller gave."""
    cell, xs, state = made(cell_type, case)
    given = [xs.values, xs.offsets, *state, *(v for v in vars(cell).values() if isinstance(v, Tensor))]
    before = [one.clone() for one in given]
    first = scan(cell, xs, state, reverse=case.reverse, record=recordable(cell_type))
    second = scan(cell, xs, state, reverse=case.reverse)
    assert torch.equal(first.outputs.values, second.outputs.values), "asked again, it answers otherwise"
    for ours, theirs in zip(first.final, second.final, strict=True):
        assert torch.equal(ours, theirs), "asked again, it ends otherwise"
    for now, then in zip(given, before, strict=True):
        assert torch.equal(now, then), "it changed what it was given"


def empty_is_the_start(cell_type: type[Cell], case: Case) -> None:
    """A sequence without steps ends where it began; None begins at `start`."""
    cell, xs, state = made(cell_type, case)
    nothing = Ragged(xs.values[:0], torch.zeros(len(xs) + 1, dtype=torch.int64))
    result = scan(cell, nothing, state, reverse=case.reverse, record=recordable(cell_type))
    assert result.outputs.values.shape == (0, case.hidden_size)
    assert all(one.values.shape == (0, case.hidden_size) for one in result.trace.values())
    for ours, theirs in zip(result.final, state, strict=True):
        assert torch.equal(ours, theirs), "the state of an empty sequence moved"
    start = cell.start(len(xs))
    same_scan(scan(cell, xs, reverse=case.reverse), scan(cell, xs, start, reverse=case.reverse))
    assert all(not one.any() and one.dtype == case.dtype for one in start), "it does not start at zero"


def tells_what_it_does(cell_type: type[Cell], case: Case) -> None:
    """States, blocks and gates are there under their names; gates lie between 0 and 1."""
    cell, xs, state = made(cell_type, case)
    names = recordable(cell_type)
    assert len(set(names)) == len(names)
    assert set(cell_type.gates) <= set(cell_type.blocks)
    result = scan(cell, xs, state, reverse=case.reverse, record=names)
    assert set(result.trace) == set(names)
    assert torch.equal(result.trace[cell_type.states[0]].values, result.outputs.values)
    for name in names:
        values = result.trace[name].values
        assert values.shape == (len(xs.values), case.hidden_size), f"{name}: {tuple(values.shape)}"
        assert values.dtype == case.dtype
        if name in cell_type.gates:
            assert bool(((values >= 0) & (values <= 1)).all()), f"gate {name} is not between 0 and 1"


def gradients_are_slopes(cell_type: type[Cell], case: Case) -> None:
    """Move everything that goes in a little along a line: what comes out moves as the gradient says."""
    case = replace(case, dtype=torch.float64)
    _, xs, state = made(cell_type, case)
    weights = weights_of(cell_type, case, numbers_of(case))
    draw = numbers_of(replace(case, seed=case.seed + 1))
    leaves = [xs.values, *state, *weights.values()]
    directions = [draw(*leaf.shape) for leaf in leaves]
    scales: list[Tensor] = []

    def run(distance: float) -> tuple[Tensor, list[Tensor]]:
        moved = [
            (leaf + distance * way).requires_grad_()
            for leaf, way in zip(leaves, directions, strict=True)
        ]
        cell = cell_type(**dict(zip(weights, moved[1 + len(state) :], strict=True)))
        before = tuple(moved[1 : 1 + len(state)])
        result = scan(cell, xs.with_values(moved[0]), before, reverse=case.reverse)
        found = [result.outputs.values, *result.final]
        scales.extend([] if scales else [draw(*one.shape) for one in found])
        return sum((one * scale).sum() for one, scale in zip(found, scales, strict=True)), moved  # pyright: ignore

    total, moved = run(0.0)
    if not total.requires_grad:
        return
    gradients = torch.autograd.grad(total, moved, allow_unused=True, materialize_grads=True)
    along = sum((one * way).sum() for one, way in zip(gradients, directions, strict=True))
    step = 1e-6
    slope = (run(step)[0] - run(-step)[0]) / (2 * step)
    torch.testing.assert_close(along, slope.detach(), rtol=1e-5, atol=1e-6)


LAWS = {
    law.__name__: law
    for law in (
        equals_the_loop,
        order_is_free,
        mates_never_matter,
        chunks_equal_the_whole,
        reversing_twice_is_nothing,
        never_looks_ahead,
        is_a_function,
        empty_is_the_start,
        tells_what_it_does,
        gradients_are_slopes,
    )
}

"""Threads share the work of a scan in a way that follows the size of its weights: none changes an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from elman import library
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import backend

from .cases import biased
from .test_native import STANDARD, results

pytestmark = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")

LENGTHS = (3, 9, 1, 0, 2, 7, 3, 5, 0, 6, 4, 8)
BLOCKS = {"rnn": 1, "rnn-relu": 1, "lstm": 4, "gru": 3}
# Kilobytes of recurrent weights: each thread keeps to its sequences; the last few are shared; all are.
SIZES = (16, 300, 3000)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Set as many threads as a test likes."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("both", [False, True])
def test_no_way_to_share_the_work_changes_an_answer(name: str, size: int, both: bool) -> None:
    torch.manual_seed(0)
    hidden = int((size * 256 / BLOCKS[name]) ** 0.5) | 1  # an odd number, which no tile fits
    layer = biased(Recurrent(name, 5, hidden, bidirectional=both))
    xs = Ragged.of([torch.randn(length, 5) for length in LENGTHS])
    with backend("reference"):
        wanted = results(layer, xs)
    for count in (1, 2, 3, 4):
        torch.set_num_threads(count)
        with backend("native"):
            found, again = results(layer, xs), results(layer, xs)
        for one, other, true in zip(found, again, wanted, strict=True):
            assert torch.equal(one, other), f"{count} threads do not repeat themselves"
            assert (one - true).abs().max() <= 1e-4 * true.abs().max(), f"{count} threads"


# Sequences of very different lengths, so that threads are done at different times, and take from each other.
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("width", "hidden"), [(40, 24), (19, 150)])
def test_no_number_depends_on_which_thread_finds_it(
    name: str, both: bool, width: int, hidden: int, every_instruction_set: str
) -> None:
    if every_instruction_set == "amx":
        pytest.skip(
            "the number of threads decides what goes to a matrix unit, which sums in another order"
        )
    torch.manual_seed(0)
    layer = biased(Recurrent(name, width, hidden, bidirectional=both))
    lengths = [90, 70, *torch.randint(20, 50, (20,)).tolist(), 3, 0, 1]
    xs = Ragged.of([torch.randn(length, width) for length in lengths])
    torch.set_num_threads(1)
    wanted = started(layer, xs)
    for count in (2, 3, 4, 2, 2):
        torch.set_num_threads(count)
        for one, by_one in zip(started(layer, xs), wanted, strict=True):
            assert torch.equal(one, by_one), f"{count} threads"


# Hidden units: a rest of one, of more than half a tile, none; and weights that near caches do not hold.
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("hidden", [257, 378, 416])
def test_a_recurrence_of_many_sequences_is_as_exact_as_any(
    name: str, both: bool, hidden: int, every_instruction_set: str
) -> None:
    """So many that a matrix unit, where there is one, takes them: 32 at a time, a rest, then a few alone."""
    torch.manual_seed(0)
    held_to_the_reference(
        biased(Recurrent(name, 40, hidden, bidirectional=both)),
        [5, 0, 11, *torch.randint(3, 9, (36,)).tolist()],
        every_instruction_set,
    )


# Input and hidden units: rests of some, of nearly all, none; an input too wide to go with the recurrence.
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("width", "hidden"), [(5, 9), (33, 17), (64, 128), (47, 63), (150, 70)])
def test_where_steps_are_projected_changes_no_answer(
    name: str, both: bool, width: int, hidden: int, every_instruction_set: str
) -> None:
    """With vectors and where many sequences run, each tile of the recurrence projects its own steps."""
    torch.manual_seed(0)
    layer = biased(Recurrent(name, width, hidden, bidirectional=both))
    held_to_the_reference(layer, [7, 9, 0, *torch.randint(4, 8, (20,)).tolist()], every_instruction_set)


def held_to_the_reference(layer: Recurrent, lengths: list[int], instructions: str) -> None:
    """By one to four threads: errors of at most three times those of the reference in float32.

    And the same outputs where nothing is kept.
    """
    xs = Ragged.of([torch.randn(length, layer.input_size, dtype=torch.float64) for length in lengths])
    single = xs.with_values(xs.values.float())
    with backend("reference"):
        true, plain = started(layer.double(), xs), started(layer.float(), single)
    for count in (1, 2, 3, 4):
        torch.set_num_threads(count)
        with backend("native"):
            found = started(layer, single)
            with torch.no_grad():
                assert torch.equal(layer(single, start_of(layer, single)).outputs.values, found[0])
        for exact, theirs, ours in zip(true, plain, found, strict=True):
            error, usual = (float((one - exact).square().mean().sqrt()) for one in (ours, theirs))
            assert error <= 3 * usual, (instructions, count, error / usual)


def start_of(layer: Recurrent, xs: Ragged) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return tuple(
        torch.randn(one.shape, dtype=torch.float64).to(xs.values.dtype).requires_grad_()
        for one in layer.start(xs.batch_size)
    )


def started(layer: Recurrent, xs: Ragged) -> list[Tensor]:
    """From given states: outputs, last states, and the gradient of everything."""
    start = start_of(layer, xs)
    values = xs.values.detach().clone().requires_grad_()
    found = layer(xs.with_values(values), start)
    total = sum((one * one.detach().cos()).sum() for one in (found.outputs.values, *found.final))
    grads = torch.autograd.grad(total, [values, *start, *layer.parameters()])  # pyright: ignore
    return [found.outputs.values.detach(), *(one.detach() for one in found.final), *grads]

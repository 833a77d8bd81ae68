"""Every cell there is obeys every law of the scan."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import example, given
from torch import Tensor

from elman import cells, library, registry
from elman.errors import SettingsError, ShapeError, UnknownNameError
from elman.ragged import Ragged
from elman.scan import backend, scan

from .cases import CASES, Case, made, numbers_of, weights_of
from .scan_laws import LAWS

CELLS = registry.names("cells")
BACKENDS = ("auto", "reference") if library.library() else ("reference",)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("by", BACKENDS)
@given(case=CASES)
@example(case=Case())
@example(case=Case(reverse=True, bias=False, dtype=torch.float32))
@example(case=Case(lengths=()))
@example(case=Case(lengths=(0, 0)))
@example(case=Case(lengths=(1,)))
def test_every_cell_obeys(by: str, name: str, law: str, case: Case) -> None:
    with backend(by):
        LAWS[law](cells.get(name), case)


@pytest.mark.parametrize("name", CELLS)
def test_torchs_own_check_of_gradients(name: str) -> None:
    """Every entry of the Jacobian by finite differences, on the smallest scan that has it all."""
    cell_type, case = cells.get(name), Case((2, 0, 1), 1, 2, seed=1)
    _, xs, state = made(cell_type, case)
    weights = weights_of(cell_type, case, numbers_of(case))

    def run(values: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        cell = cell_type(**dict(zip(weights, given[len(state) :], strict=True)))
        result = scan(cell, xs.with_values(values), given[: len(state)])
        return (result.outputs.values, *result.final)

    leaves = [one.requires_grad_() for one in (xs.values, *state, *weights.values())]
    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("name", CELLS)
def test_every_weight_gets_a_first_value(name: str) -> None:
    """Memory starts as NaN under test, so that a weight left out shows."""
    cell_type = cells.get(name)
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        parameters = {one: torch.empty(shape) for one, shape in cell_type.shapes(4, 5).items()}
        cell_type.initialise(parameters)
        drawn.append(parameters)
    for one, first in drawn[0].items():
        assert bool(first.isfinite().all()), one
        assert torch.equal(first, drawn[1][one]), f"{one} does not follow the seed"
    for one in {"weight_ih", "weight_hh"} & drawn[0].keys():
        assert bool(drawn[0][one].any()), one


@pytest.mark.parametrize("name", CELLS)
def test_a_long_sequence_is_read_to_its_end(name: str) -> None:
    """Two thousand steps: no recursion, and nothing that grows but the outputs."""
    torch.manual_seed(0)
    parameters = {one: torch.empty(shape) for one, shape in cells.get(name).shapes(1, 2).items()}
    cells.get(name).initialise(parameters)
    cell = cells.get(name)(**parameters)
    xs = Ragged.of([torch.randn(2000, 1), torch.randn(3, 1)])
    whole = scan(cell, xs)
    tail = scan(cell, Ragged.of([xs.values[1500:2000]]), scan(cell, Ragged.of([xs.values[:1500]])).final)
    torch.testing.assert_close(
        whole.outputs.values[1500:2000], tail.outputs.values, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", CELLS)
def test_what_does_not_fit_is_named(name: str) -> None:
    cell, xs, state = made(cells.get(name), Case())
    with pytest.raises(
        ShapeError, match=re.escape(f"{type(cell).__name__}(input_size=2) received")
    ) as error:
        scan(cell, xs.with_values(xs.values.repeat(1, 2)), state)
    assert error.value.expected == "(steps, 2)"
    assert error.value.received == (8, 4)
    with pytest.raises(ShapeError, match="a state that does not fit"):
        scan(cell, xs, tuple(one[:2] for one in state))
    with pytest.raises(ShapeError, match="a state that does not fit"):
        scan(cell, xs, (*state, state[0]))
    with pytest.raises(SettingsError, match="nothing named 'zz' to record"):
        scan(cell, xs, record=("zz",))


def test_an_unknown_cell_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gru'"):
        cells.get("grru")
    assert cells.get("RNN_ReLU") is cells.get("rnn-relu")

"""A session over a stack answers as the whole does, however its weights are stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from elman import registry
from elman.errors import SettingsError, ShapeError
from elman.layers.recurrent import Recurrent
from elman.layers.stepper import Stepper
from elman.ragged import Ragged
from elman.scan import backend, stepping

CELLS = registry.names("cells")
every_cell = pytest.mark.parametrize("name", CELLS)


def drawn(name: str, hidden: int = 13, **options: object) -> Recurrent:
    """A stack whose biases are not zero."""
    layer = Recurrent(name, 5, hidden, num_layers=2, **options)  # pyright: ignore
    with torch.no_grad():
        for one in layer.parameters():
            one.add_(0.1 * torch.randn_like(one))
    return layer


def pushed(stepper: Stepper, xs: Tensor) -> Tensor:
    return torch.stack([stepper.push(x).clone() for x in xs])


def same(left: Tensor, right: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(left, right, rtol=tolerance, atol=tolerance)


@every_cell
@pytest.mark.parametrize("hidden", [1, 8, 37])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"dtype": torch.float64}])
@pytest.mark.parametrize("batch", [1, 3])
def test_steps_equal_the_whole(name, hidden, options, batch) -> None:
    layer = drawn(name, hidden, **options)
    xs = torch.randn(7, batch, 5, dtype=options.get("dtype"))
    with backend("reference"):
        whole = layer(Ragged.of(list(xs.unbind(1))))
    wanted = torch.stack(list(whole.outputs)).transpose(0, 1)
    stepper = Stepper(layer, batch)
    same(pushed(stepper, xs), wanted)
    for ours, theirs in zip(stepper.state, whole.final, strict=True):
        same(ours, theirs)
    for mode in (torch.no_grad, torch.enable_grad):  # the compiled step, and the cells' own
        state, outputs = layer.start(batch), []
        with mode():
            for x in xs:
                one, state = layer.step(x, state)
                outputs.append(one)
        same(torch.stack(outputs), wanted)
        for ours, theirs in zip(state, whole.final, strict=True):
            same(ours, theirs)


@every_cell
@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
@pytest.mark.parametrize("hidden", [8, 13, 37, 70])  # odd and even, one panel of 64 rows and several
@pytest.mark.usefixtures("every_instruction_set")
def test_stored_weights_are_the_rounded_ones(name, weights, hidden, monkeypatch) -> None:
    """The kernel computes with the numbers that the stored weights stand for, and they are close."""
    layer, xs = drawn(name, hidden), torch.randn(9, 1, 5)
    stepper = Stepper(layer, weights=weights)
    found = pushed(stepper, xs)
    monkeypatch.setattr(stepping, "supports", lambda cells: False)
    same(found, pushed(Stepper(layer, weights=weights), xs))
    exact = Stepper(layer)
    wanted = pushed(exact, xs)
    assert 0 < float((found - wanted).abs().max()) < 0.1 * max(1.0, float(wanted.abs().max()))
    assert stepper.size < exact.size * (0.51 if weights == "bfloat16" else 0.6)


def alone(layer: Recurrent, weights: str | None = None) -> Stepper:
    """A session that never asks for a second core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return Stepper(layer, weights=weights)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@every_cell
@pytest.mark.parametrize("weights", [None, "bfloat16", "int8"])
@pytest.mark.usefixtures("two_threads")
def test_a_second_core_changes_no_number(name, weights) -> None:
    """Nor do sessions side by side, of which one has it, nor a fork, which leaves it behind."""
    layer, xs = drawn(name, 301), torch.randn(60, 1, 5)
    wanted = pushed(alone(layer, weights), xs)
    sessions = [Stepper(layer, weights=weights) for _ in range(3)]
    same(pushed(sessions[0], xs), wanted, 0.0)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(pushed, sessions[1:], [xs] * 2):
            same(found, wanted, 0.0)
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if not child:
        os._exit(0 if torch.equal(pushed(Stepper(layer, weights=weights), xs), wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_int8_is_within_half_a_step_of_every_weight() -> None:
    matrix = torch.randn(6, 11)
    kept = stepping.stored(matrix, torch.int8)
    step = matrix.abs().amax(1, keepdim=True) / 127
    assert bool(((stepping.restored(kept) - matrix).abs() <= step / 2 * 1.001).all())
    assert int(kept[0].abs().max()) == 127
    assert not stepping.restored(stepping.stored(torch.zeros(2, 3), torch.int8)).any()


@every_cell
def test_the_session_owns_its_state(name) -> None:
    layer, xs = drawn(name), torch.randn(6, 1, 5)
    first, second = Stepper(layer), Stepper(layer)
    wanted = pushed(first, xs)
    pushed(second, xs[:3])
    kept = second.state
    pushed(second, torch.randn(4, 1, 5))
    second.state = kept
    same(pushed(second, xs[3:]), wanted[3:], 0.0)
    second.reset()
    same(pushed(second, xs), wanted, 0.0)
    with torch.no_grad():
        for one in layer.parameters():
            one.zero_()
    second.reset()
    same(pushed(second, xs), wanted, 0.0)


def test_any_step_that_means_the_same_will_do() -> None:
    layer, xs = drawn("gru"), torch.randn(4, 10, 1)
    stepper, other = Stepper(layer), Stepper(layer)
    for x in xs:
        strided = x[::2].t()
        same(stepper.push(strided).clone(), other.push(strided.double().contiguous()), 0.0)


def test_what_does_not_fit_is_named() -> None:
    layer = drawn("lstm")
    stepper = Stepper(layer)
    with pytest.raises(ShapeError, match="another shape"):
        stepper.push(torch.zeros(1, 4))
    with pytest.raises(ShapeError, match="does not fit"):
        stepper.state = stepper.state[:1]
    with pytest.raises(ShapeError, match="received steps with 4 features"), torch.no_grad():
        layer.step(torch.zeros(1, 4), layer.start(1))
    with pytest.raises(ShapeError, match="does not fit"), torch.no_grad():
        layer.step(torch.zeros(1, 5), layer.start(2))
    with pytest.raises(SettingsError, match="stored like that"):
        Stepper(layer, weights="int4")
    with pytest.raises(SettingsError, match="at least 1"):
        Stepper(layer, 0)
    with pytest.raises(SettingsError, match="cannot go step by step"):
        Stepper(drawn("lstm", bidirectional=True))

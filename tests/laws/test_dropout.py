"""Dropout drops what it says, at random, and nothing else."""

from __future__ import annotations

import pytest
import torch

from elman.layers.dropout import Dropout, dropout

CHANCES = (0.1, 0.2, 0.5, 0.65, 0.9)
LARGE = (401, 499)


def of(p: float, shape: tuple[int, ...] = LARGE, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return dropout(torch.ones(shape), p)


@pytest.mark.parametrize("p", CHANCES)
def test_the_share_of_zeros_is_p_and_the_rest_is_scaled(p: float) -> None:
    y = of(p)
    count = y.numel()
    share = float((y == 0).double().mean())
    assert abs(share - p) < 4.5 * (p * (1 - p) / count) ** 0.5
    assert y[y != 0].unique().tolist() == [pytest.approx(1 / (1 - p))]


@pytest.mark.parametrize("p", CHANCES)
@pytest.mark.parametrize("apart", range(1, 6))
def test_neighbours_that_share_a_number_are_dropped_independently(p: float, apart: int) -> None:
    kept = (of(p).flatten() != 0).double()
    both = float((kept[:-apart] * kept[apart:]).mean())
    chance = (1 - p) ** 2
    assert abs(both - chance) < 6 * (chance * (1 - chance) / len(kept)) ** 0.5
    for place in range(4):  # of the four quarters of a number, each alone
        share = float(kept[place::4].mean())
        assert abs(share - (1 - p)) < 4.5 * (p * (1 - p) * 4 / len(kept)) ** 0.5


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 1), (5, 7), (2, 3, 5), (0,), (0, 4)])
def test_any_shape_and_layout(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for one in (x, x.t() if x.ndim == 2 else x, x.double()):
        y = dropout(one, 0.5)
        assert y.shape == one.shape
        assert y.dtype == one.dtype
        assert torch.equal(y[y != 0], (one * 2)[y != 0])


def test_the_gradient_is_what_was_kept() -> None:
    x = torch.randn(50, 30, requires_grad=True)
    y = dropout(x, 0.3)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x, y)


def test_the_generator_alone_decides_and_moves_on() -> None:
    assert torch.equal(of(0.5, seed=3), of(0.5, seed=3))
    assert not torch.equal(of(0.5, seed=3), of(0.5, seed=4))
    assert not torch.equal(dropout(torch.ones(99), 0.5), dropout(torch.ones(99), 0.5))


def test_without_training_or_chance_nothing_happens() -> None:
    x = torch.randn(3, 4)
    state = torch.get_rng_state()
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(torch.get_rng_state(), state)
    assert float(Dropout(0.5)(torch.ones(1000)).mean()) == pytest.approx(1.0, abs=0.2)

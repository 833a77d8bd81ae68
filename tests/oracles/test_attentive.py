"""Attentive pooling: compiled, it is what its equation says, with every gradient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from elman import library
from elman.layers.attentive import attentive
from elman.layers.pooling import Pooling
from elman.ragged import Ragged

BATCHES = {
    "one": [1],
    "short": [3, 0, 1],
    "many": [9, 4, 0, 7, 7, 5] * 12,
    "long": [700, 2],
}


def _given(lengths: list[int], size: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(1)
    h, last = torch.randn(sum(lengths), size), torch.randn(len(lengths), size)
    weights = torch.randn(size, size) * 0.3, torch.randn(size) * 0.3, torch.randn(1, size)
    return [one.to(dtype).requires_grad_() for one in (h, last, *weights)]


def _layers(weights: list[Tensor]) -> tuple[nn.Linear, nn.Linear]:
    size = len(weights[1])
    key, query = nn.Linear(size, size), nn.Linear(size, 1, bias=False)
    key.weight, key.bias, query.weight = (nn.Parameter(one.detach()) for one in weights)
    return key, query


def _oracle(lengths: list[int], given: list[Tensor]) -> Tensor:
    """Sequence by sequence, as the equation is written."""
    h, last, w, b, v = given
    rows = []
    for one, end in zip(h.split(lengths), last, strict=True):
        shares = torch.softmax(torch.tanh(one @ w.T + b) @ v[0], 0)
        rows.append(torch.cat([end, shares @ one]))
    return torch.stack(rows)


def _found(lengths: list[int], given: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    h, last, *weights = given
    key, query = _layers(weights)
    xs = Ragged(h, torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()]))
    pooled = attentive(xs, last, key, query)
    torch.manual_seed(2)
    learned = [h, last, key.weight, key.bias, query.weight]
    return pooled, list(torch.autograd.grad((pooled * torch.randn_like(pooled)).sum(), learned))


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("size", [1, 5, 16, 70])
def test_it_is_what_the_equation_says(lengths: list[int], size: int) -> None:
    exact = _given(lengths, size, torch.float64)
    wanted = _oracle(lengths, exact)
    torch.manual_seed(2)
    factor = torch.randn(wanted.shape)
    grads = torch.autograd.grad((wanted * factor).sum(), exact)
    pooled, found = _found(lengths, _given(lengths, size))
    torch.testing.assert_close(pooled, wanted.float(), rtol=1e-4, atol=1e-5)
    for one, other in zip(found, grads, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not library.available(), reason="the compiled library was not built")
def test_it_is_compiled_where_nobody_looks() -> None:
    given = _given(BATCHES["short"], 6)
    h, last, *weights = given
    key, query = _layers(weights)
    xs = Ragged(h, torch.tensor([0, 3, 3, 4]))
    compiled = attentive(xs, last, key, query)
    assert type(compiled.grad_fn).__name__ == "_AttentiveBackward"
    with torch.no_grad():
        torch.testing.assert_close(attentive(xs, last, key, query), compiled)
    handle = key.register_forward_hook(lambda *_: None)
    parts = attentive(xs, last, key, query)
    handle.remove()
    assert type(parts.grad_fn).__name__ != "_AttentiveBackward"
    torch.testing.assert_close(parts, compiled)


def test_rows_that_do_not_lie_together() -> None:
    h, last, *weights = _given([4, 3], 6)
    key, query = _layers(weights)
    offsets = torch.tensor([0, 4, 7])
    wide, ends = torch.cat([h, h], 1)[:, 6:], last.detach().T.contiguous().T
    torch.testing.assert_close(
        attentive(Ragged(wide, offsets), ends, key, query),
        attentive(Ragged(h, offsets), last, key, query),
    )


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_no_number_depends_on_the_number_of_threads() -> None:
    found = []
    for count in (1, 2, 3, 4):
        torch.set_num_threads(count)
        pooled, grads = _found(BATCHES["many"], _given(BATCHES["many"], 70))
        found.append([pooled, *grads])
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def test_the_gradient_has_a_gradient() -> None:
    lengths, given = BATCHES["short"], _given(BATCHES["short"], 4)

    def second(pooled: Tensor, learned: list[Tensor]) -> tuple[Tensor, ...]:
        first = torch.autograd.grad(pooled.square().sum(), learned, create_graph=True)
        return torch.autograd.grad(sum(one.square().sum() for one in first), learned)

    h, last, *weights = given
    key, query = _layers(weights)
    xs = Ragged(h, torch.tensor([0, 3, 3, 4]))
    found = second(attentive(xs, last, key, query), [h, last, key.weight, key.bias, query.weight])
    for one, other in zip(found, second(_oracle(lengths, given), given), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_sequences_of_no_steps_have_no_summary() -> None:
    pooling = Pooling("attention", 3)
    last = torch.randn(2, 3)
    pooled = pooling(Ragged(torch.zeros(0, 3), torch.tensor([0, 0, 0])), last)
    torch.testing.assert_close(pooled, torch.cat([last, torch.zeros(2, 3)], 1))


def test_highest_scores_do_not_overflow() -> None:
    h, last, *weights = _given([5, 2], 8)
    key, query = _layers(weights)
    with torch.no_grad():
        query.weight.mul_(1e4)
    pooled = attentive(Ragged(h, torch.tensor([0, 5, 7])), last, key, query)
    assert torch.isfinite(pooled).all()

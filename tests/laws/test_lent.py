"""Memory that the scan lends again: never while somebody holds it, and never more than it may keep."""

from __future__ import annotations

import gc

import pytest
import torch
from torch._subclasses import FakeTensorMode

from elman import library
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import backend, lent

LIKE = torch.zeros(1)
ROWS, WIDTH = 1024, 512
"""Two megabytes of float32."""


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    monkeypatch.setattr(lent, "_free", {})


def test_what_is_held_is_not_lent_again() -> None:
    first = lent.empty(LIKE, ROWS, WIDTH).fill_(1.0)
    second = lent.empty(LIKE, ROWS, WIDTH).fill_(2.0)
    assert bool((first == 1.0).all())
    address, part = first.data_ptr(), first[3, 5:]
    del first
    assert lent.held() == 0  # a part of it is still in use
    third = lent.empty(LIKE, ROWS, WIDTH).fill_(3.0)
    assert bool((part == 1.0).all())
    del part
    assert lent.held() == 4 * ROWS * WIDTH
    again = lent.empty(LIKE.double(), ROWS, WIDTH // 2)
    assert (again.data_ptr(), again.dtype, again.shape) == (address, torch.float64, (ROWS, WIDTH // 2))
    assert bool((second == 2.0).all())
    assert bool((third == 3.0).all())


def test_no_more_is_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "HELD", 5 << 20)
    many = [lent.empty(LIKE, ROWS, WIDTH) for _ in range(8)]
    del many
    assert lent.held() == 4 << 20
    third = lent.empty(LIKE, ROWS, WIDTH // 2)
    address = third.data_ptr()
    del third  # what was unused for longest goes for it
    assert lent.held() == 5 << 20
    again = lent.empty(LIKE, ROWS, WIDTH // 2 + 1), lent.empty(LIKE, ROWS, WIDTH // 2)
    assert again[1].data_ptr() == address
    large = lent.empty(LIKE, 4 * ROWS, WIDTH)
    del large, again
    assert 0 < lent.held() <= 5 << 20


@pytest.mark.parametrize("size", [1, 7, 1023, 1 << 18, (1 << 18) + 1, 3_000_001])
def test_sizes(size: int) -> None:
    found = lent.empty(LIKE, size)
    assert found.shape == (size,)
    assert found.fill_(4.0).sum() == 4.0 * size
    del found
    assert lent.held() == 0 or 4 * size <= lent.held() <= 5 * size


def test_what_is_traced_has_no_memory() -> None:
    with FakeTensorMode():
        assert type(lent.empty(torch.zeros(1), ROWS, WIDTH)) is not torch.Tensor
    assert lent.held() == 0


@pytest.mark.skipif(not library.available(), reason="the native scan was not built")
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_passes_that_are_under_way_keep_their_own(name: str) -> None:
    """Two forward passes, then their gradients, the first one's twice: as if each had been alone."""
    layer = Recurrent(name, 8, 256)
    batches = [Ragged.of([torch.randn(n, 8) for n in (900, 700)]) for _ in range(2)]
    found = []
    for kind in ("native", "reference"):
        with backend(kind):
            outputs = [layer(one).outputs.values for one in batches]
            losses = [one.square().mean() for one in outputs]
            grads = [
                torch.autograd.grad(losses[n], list(layer.parameters()), retain_graph=True)
                for n in (0, 1, 0)
            ]
        found.append([one.detach() for one in outputs] + [one for many in grads for one in many])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)

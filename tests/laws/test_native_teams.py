"""Threads share the work of a scan in a way that follows the size of its weights: none changes an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import backend, library

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
    layer = Recurrent(name, 5, hidden, bidirectional=both)
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

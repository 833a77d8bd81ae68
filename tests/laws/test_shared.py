"""A row that several steps read is worked on once, and no answer changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from elman import library, registry
from elman.errors import BackendError, ShapeError
from elman.layers.embedding import CharacterNGrams, Embedding, Table, read
from elman.layers.lookup import distinct
from elman.layers.recurrent import Recurrent
from elman.optimizer import LazyAdamW
from elman.ragged import Ragged, Shared
from elman.scan import backend
from elman.structures.n_to_one import NToOne

from .cases import biased
from .test_native import STANDARD

compiled = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")

LENGTHS = (5, 0, 11, 1, *(3, 6, 4, 7, 5) * 7)
ROWS = 23


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Set as many threads as a test likes."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def batch(width: int, lengths: tuple[int, ...] = LENGTHS, rows: int = ROWS) -> Shared:
    """Rows that are drawn at random; the last one is read by nobody."""
    steps = sum(lengths)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Shared(torch.randn(rows, width), torch.randint(rows - 1, (steps,)), offsets)


def results(layer: Recurrent, xs: Shared, *, shared: bool, dtype: torch.dtype) -> list[Tensor]:
    """Outputs, last states, the gradients of the rows and of the weights."""
    rows = xs.distinct.to(dtype).requires_grad_()
    own = Shared(rows, xs.reads, xs.offsets)
    found = layer(own if shared else Ragged(own.values, xs.offsets))
    total = sum((one * one.detach().cos()).sum() for one in (found.outputs.values, *found.final))
    grads = torch.autograd.grad(total, [rows, *layer.parameters()])  # pyright: ignore
    return [one.detach() for one in (found.outputs.values, *found.final, *grads)]


@compiled
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("width", "hidden"), [(5, 7), (20, 16), (40, 33), (70, 130)])
def test_sharing_rows_is_as_exact_as_repeating_them(
    name: str, both: bool, width: int, hidden: int, every_instruction_set: str
) -> None:
    torch.manual_seed(0)
    layer = biased(Recurrent(name, width, hidden, bidirectional=both))
    xs = batch(width)
    with backend("reference"):
        true = results(layer.double(), xs, shared=False, dtype=torch.float64)
        plain = results(layer.float(), xs, shared=False, dtype=torch.float32)
    for count in (1, 2, 3, 4):
        torch.set_num_threads(count)
        with backend("native"):
            found, again = (results(layer, xs, shared=True, dtype=torch.float32) for _ in range(2))
            with torch.no_grad():
                assert torch.equal(layer(xs).outputs.values, found[0])
        for exact, theirs, ours, other in zip(true, plain, found, again, strict=True):
            assert torch.equal(ours, other), f"{count} threads do not repeat themselves"
            error, usual = (float((one - exact).square().mean().sqrt()) for one in (ours, theirs))
            assert error <= 3 * usual + 1e-9, (every_instruction_set, count, error / usual)


@pytest.mark.parametrize("name", registry.names("cells"))
@pytest.mark.parametrize("lengths", [(), (0,), (1,), (0, 3, 0), (2, 1, 4)])
def test_every_cell_reads_shared_rows(name: str, lengths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, xs = (
        biased(Recurrent(name, 3, 4, num_layers=2, bidirectional=True)).double(),
        batch(3, lengths),
    )
    one, other = (results(layer, xs, shared=shared, dtype=torch.float64) for shared in (True, False))
    for ours, plain in zip(one, other, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", STANDARD)
def test_a_gradient_of_the_gradient_reaches_shared_rows(name: str) -> None:
    torch.manual_seed(0)
    layer, xs = Recurrent(name, 3, 4, bidirectional=True).double(), batch(3, (3, 0, 5))

    def second(*, shared: bool) -> tuple[Tensor, ...]:
        rows = xs.distinct.double().requires_grad_()
        own = Shared(rows, xs.reads, xs.offsets)
        outputs = layer(own if shared else Ragged(own.values, xs.offsets)).outputs.values
        sources: list[Any] = [rows, *layer.parameters()]
        first = torch.autograd.grad(outputs.sin().sum(), sources, create_graph=True)
        return torch.autograd.grad(sum(one.square().sum() for one in first), sources)

    for ours, plain in zip(second(shared=True), second(shared=False), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_what_looks_at_operators_sees_every_step() -> None:
    torch.manual_seed(0)
    layer, xs = Recurrent("gru", 3, 4), batch(3, (3, 0, 5))
    rows = xs.distinct.requires_grad_()
    plain = layer(xs).outputs.values
    seen: list[Any] = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append((func.__name__, args))
            return func(*args, **(kwargs or {}))

    with Watching():
        watched = layer(xs).outputs.values
    torch.testing.assert_close(watched, plain)
    grads = [torch.autograd.grad(one.sum(), rows)[0] for one in (watched, plain)]
    torch.testing.assert_close(*grads)
    shapes = [args[0].shape for name, args in seen if name.startswith("recurrent")]
    assert shapes == [(8, 3)] * len(shapes)


@compiled
def test_a_row_that_is_not_there_is_an_error() -> None:
    xs = batch(3, (3, 2))
    layer = Recurrent("gru", 3, 4)
    for wrong in (ROWS, -1):
        reads = xs.reads.clone()
        reads[1] = wrong
        with backend("native"), pytest.raises(BackendError, match="out of range"):
            layer(Shared(xs.distinct, reads, xs.offsets))
    for rows, reads, offsets in (
        (xs.distinct, xs.reads, torch.tensor([0, 4])),
        (xs.distinct, xs.reads.int(), xs.offsets),
        (xs.distinct, xs.reads[:, None], xs.offsets),
        (xs.distinct[0], xs.reads, xs.offsets),
        (xs.distinct, xs.reads.to("meta"), xs.offsets),
    ):
        with pytest.raises(ShapeError):
            Shared(rows, reads, offsets)
    with pytest.raises(ShapeError, match="features"):
        Recurrent("gru", 2, 4)(xs)


def test_numbers_of_rows_may_lie_anywhere() -> None:
    xs, layer = batch(3, (3, 0, 2)), Recurrent("gru", 3, 4)
    wide = torch.stack([xs.reads, xs.reads + 1], 1)
    found = layer(Shared(xs.distinct, wide[:, 0], xs.offsets))
    torch.testing.assert_close(found.outputs.values, layer(xs).outputs.values)
    turned = Shared(xs.distinct.T.contiguous().T, xs.reads, xs.offsets)
    torch.testing.assert_close(layer(turned).outputs.values, layer(xs).outputs.values)


def test_a_batch_of_shared_rows_is_a_batch() -> None:
    xs = batch(3, (3, 0, 2))
    plain = Ragged(xs.distinct[xs.reads], xs.offsets)
    assert torch.equal(xs.padded(), plain.padded())
    assert torch.equal(xs[[2, 0]].values, plain[[2, 0]].values)
    assert xs.lengths.tolist() == [3, 0, 2]
    assert [one.tolist() for one in xs] == [one.tolist() for one in plain]
    assert torch.equal(xs.to(torch.float64).values, plain.values.double())
    other = xs.with_values(torch.ones(5))
    assert type(other) is Ragged
    assert torch.equal(other.values, torch.ones(5))
    assert other.reads is None


# --- what a table reads ---


def tokens(vocabulary: int) -> Ragged:
    """A batch of words, most of which come often."""
    drawn = (torch.rand(sum(LENGTHS)) ** 3 * vocabulary).long()
    return Ragged(drawn, torch.tensor([0, *LENGTHS]).cumsum(0))


@compiled
def test_the_rows_of_a_table_stand_there_once() -> None:
    torch.manual_seed(0)
    xs, table = tokens(40), Table(40, 3)
    shared = read(table, xs)
    assert shared.reads is not None
    assert len(shared.distinct) == len(xs.values.unique())
    assert torch.equal(shared.values, table(xs.values))
    inputs = Embedding(40, 3)
    words = xs.with_values(xs.values[:, None])
    assert read(inputs, words).reads is not None
    assert torch.equal(read(inputs, words).values, inputs(words.values))
    assert read(Embedding(40, 3, dropout=0.5).eval(), words).reads is not None


def test_where_more_is_made_of_a_word_than_its_row_each_step_has_its_own() -> None:
    xs = tokens(40)
    words = xs.with_values(torch.stack([xs.values, xs.values], 1))
    dropped, spelled = Embedding(40, 3, dropout=0.5), Embedding(40, 3, CharacterNGrams(2, buckets=9))
    watched = Embedding(40, 3)
    watched.register_forward_hook(lambda *_: None)
    few = Ragged(torch.zeros(4, dtype=torch.int64), torch.tensor([0, 4]))
    each = Ragged(torch.arange(40), torch.tensor([0, 40]))
    counted = Table(40, 3, scale_grad_by_freq=True)
    for inputs, given in (
        (dropped, words),
        (spelled, words),
        (watched, words),
        (nn.Identity(), xs),
        (Table(40, 3), few),
        (Table(40, 3), each),
        (counted, xs),
    ):
        assert read(inputs, given).reads is None


@compiled
@pytest.mark.parametrize("vocabulary", [40, 60_000])
def test_a_network_learns_the_same_from_shared_rows(
    vocabulary: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The larger table moves row by row."""
    xs, answers = tokens(40), torch.randn(len(LENGTHS), 2)

    def learned(*, shared: bool) -> list[Tensor]:
        torch.manual_seed(0)
        network = NToOne(Table(vocabulary, 10), Recurrent("lstm", 10, 8, bidirectional=True), outputs=2)
        if not shared:
            monkeypatch.setattr("elman.layers.embedding.SHARED", 0.0)
        optimizer = LazyAdamW(network.double() if vocabulary == 40 else network, lr=0.01, max_norm=1.0)
        for _ in range(5):
            optimizer.zero_grad()
            (network(xs) - answers).square().mean().backward()
            optimizer.step()
        optimizer.close()
        monkeypatch.undo()
        return [one.detach() for one in network.parameters()]

    for ours, plain in zip(learned(shared=True), learned(shared=False), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)


@compiled
def test_distinct_numbers_are_those_of_torch() -> None:
    torch.manual_seed(0)
    for table in (1, 5, 100_000, 30):
        numbers = torch.randint(table, (200,))
        found = distinct(numbers, table)
        assert found is not None
        assert torch.equal(found[0][found[1]], numbers)
        assert torch.equal(found[0].sort().values, numbers.unique())
    assert distinct(torch.tensor([5]), 5) is None
    assert distinct(torch.tensor([-1]), 5) is None
    assert distinct(torch.tensor([[1]]), 5) is None

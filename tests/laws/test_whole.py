"""A plain classifier's loss as one node, or with its gradients at once: the numbers of its parts, and in parts
where it is not plain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elman import library
from elman.errors import BackendError, ShapeError
from elman.layers.embedding import Embedding, Table
from elman.layers.recurrent import Recurrent
from elman.optimizer import LazyAdamW
from elman.ragged import Ragged
from elman.scan import backend
from elman.structures.n_to_one import NToOne
from elman.weights import Gradients

pytestmark = pytest.mark.skipif(not library.available(), reason="the compiled library was not built")

LENGTHS = {"short": [3, 1, 5], "shared": [30, 2, 41, 1], "equal": [4, 4]}


def _network(cell: str, layers: int = 1, *, bidirectional: bool = True, **more: Any) -> NToOne:
    torch.manual_seed(3)
    recurrent = Recurrent(cell, 6, 5, layers, bidirectional=bidirectional, **more)
    for one in recurrent.parameters():
        nn.init.normal_(one, std=0.4)
    return NToOne(Table(9, 6), recurrent, outputs=4)


def _batch(lengths: list[int]) -> tuple[Ragged, Tensor]:
    torch.manual_seed(4)
    words = [torch.randint(9, (one,)) for one in lengths]
    return Ragged.of(words), torch.randint(4, (len(lengths),))


@contextmanager
def _in_parts(network: NToOne) -> Iterator[None]:
    """Somebody who looks at the recurrence keeps it from being a part of something else."""
    handle = network.recurrent.register_forward_hook(lambda *_: None)
    yield
    handle.remove()


def _whole(loss: Tensor) -> bool:
    return type(loss.grad_fn).__name__ == "_WholeBackward"


def _found(network: NToOne, *given: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    loss = network.loss(*given)
    return loss, torch.autograd.grad(loss * 0.5, list(network.parameters()))


@pytest.mark.parametrize("cell", ["rnn", "rnn-relu", "lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_loss_and_gradients_are_those_of_the_parts(
    cell: str, layers: int, lengths: list[int], *, bidirectional: bool
) -> None:
    network, batch = _network(cell, layers, bidirectional=bidirectional), _batch(lengths)
    loss, grads = _found(network, *batch, 0.1)
    assert _whole(loss)
    with _in_parts(network):
        wanted, others = _found(network, *batch, 0.1)
    assert not _whole(wanted)
    torch.testing.assert_close(loss, wanted)
    for one, other in zip(grads, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_without_biases() -> None:
    network, batch = _network("gru", bias=False), _batch(LENGTHS["shared"])
    network.head = nn.Linear(10, 4, bias=False)
    loss, grads = _found(network, *batch)
    assert _whole(loss)
    with _in_parts(network):
        for one, other in zip(grads, _found(network, *batch)[1], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_gradient_has_a_gradient() -> None:
    network, batch = _network("lstm", 2), _batch(LENGTHS["shared"])
    weights, second = list(network.parameters()), []

    def twice() -> tuple[Tensor, ...]:
        first = torch.autograd.grad(network.loss(*batch), weights, create_graph=True)
        return torch.autograd.grad(sum(one.square().sum() for one in first), weights)

    second.append(twice())
    with _in_parts(network):
        second.append(twice())
    for one, other in zip(*second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_a_second_pass_over_the_graph_gives_the_same() -> None:
    network, batch = _network("gru"), _batch(LENGTHS["short"])
    loss = network.loss(*batch)
    loss.backward(retain_graph=True)
    first = [one.grad.clone() for one in network.parameters() if one.grad is not None]
    loss.backward()
    for one, before in zip(network.parameters(), first, strict=True):
        torch.testing.assert_close(one.grad, 2 * before)
    with pytest.raises(RuntimeError, match="second time"):  # the graph was given up, as torch has it
        loss.backward()


@pytest.mark.parametrize(
    "of", ["dropout", "between", "pooling", "padding", "frozen", "inputs", "linear cell"]
)
def test_what_is_not_plain_goes_in_parts(of: str) -> None:
    network, batch = _network("gru", 2), _batch(LENGTHS["short"])
    if of == "dropout":
        network.dropout = 0.5
    elif of == "between":
        network.recurrent.dropout = 0.5
    elif of == "pooling":
        network = NToOne(network.inputs, network.recurrent, outputs=4, pooling="mean")
    elif of == "padding":
        network.inputs = Table(9, 6, padding_idx=0)
    elif of == "frozen":
        network.inputs.weight.requires_grad_(False)
    elif of == "inputs":
        network.inputs = nn.Sequential(Table(9, 6))
    else:
        network.recurrent = Recurrent("mingru", 6, 5, bidirectional=True)
    loss = network.loss(*batch)
    assert not _whole(loss)
    assert loss.requires_grad
    if of in ("dropout", "between"):  # nothing is dropped where nothing is learned
        assert _whole(network.eval().loss(*batch))


def test_what_asks_for_another_way_gets_it() -> None:
    network, batch = _network("gru"), _batch(LENGTHS["short"])
    for name in ("reference", "torch"):
        with backend(name):
            assert not _whole(network.loss(*batch))
    with torch.no_grad():
        assert not network.loss(*batch).requires_grad
    assert _whole(network.loss(*batch))


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_rows_of_a_large_table_have_gradients_of_their_own(lengths: list[int]) -> None:
    network, batch = _network("gru"), _batch(lengths)
    network.loss(*batch).backward()
    whole = [one.grad for one in network.parameters()]
    network.zero_grad()
    network.inputs.sparse = True
    loss = network.loss(*batch)
    assert _whole(loss)
    loss.backward()
    of_table, *rest = [one.grad for one in network.parameters()]
    assert of_table is not None
    assert of_table.is_sparse
    for one, other in zip([of_table.to_dense(), *rest], whole, strict=True):
        torch.testing.assert_close(one, other)


def test_rows_are_brought_up_to_date_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elman.optimizer.LARGE", 0)
    found = []
    for lazy in (True, False):
        network, batch = _network("lstm"), _batch(LENGTHS["shared"])
        optimizer = LazyAdamW(network, lr=0.01, max_norm=1.0, lazy=lazy)
        assert bool(optimizer.tables) is lazy
        for step in range(12):
            optimizer.zero_grad()
            xs = Ragged.of([batch[0][0].values[step : step + 5], batch[0][2].values[: step + 1]])
            loss = network.loss(xs, batch[1][:2])
            assert _whole(loss)
            loss.backward()
            optimizer.step()
        optimizer.close()
        found.append([one.detach().clone() for one in network.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(library.instructions() == "amx", reason="a matrix unit sums in another order")
def test_no_gradient_depends_on_the_number_of_threads() -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3, 4):
            torch.set_num_threads(count)
            network = _network("gru", 2)
            loss, grads = _found(network, *_batch([60, 41, 7, 7, 3]))
            found.append([loss.detach(), *grads])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def test_weights_are_known_by_their_names() -> None:
    network, batch = _network("gru", bidirectional=False), _batch(LENGTHS["short"])
    before, _ = _found(network, *batch)
    # What is taken off and put on again stands behind the others, and here has the shape of one of them.
    bias = network.recurrent.bias_ih_l0
    del network.recurrent.bias_ih_l0
    network.recurrent.bias_ih_l0 = bias
    after, _ = _found(network, *batch)
    assert _whole(after)
    torch.testing.assert_close(after, before)


def test_a_target_that_is_to_be_passed_over_is() -> None:
    network, (xs, targets) = _network("gru"), _batch(LENGTHS["short"])
    targets[1] = -100
    loss = network.loss(xs, targets)
    assert not _whole(loss)
    torch.testing.assert_close(loss, network.loss(xs[np.array([0, 2])], targets[[0, 2]]))
    with pytest.raises(IndexError):
        network.loss(xs, torch.full_like(targets, 4))


def test_what_does_not_fit_together_is_left_to_the_parts() -> None:
    network, (xs, targets) = _network("gru"), _batch(LENGTHS["short"])
    with pytest.raises(ValueError, match="batch"):
        network.loss(xs, targets[:2])
    network.recurrent.weight_hh_l0 = nn.Parameter(torch.zeros(15, 4))
    with pytest.raises(ShapeError):
        network.loss(xs, targets)


@pytest.mark.parametrize("wrong", [-1, 9])
def test_a_word_that_the_table_has_not_is_refused(wrong: int) -> None:
    network, (xs, targets) = _network("gru"), _batch(LENGTHS["short"])
    words = xs.values.clone()
    words[2] = wrong
    with pytest.raises(IndexError):
        network.loss(xs.with_values(words), targets)


# --- gradients without autograd ---


@pytest.mark.parametrize("cell", ["rnn", "rnn-relu", "lstm", "gru"])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_gradients_are_those_that_backward_leaves(
    cell: str, lengths: list[int], *, sparse: bool
) -> None:
    network, batch = _network(cell, 2), _batch(lengths)
    network.inputs.sparse = sparse
    loss = network.loss(*batch, 0.1)
    loss.backward()
    found = network.gradients(*batch, 0.1)
    assert found is not None
    assert torch.tensor(found.loss) == loss.detach()
    assert {id(one) for one in found.weights} == {id(one) for one in network.parameters()}
    for weight, grad in zip(found.weights, found.each(), strict=True):
        assert weight.grad is not None
        assert weight.grad.is_sparse is grad.is_sparse
        assert torch.equal(weight.grad.to_dense(), grad.to_dense())


@pytest.mark.parametrize("lazy", [True, False])
def test_a_step_by_gradients_is_one_by_those_in_grad(
    monkeypatch: pytest.MonkeyPatch, *, lazy: bool
) -> None:
    monkeypatch.setattr("elman.optimizer.LARGE", 0)
    after, hooked = [], []
    for way in ("grad", "gradients", "watched"):
        network, batch = _network("lstm"), _batch(LENGTHS["shared"])
        optimizer = LazyAdamW(network, lr=0.01, max_norm=0.1, lazy=lazy)
        if way == "watched":
            optimizer.register_step_post_hook(lambda *given: hooked.append(given))
        for step in range(12):
            xs = Ragged.of([batch[0][0].values[step : step + 5], batch[0][2].values[: step + 1]])
            if way == "grad":
                optimizer.zero_grad()
                network.loss(xs, batch[1][:2]).backward()
                optimizer.step()
            else:
                optimizer.step(gradients=network.gradients(xs, batch[1][:2]))
                assert all(one.grad is None for one in network.parameters())
        optimizer.close()
        after.append([one.detach().clone() for one in network.parameters()])
    assert len(hooked) == 12
    for other in after[1:]:
        assert all(torch.equal(one, two) for one, two in zip(after[0], other, strict=True))


@pytest.mark.parametrize(
    "of", ["hook", "late hook", "tied", "made of another", "pooling", "no gradient"]
)
def test_autograd_does_what_is_seen_or_more_than_a_sum(of: str) -> None:
    network, batch = _network("gru"), _batch(LENGTHS["short"])
    assert network.gradients(*batch) is not None
    if of == "hook":
        network.head.weight.register_hook(lambda grad: grad * 0)
    elif of == "late hook":
        network.head.weight.register_post_accumulate_grad_hook(lambda _: None)
    elif of == "tied":
        network.head.bias = None
        network.inputs = Table(4, 10)
        network.recurrent = Recurrent("gru", 10, 5, bidirectional=True)
        batch = batch[0].with_values(batch[0].values % 4), batch[1]
        assert network.gradients(*batch) is not None
        network.head.weight = network.inputs.weight
    elif of == "made of another":
        own = network.head.weight
        del network.head.weight
        network.head.weight = own * 2
    elif of == "pooling":
        network = NToOne(network.inputs, network.recurrent, outputs=4, pooling="mean")
    else:
        network.inputs.weight.requires_grad_(False)
    assert network.gradients(*batch) is None
    network.loss(*batch).backward()


def test_an_embedding_that_makes_no_more_of_words_is_a_table() -> None:
    table, (xs, targets) = _network("gru"), _batch(LENGTHS["shared"])
    network = NToOne(Embedding(9, 6, dropout=0.5), table.recurrent, outputs=4)
    network.load_state_dict(
        {**table.state_dict(), "inputs.words.weight": table.inputs.weight}, strict=False
    )
    tokens = xs.with_values(torch.stack([xs.values, torch.zeros_like(xs.values)], 1).int())
    assert not _whole(network.loss(tokens, targets))  # its features are dropped
    network.inputs.dropout = 0.0
    loss = network.loss(tokens, targets)
    assert _whole(loss)
    torch.testing.assert_close(loss, table.loss(xs, targets))


@pytest.mark.parametrize("of", ["words", "targets"])
def test_what_has_another_shape_is_left_to_the_parts(of: str) -> None:
    network, (xs, targets) = _network("gru"), _batch(LENGTHS["short"])
    if of == "words":
        xs = xs.with_values(xs.values[:, None])
    else:
        targets = targets[:, None]
    assert network.gradients(xs, targets) is None
    with pytest.raises((ShapeError, RuntimeError)):
        network.loss(xs, targets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_by_gradients_of_any_kind_sees_no_others(dtype: torch.dtype) -> None:
    after = []
    for by in ("grad", "gradients"):
        torch.manual_seed(0)
        model = nn.Linear(3, 2, dtype=dtype)
        optimizer, block = LazyAdamW(model, lr=0.1, max_norm=1.0), torch.arange(6, dtype=dtype)
        found = Gradients(1.0, [model.weight], block, [6], None)
        if by == "grad":
            (model.weight.grad,) = found.each()
        else:
            model.bias.grad = torch.ones(2, dtype=dtype)  # of a batch before
        optimizer.step(gradients=None if by == "grad" else found)
        after.append(torch.cat([one.detach().flatten() for one in model.parameters()]))
    assert torch.equal(*after)


@pytest.mark.parametrize(("sizes", "count"), [([6, 2], 7), ([2, 6], 8), ([6, 3], 9)])
def test_gradients_that_do_not_fit_are_refused(sizes: list[int], count: int) -> None:
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    found = Gradients(1.0, [model.weight, model.bias], torch.ones(count), sizes, None)
    with pytest.raises(BackendError, match="not those of their weights"):
        LazyAdamW(model, lr=0.1).step(gradients=found)
    assert torch.equal(model.weight, before)

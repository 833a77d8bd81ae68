"""A table's rows and its gradient, held to torch's own embedding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.layers.embedding import Table
from elman.layers.lookup import lookup

SHAPES = [(0,), (1,), (700,), (3, 5), (2, 0, 3)]


def _gradient(table: Tensor, found: Tensor) -> Tensor:
    weight = torch.linspace(-1, 1, found.numel()).view(found.shape)
    return torch.autograd.grad((found * weight).sum(), table)[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (7, 3), (900, 65)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_and_gradient_are_those_of_torch(
    shape: tuple[int, ...], rows: int, width: int, threads: int
) -> None:
    torch.manual_seed(rows)
    table = torch.randn(rows, width, requires_grad=True)
    numbers = torch.randint(rows, shape)
    torch.set_num_threads(threads)
    found, wanted = lookup(table, numbers), F.embedding(numbers, table)
    assert torch.equal(found, wanted)
    torch.testing.assert_close(_gradient(table, found), _gradient(table, wanted))


def test_threads_change_no_bit() -> None:
    torch.manual_seed(0)
    table, numbers = torch.randn(500, 80, requires_grad=True), torch.randint(40, (3_000,))
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(_gradient(table, lookup(table, numbers)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_numbers_and_gradients_that_are_not_contiguous() -> None:
    table = torch.randn(50, 8, requires_grad=True)
    numbers = torch.randint(50, (6, 4)).T
    found, wanted = lookup(table, numbers), F.embedding(numbers, table)
    grad = torch.randn(8, 6, 4).permute(2, 1, 0)
    ours, theirs = (torch.autograd.grad(one, table, grad)[0] for one in (found, wanted))
    torch.testing.assert_close(ours, theirs)


def test_the_gradient_has_a_gradient() -> None:
    torch.manual_seed(1)
    table, numbers = torch.randn(9, 4, requires_grad=True), torch.tensor([[1, 1], [8, 0]])
    second = []
    for read in (lambda: lookup(table, numbers), lambda: F.embedding(numbers, table)):
        first = torch.autograd.grad(read().pow(3).sum(), table, create_graph=True)[0]
        second.append(torch.autograd.grad(first.pow(2).sum(), table)[0])
    torch.testing.assert_close(*second)


@pytest.mark.parametrize(
    "table",
    [
        Table(6, 2, padding_idx=0),
        Table(6, 2, sparse=True),
        Table(6, 2, scale_grad_by_freq=True),
        Table(6, 2, max_norm=0.5),
        Table(6, 2, dtype=torch.float64),
        Table(6, 2).requires_grad_(requires_grad=False),
    ],
)
def test_what_else_torch_knows_is_left_to_it(table: Table) -> None:
    numbers = torch.tensor([0, 3, 3])
    plain = torch.nn.Embedding(
        6,
        2,
        **{
            name: getattr(table, name)
            for name in ("padding_idx", "sparse", "scale_grad_by_freq", "max_norm")
        },
        dtype=table.weight.dtype,
    )
    plain.load_state_dict(table.state_dict())
    found, wanted = table(numbers), plain(numbers)
    assert torch.equal(found, wanted)
    if table.weight.requires_grad:
        for one in (found, wanted):
            one.sum().backward()
        grads = [one.weight.grad.to_dense() for one in (table, plain)]
        assert torch.equal(*grads)


@pytest.mark.parametrize("wrong", [-1, 6])
def test_a_number_that_no_row_has_is_refused(wrong: int) -> None:
    with pytest.raises(IndexError):
        Table(6, 2)(torch.tensor([0, wrong]))

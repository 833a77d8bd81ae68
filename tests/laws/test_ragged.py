"""Ragged: there and back again by every road, indexing, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from elman.errors import ShapeError
from elman.ragged import Ragged, Walk

LENGTHS = st.lists(st.integers(0, 6), max_size=6)
FULL = st.lists(st.integers(1, 6), min_size=1, max_size=6)
FEATURES = st.lists(st.integers(1, 3), max_size=2).map(tuple)


def sequences_of(lengths: list[int], features: tuple[int, ...] = ()) -> list[Tensor]:
    """Numbered values, so that each is there once."""
    size = int(np.prod(features, dtype=int))
    values = torch.arange(1, sum(lengths) * size + 1, dtype=torch.float64)
    return list(values.view(sum(lengths), *features).split(lengths))


def equal(left: Ragged, right: Ragged) -> bool:
    return torch.equal(left.values, right.values) and torch.equal(left.offsets, right.offsets)


# --- there and back again ---


@given(LENGTHS, FEATURES)
def test_lists(lengths, features) -> None:
    sequences = sequences_of(lengths, features)
    xs = Ragged.of(sequences)
    assert len(xs) == len(lengths)
    assert xs.lengths.tolist() == lengths
    for found in (xs.unbind(), list(xs)):
        assert all(torch.equal(*pair) for pair in zip(found, sequences, strict=True))
    assert xs.rows.tolist() == [row for row, length in enumerate(lengths) for _ in range(length)]
    assert xs.positions.tolist() == [t for length in lengths for t in range(length)]
    assert equal(xs.with_values(xs.values + 1).with_values(xs.values), xs)


@given(LENGTHS, FEATURES, st.integers(0, 3))
def test_padded(lengths, features, more) -> None:
    xs = Ragged.of(sequences_of(lengths, features)) if lengths else empty_batch(features)
    padded = xs.padded(fill=torch.nan)
    assert padded.shape == (len(lengths), max(lengths, default=0), *features)
    assert int(padded.isnan().sum()) == padded.numel() - xs.values.numel()
    wider = torch.cat([padded, padded.new_full((len(lengths), more, *features), torch.nan)], 1)
    assert equal(Ragged.from_padded(wider, lengths), xs)
    assert equal(Ragged.from_padded(wider, torch.tensor(lengths, dtype=torch.int64)), xs)


def empty_batch(features: tuple[int, ...]) -> Ragged:
    return Ragged(torch.zeros(0, *features, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))


@given(FULL, FEATURES)
def test_packed(lengths, features) -> None:
    """Against torch's own packing of unsorted sequences, field by field."""
    sequences = sequences_of(lengths, features)
    xs = Ragged.of(sequences)
    peer = pack_sequence(sequences, enforce_sorted=False)
    ours = xs.packed()
    again, told = pad_packed_sequence(ours, batch_first=True)
    assert torch.equal(again, xs.padded())
    assert told.tolist() == lengths
    assert torch.equal(ours.batch_sizes, peer.batch_sizes)
    for packed in (ours, peer):
        assert equal(Ragged.from_packed(packed), xs)
    padded = pack_padded_sequence(xs.padded(), xs.lengths, batch_first=True, enforce_sorted=False)
    assert equal(Ragged.from_packed(padded), xs)


@given(FULL)
def test_packed_in_order(lengths) -> None:
    """A batch that was sorted by its owner has no order to restore."""
    sequences = sequences_of(sorted(lengths, reverse=True))
    assert equal(Ragged.from_packed(pack_sequence(sequences)), Ragged.of(sequences))


@given(LENGTHS.filter(len), FEATURES)
def test_nested(lengths, features) -> None:
    sequences = sequences_of(lengths, features)
    xs = Ragged.of(sequences)
    peer = torch.nested.nested_tensor(sequences, layout=torch.jagged)
    assert equal(Ragged.from_nested(peer), xs)
    nested = xs.nested()
    assert all(torch.equal(*pair) for pair in zip(nested.unbind(), sequences, strict=True))
    assert equal(Ragged.from_nested(nested), xs)


@given(FULL)
def test_gradients_pass_every_road(lengths) -> None:
    values = torch.randn(sum(lengths), 2, dtype=torch.float64, requires_grad=True)
    xs = Ragged.of(sequences_of(lengths, (2,))).with_values(values)
    scale = torch.arange(1.0, values.numel() + 1, dtype=torch.float64).view_as(values)
    roads = {
        "padded": Ragged.from_padded(xs.padded(), xs.lengths),
        "packed": Ragged.from_packed(xs.packed()),
        "list": Ragged.of(xs.unbind()),
        "index": xs[::-1][::-1],
    }
    for name, there in roads.items():
        (found,) = torch.autograd.grad((there.values * scale).sum(), values)
        assert torch.equal(found, scale), name


@given(LENGTHS, st.booleans())
def test_a_walk_visits_every_step_once_in_time(lengths, reverse) -> None:
    xs = Ragged.of(sequences_of(lengths)) if lengths else empty_batch(())
    walk = Walk.over(xs.offsets, reverse=reverse)
    assert torch.equal(walk.back(walk.along(xs.values)), xs.values)
    assert sum(walk.sizes) == sum(lengths)
    assert walk.sizes == sorted(walk.sizes, reverse=True)
    for t, rows in enumerate(walk.along(xs.rows).split(walk.sizes)):
        assert torch.equal(rows, walk.order[: len(rows)]), "the running ones are a leading slice"
        for row, position in zip(rows, walk.along(xs.positions).split(walk.sizes)[t], strict=True):
            assert position == (lengths[row] - 1 - t if reverse else t)


# --- indexing ---


@given(LENGTHS.filter(len), st.data())
def test_indexing_is_that_of_a_list(lengths, data) -> None:
    sequences = sequences_of(lengths, (2,))
    xs = Ragged.of(sequences)
    n = len(lengths)
    places = st.integers(-n, n - 1)
    one = data.draw(places)
    assert torch.equal(xs[one].values, sequences[one])
    assert len(xs[one]) == 1
    cut = data.draw(st.slices(n))
    many = data.draw(st.lists(places, max_size=5))
    for index, wanted in ((cut, sequences[cut]), (many, [sequences[i] for i in many])):
        found = xs[index].unbind()
        assert len(found) == len(wanted)
        assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
    assert equal(xs[np.array(many, dtype=np.int64)], xs[many])


@pytest.mark.parametrize("index", [np.int64(1), torch.tensor([1]), [1], np.array([1])])
def test_numbers_of_any_kind_choose(index: Any) -> None:
    xs = Ragged.of(sequences_of([3, 2, 1]))
    assert equal(xs[index], xs[1])


def test_a_mask_chooses_where_it_is_true() -> None:
    xs = Ragged.of(sequences_of([3, 2, 1]))
    for mask in ([True, False, True], np.array([True, False, True])):
        assert xs[mask].lengths.tolist() == [3, 1]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.bfloat16, torch.float64, torch.int64])
@pytest.mark.parametrize("features", [(), (0,), (3,), (2, 5)])
def test_an_array_picks_the_steps_of_every_kind(dtype: torch.dtype, features: tuple[int, ...]) -> None:
    sequences = [(10 * one).to(dtype) for one in sequences_of([3, 0, 1, 5], features)]
    found = Ragged.of(sequences)[np.array([3, 1, 0, 3])]
    assert equal(found, Ragged.of([sequences[n] for n in (3, 1, 0, 3)]))
    assert found.values.dtype == dtype


def test_an_array_picks_what_has_a_gradient() -> None:
    values = torch.arange(6.0, requires_grad=True)
    xs = Ragged(values, torch.tensor([0, 3, 5, 6]))
    (grad,) = torch.autograd.grad(xs[np.array([1, 0, 1])].values.sum(), values)
    assert grad.tolist() == [1, 1, 1, 2, 2, 0]


@pytest.mark.parametrize("index", [3, -4, [0, 3], [-4], np.array([3]), np.array([0, -4])])
def test_what_is_not_there_is_an_index_error(index: Any) -> None:
    with pytest.raises(IndexError):
        Ragged.of(sequences_of([3, 2, 1]))[index]


# --- what it refuses ---


@pytest.mark.parametrize(
    "offsets",
    [
        torch.tensor([0, 3]),
        torch.tensor([1, 4]),
        torch.tensor([0, 3, 2, 4]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([0.0, 4.0]),
        torch.tensor([0, 4], dtype=torch.int32),
        torch.tensor([[0, 4]]),
        torch.tensor(4),
    ],
)
def test_offsets_must_describe_the_values(offsets: Tensor) -> None:
    with pytest.raises(ShapeError, match="do not describe"):
        Ragged(torch.zeros(4, 2), offsets)


def test_sequences_must_have_equal_features() -> None:
    with pytest.raises(ShapeError, match="same features") as error:
        Ragged.of([torch.zeros(3, 2), torch.zeros(1, 4)])
    assert error.value.received == "features [(2,), (4,)]"
    with pytest.raises(ShapeError, match="same features"):
        Ragged.of([torch.tensor(1.0)])


@pytest.mark.parametrize("lengths", [[4, 1], [-1, 2], [1], [1, 1, 1]])
def test_lengths_must_fit_the_padding(lengths: list[int]) -> None:
    with pytest.raises(ShapeError, match="lengths do not fit"):
        Ragged.from_padded(torch.zeros(2, 3), lengths)


@pytest.mark.parametrize("lengths", [[], [2, 0]])
def test_nothing_cannot_be_packed(lengths: list[int]) -> None:
    with pytest.raises(ShapeError, match="no place for a sequence without steps"):
        Ragged.of(sequences_of(lengths)).packed()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_that_is_not_jagged_is_refused() -> None:
    strided = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)], layout=torch.strided)
    with pytest.raises(ShapeError, match="jagged"):
        Ragged.from_nested(strided)
    with_holes = torch.nested.narrow(
        torch.arange(12.0).view(2, 3, 2),
        1,
        torch.tensor([0, 1]),
        torch.tensor([2, 2]),
        layout=torch.jagged,
    )
    with pytest.raises(ShapeError, match="holes"):
        Ragged.from_nested(with_holes)


def test_it_moves_as_a_whole_and_says_what_it_is() -> None:
    xs = Ragged.of(sequences_of([2, 0], (3,)))
    assert xs.to(torch.float32).values.dtype == torch.float32
    assert xs.to(torch.float32).offsets.dtype == torch.int64
    assert repr(xs) == "Ragged(lengths=[2, 0], features=(3,), torch.float64)"

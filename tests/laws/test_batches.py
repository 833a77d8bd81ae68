"""Laws of batching: all examples once, within the budgets, alike in length, and the same every time."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import Batches
from elman.errors import SettingsError, ShapeError

# Short lists shrink well, long ones fill many batches.
lengths_ = st.lists(st.integers(0, 40), max_size=40) | st.builds(
    lambda n, seed: np.random.default_rng(seed).integers(0, 41, n).tolist(),
    st.integers(0, 800),
    st.integers(0, 1000),
)
sizes = st.integers(1, 70)
budgets = st.none() | st.integers(1, 300)
seeds = st.integers(0, 2**63)
epochs = st.integers(0, 1000)


def flat(batches) -> list[int]:
    return [int(i) for batch in batches for i in batch]


def same(left, right) -> bool:
    return len(left) == len(right) and all(map(np.array_equal, left, right))


def waste(batches, lengths) -> float:
    """The share of padding, were each batch padded to its longest sequence."""
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / padded


@given(lengths_, sizes, budgets, seeds, epochs)
def test_every_example_is_there_once_and_budgets_hold(lengths, batch_size, max_steps, seed, k):
    batches = Batches(lengths, batch_size=batch_size, max_steps=max_steps, seed=seed)
    for found in (batches.epoch(k), batches.ordered()):
        assert sorted(flat(found)) == list(range(len(lengths)))
        for batch in found:
            assert batch.dtype == np.int64
            assert 1 <= len(batch) <= batch_size
            if max_steps is not None and len(batch) > 1:
                assert sum(lengths[i] for i in batch) <= max_steps


@given(lengths_, sizes, seeds)
def test_sizes_are_level_where_no_budget_binds(lengths, batch_size, seed):
    for max_steps in (None, 40 * 70):
        batches = Batches(lengths, batch_size=batch_size, max_steps=max_steps, seed=seed)
        for found in (batches.epoch(0), batches.ordered()):
            counts = {len(batch) for batch in found}
            assert not counts or max(counts) - min(counts) <= 1
            assert len(found) == -(-len(lengths) // batch_size)


def test_129_examples_do_not_leave_one_over():
    assert [len(batch) for batch in Batches([3] * 129, batch_size=64).ordered()] == [43, 43, 43]


@pytest.mark.parametrize("lengths", [[5] * 11, [0] * 4 + [10] * 11])
def test_a_budget_does_not_leave_a_few_over_where_it_can_be_helped(lengths):
    for found in (Batches(lengths, max_steps=50).ordered(), Batches(lengths, max_steps=50).epoch(0)):
        assert min(sum(lengths[i] for i in batch) for batch in found) > 10


def test_a_budget_is_filled_to_the_brim_and_the_size_still_holds():
    assert [len(batch) for batch in Batches([5] * 20, max_steps=10).ordered()] == [2] * 10
    for lengths in ([9] * 20 + [0] * 70, [0] * 70 + [9] * 20):
        for found in (Batches(lengths, max_steps=20).ordered(), Batches(lengths, max_steps=20).epoch(0)):
            assert max(map(len, found)) <= 64
            assert len(found) in (11, 12)


@given(lengths_, sizes, st.integers(1, 300))
def test_a_budget_costs_no_more_batches_than_it_must(lengths, batch_size, max_steps):
    """No two neighbours in the order of lengths could have been one batch, but for the levelled last two."""
    found = Batches(lengths, batch_size=batch_size, max_steps=max_steps).ordered()
    if any(sum(lengths[i] for i in batch) > max_steps for batch in found):
        return
    for left, right in itertools.pairwise(found[:-1]):
        joined = [*left, *right]
        assert len(joined) > batch_size or sum(lengths[i] for i in joined) > max_steps


@given(lengths_, sizes, budgets, seeds, epochs)
def test_an_epoch_depends_on_seed_and_number_alone(lengths, batch_size, max_steps, seed, k):
    def make():
        return Batches(lengths, batch_size=batch_size, max_steps=max_steps, seed=seed)

    first = make().epoch(k)
    other = make()
    np.random.seed(1)
    random.seed(1)
    other.epoch(k + 1)  # an epoch drawn before leaves no trace
    assert same(first, other.epoch(k))
    before = np.random.get_state()[1].copy()
    other.epoch(k)
    assert np.array_equal(before, np.random.get_state()[1])


def test_epochs_and_seeds_differ_in_mates_and_in_order():
    def mates(batches):
        return {frozenset(batch.tolist()) for batch in batches}

    lengths = np.random.default_rng(0).integers(1, 30, 3000)
    drawn = [Batches(lengths, seed=seed).epoch(k) for seed in (0, 1) for k in (0, 1)]
    for left, right in itertools.combinations(drawn, 2):
        shared = len(mates(left) & mates(right))
        assert shared == 0
    # Neither do ties come in the order of the file, nor batches in the order of their lengths.
    equal = Batches([7] * 3000).epoch(0)
    assert not any(np.all(np.diff(batch) > 0) for batch in equal)
    means = [lengths[batch].mean() for batch in drawn[0]]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_every_pair_of_like_examples_can_meet():
    """Over the epochs an example of a common length has many different mates."""
    batches = Batches([5] * 640, batch_size=64)
    mates = set()
    for k in range(40):
        mates.update(next(batch.tolist() for batch in batches.epoch(k) if 0 in batch))
    assert len(mates) > 600


@pytest.mark.parametrize("n", [640, 10_000])
@pytest.mark.parametrize("max_steps", [None, 2000])
def test_batch_mates_are_alike_in_length(n, max_steps):
    rng = np.random.default_rng(3)
    lengths = np.maximum(1, rng.lognormal(3, 0.8, n)).astype(int)
    batches = Batches(lengths, batch_size=64, max_steps=max_steps, seed=1)
    shuffled = np.array_split(rng.permutation(n), n // 64)
    unsorted = waste(shuffled, lengths)
    assert unsorted > 0.5
    assert waste(batches.epoch(0), lengths) < unsorted * (0.75 if n < 1000 else 0.35)
    assert waste(batches.ordered(), lengths) < unsorted * (0.75 if n < 1000 else 0.15)


def test_only_neighbours_in_the_shuffle_are_sorted_together():
    """Groups of about 50 batches: a batch is not the k-th slice of all examples sorted by length."""
    lengths = np.arange(64 * 500)
    spans = [np.ptp(lengths[batch]) for batch in Batches(lengths).epoch(0)]
    assert 64 * 3 < np.median(spans) < 64 * 50


@given(lengths_, sizes, budgets)
def test_ordered_is_longest_first_with_nothing_at_random(lengths, batch_size, max_steps):
    for seed in (0, 1):
        found = flat(Batches(lengths, batch_size=batch_size, max_steps=max_steps, seed=seed).ordered())
        assert found == sorted(range(len(lengths)), key=lambda i: -lengths[i])


@given(lengths_, sizes, budgets, epochs, st.integers(1, 9))
def test_ranks_share_an_epoch_evenly(lengths, batch_size, max_steps, k, world_size):
    batches = Batches(lengths, batch_size=batch_size, max_steps=max_steps)
    whole = [tuple(batch) for batch in batches.epoch(k)]
    shards = [
        [tuple(batch) for batch in batches.epoch(k, rank, world_size)] for rank in range(world_size)
    ]
    assert {len(shard) for shard in shards} == {-(-len(whole) // world_size)}
    dealt = [batch for turn in zip(*shards, strict=True) for batch in turn]
    assert dealt[: len(whole)] == whole  # one process or many, the same batches at the same time
    assert all(batch in whole for batch in dealt[len(whole) :])


def test_two_ranks_of_five_batches():
    batches = Batches([1] * 5, batch_size=1)
    whole = np.concatenate(batches.epoch(3)).tolist()
    assert np.concatenate(batches.epoch(3, 0, 2)).tolist() == [whole[0], whole[2], whole[4]]
    assert np.concatenate(batches.epoch(3, 1, 2)).tolist() == [whole[1], whole[3], whole[0]]


def test_no_examples_give_no_batches():
    for lengths in ([], np.zeros(0), np.zeros(0, dtype=np.int32)):
        batches = Batches(lengths, max_steps=3)
        assert batches.epoch(0) == batches.ordered() == batches.epoch(1, 2, 3) == []


@pytest.mark.parametrize(
    "given_",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"max_steps": 0},
        {"seed": -1},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(given_):
    with pytest.raises(SettingsError, match=next(iter(given_))):
        Batches([1, 2], **given_)


@pytest.mark.parametrize("call", [(-1,), (0, 2, 2), (0, -1, 2), (0, 0, 0)], ids=str)
def test_epochs_and_ranks_out_of_range_are_refused(call):
    with pytest.raises(SettingsError):
        Batches([1, 2]).epoch(*call)


@pytest.mark.parametrize("lengths", [[1, -1], [1.5], [[1, 2]], 3, [True], [None, 1], ["a"]], ids=str)
def test_what_are_not_lengths_is_refused(lengths):
    with pytest.raises(ShapeError, match="lengths"):
        Batches(lengths)


def test_a_million_lengths_take_a_moment():
    lengths = np.random.default_rng(0).integers(1, 100, 1_000_000)
    assert sum(map(len, Batches(lengths, max_steps=3000).epoch(0))) == 1_000_000

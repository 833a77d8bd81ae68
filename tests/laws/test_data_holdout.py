"""Laws of the part set aside: a partition, each label by its share, and the same every time."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import holdout
from elman.errors import DataError, SettingsError

# Short lists shrink well, long ones have labels of every size.
labels_ = st.lists(st.sampled_from("abcd"), max_size=12) | st.builds(
    lambda n, seed: (np.random.default_rng(seed).geometric(0.2, n)).tolist(),
    st.integers(0, 500),
    st.integers(0, 1000),
)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**63)


@given(labels_, fractions, seeds)
def test_a_partition_that_leaves_every_label_in_training(labels, fraction, seed):
    train, dev = holdout(labels, fraction, seed)
    assert sorted([*train, *dev]) == list(range(len(labels)))
    for indices in (train, dev):
        assert indices.dtype == np.int64
        assert sorted(indices) == indices.tolist()
    assert {labels[i] for i in train} == set(labels)


@given(labels_, fractions, seeds)
def test_each_label_gives_its_share(labels, fraction, seed):
    _, dev = holdout(labels, fraction, seed)
    counts, held = Counter(labels), Counter(labels[i] for i in dev)
    several = sum(count for count in counts.values() if count > 1)
    share = Fraction(max(1, round(several * fraction)), several) if several else Fraction(0)
    for label, count in counts.items():
        assert count > 1 or held[label] == 0
        # One more is owed back where a label would have been taken whole.
        assert count * share - 1 - (count * share > count - 1) < held[label] < count * share + 1
    assert bool(several) == bool(len(dev))


def test_the_total_is_the_fraction_even_over_many_small_labels():
    train, dev = holdout([i // 3 for i in range(300)], 0.1)
    assert (len(train), len(dev)) == (270, 30)


@given(labels_, fractions, seeds)
def test_the_same_seed_gives_the_same_split(labels, fraction, seed):
    np.random.seed(1)
    first = holdout(labels, fraction, seed)
    np.random.seed(2)
    for left, right in zip(first, holdout(labels, fraction, seed), strict=True):
        assert np.array_equal(left, right)


def test_a_small_file_still_gives_one_example():
    assert len(holdout("aabb", 0.01)[1]) == 1


def test_labels_seen_once_do_not_count():
    labels = ["a"] * 10 + [str(i) for i in range(90)]
    assert len(holdout(labels, 0.5)[1]) == 5
    assert len(holdout(labels, 0.01)[1]) == 1


def test_examples_are_drawn_and_not_taken_in_turn():
    drawn = {tuple(holdout(["a"] * 20, 0.5, seed)[1]) for seed in range(50)}
    assert len(drawn) > 45


def test_every_example_is_set_aside_by_some_seed():
    held = Counter(int(i) for seed in range(400) for i in holdout("aabbbbbbbb", 0.2, seed)[1])
    assert set(held) == set(range(10))
    assert max(held.values()) < 2 * min(held.values())  # each 80 times, give or take


def test_nothing_can_be_set_aside_of_labels_seen_once():
    for labels in ([], ["a"], ["a", "b", "c"]):
        train, dev = holdout(labels, 0.5)
        assert (train.tolist(), dev.tolist()) == (list(range(len(labels))), [])


@pytest.mark.parametrize("given_", [{"fraction": 0}, {"fraction": 1}, {"fraction": 1.5}, {"seed": -1}])
def test_settings_out_of_range_are_refused(given_):
    with pytest.raises(SettingsError, match=next(iter(given_))):
        holdout("aabb", **given_)


def test_lists_of_tags_are_not_labels():
    with pytest.raises(DataError, match="hashable"):
        holdout([["B", "I"], ["O"]])  # pyright: ignore[reportArgumentType]

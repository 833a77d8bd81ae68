"""The CRF against the enumeration of every path: sums, best paths, probabilities, gradients."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.errors import SettingsError, ShapeError
from elman.layers.crf import CRF
from elman.ragged import Ragged

LENGTHS = st.lists(st.integers(0, 4), min_size=1, max_size=4)
NEVER = -torch.inf


def crf_of(tags: int, seed: int, *, masked: bool) -> CRF:
    """Random scores; where masked, tag 1 may only follow tags 0 and 1 (an I- its B-), and tag 0 not end."""
    follows, first, last = torch.ones(tags, tags), torch.ones(tags), torch.ones(tags)
    if masked:
        follows[2:, 1] = 0
        first[1] = 0
        last[0] = 0
    crf = CRF(tags, follows, first, last).double()
    draw = torch.Generator().manual_seed(seed)
    for weight in crf.parameters():
        weight.data = torch.randn(weight.shape, generator=draw, dtype=torch.float64)
    return crf


def emissions_of(lengths: list[int], tags: int, scale: float = 1.0) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(scale * torch.randn(int(offsets[-1]), tags, dtype=torch.float64), offsets)


def score_by_hand(crf: CRF, emissions: Tensor, path: tuple[int, ...]) -> Tensor:
    """The definition, with -∞ for what is not allowed."""
    if not path:
        return torch.zeros((), dtype=torch.float64)
    allowed = bool(crf.first[path[0]]) and bool(crf.last[path[-1]])
    total = crf.start[path[0]] + crf.end[path[-1]]
    for t, tag in enumerate(path):
        total = total + emissions[t, tag]
        if t:
            allowed = allowed and bool(crf.follows[path[t - 1], tag])
            total = total + crf.transitions[path[t - 1], tag]
    return total if allowed else total.new_tensor(NEVER)


def every(crf: CRF, emissions: Tensor) -> dict[tuple[int, ...], Tensor]:
    paths = product(range(crf.tags), repeat=len(emissions))
    return {path: score_by_hand(crf, emissions, path) for path in paths}


@pytest.mark.parametrize("masked", [False, True])
@settings(max_examples=15)
@given(lengths=LENGTHS, tags=st.integers(3, 4), seed=st.integers(0, 99))
def test_sums_and_best_paths_are_those_of_all_paths(masked, lengths, tags, seed) -> None:
    crf, emissions = crf_of(tags, seed, masked=masked), emissions_of(lengths, tags)
    partition, best = crf.log_partition(emissions), crf.best(emissions)
    for number, one in enumerate(emissions):
        scores = every(crf, one)
        whole = torch.logsumexp(torch.stack(list(scores.values())), 0)
        torch.testing.assert_close(partition[number], whole)
        assert tuple(best[number].values.tolist()) == max(scores, key=lambda path: scores[path])


@pytest.mark.parametrize("masked", [False, True])
@settings(max_examples=10)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_marginals_are_shares_of_all_paths(masked, lengths, seed) -> None:
    crf, emissions = crf_of(3, seed, masked=masked), emissions_of(lengths, 3)
    found = crf.marginals(emissions)
    for number, one in enumerate(emissions):
        expected = torch.zeros(len(one), 3, dtype=torch.float64)
        for path, score in every(crf, one).items():
            chance = (score - crf.log_partition(emissions)[number]).exp()
            for t, tag in enumerate(path):
                expected[t, tag] += chance.detach()
        torch.testing.assert_close(found[number].values, expected)


@pytest.mark.parametrize("masked", [False, True])
@settings(max_examples=10)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_a_path_has_its_probability_and_all_of_them_have_one(masked, lengths, seed) -> None:
    crf, emissions = crf_of(3, seed, masked=masked), emissions_of(lengths, 3)
    path = crf.best(emissions)
    chances = crf(emissions, path)
    for number, one in enumerate(emissions):
        scores = every(crf, one)
        own = scores[tuple(path[number].values.tolist())]
        torch.testing.assert_close(
            chances[number], own - torch.logsumexp(torch.stack(list(scores.values())), 0)
        )
        if len(one):
            total = sum(
                crf(Ragged.of([one]), Ragged.of([torch.tensor(each)])).exp().detach()
                for each in product(range(3), repeat=len(one))
            )
            torch.testing.assert_close(total, torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("masked", [False, True])
def test_gradients(masked) -> None:
    """Of the loss with respect to emissions and scores, against differences."""
    crf, emissions = crf_of(3, 1, masked=masked), emissions_of([3, 0, 1, 2], 3)
    path = crf.best(emissions)
    offsets = emissions.offsets

    def loss(values: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(("transitions", "start", "end"), weights, strict=True))
        return torch.func.functional_call(crf, named, (Ragged(values, offsets), path))

    weights = [crf.transitions, crf.start, crf.end]
    inputs = [one.detach().clone().requires_grad_() for one in (emissions.values, *weights)]
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_emissions_lose_nothing(masked, scale) -> None:
    """Where one way is dear and every other forbidden, its score is kept all the same."""
    crf, emissions = crf_of(3, 2, masked=masked).float(), emissions_of([4, 3, 1], 3, scale)
    emissions = emissions.to(torch.float32)
    found = crf.log_partition(emissions)
    for number, one in enumerate(emissions):
        whole = torch.logsumexp(torch.stack([each.float() for each in every(crf, one).values()]), 0)
        torch.testing.assert_close(found[number], whole, rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad(found.sum(), list(crf.parameters()))
    assert all(bool(one.isfinite().all()) for one in gradients)


def test_a_tag_that_nothing_leads_to_leaves_gradients_finite() -> None:
    follows = torch.ones(3, 3)
    follows[:, 2] = 0
    crf = CRF(3, follows, first=torch.tensor([True, True, False])).double()
    emissions = emissions_of([4, 2], 3)
    emissions.values.requires_grad_()
    found = crf(emissions, crf.best(emissions)).sum()
    for one in torch.autograd.grad(found, [emissions.values, *crf.parameters()]):
        assert bool(one.isfinite().all())
    assert bool((crf.marginals(emissions).values[:, 2] == 0).all())


@settings(max_examples=10)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_batch_mates_never_matter(lengths, seed) -> None:
    crf, emissions = crf_of(4, seed, masked=True), emissions_of(lengths, 4)
    together = crf.log_partition(emissions), crf.best(emissions), crf.marginals(emissions)
    for number in range(len(emissions)):
        alone = emissions[number]
        torch.testing.assert_close(crf.log_partition(alone)[0], together[0][number])
        assert torch.equal(crf.best(alone).values, together[1][number].values)
        torch.testing.assert_close(crf.marginals(alone).values, together[2][number].values)


def test_what_it_refuses() -> None:
    with pytest.raises(SettingsError, match="mask follows"):
        CRF(3, torch.ones(2, 3))
    with pytest.raises(SettingsError, match="stand alone"):
        CRF(2, first=torch.tensor([True, False]), last=torch.tensor([False, True]))
    crf = CRF(3)
    with pytest.raises(ShapeError, match="other emissions"):
        crf.best(Ragged.of([torch.zeros(2, 4)]))
    with pytest.raises(ShapeError, match="for each step"):
        crf(Ragged.of([torch.zeros(2, 3)]), Ragged.of([torch.zeros(1, dtype=torch.int64)]))

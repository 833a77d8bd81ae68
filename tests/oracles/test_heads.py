"""Forecast heads against scipy: likelihoods and quantiles; and the pinball loss by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from elman.errors import SettingsError, UnknownNameError
from elman.layers.heads import HEADS, CountHead, count_quantile, head_of, student_quantile

CHANCES = (0.025, 0.1, 0.5, 0.9, 0.975)


def raw_and_truth(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    raw = torch.randn(40, 6, size, dtype=torch.float64) * 2
    return raw, torch.randn(40, 6, dtype=torch.float64) * 3, torch.exp(torch.randn(40, 6).double() * 2)


def softplus(x: torch.Tensor) -> np.ndarray:
    return np.log1p(np.exp(x.numpy()))


def frozen(name: str, raw: torch.Tensor, unit: torch.Tensor):
    """scipy's distribution of what the head is documented to be."""
    if name == "normal":
        return stats.norm(raw[..., 0].numpy(), softplus(raw[..., 1]) + 1e-4)
    if name == "student-t":
        return stats.t(
            2 + 1e-4 + softplus(raw[..., 2]), raw[..., 0].numpy(), softplus(raw[..., 1]) + 1e-4
        )
    mean, alpha = (softplus(raw[..., 0]) + 1e-4) * unit.numpy(), softplus(raw[..., 1]) + 1e-4
    return stats.nbinom(1 / alpha, 1 / (1 + alpha * mean))


@pytest.mark.parametrize("name", ["normal", "student-t", "negative-binomial"])
def test_likelihood_and_quantiles_are_scipys(name: str) -> None:
    head = head_of(name)
    raw, y, unit = raw_and_truth(head.size)
    theirs = frozen(name, raw, unit)
    if head.counts:
        y = torch.from_numpy(theirs.rvs(random_state=1).astype(float)) / unit
        density = theirs.logpmf(np.round((y * unit).numpy()))
    else:
        density = theirs.logpdf(y.numpy())
    np.testing.assert_allclose(head.loss(raw, y, unit).numpy(), -density, rtol=1e-6, atol=1e-8)
    found = head.quantiles(raw, CHANCES, unit)
    assert found is not None
    for place, chance in enumerate(CHANCES):
        scale = unit.numpy() if head.counts else 1.0
        np.testing.assert_allclose(
            found[..., place].numpy() * scale, theirs.ppf(chance), rtol=1e-6, atol=1e-6
        )
    mean = head.mean(raw, unit).numpy() * (unit.numpy() if head.counts else 1.0)
    np.testing.assert_allclose(mean, theirs.mean(), rtol=1e-6)


@pytest.mark.parametrize("name", ["normal", "student-t", "negative-binomial"])
def test_what_is_drawn_is_of_the_distribution(name: str) -> None:
    head = head_of(name)
    raw = torch.randn(head.size).expand(20_000, -1)
    unit = torch.full((20_000,), 7.0)
    drawn = head.sample(raw, unit).numpy()
    theirs = frozen(name, raw[:1].double(), unit[:1].double())
    for chance in (0.1, 0.5, 0.9):
        bound = float(theirs.ppf(chance)[0]) / (7.0 if head.counts else 1.0)
        expected = float(theirs.cdf(bound * (7.0 if head.counts else 1.0) + 1e-6)[0])
        assert abs((drawn <= bound + 1e-6).mean() - expected) < 0.02


def test_student_quantiles_over_all_degrees_of_freedom() -> None:
    df = torch.tensor([2.0001, 2.5, 4.0, 11.0, 80.0, 3000.0], dtype=torch.float64)
    for chance in (0.001, 0.05, 0.4, 0.5, 0.6, 0.999):
        np.testing.assert_allclose(
            student_quantile(chance, df).numpy(), stats.t.ppf(chance, df.numpy()), rtol=1e-9, atol=1e-12
        )


def test_count_quantiles_from_rare_to_many() -> None:
    mean = torch.tensor([1e-3, 0.5, 3.0, 400.0, 1e6], dtype=torch.float64)
    alpha = torch.tensor([0.01, 5.0, 1.0, 0.1, 1e-3], dtype=torch.float64)
    raw = torch.stack([torch.log(torch.expm1(mean - 1e-4)), torch.log(torch.expm1(alpha - 1e-4))], -1)
    raw[-1, 0] = mean[-1]
    given = CountHead().of(raw, torch.ones(5, dtype=torch.float64))
    theirs = stats.nbinom(given.total_count.numpy(), torch.sigmoid(-given.logits).numpy())
    for chance in (0.01, 0.5, 0.99):
        assert count_quantile(chance, given).tolist() == theirs.ppf(chance).tolist()


def test_point_and_quantile_losses_by_hand() -> None:
    y, unit = torch.tensor([2.0, 2.0]), torch.ones(2)
    point = torch.tensor([[5.0], [1.0]])
    assert head_of("mse").loss(point, y, unit).tolist() == [9.0, 1.0]
    assert head_of("mae").loss(point, y, unit).tolist() == [3.0, 1.0]
    head = head_of("quantiles", (0.1, 0.5, 0.9))
    raw = torch.tensor([[1.0, 3.0, 4.0], [4.0, 3.0, 1.0]])
    # (0.1·1 + 0.5·1 + 0.1·2) / 3, and with the outer ones exchanged (0.9·2 + 0.5·1 + 0.9·1) / 3
    torch.testing.assert_close(head.loss(raw, y, unit), torch.tensor([0.8 / 3, 3.2 / 3]))
    found = head.quantiles(raw, (0.1, 0.3, 0.5, 0.9), unit)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2))  # sorted, and between
    assert head.mean(raw, unit).tolist() == [3.0, 3.0]


def test_the_anchor_moves_the_place_and_nothing_else() -> None:
    for name in HEADS:
        head = head_of(name)
        raw = torch.randn(5, head.size)
        moved = head.moved(raw, torch.full((5,), 2.0)) - raw
        expected = torch.zeros(5, head.size)
        expected[:, : head.size if name == "quantiles" else 1] = 0.0 if head.counts else 2.0
        torch.testing.assert_close(moved, expected)


def test_what_is_no_head_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no head named 'gauss'"):
        head_of("gauss")
    for wrong in ((0.5,), (0.9, 0.1), (0.0, 0.5), (0.5, 0.5)):
        with pytest.raises(SettingsError, match="no quantiles"):
            head_of("quantiles", wrong)
    with pytest.raises(SettingsError, match=r"0\.01 is beyond"):
        head_of("quantiles", (0.1, 0.9)).quantiles(torch.zeros(1, 2), (0.01,), torch.ones(1))

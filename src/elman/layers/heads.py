"""What a forecast is: a number, quantiles, or a distribution, with the loss that each is learned by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial, Normal, StudentT
from torch.nn import functional as F

from elman.errors import SettingsError, UnknownNameError

HEADS = ("mse", "mae", "quantiles", "normal", "student-t", "negative-binomial")
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
LEAST = 1e-4
"""The smallest spread that a distribution has."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


class Head:
    """A point forecast: `mse` learns the mean, `mae` the median.

    `raw` is what the output layer gives, `size` numbers a forecast; `y` is what came, standardised; `unit`
    is what it is multiplied by to be in the series' own units, for heads whose numbers are counts.

    Shapes: raw `... size`; y, unit and all results `...`; quantiles `... quantiles`.
    """

    counts: ClassVar[bool] = False
    """Whether the values are counts, which are scaled and never shifted."""

    def __init__(self, name: str = "mse", size: int = 1) -> None:
        self.name, self.size = name, size

    def moved(self, raw: Tensor, anchor: Tensor) -> Tensor:
        """The forecast with its place moved by the anchor."""
        return torch.cat([raw[..., :1] + anchor[..., None], raw[..., 1:]], -1)

    def loss(self, raw: Tensor, y: Tensor, unit: Tensor) -> Tensor:
        """The loss of each forecast."""
        error = raw[..., 0] - y
        return error.abs() if self.name == "mae" else error.square()

    def mean(self, raw: Tensor, unit: Tensor) -> Tensor:
        """The forecast as one number."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, chances: Sequence[float], unit: Tensor) -> Tensor | None:
        """The values that the truth is below with these chances; None for a head that knows none."""
        return None

    def sample(self, raw: Tensor, unit: Tensor) -> Tensor:
        """A value drawn from the forecast; for a head without a distribution the forecast itself."""
        return self.mean(raw, unit)


class Quantiles(Head):
    """Several quantiles at once, by the pinball loss; their order is kept by sorting.

        loss = Σ_q max(q·(y - y_q), (q - 1)·(y - y_q)) / Q

    Source: Koenker and Bassett 1978; Wen et al. 2017, arXiv 1711.11053.
    """

    def __init__(self, chances: Sequence[float]) -> None:
        super().__init__("quantiles", len(chances))
        self.chances = tuple(chances)

    def moved(self, raw: Tensor, anchor: Tensor) -> Tensor:
        return raw + anchor[..., None]

    def loss(self, raw: Tensor, y: Tensor, unit: Tensor) -> Tensor:
        chances = raw.new_tensor(self.chances)
        error = y[..., None] - raw
        return torch.maximum(chances * error, (chances - 1) * error).mean(-1)

    def mean(self, raw: Tensor, unit: Tensor) -> Tensor:
        """The median."""
        return self.quantiles(raw, (0.5,), unit)[..., 0]

    def quantiles(self, raw: Tensor, chances: Sequence[float], unit: Tensor) -> Tensor:
        """Those learned, and between them by a straight line.

        Raises:
            SettingsError: one beyond the outermost that was learned.
        """
        low, high = self.chances[0], self.chances[-1]
        beyond = [one for one in chances if not low - 1e-9 <= one <= high + 1e-9]
        if beyond:
            raise SettingsError(
                f"The quantile {beyond[0]:g} is beyond those that were learned.",
                expected=f"from {low:g} to {high:g}",
                fix="fit with quantiles=(...) that hold it, or ask for a lower level",
            )
        learned, known = raw.sort(-1).values, np.array(self.chances)
        right = np.clip(np.searchsorted(known, np.array(chances) - 1e-9), 1, len(known) - 1)
        share = (np.array(chances) - known[right - 1]) / (known[right] - known[right - 1])
        weight = raw.new_tensor(np.clip(share, 0, 1))
        return learned[..., right - 1] * (1 - weight) + learned[..., right] * weight


class NormalHead(Head):
    """`y ~ N(μ, σ²)`, `σ = softplus(s)`; the loss is the negative log likelihood."""

    def __init__(self) -> None:
        super().__init__("normal", 2)

    def of(self, raw: Tensor) -> Normal:
        """The distribution."""
        return Normal(raw[..., 0], F.softplus(raw[..., 1]) + LEAST)

    def loss(self, raw: Tensor, y: Tensor, unit: Tensor) -> Tensor:
        return -self.of(raw).log_prob(y)

    def quantiles(self, raw: Tensor, chances: Sequence[float], unit: Tensor) -> Tensor:
        given = self.of(raw)
        return torch.stack([given.icdf(raw.new_tensor(one)) for one in chances], -1)

    def sample(self, raw: Tensor, unit: Tensor) -> Tensor:
        return self.of(raw).sample()


class StudentHead(Head):
    """`y ~ μ + σ·t(ν)`, `σ = softplus(s)`, `ν = 2 + softplus(n)`: heavier tails, and still a variance."""

    def __init__(self) -> None:
        super().__init__("student-t", 3)

    def of(self, raw: Tensor) -> StudentT:
        """The distribution."""
        return StudentT(
            2 + LEAST + F.softplus(raw[..., 2]), raw[..., 0], F.softplus(raw[..., 1]) + LEAST
        )

    def loss(self, raw: Tensor, y: Tensor, unit: Tensor) -> Tensor:
        return -self.of(raw).log_prob(y)

    def quantiles(self, raw: Tensor, chances: Sequence[float], unit: Tensor) -> Tensor:
        given = self.of(raw)
        return torch.stack(
            [given.loc + given.scale * student_quantile(one, given.df) for one in chances], -1
        )

    def sample(self, raw: Tensor, unit: Tensor) -> Tensor:
        return self.of(raw).sample()


class CountHead(Head):
    """`y ~ NB(mean μ, dispersion α)`, variance `μ + α·μ²`, `μ = unit·softplus(m)`, `α = softplus(a)`.

    Source: Salinas et al. 2017, arXiv 1704.04110.
    """

    counts: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("negative-binomial", 2)

    def of(self, raw: Tensor, unit: Tensor) -> NegativeBinomial:
        """The distribution of the counts themselves."""
        mean = (F.softplus(raw[..., 0]) + LEAST) * unit
        alpha = F.softplus(raw[..., 1]) + LEAST
        return NegativeBinomial(1 / alpha, logits=(alpha * mean).log())

    def moved(self, raw: Tensor, anchor: Tensor) -> Tensor:
        """A count is never moved."""
        return raw

    def loss(self, raw: Tensor, y: Tensor, unit: Tensor) -> Tensor:
        return -self.of(raw, unit).log_prob((y * unit).round())

    def mean(self, raw: Tensor, unit: Tensor) -> Tensor:
        return F.softplus(raw[..., 0]) + LEAST

    def quantiles(self, raw: Tensor, chances: Sequence[float], unit: Tensor) -> Tensor:
        given = self.of(raw.double(), unit.double())
        return torch.stack([count_quantile(one, given) / unit for one in chances], -1).to(raw.dtype)

    def sample(self, raw: Tensor, unit: Tensor) -> Tensor:
        return self.of(raw, unit).sample() / unit


def head_of(name: str, quantiles: Sequence[float] = QUANTILES) -> Head:
    """The head of a name.

    Raises:
        UnknownNameError: there is none.
        SettingsError: quantiles that do not rise between 0 and 1.

    >>> head_of("student-t").size
    3
    """
    if name == "quantiles":
        inside = all(0 < one < 1 for one in quantiles)
        if len(quantiles) < 2 or not inside or list(quantiles) != sorted(set(quantiles)):
            raise SettingsError(
                "These are no quantiles.",
                expected="two or more chances between 0 and 1 that rise",
                received=list(quantiles),
            )
        return Quantiles(quantiles)
    made = {"normal": NormalHead, "student-t": StudentHead, "negative-binomial": CountHead}
    if name in made:
        return made[name]()
    if name not in HEADS:
        raise UnknownNameError.among("head", name, HEADS)
    return Head(name)


def student_quantile(chance: float, df: Tensor) -> Tensor:
    """The quantile of Student's t for any number of degrees of freedom above 1.

        F(√ν·tan θ) = 1/2 + c·∫₀^θ cos^(ν-1) φ dφ        c = Γ((ν+1)/2) / (Γ(ν/2)·√π)

    The integral is smooth, so that 64 Gauss-Legendre nodes are exact to rounding; θ is found by halving.

    >>> round(float(student_quantile(0.975, torch.tensor(10.0))), 4)
    2.2281
    """
    nu = df.double()
    scale = torch.exp(torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2)) / np.sqrt(np.pi)
    low, high = torch.zeros_like(nu), torch.full_like(nu, np.pi / 2)
    nodes = torch.as_tensor(_NODES, device=nu.device)
    weights = torch.as_tensor(_WEIGHTS, device=nu.device)
    target = abs(chance - 0.5)
    for _ in range(50):
        middle = (low + high) / 2
        angles = middle[..., None] * (nodes + 1) / 2
        area = scale * middle / 2 * (torch.cos(angles) ** (nu[..., None] - 1) * weights).sum(-1)
        low, high = torch.where(area < target, middle, low), torch.where(area < target, high, middle)
    found = nu.sqrt() * torch.tan((low + high) / 2)
    return (found if chance >= 0.5 else -found).to(df.dtype)


def count_quantile(chance: float, given: NegativeBinomial) -> Tensor:
    """The smallest count that the truth is at most with this chance, found by doubling, then halving."""
    mean, spread = given.mean, given.variance.sqrt()
    high = torch.ceil(mean + 4 * spread + 10)
    while bool((short := _count_cdf(high, given) < chance).any()):
        high = torch.where(short, high * 2, high)
    low = torch.full_like(high, -1.0)
    while bool((high - low > 1).any()):
        middle = torch.floor((low + high) / 2)
        enough = _count_cdf(middle, given) >= chance
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return high


def _count_cdf(count: Tensor, given: NegativeBinomial) -> Tensor:
    """The chance of at most `count`: `I_{1-p}(r, count + 1)`, by the continued fraction of Lentz."""
    r, success = given.total_count, torch.sigmoid(-given.logits)
    return _beta(r, count + 1, success).where(count >= 0, torch.zeros_like(count))


def _beta(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """The regularised incomplete beta function `I_x(a, b)` (Numerical Recipes, 6.4)."""
    turned = x > (a + 1) / (a + b + 2)
    a, b, x = torch.where(turned, b, a), torch.where(turned, a, b), torch.where(turned, 1 - x, x)
    tiny = 1e-300
    front = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b) + a * x.log() + b * torch.log1p(-x)
    c, d = torch.ones_like(x), 1 - (a + b) * x / (a + 1)
    d = 1 / torch.where(d.abs() < tiny, tiny, d)
    h = d
    for m in range(1, 400):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 + term * d, 1 + term / c
            d = 1 / torch.where(d.abs() < tiny, tiny, d)
            c = torch.where(c.abs() < tiny, tiny, c)
            h = h * d * c
        if bool(((d * c - 1).abs() < 1e-14).all()):
            break
    found = torch.exp(front) * h / a
    return torch.where(turned, 1 - found, found)

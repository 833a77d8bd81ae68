"""The next token by chance."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from elman.decoding.base import Constraint, Decoding, Hypothesis, Steps, walk


class Sample(Decoding):
    """At each step a token drawn with the probability that the network gives it.

        p(y) ∝ exp(logit(y)/temperature), among the top_k likeliest, and of those the likeliest
               ones that together have a probability of at least top_p

    With a seed, an answer depends on the seed, the number of the sample and the sentence alone: batch
    mates and order do not matter, and a sentence asked twice gives the same samples. Without one, torch's
    own generator draws.

    Args:
        temperature: above 1 bolder, below 1 closer to the likeliest token.
        top_k: how many tokens are drawn from; 0 for all.
        top_p: the probability that those drawn from have together (the nucleus; Holtzman et al. 2019,
            arXiv 1904.09751).
        seed: where the random numbers start.
        samples: how many sequences for each sentence, in the order in which they were drawn.
        min_length, max_length, no_repeat_ngram_size, constraint: as for every `Decoding`.

    >>> Sample(temperature=0.8, top_k=40, seed=1).top_p
    1.0
    """

    method: Literal["sample"] = "sample"
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0)
    samples: int = Field(default=1, ge=1)

    def run(
        self,
        network: Steps,
        state: Any,
        first: Tensor,
        *,
        end: int | None = None,
        lengths: tuple[Tensor, Tensor] | None = None,
        constraint: Constraint | None = None,
    ) -> list[list[Hypothesis]]:
        """`samples` hypotheses a sentence; the score of each is its log-probability."""
        batch, count = len(first), self.samples
        rules = self.rules(batch, end, lengths, constraint).repeated(count)
        rows = torch.arange(batch, device=first.device).repeat_interleave(count)
        generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)

        def choose(scores: Tensor, numbers: Tensor) -> Tensor:
            if generator is None:
                chance = torch.rand(len(numbers), dtype=torch.float64)
            else:  # one number for each sample, whatever sentences there are
                chance = torch.rand(count, dtype=torch.float64, generator=generator)[numbers % count]
            return _drawn(self._kept(scores), chance.to(scores.device))

        found = walk(network, network.select(state, rows), first[rows], rules, choose)
        return [found[start : start + count] for start in range(0, len(found), count)]

    def _kept(self, scores: Tensor) -> Tensor:
        """The probabilities of what is drawn from: `rows vocabulary`, zero for all else."""
        scores = scores.double() / self.temperature
        if 0 < self.top_k < scores.shape[1]:
            best = scores.topk(self.top_k, -1)
            scores = torch.full_like(scores, -torch.inf).scatter(1, best.indices, best.values)
        chances = scores.softmax(-1)
        if self.top_p < 1:
            ranked, order = chances.sort(dim=-1, descending=True, stable=True)
            before = ranked.cumsum(-1) - ranked  # how much those before a token have together
            chances = chances.scatter(1, order, ranked.masked_fill(before >= self.top_p, 0.0))
        return chances


def _drawn(chances: Tensor, at: Tensor) -> Tensor:
    """The token of each row at which the running sum of chances, `rows vocabulary`, passes `at` of all."""
    running = chances.cumsum(-1)
    return torch.searchsorted(running, at[:, None] * running[:, -1:], right=True)[:, 0]

"""The likeliest token at each step."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from elman.decoding.base import Constraint, Decoding, Hypothesis, Steps, walk


class Greedy(Decoding):
    """At each step the likeliest of the tokens that are allowed.

        y[t] = argmax p(y | y[1] … y[t-1])

    Args:
        min_length, max_length, no_repeat_ngram_size, constraint: as for every `Decoding`.

    >>> Greedy(max_length=20).no_repeat_ngram_size
    0
    """

    method: Literal["greedy"] = "greedy"

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
        """One hypothesis a sentence; its score is its log-probability."""
        rules = self.rules(len(first), end, lengths, constraint)
        found = walk(network, state, first, rules, lambda scores, _: scores.argmax(-1))
        return [[one] for one in found]

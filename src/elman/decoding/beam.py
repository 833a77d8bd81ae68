"""The best sequences, several at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from elman.decoding.base import Constraint, Decoding, Hypothesis, Rules, Steps


class Beam(Decoding):
    """Beam search: at each step, of all ways to go on, the `beam_size` likeliest.

        score(y) = log p(y) / ((5 + |y|) / 6)^length_penalty        |y| counts the token that ends y

    Of the `2·beam_size` likeliest ways to go on, those among the first `beam_size` that end are finished,
    and the best of the others go on. A sentence is done with `beam_size` finished hypotheses, or when none
    that is still open can overtake them. Finished ones come before those that were cut off. With
    `beam_size=1` it is greedy; with a beam wide enough for all sequences it is exhaustive, and a beam
    may be wider than the vocabulary.

    Source: Wu et al. 2016, arXiv 1609.08144.

    Args:
        beam_size: how many hypotheses are followed.
        length_penalty: 0 ranks by probability, which prefers short ones; more prefers longer ones.
        n_best: how many of the finished hypotheses are given, at most.
        min_length, max_length, no_repeat_ngram_size, constraint: as for every `Decoding`.

    >>> Beam(beam_size=5, length_penalty=0.6).n_best
    1
    """

    method: Literal["beam"] = "beam"
    beam_size: int = Field(default=5, ge=1)
    length_penalty: float = Field(default=0.0, allow_inf_nan=False)
    n_best: int = Field(default=1, ge=1)

    @torch.no_grad()
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
        """At most `n_best` hypotheses a sentence."""
        search = _Search(self, network, self.rules(len(first), end, lengths, constraint))
        search.begin(state, first)
        while len(search.sentences):
            search.advance()
        return [
            sorted(found, key=lambda one: (one.finished, one.score), reverse=True)[: self.n_best]
            for found in search.found
        ]

    def normalised(self, log_probability: float, length: int) -> float:
        """The score of a hypothesis of so many tokens, the end included."""
        return log_probability / ((5 + length) / 6) ** self.length_penalty


@dataclass
class _Search:
    """The open hypotheses of those sentences that are not done: `beam_size` rows for each."""

    settings: Beam
    network: Steps
    rules: Rules
    found: list[list[Hypothesis]] = field(default_factory=list)
    sentences: Tensor = field(default_factory=lambda: torch.zeros(0))
    state: Any = None

    def begin(self, state: Any, first: Tensor) -> None:
        width = self.settings.beam_size
        rows = torch.arange(len(first), device=first.device).repeat_interleave(width)
        self.found = [[] for _ in range(len(first))]
        self.sentences = torch.arange(len(first))
        self.state, self.last = self.network.select(state, rows), first[rows]
        self.prefixes = first.new_zeros(len(rows), 0)
        self.open = torch.full((len(first), width), -torch.inf, dtype=torch.float64, device=first.device)
        self.open[:, :1] = 0.0  # all rows of a sentence are alike: only one of them counts
        self.close_those_done()

    def advance(self) -> None:
        """One more token of every open hypothesis."""
        width, end = self.settings.beam_size, self.rules.end
        logits, self.state = self.network.step(self.last, self.state)
        numbers = self.sentences.repeat_interleave(width)
        scores = self.rules.scores(logits, self.prefixes, numbers).double()
        scores = scores.view(len(self.sentences), width, -1)
        self.keep(self.open.isfinite() & ~scores.isfinite().any(-1), self.open)
        vocabulary = scores.shape[2]
        every = (self.open[..., None] + scores).flatten(1)
        best = every.topk(min(2 * width, every.shape[1]), -1)
        origin, token = best.indices // vocabulary, best.indices % vocabulary
        ends = (token == end) if end is not None else torch.zeros_like(token, dtype=torch.bool)
        leading = torch.arange(ends.shape[1], device=ends.device) < width
        ending = ends & leading & best.values.isfinite()
        self.keep(ending, best.values, origin, finished=True)
        going = best.values.masked_fill(ends, -torch.inf).topk(min(width, ends.shape[1]), -1)
        missing = width - going.values.shape[1]  # a beam wider than what there is to choose from
        self.open = torch.nn.functional.pad(going.values, (0, missing), value=-torch.inf)
        pick = torch.nn.functional.pad(going.indices, (0, missing))
        rows = (origin.gather(1, pick) + self._leads(width)).flatten()
        self.last = token.gather(1, pick).flatten()
        self.prefixes = torch.cat([self.prefixes[rows], self.last[:, None]], 1)
        self.close_those_done(rows)

    def close_those_done(self, rows: Tensor | None = None) -> None:
        """Take the sentences that are done out of the search, and bring the state into the order of `rows`."""
        width, length = self.settings.beam_size, self.prefixes.shape[1]
        most = self.rules.most[self.sentences]
        over = (length >= most).to(self.open.device)
        self.keep(over[:, None] & self.open.isfinite(), self.open)
        best = self.open.amax(1).tolist()
        limits = most.tolist()
        done = over.tolist()
        for place, number in enumerate(self.sentences.tolist()):
            done[place] |= self._settled(self.found[number], best[place], length, limits[place])
        stay = torch.tensor([not one for one in done], device=self.open.device).nonzero()[:, 0]
        if len(stay) == len(self.sentences):
            self.state = self.state if rows is None else self.network.select(self.state, rows)
            return
        kept = (stay[:, None] * width + torch.arange(width, device=stay.device)).flatten()
        self.sentences, self.open = self.sentences[stay.cpu()], self.open[stay]
        self.last, self.prefixes = self.last[kept], self.prefixes[kept]
        self.state = self.network.select(self.state, kept if rows is None else rows[kept])

    def keep(
        self, mask: Tensor, values: Tensor, origin: Tensor | None = None, *, finished: bool = False
    ) -> None:
        """Note the hypotheses that end or are cut off here: those of `mask`, `sentences candidates`."""
        width = self.settings.beam_size
        for sentence, column in mask.nonzero().tolist():
            row = sentence * width + (column if origin is None else int(origin[sentence, column]))
            tokens, value = self.prefixes[row].tolist(), float(values[sentence, column])
            score = self.settings.normalised(value, len(tokens) + finished)
            self.found[int(self.sentences[sentence])].append(Hypothesis(tokens, score, value, finished))

    def _settled(self, found: list[Hypothesis], best: float, length: int, most: int) -> bool:
        """Whether a sentence is done: enough is finished, or nothing open can overtake it."""
        if best == -torch.inf:
            return True
        scores = sorted((one.score for one in found if one.finished), reverse=True)
        if len(scores) >= self.settings.beam_size:
            return True
        # What is open only loses probability, and its score is highest at one of the two ends.
        hope = max(self.settings.normalised(best, ends) for ends in (length + 1, most + 1))
        return len(scores) >= self.settings.n_best and scores[self.settings.n_best - 1] >= hope

    def _leads(self, width: int) -> Tensor:
        """The first row of each sentence: `sentences 1`."""
        return torch.arange(len(self.sentences), device=self.open.device)[:, None] * width

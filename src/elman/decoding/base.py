"""What every decoding is: settings, and a walk that knows only `step` and `select`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pydantic import Field
from torch import Tensor

from elman.errors import SettingsError
from elman.settings import Settings

Constraint = Callable[[Tensor, Tensor], Tensor]
"""What may come next: of prefixes `rows length` and the number of each row's sentence `rows`, a mask
`rows vocabulary` (or one that broadcasts to it), true for each token that is allowed. Tokens that it has no
column for are allowed: a network that copies has more of them in one batch than in another."""


class Steps(Protocol):
    """Whatever goes forward token by token."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One token of each row, `rows`: the logits of the next, `rows vocabulary`, and the state after."""
        ...

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of these rows, in this order; a row may come twice, or not at all."""
        ...


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that was decoded.

    Attributes:
        tokens: its tokens, without the one that ends it.
        score: by what it is ranked.
        log_probability: what the network makes of it, the end included where it was reached.
        finished: whether it ended by itself; otherwise it was cut off.
    """

    tokens: list[int]
    score: float
    log_probability: float
    finished: bool


class Decoding(Settings, ABC):
    """How the next token is chosen, and which ones may be; a value that is passed to `predict`.

    Args:
        min_length: fewest tokens before the end may come.
        max_length: most tokens, the end not counted; None leaves it to the task.
        no_repeat_ngram_size: no run of this many tokens comes twice in a sequence; 0 for no such rule.
        constraint: what may come next; see `Constraint`. It cannot be saved with a model.
    """

    min_length: int = Field(default=0, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    no_repeat_ngram_size: int = Field(default=0, ge=0)
    constraint: Constraint | None = None

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The settings as JSON data.

        Raises:
            SettingsError: there is a constraint, which is code.
        """
        if self.constraint is not None:
            raise SettingsError(
                "A constraint is code, and code is not saved with a model.",
                expected="settings without a constraint",
                fix="pass it when you ask: predict(..., decode=...)",
            )
        return super().model_dump(**options)

    @abstractmethod
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
        """Decode a batch of sentences; an answer never depends on its batch mates.

        Args:
            network: has `step` and `select`.
            state: before the first step, of every sentence.
            first: the token that each sentence's first step reads: `batch`.
            end: the token that ends a sequence; without one each goes on to its greatest length.
            lengths: the fewest and the most tokens of each sentence, `batch` each; the settings' own
                bounds go before them.
            constraint: what may come next, beside the constraint of the settings.

        Returns:
            For each sentence its hypotheses, the best one first.

        Raises:
            SettingsError: nothing says how long a sequence may become.
        """

    def rules(
        self,
        batch: int,
        end: int | None,
        lengths: tuple[Tensor, Tensor] | None,
        constraint: Constraint | None,
    ) -> Rules:
        """What may be chosen for each sentence of a batch."""
        if self.max_length is None and lengths is None:
            raise SettingsError(
                "Nothing says how long a sequence may become.",
                fix=f"{type(self).__name__}(max_length=100), for example",
            )
        none = torch.zeros(batch, dtype=torch.int64)
        least, most = (none, none) if lengths is None else (one.cpu() for one in lengths)
        if self.max_length is not None:
            most = torch.full_like(most, self.max_length)
        if self.min_length:
            least = torch.full_like(least, self.min_length)
        constraints = tuple(one for one in (self.constraint, constraint) if one is not None)
        return Rules(least.minimum(most), most, end, self.no_repeat_ngram_size, constraints)


@dataclass(frozen=True, eq=False)
class Rules:
    """What may be chosen: the bounds of each sentence's length, the ending token, and the constraints."""

    least: Tensor
    most: Tensor
    end: int | None
    ngram: int
    constraints: tuple[Constraint, ...]

    def scores(self, logits: Tensor, prefixes: Tensor, sentences: Tensor) -> Tensor:
        """The log-probability of each next token, minus infinity for what may not be chosen.

        Shapes: logits `rows vocabulary`; prefixes `rows length`; sentences `rows`.
        """
        scores = torch.log_softmax(logits.float() if logits.dtype.itemsize < 4 else logits, -1)
        if self.end is not None:
            early = prefixes.shape[1] < self.least[sentences]
            scores[early.to(scores.device), self.end] = -torch.inf
        if self.ngram:
            rows, tokens = repeats(prefixes, self.ngram)
            scores[rows, tokens] = -torch.inf
        for constraint in self.constraints:
            allowed = constraint(prefixes, sentences)
            scores[..., : allowed.shape[-1]].masked_fill_(~allowed, -torch.inf)
        return scores

    def repeated(self, count: int) -> Rules:
        """The rules where each sentence has `count` rows, one after the other."""

        def of_sentences(constraint: Constraint) -> Constraint:
            return lambda prefixes, rows: constraint(prefixes, rows // count)

        least, most = (one.repeat_interleave(count) for one in (self.least, self.most))
        return Rules(least, most, self.end, self.ngram, tuple(map(of_sentences, self.constraints)))


def repeats(prefixes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The tokens that would end a run of `size` tokens that a prefix already holds: rows, and tokens.

    >>> repeats(torch.tensor([[7, 8, 9, 7, 8]]), 3)
    (tensor([0]), tensor([9]))
    """
    length = prefixes.shape[1]
    if length < size:
        nothing = prefixes.new_zeros(0)
        return nothing, nothing
    runs = prefixes.unfold(1, size, 1)
    tail = prefixes[:, length - size + 1 :]
    rows, places = (runs[..., :-1] == tail[:, None]).all(-1).nonzero(as_tuple=True)
    return rows, runs[rows, places, -1]


@torch.no_grad()
def walk(
    network: Steps, state: Any, first: Tensor, rules: Rules, choose: Callable[[Tensor, Tensor], Tensor]
) -> list[Hypothesis]:
    """One sequence a row, each next token by `choose(scores, rows)`, until every row has ended.

    Rows that have ended leave the batch. A row for which nothing is allowed is cut off there.
    """
    rows = torch.arange(len(first))
    prefixes = first.new_zeros(len(first), 0)
    total = torch.zeros(len(first), dtype=torch.float64, device=first.device)
    found: dict[int, Hypothesis] = {}

    def keep(mask: Tensor, *, finished: bool) -> None:
        for one in mask.nonzero()[:, 0].tolist():
            value = float(total[one])
            found[int(rows[one])] = Hypothesis(prefixes[one].tolist(), value, value, finished)

    last = first
    while True:
        over = (prefixes.shape[1] >= rules.most[rows]).to(first.device)
        keep(over, finished=False)
        if bool(over.any()):
            stay = (~over).nonzero()[:, 0]
            rows, last, prefixes, total = rows[stay.cpu()], last[stay], prefixes[stay], total[stay]
            state = network.select(state, stay)
        if not len(rows):
            return [found[number] for number in range(len(first))]
        logits, state = network.step(last, state)
        scores = rules.scores(logits, prefixes, rows)
        stuck = ~scores.isfinite().any(-1)
        chosen = choose(scores.masked_fill(stuck[:, None], 0.0), rows)
        gain = scores.gather(1, chosen[:, None])[:, 0].double()
        total = total + gain.masked_fill(stuck, 0.0)
        ended = ~stuck & (chosen == (-1 if rules.end is None else rules.end))
        keep(ended, finished=True)
        keep(stuck, finished=False)
        stay = (~(ended | stuck)).nonzero()[:, 0]
        prefixes = torch.cat([prefixes, chosen[:, None]], 1)[stay]
        if len(stay) < len(rows):
            rows, total, state = rows[stay.cpu()], total[stay], network.select(state, stay)
        last = prefixes[:, -1]

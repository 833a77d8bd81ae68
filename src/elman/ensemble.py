"""Several networks that answer as one: the mean of what each of them holds likely."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from elman.ragged import Ragged


class Ensemble(nn.Module):
    """Networks of one structure, each trained from its own seed, that answer by the mean of their logits.

        y = 1/M · Σ_m y_m        so that        p ∝ (Π_m p_m)^(1/M)

    That is the geometric mean of their probabilities. Networks that start elsewhere err elsewhere, and what
    they have in common remains. Chosen together (a CRF), tags are scored by the mean of all scores. It has
    `forward`, `joint`, `start` and `step` where its members do; what is looked inside is the first member.
    Source: Hansen and Salamon 1990, "Neural network ensembles"; Lakshminarayanan et al. 2016, arXiv
    1612.01474.

    Args:
        members: at least one network, all of the same shape.

    >>> from elman.layers.recurrent import Recurrent
    >>> from elman.structures.n_to_one import NToOne
    >>> both = [NToOne(nn.Identity(), Recurrent("gru", 3, 8), outputs=4) for _ in range(2)]
    >>> xs = Ragged.of([torch.randn(5, 3)])
    >>> torch.allclose(Ensemble(both)(xs), (both[0](xs) + both[1](xs)) / 2)
    True
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def first(self) -> Any:
        """The member that is looked inside."""
        return self.members[0]

    @property
    def recurrent(self) -> Any:
        """The recurrence of the first member."""
        return self.first.recurrent

    @property
    def head(self) -> Any:
        """The output layer of the first member."""
        return self.first.head

    @property
    def labels(self) -> int:
        """How many numbers the answer to the whole has, where every step has an answer of its own."""
        return self.first.labels

    @property
    def crf(self) -> Any:
        """What chooses the tags together, by the mean of the members' scores; None where nothing does."""
        crfs: list[Any] = [one.crf for one in self.members]
        if crfs[0] is None:
            return None
        joined = deepcopy(crfs[0])
        with torch.no_grad():
            for name, value in joined.named_parameters():
                value.copy_(torch.stack([one.get_parameter(name) for one in crfs]).mean(0))
        return joined

    def forward(self, xs: Ragged) -> Any:
        return mean([one(xs) for one in self.members])

    def joint(self, xs: Ragged) -> tuple[Ragged, Tensor]:
        """The answers to the steps, and to the whole: `batch labels`."""
        return mean([one.joint(xs) for one in map(_any, self.members)])

    def run(self, xs: Ragged, record: Sequence[str] = ()) -> Any:
        """The recurrence of the first member over the whole of each sequence."""
        return self.first.run(xs, record)

    def start(self, batch: int) -> tuple[Any, ...]:
        """The state of each member before the first step."""
        return tuple(one.start(batch) for one in map(_any, self.members))

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        """The mean answer to one more step of each sequence, and the state of each member after it."""
        both = [one.step(x, own) for one, own in zip(map(_any, self.members), state, strict=True)]
        return mean([answer for answer, _ in both]), tuple(after for _, after in both)


def mean(answers: Sequence[Any]) -> Any:
    """The mean of tensors, of the values of equally long batches, or of each place of tuples of them.

    >>> mean([torch.tensor([1.0]), torch.tensor([2.0])])
    tensor([1.5000])
    """
    first = answers[0]
    if isinstance(first, tuple):
        return tuple(mean(each) for each in zip(*answers, strict=True))
    if isinstance(first, Ragged):
        return first.with_values(mean([one.values for one in answers]))
    return torch.stack(list(answers)).mean(0)


def _any(one: nn.Module) -> Any:
    """The member, as what it is: `nn.ModuleList` knows it as a module alone."""
    return one

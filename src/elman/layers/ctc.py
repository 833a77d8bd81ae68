"""Answers whose places in the input are unknown: the sum over all of them, and the likeliest answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor
from torch.nn import functional as F

from elman.errors import SettingsError
from elman.ragged import Ragged

BLANK = 0
"""The symbol that says nothing, which stands between and beside all others."""


def ctc_loss(logits: Ragged, targets: Ragged) -> Tensor:
    """The negative log-likelihood of each target, summed over every way to lay it along the steps.

        p(y) = Σ_π Π_t softmax(x[t])[π[t]]        over all paths π that are y once repeats are one, and then
                                                  blanks are taken out

    Shapes: logits `steps symbols`, blank first; targets of whole numbers from 1 on, `symbols`. Result: `batch`,
    infinite for a target that needs more steps than there are: one a symbol, and one between equal ones.

    Source: Graves et al. 2006, "Connectionist temporal classification".

    >>> import torch
    >>> even, one = Ragged.of([torch.zeros(2, 2)]), Ragged.of([torch.tensor([1])])
    >>> round(float((-ctc_loss(even, one)).exp()), 4)                # aa, a- and -a: three of four paths
    0.75
    """
    return F.ctc_loss(
        logits.padded().transpose(0, 1).log_softmax(-1),
        targets.values.long(),
        logits.lengths,
        targets.lengths,
        blank=BLANK,
        reduction="none",
    )


def steps_needed(target: Sequence[int]) -> int:
    """The fewest steps along which a target can be laid.

    >>> steps_needed([3, 3, 1])
    4
    """
    return len(target) + sum(a == b for a, b in pairwise(target))


def best_path(logits: Tensor) -> tuple[list[int], list[int]]:
    """The symbols of the likeliest path, and the step at which each begins.

    Shapes: logits `steps symbols`.

    >>> import torch
    >>> best_path(torch.eye(3)[[0, 1, 1, 0, 1, 2]])
    ([1, 1, 2], [1, 4, 5])
    """
    path = logits.argmax(-1).tolist()
    found = [
        (one, t)
        for t, (one, before) in enumerate(zip(path, [BLANK, *path], strict=False))
        if one not in (BLANK, before)
    ]
    return [one for one, _ in found], [t for _, t in found]


def prefix_beam(logits: Tensor, beam_size: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest answers with their log-likelihoods, the likeliest first, by a search over beginnings.

    Of each beginning two sums are kept: over the paths that end in a blank, after which the same symbol may
    come again, and over those that do not. With a beam as wide as there are beginnings the sums are exact.

    Shapes: logits `steps symbols`.

    Raises:
        SettingsError: a beam narrower than 1.

    Source: Hannun et al. 2014, arXiv 1408.2873, without a language model.

    >>> import torch
    >>> [(symbols, round(score, 4)) for symbols, score in prefix_beam(torch.zeros(2, 2), 4)]
    [((1,), -0.2877), ((), -1.3863)]
    """
    if beam_size < 1:
        raise SettingsError("A beam has a width.", expected="1 or more", received=beam_size)
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for chances in logits.double().log_softmax(-1).tolist():
        after: dict[tuple[int, ...], tuple[float, float]] = {}

        def add(prefix: tuple[int, ...], blank: float, own: float, after: dict = after) -> None:
            before = after.get(prefix, (-math.inf, -math.inf))
            after[prefix] = (_sum(before[0], blank), _sum(before[1], own))

        for prefix, (blank, own) in beam.items():
            both = _sum(blank, own)
            add(prefix, both + chances[BLANK], own + chances[prefix[-1]] if prefix else -math.inf)
            for symbol in range(1, len(chances)):
                again = prefix[-1:] == (symbol,)
                add((*prefix, symbol), -math.inf, (blank if again else both) + chances[symbol])
        ranked = sorted(after.items(), key=lambda one: (-_sum(*one[1]), one[0]))
        beam = dict(ranked[:beam_size])
    found = [(prefix, _sum(*sums)) for prefix, sums in beam.items()]
    return [one for one in found if one[1] > -math.inf]


def _sum(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))

"""CTC against the enumeration of every path on tiny inputs, against torch, and error rates against jiwer."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman import metrics
from elman.errors import SettingsError
from elman.layers.ctc import BLANK, best_path, ctc_loss, prefix_beam, steps_needed
from elman.ragged import Ragged

sizes = st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(0, 2**16))


def logits_of(steps: int, symbols: int, seed: int) -> torch.Tensor:
    return 2 * torch.randn(steps, symbols, generator=torch.Generator().manual_seed(seed))


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Repeats made one, then blanks taken out."""
    return tuple(
        one for one, before in zip(path, (BLANK, *path), strict=False) if one not in (BLANK, before)
    )


def enumerated(logits: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every answer: the sum over all paths that give it."""
    chances = logits.double().softmax(-1).tolist()
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(len(chances[0])), repeat=len(chances)):
        found[collapsed(path)] += math.prod(chances[t][one] for t, one in enumerate(path))
    return found


@settings(max_examples=40, deadline=None)
@given(size=sizes)
def test_the_loss_is_the_sum_over_all_paths(size: tuple[int, int, int]) -> None:
    logits = logits_of(*size)
    for answer, chance in enumerated(logits).items():
        loss = ctc_loss(Ragged.of([logits]), Ragged.of([torch.tensor(answer).long()]))
        assert float((-loss).exp()) == pytest.approx(chance, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(size=sizes)
def test_a_wide_beam_is_the_enumeration(size: tuple[int, int, int]) -> None:
    logits = logits_of(*size)
    truth = enumerated(logits)
    found = prefix_beam(logits, len(truth))
    assert {answer: round(math.exp(score), 9) for answer, score in found} == {
        answer: round(chance, 9) for answer, chance in truth.items()
    }
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)


@settings(max_examples=30, deadline=None)
@given(size=sizes, width=st.integers(1, 4))
def test_a_narrow_beam_never_says_more_than_there_is(size: tuple[int, int, int], width: int) -> None:
    logits = logits_of(*size)
    truth = enumerated(logits)
    found = prefix_beam(logits, width)
    assert 1 <= len(found) <= width
    for answer, score in found:
        assert math.exp(score) <= truth[answer] * (1 + 1e-9)


def test_the_best_path_is_collapsed_and_its_places_are_told() -> None:
    logits = logits_of(30, 4, 5)
    symbols, starts = best_path(logits)
    path = logits.argmax(-1).tolist()
    assert tuple(symbols) == collapsed(tuple(path))
    assert [path[t] for t in starts] == symbols
    assert all(t == 0 or path[t - 1] != path[t] for t in starts)


def test_a_target_that_does_not_fit_is_impossible() -> None:
    for target in ([1, 1], [1, 2], [2, 2, 2], []):
        for steps in range(1, 7):
            loss = ctc_loss(Ragged.of([torch.zeros(steps, 3)]), Ragged.of([torch.tensor(target).long()]))
            assert bool(loss.isfinite()) == (steps >= steps_needed(target))


def test_batch_mates_never_matter_and_gradients_are_torchs() -> None:
    parts = [logits_of(n, 4, n).requires_grad_() for n in (6, 2, 9)]
    answers = [torch.tensor(one).long() for one in ([1, 2], [], [3, 3, 1])]
    together = ctc_loss(Ragged.of(parts), Ragged.of(answers))
    together.sum().backward()
    for part, answer, loss in zip(parts, answers, together, strict=True):
        alone = part.detach().clone().requires_grad_()
        own = torch.nn.functional.ctc_loss(
            alone[:, None].log_softmax(-1), answer, [len(alone)], [len(answer)], reduction="sum"
        )
        own.backward()
        torch.testing.assert_close(own, loss)
        torch.testing.assert_close(alone.grad, part.grad)


def test_a_beam_has_a_width() -> None:
    with pytest.raises(SettingsError, match="width"):
        prefix_beam(torch.zeros(1, 2), 0)


def test_error_rates_are_those_of_edits() -> None:
    """jiwer against the Levenshtein distance of `metrics.edits`."""
    pytest.importorskip("jiwer")
    found, truth = ["1 2 3", "4", "", "9 9"], ["1 3 3 2", "4", "7 7", "9"]
    rates = metrics.transcripts(found, truth)
    pairs = list(zip(found, truth, strict=True))
    words = sum(metrics.edits(one.split(), other.split()) for one, other in pairs)
    letters = sum(metrics.edits(one, other) for one, other in pairs)
    assert rates["wer"] == pytest.approx(words / sum(len(one.split()) for one in truth))
    assert rates["cer"] == pytest.approx(letters / sum(map(len, truth)))
    assert metrics.transcripts(["1"], [""]) == {"wer": 1.0, "cer": 1.0}
    assert metrics.transcripts(["", "5"], ["", "5 5"])["wer"] == 0.5
    assert metrics.transcripts(["4 4", "5"], ["", "5"])["wer"] == 2.0

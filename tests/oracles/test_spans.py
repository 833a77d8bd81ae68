"""The figures of spans, held to those that nervaluate counts as strict: both ends and the label."""

from __future__ import annotations

import random

import pytest
from nervaluate import Evaluator

from elman.codecs.tags import spans_of
from elman.metrics import span_scores

LABELS = ("city", "day", "person")


def _tags(rng: random.Random, length: int) -> list[str]:
    """Tags in BIO, none of which begins inside."""
    found: list[str] = []
    for _ in range(length):
        label = rng.choice(LABELS)
        inside = [f"I{found[-1][1:]}"] * 3 if found and found[-1] != "O" else []
        found.append(rng.choice(["O", "O", f"B-{label}", *inside]))
    return found


def _changed(rng: random.Random, tags: list[str], often: float) -> list[str]:
    """The same with some tokens left out of their spans, and some spans found elsewhere."""
    found = [tag if rng.random() >= often else rng.choice(["O", "B-day", tag]) for tag in tags]
    for place, tag in enumerate(found):
        before = found[place - 1] if place else "O"
        if tag.startswith("I-") and before[2:] != tag[2:]:
            found[place] = "B" + tag[1:]
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("often", [0.0, 0.2, 0.7])
def test_spans_are_counted_as_nervaluate_does(seed: int, often: float) -> None:
    rng = random.Random(seed)
    truth = [_tags(rng, rng.randrange(1, 12)) for _ in range(rng.randrange(1, 9))]
    found = [_changed(rng, tags, often) for tags in truth]
    ours = span_scores([spans_of(one) for one in truth], [spans_of(one) for one in found])
    theirs = Evaluator(truth, found, tags=list(LABELS), loader="list").evaluate()["overall"]["strict"]
    assert ours["precision"] == pytest.approx(theirs.precision)
    assert ours["recall"] == pytest.approx(theirs.recall)
    assert ours["f1"] == pytest.approx(theirs.f1)

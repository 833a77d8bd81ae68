"""Networks that answer together: the mean of their logits, kept, resumed and streamed as one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import elman
from elman.ensemble import Ensemble
from elman.errors import SettingsError
from elman.layers.crf import CRF
from elman.training import Training

TEXTS = ["good film", "bad film", "a good one", "so bad", "very good", "quite bad"] * 6
LABELS = ["+", "-"] * 18
TOKENS = [["play", "jazz"], ["play", "some", "rock"], ["stop"], ["stop", "jazz"]] * 6
TAGS = [["O", "B-kind"], ["O", "O", "B-kind"], ["O"], ["O", "B-kind"]] * 6
FEW = {"epochs": 3, "batch_size": 8, "seed": 5}


def classifier(**more: int) -> elman.Classifier:
    return elman.Classifier(hidden_size=6, training=Training(**FEW, **more)).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def three() -> elman.Classifier:
    return classifier(ensemble=3)


def test_it_answers_by_the_mean_of_its_members(three: elman.Classifier) -> None:
    assert isinstance(three.network_, Ensemble)
    alone = []
    for number in range(3):
        training = Training(**FEW).of_member(number)
        one = elman.Classifier(hidden_size=6, training=training)
        # The rows set aside depend on the seed: each member is trained on what the first one is.
        alone.append(one.fit(*split("train"), dev=split("dev")).decision_function(["a film"]))
    given = elman.Classifier(hidden_size=6, training=Training(**FEW, ensemble=3))
    given.fit(*split("train"), dev=split("dev"))
    torch.testing.assert_close(given.decision_function(["a film"]), torch.stack(alone).mean(0))


def split(part: str) -> tuple[list[str], list[str]]:
    chosen = slice(6, None) if part == "train" else slice(0, 6)
    return TEXTS[chosen], LABELS[chosen]


def test_its_members_differ(three: elman.Classifier) -> None:
    first, second, _ = three.network_.members
    assert not torch.equal(first.head.weight, second.head.weight)


def test_one_is_what_it_was_without() -> None:
    one, plain = classifier(ensemble=1), classifier()
    assert torch.equal(one.decision_function(TEXTS), plain.decision_function(TEXTS))
    assert not isinstance(one.network_, Ensemble)


def test_its_figures_are_of_all_together(three: elman.Classifier) -> None:
    assert three.figures_["members"] == 3
    assert three.figures_["epochs"] == 9 == len(three.history_)
    assert 0 <= three.figures_["dev_accuracy"] <= 1


def test_it_is_kept(three: elman.Classifier, tmp_path) -> None:
    three.save(tmp_path / "model")
    again = elman.load(tmp_path / "model")
    assert torch.equal(again.decision_function(TEXTS), three.decision_function(TEXTS))
    assert "3 networks" in (tmp_path / "model" / "README.md").read_text()


def test_it_streams_and_is_looked_inside(three: elman.Classifier) -> None:
    with three.stream() as stream:
        for word in ("a", "good", "one"):
            told = stream.push(word)
    whole = three.predict("a good one")
    assert told.label == whole.label
    assert told.score == pytest.approx(whole.score, abs=1e-5)
    trace = three.inspect("a good one")
    assert dict(trace.steps[-1].beliefs)[whole.label] == pytest.approx(whole.score, abs=1e-5)


def test_a_run_goes_on_after_any_member(tmp_path) -> None:
    settings = Training(**FEW, ensemble=2)
    whole = elman.Classifier(hidden_size=6, training=settings).fit(TEXTS, LABELS, out=tmp_path / "a")
    elman.Classifier(hidden_size=6, training=settings).fit(TEXTS, LABELS, out=tmp_path / "b")
    (tmp_path / "b" / "config.json").unlink()  # as if it had been killed during the second
    for one in (tmp_path / "b" / "member-2").rglob("*.*"):
        if one.is_file():
            one.unlink()
    again = elman.Classifier(hidden_size=6, training=settings).fit(TEXTS, LABELS, out=tmp_path / "b")
    assert torch.equal(again.decision_function(TEXTS), whole.decision_function(TEXTS))
    lines = (tmp_path / "a" / "member-2" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["epoch"] == 3


@pytest.mark.parametrize("crf", [True, False])
def test_taggers_choose_by_the_mean_of_all_scores(crf: bool) -> None:
    training = Training(**FEW, ensemble=2)
    model = elman.Tagger(hidden_size=6, crf=crf, training=training).fit(TOKENS, TAGS)
    xs = model.input_.encode([["play", "some", "jazz"]])
    steps = torch.stack([one(xs).values for one in model.network_.members]).mean(0)
    chances = torch.from_numpy(model.predict_proba([["play", "some", "jazz"]])[0])
    if not crf:
        torch.testing.assert_close(chances, steps.softmax(-1))
        return
    joined = CRF(len(model.tags_), *model.tag_.allowed())
    both = [one.crf.state_dict() for one in model.network_.members]
    joined.load_state_dict(
        {
            name: (both[0][name] + both[1][name]) / 2 if value.is_floating_point() else value
            for name, value in both[0].items()
        }
    )
    torch.testing.assert_close(chances, joined.marginals(xs.with_values(steps)).values.detach())


def test_a_task_that_has_none_says_so() -> None:
    with pytest.raises(SettingsError, match="does not know ensemble"):
        elman.Generator(training=Training(ensemble=2)).fit(["abc"] * 9)


def test_probabilities_are_probabilities(three: elman.Classifier) -> None:
    assert np.allclose(three.predict_proba(TEXTS).sum(1), 1)

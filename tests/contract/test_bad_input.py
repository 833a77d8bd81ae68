"""What a classifier is given by mistake: it says which row, what was wrong, and stays what it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import elman
from elman.errors import DataError, ElmanError, NotFittedError, SettingsError, UnknownNameError

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "light"] * 3
NUMBERS = [[1.0, 2.0, 0.5], [-1.0], [0.5, 0.1], [-2.0, -3.0]] * 3
PAIRS = [[[x, -x] for x in one] for one in NUMBERS]
ONCE = elman.Training(epochs=1, batch_size=8)


def small(**options: Any) -> elman.Classifier:
    return elman.Classifier(**({"hidden_size": 3, "training": ONCE} | options))


@pytest.fixture(scope="module")
def words() -> elman.Classifier:
    return small().fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def numbers() -> elman.Classifier:
    return small().fit(NUMBERS, LABELS)


@pytest.fixture(scope="module")
def pairs() -> elman.Classifier:
    return small().fit(PAIRS, LABELS)


# --- in training ---


@pytest.mark.parametrize("dev", [None, (TEXTS[:4], LABELS[:4])])
@pytest.mark.parametrize(
    ("suffix", "row", "problem"),
    [
        ("csv", ' "",time', "have no text"),
        ("csv", '"  ",time', "have no text"),
        ("csv", "what is it,", "have no label"),
        ("jsonl", '{"text": null, "label": "time"}', "have no text"),
        ("jsonl", '{"text": 7, "label": "time"}', "have no text"),
        ("jsonl", '{"text": "fine", "label": null}', "have no label"),
        ("jsonl", '{"text": "fine", "label": ""}', "have no label"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, suffix, row, problem, dev) -> None:
    """Wherever the part set aside for dev falls."""
    path = tmp_path / f"data.{suffix}"
    good = [f"{text},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    if suffix == "jsonl":
        good = [json.dumps({"text": t, "label": y}) for t, y in zip(TEXTS, LABELS, strict=True)]
    lines = (
        ([] if suffix == "jsonl" else ["text,label"])
        + good[:6]
        + [row.strip()]
        + good[6:]
        + [row.strip()]
    )
    path.write_text("\n".join(lines) + "\n")
    first = lines.index(row.strip()) + 1
    with pytest.raises(DataError, match=f"2 of 14 rows {problem}") as error:
        small().fit(path, dev=dev)
    assert str(error.value).startswith(f"{path}:{first}: ")
    assert f":{len(lines)}: " in str(error.value), "all bad rows are told"
    assert error.value.fix is not None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("sequences", "problem"),
    [
        ([*TEXTS, " "], "1 of 13 rows have no text"),
        ([*TEXTS, None], "1 of 13 rows have no text"),
        ([*TEXTS, 3.5], "1 of 13 rows have no text"),
        ([None, *TEXTS], "1 of 13 rows have no text"),
        ([*NUMBERS, []], "have nothing to read"),
        ([[], *NUMBERS], "have nothing to read"),
        ([*NUMBERS, None], "1 of 13 rows have no sequence"),
    ],
)
def test_a_bad_row_in_memory_is_named(sequences: list[Any], problem: str, seed: int) -> None:
    training = ONCE.model_copy(update={"seed": seed})
    with pytest.raises(DataError, match=problem) as error:
        small(training=training).fit(sequences, [*LABELS, "time"])
    assert "row 13" in str(error.value) or sequences[-1] in (TEXTS[-1], NUMBERS[-1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -np.inf])
def test_numbers_that_are_not_finite(bad: float) -> None:
    for place in (0, 5, 11):
        sequences = [list(one) for one in NUMBERS]
        sequences[place][-1] = bad
        with pytest.raises(DataError, match="is not finite at step"):
            small().fit(sequences, LABELS, dev=(NUMBERS, LABELS))
        with pytest.raises(DataError, match="is not finite at step"):
            small().fit(NUMBERS, LABELS, dev=(sequences, LABELS))


def test_steps_with_unequal_features() -> None:
    with pytest.raises(DataError, match="numbers a step"):
        small().fit([*PAIRS[:-1], [[1.0]]], LABELS, dev=(PAIRS, LABELS))
    with pytest.raises(DataError, match="unequal features"):
        small().fit([*PAIRS[:-1], [[1.0], [1.0, 2.0]]], LABELS)
    with pytest.raises(DataError, match="numbers a step"):
        small().fit(PAIRS, LABELS, dev=(NUMBERS, LABELS))
    with pytest.raises(DataError):
        small().fit(TEXTS, LABELS, dev=(NUMBERS, LABELS))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["time"] * 12, "nothing to tell apart"),
        ([*LABELS[:-1], None], "1 of 12 rows have no label"),
        ([*LABELS[:-1], float("nan")], "1 of 12 rows have no label"),
        ([*LABELS[:-1], ""], "1 of 12 rows have no label"),
        ([0.5, 1.5] * 6, "all be strings, or all integers"),
        ([*LABELS[:-1], 7], "all be strings, or all integers"),
        (LABELS[:-1], "one label for each sequence"),
        ([*LABELS, "time"], "one label for each sequence"),
    ],
)
def test_labels_that_cannot_be_used(labels: list[Any], message: str) -> None:
    for sequences in (TEXTS, NUMBERS):
        with pytest.raises(DataError, match=message):
            small().fit(sequences, labels)


def test_nothing_at_all() -> None:
    for source in ((), ([], [])):
        with pytest.raises((ElmanError, TypeError)):
            small().fit(*source)
    with pytest.raises(DataError, match="no rows"):
        small().fit([], [])


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gru'"):
        small(cell="gruu").fit(TEXTS, LABELS)
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        small(pooling="meen").fit(TEXTS, LABELS)
    with pytest.raises(SettingsError, match="hidden_size"):
        small(hidden_size=0).fit(TEXTS, LABELS)
    (tmp_path / "data.csv").write_text("text,label\nhello,greet\nbye,leave\n")
    with pytest.raises(DataError, match=r"no column 'labels'(.|\n)*did you mean 'label'"):
        small().fit(tmp_path / "data.csv", label="labels")


def test_a_label_that_training_never_saw() -> None:
    """It counts as an error in dev and test, and is told."""
    model = small().fit(TEXTS, LABELS, dev=([*TEXTS, "new"], [*LABELS, "music"]))
    assert model.classes_.tolist() == ["light", "time"]
    assert model.history_[0]["accuracy"] <= 12 / 13
    report = model.evaluate(["what time is it", "new", "newer"], ["time", "music", "music"])
    assert report.unseen == 2
    assert report.accuracy <= 1 / 3
    assert model.fit(TEXTS, LABELS, dev=(["new"], ["music"])).history_[0]["accuracy"] == 0.0


def test_a_fit_that_failed_leaves_no_half_of_two_models() -> None:
    """Either the old one answers as before, or none does."""
    model = small().fit(TEXTS, LABELS)
    before = model.predict(TEXTS)
    for sequences, labels in (
        ([*TEXTS, "."], [*LABELS, 7]),
        ([*NUMBERS, []], ["a", "b"] * 6 + ["a"]),
        (["only", "words"] * 3 + ["\n"], ["x", "y"] * 3 + ["x"]),
    ):
        with pytest.raises(DataError):
            model.fit(sequences, labels)
        try:
            assert model.predict(TEXTS) == before
        except NotFittedError:
            before = model.fit(TEXTS, LABELS).predict(TEXTS)


# --- in asking ---


@pytest.mark.parametrize(
    "wrong", [None, 5, 2.5, [None], ["a", None], ["a", 3], [["a"]], [float("nan"), 1.0]]
)
def test_what_is_no_text_is_refused(words: elman.Classifier, wrong: Any) -> None:
    with pytest.raises(DataError):
        words.predict(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        "text",
        ["text"],
        [1.0, float("nan")],
        [[1.0, float("inf")]],
        [[1.0], None],
        [[[1.0, 2.0]]],
        [["a"]],
    ],
)
def test_what_are_no_numbers_is_refused(numbers: elman.Classifier, wrong: Any) -> None:
    with pytest.raises(DataError):
        numbers.predict(wrong)


def test_every_way_of_asking_refuses(words: elman.Classifier, pairs: elman.Classifier) -> None:
    for ask in (words.predict_proba, words.decision_function):
        with pytest.raises(DataError, match="One text was given where a list is expected"):
            ask("what time is it")
    for wrong in (None, 5, ["a list"], "half \ud83d"):
        with pytest.raises(DataError):
            words.inspect(wrong)
        with pytest.raises(DataError):
            words.stream().push(wrong)
    for wrong in (
        None,
        "text",
        [1.0, 2.0, 3.0],
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        1.0,
        [[1.0, np.nan]],
    ):
        with pytest.raises(DataError):
            pairs.inspect(wrong)
        with pytest.raises(DataError):
            pairs.stream().push(wrong)
    with pytest.raises(SettingsError, match="no step to look at"):
        words.inspect("  ")
    with pytest.raises(DataError, match="one label for each sequence"):
        words.evaluate(["a"], ["time", "light"])


def test_nothing_to_read_has_an_answer(words: elman.Classifier, numbers: elman.Classifier) -> None:
    """What the network holds likely before it reads; the same for every emptiness."""
    for model, empties in ((words, ["", " ", "\n\t"]), (numbers, [[], np.zeros(0)])):
        answers = model.predict(empties)
        assert len({one.score for one in answers}) == 1
        assert 0 < answers[0].score <= 1
        bias = model.network_.head.bias
        assert torch.equal(model.decision_function(empties), bias.expand(len(empties), -1))
        assert model.predict([]) == []
        assert model.predict_proba([]).shape == (0, 2)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_hundred_thousand_letters(bidirectional: bool) -> None:
    """In training, in asking, in streaming; what looks inside says where it gives up."""
    long = "timeliness " * 9_091
    assert len(long) > 100_000
    model = small(bidirectional=bidirectional).fit(
        [*TEXTS, long, "t" * 100_000], [*LABELS, "time", "light"]
    )
    assert [len(one.ranking) for one in model.predict([long, "t" * 100_000, "短" * 10_000])] == [2, 2, 2]
    assert model.predict(long) == model.predict([long, "it"])[0]
    if bidirectional:
        with pytest.raises(SettingsError, match="asked anew about each of the 9091 beginnings") as error:
            model.inspect(long)
        assert error.value.expected == "at most 2000 steps"
        assert len(model.inspect("it is " * 20).steps) == 40
    else:
        short = long[:11_000]
        trace = model.inspect(short)
        assert len(trace.steps) == 1000
        assert dict(trace.steps[-1].beliefs) == pytest.approx(
            dict(model.predict(short).ranking), abs=1e-5
        )

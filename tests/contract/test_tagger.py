"""The tagger: what goes in, what comes out, what it refuses, and that it is the same after saving."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.errors import DataError, NotFittedError, SettingsError

QUICK = elman.Training(epochs=25, batch_size=8, learning_rate=1e-2, dropout=0.1, word_dropout=0.0)
SMALL: dict[str, Any] = {
    "hidden_size": 12,
    "text": elman.TextSettings(embedding_size=12, character_size=8),
    "training": QUICK,
}


def trips(count: int, seed: int = 1) -> dict[str, list[Any]]:
    """Requests with cities of one or two words, and what is wanted of them."""
    draw = random.Random(seed)
    rows: dict[str, list[Any]] = {"tokens": [], "tags": [], "label": []}
    for _ in range(count):
        label = draw.choice(["fly", "weather"])
        city = draw.choice([["Paris"], ["New", "York"], ["Los", "Angeles"], ["Rome"]])
        head = ["fly", "me", "to"] if label == "fly" else ["will", "it", "rain", "in"]
        rows["tokens"].append([*head, *city, "today"])
        kind = "goal" if label == "fly" else "place"
        tags = ["B-" + kind, *["I-" + kind] * (len(city) - 1)]
        rows["tags"].append([*["O"] * len(head), *tags, "B-day"])
        rows["label"].append(label)
    return rows


@pytest.fixture(scope="module")
def joint() -> elman.Tagger:
    return elman.Tagger(**SMALL).fit(trips(120), label="label", dev=trips(30, 2))


@pytest.fixture(scope="module")
def causal() -> elman.Tagger:
    return elman.Tagger("gru", bidirectional=False, crf=False, **SMALL).fit(trips(60), dev=trips(20, 2))


def test_tags_spans_and_the_label_of_the_whole(joint: elman.Tagger) -> None:
    found = joint.predict("fly me to New York today")
    assert found.tags == ["O", "O", "O", "B-goal", "I-goal", "B-day"]
    assert [(one.start, one.end, one.label) for one in found.spans] == [(3, 5, "goal"), (5, 6, "day")]
    assert found.text(found.spans[0]) == "New York"
    assert found.label is not None
    assert found.label.label == "fly"
    assert all(0 < one <= 1 for one in found.scores)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["spans"][0] == {"start": 3, "end": 5, "label": "goal", "text": "New York"}
    assert data["label"] == "fly"
    many = joint.predict([["will", "it", "rain"], "in Rome", []])
    assert [len(one.tags) for one in many] == [3, 2, 0]


def test_figures(joint: elman.Tagger, causal: elman.Tagger) -> None:
    report = joint.evaluate(trips(40, 3))
    assert (report.count, report.accuracy, report.label_accuracy) == (40, 1.0, 1.0)
    assert report.tokens == sum(map(len, trips(40, 3)["tokens"]))
    assert report.spans == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert joint.score(trips(40, 3)) == 1.0
    wrong = [["O"] * len(one) for one in trips(40, 3)["tokens"]]
    report = causal.evaluate(trips(40, 3)["tokens"], wrong)
    assert report.spans == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    strange = causal.evaluate([["Rome"]], [["B-planet"]])
    assert (strange.unseen, strange.accuracy) == (1, 0.0)


def test_probabilities_are_those_of_the_tags(joint: elman.Tagger, causal: elman.Tagger) -> None:
    for model in (joint, causal):
        texts = ["fly me to Rome", "today"]
        for found, chances in zip(model.predict(texts), model.predict_proba(texts), strict=True):
            assert chances.shape == (len(found.tokens), len(model.tags_))
            np.testing.assert_allclose(chances.sum(-1), 1.0, rtol=1e-5)
            chosen = [model.tags_.index(tag) for tag in found.tags]
            np.testing.assert_allclose(chances[range(len(chosen)), chosen], found.scores, rtol=1e-6)


def test_batch_mates_and_an_empty_one_change_nothing(joint: elman.Tagger) -> None:
    rows = [*trips(9, 4)["tokens"], [], ["Rome"]]
    together = joint.predict(rows)
    for one, found in zip(rows, together, strict=True):
        alone = joint.predict([one])[0]
        assert alone.tags == found.tags
        np.testing.assert_allclose(alone.scores, found.scores, rtol=1e-4, atol=1e-6)


def test_the_same_after_saving(joint: elman.Tagger, causal: elman.Tagger, tmp_path: Path) -> None:
    for number, model in enumerate((joint, causal)):
        again = elman.load(model.save(tmp_path / str(number)))
        rows = trips(20, 5)["tokens"]
        assert again.predict(rows) == model.predict(rows)
        assert again.get_params() == model.get_params()
        assert again.columns_ == model.columns_


def test_a_stream_answers_as_the_whole(causal: elman.Tagger, joint: elman.Tagger) -> None:
    tokens = trips(1, 6)["tokens"][0]
    with causal.stream() as stream:
        answers = [stream.push([token]) for token in tokens]
    assert [one.label for one in answers if one] == causal.predict([tokens])[0].tags
    with pytest.raises(SettingsError, match="cannot stream"):
        joint.stream()


def test_a_look_inside(joint: elman.Tagger) -> None:
    trace, found = joint.inspect("fly me to Rome"), joint.predict("fly me to Rome")
    assert [step.token for step in trace.steps] == found.tokens
    assert [step.beliefs[0][0] for step in trace.steps] == found.tags
    torch.testing.assert_close([step.beliefs[0][1] for step in trace.steps], found.scores)


def test_what_the_scheme_forbids_is_never_answered() -> None:
    """Even by a network that learned nothing."""
    model = elman.Tagger(**SMALL | {"training": elman.Training(epochs=1, learning_rate=1e-6)})
    model.fit(trips(40))
    draw = random.Random(7)
    words = sorted({token for one in trips(40)["tokens"] for token in one})
    for found in model.predict([draw.choices(words, k=9) for _ in range(50)]):
        assert model.tag_.faults(found.tags) == []


def conll(folder: Path, text: str, name: str = "rows.conll") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a O\nb O\n\nc I-x\nd O\n", ["rows.conll:4", "outside of BIO", "I-x after O", "'I-x O'"]),
        ("a O\nb B-x\n\nc day\n", ["rows.conll:4", "outside of BIO", "day"]),
        ("a O\nb\n", ["rows.conll:2", "1 field", "2 fields between spaces"]),
        ("a O\nb O\n", ["nothing to tell apart"]),
    ],
)
def test_bad_files_are_named_by_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(DataError) as raised:
        elman.Tagger(**SMALL).fit(conll(tmp_path, text), dev=([["a"]], [["O"]]))
    assert not [part for part in parts if part not in str(raised.value)], raised.value


def test_tokens_and_tags_that_do_not_fit_are_both_shown(tmp_path: Path) -> None:
    lines = ['{"tokens": ["a"], "tags": ["X"]}', '{"tokens": ["b", "c"], "tags": ["Y"]}']
    path = conll(tmp_path, "\n".join(lines), "rows.jsonl")
    with pytest.raises(DataError) as raised:
        elman.Tagger(**SMALL).fit(path)
    text = str(raised.value)
    assert not [one for one in ("rows.jsonl:2", "2 tokens 'b c'", "1 tag 'Y'") if one not in text], text
    with pytest.raises(DataError, match="are no lists of words"):
        elman.Tagger().fit([["a"], [3]], [["X"], ["Y"]])
    with pytest.raises(DataError, match="a list of tags for each"):
        elman.Tagger().fit([["a"]], [])
    with pytest.raises(NotFittedError):
        elman.Tagger().predict("a")


def test_conllu_leaves_out_what_is_no_word(tmp_path: Path) -> None:
    def line(*fields: str) -> str:
        return "\t".join([*fields, *["_"] * (10 - len(fields))])

    text = "\n".join(
        [
            "# text = don't",
            line("1-2", "don't"),
            line("1", "do", "do", "AUX", "VBP"),
            line("2", "n't", "not", "PART", "RB"),
            line("2.1", "x", "x", "X", "X"),
            "",
            line("1", "go", "go", "VERB", "VB"),
        ]
    )
    from elman.data import read

    rows = read(conll(tmp_path, text, "rows.conllu"))
    assert rows.column("tokens") == [["do", "n't"], ["go"]]
    assert rows.column("tags") == [["AUX", "PART"], ["VERB"]]
    assert rows.lines == [3, 7]
    with pytest.raises(DataError, match=r"rows\.conllu:2"):
        read(conll(tmp_path, text.replace("don't\t_", "don't"), "rows.conllu"))
    with pytest.raises(DataError, match="word 1 is missing"):
        read(conll(tmp_path, line("2", "go", "go", "VERB"), "rows.conllu"))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = trips(40)
    blocks = [
        "\n".join(f"{token} {tag}" for token, tag in zip(tokens, tags, strict=True))
        for tokens, tags in zip(rows["tokens"], rows["tags"], strict=True)
    ]
    conll(tmp_path, "\n\n".join(blocks))
    lines = [json.dumps(dict(zip(rows, one, strict=True))) for one in zip(*rows.values(), strict=True)]
    conll(tmp_path, "\n".join(lines), "rows.jsonl")

    def run(line: str, code: int = 0) -> str:
        done = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"}).invoke(app, line.split())
        assert done.exit_code == code, f"{line}\n{done.output}\n{done.exception!r}"
        return done.output

    settings = "--hidden-size 8 --epochs 2 --embedding-size 8"
    assert "Dev span F1" in run(f"fit rows.conll --out one {settings}")
    assert "spans: F1" in run("evaluate one rows.conll")
    assert run("predict one Paris Rome").count("\n") == 2
    assert "Rome/" in run("predict one Paris Rome")
    assert json.loads(run("predict one Rome --json"))["tokens"] == ["Rome"]
    assert len(json.loads(run("inspect one Rome --json"))["steps"]) == 1
    assert "of each token" in run("inspect one Rome")
    run(f"fit rows.jsonl --task tagger --label label --no-crf --out two {settings}")
    assert "accuracy of the labels" in run("evaluate two rows.jsonl")
    run("fit rows.jsonl --task tagger --text tokens --out three", 2)
    run("evaluate one --dataset clinc150", 2)


def test_a_setting_that_it_would_ignore_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not know consistency"):
        elman.Tagger(training=elman.Training(consistency=1.0)).fit([["a"]], [["X"]])

"""The translator: what goes in, what comes out, what it refuses, and that it is the same after saving."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.errors import DataError, NotFittedError, SettingsError, UnknownNameError

QUICK = elman.Training(epochs=30, batch_size=16, learning_rate=1e-2, dropout=0.0, label_smoothing=0.0)
SIDE = elman.TextSettings(characters=None, embedding_size=16)
SMALL: dict[str, Any] = {
    "hidden_size": 24,
    "metric": "wer",
    "text": SIDE,
    "target": SIDE,
    "training": QUICK,
}
WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}


def numbers(count: int, seed: int = 1) -> dict[str, list[str]]:
    """Up to four numbers in English, and the same in German."""
    draw = random.Random(seed)
    texts = [draw.choices(list(WORDS), k=draw.randint(1, 4)) for _ in range(count)]
    german = [" ".join(WORDS[one] for one in text) for text in texts]
    return {"text": [" ".join(text) for text in texts], "target": german}


@pytest.fixture(scope="module")
def model() -> elman.Translator:
    return elman.Translator(**SMALL).fit(numbers(200), dev=numbers(30, 2))


def test_it_translates(model: elman.Translator) -> None:
    found = model.predict("two three one")
    assert (found.text, found.tokens) == ("zwei drei eins", ["zwei", "drei", "eins"])
    assert found.score < 0
    assert [one.text for one in model.predict(["four", "one two"])] == ["vier", "eins zwei"]
    report = model.evaluate(numbers(50, 3))
    assert report.figures == {"wer": 0.0, "per": 0.0}
    assert model.score(numbers(50, 3)) == 1.0
    assert report.count == len(set(numbers(50, 3)["text"]))
    assert report.references == 50


def test_a_decoding_is_a_value(model: elman.Translator) -> None:
    three = model.predict("one two", elman.Beam(beam_size=4, n_best=3))
    assert len(three.ranking) == 3
    assert three.ranking == sorted(three.ranking, key=lambda one: -one[1])
    assert model.predict("one two", elman.Greedy()).text == three.text
    assert len(model.predict("one two", elman.Greedy(max_length=1)).tokens) == 1
    drawn = [model.predict("one two", elman.Sample(seed=7, temperature=5.0)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    never = model.target_.numbers(["eins"])[0]
    banned = elman.Beam(constraint=lambda prefixes, sentences: np_mask(model.target_.size, never))
    assert "eins" not in model.predict("one two one", banned).tokens
    with pytest.raises(SettingsError, match="not saved"):
        elman.Translator(decode=banned)._config()


def np_mask(size: int, never: int) -> Any:
    import torch

    return torch.arange(size) != never


def test_batch_mates_and_an_empty_text_change_nothing(model: elman.Translator) -> None:
    texts = [*numbers(8, 4)["text"], "", "one nine", "four " * 30]
    together = model.predict(texts)
    for text, found in zip(texts, together, strict=True):
        alone = model.predict(text)
        assert alone.text == found.text
        assert alone.score == pytest.approx(found.score, rel=1e-4)
        assert not {"<unk>", "<s>", "<pad>"} & set(found.tokens)
    assert model.predict([]) == []


def test_the_same_after_saving(model: elman.Translator, tmp_path: Path) -> None:
    again = elman.load(model.save(tmp_path / "model"))
    texts = numbers(20, 5)["text"]
    assert again.predict(texts) == model.predict(texts)
    assert again.get_params() == model.get_params()
    other = elman.Translator(**SMALL | {"decode": elman.Sample(seed=3)})
    assert elman.Translator._of_config(json.loads(json.dumps(other._config()))).decode == other.decode


def test_a_look_inside(model: elman.Translator) -> None:
    found = model.inspect("three one four")
    assert found.source == ["three", "one", "four"]
    assert found.target == ["drei", "eins", "vier", "</s>"]
    np.testing.assert_allclose(found.weights.sum(-1), 1.0, rtol=1e-5)
    assert found.weights.shape == (4, 3)
    assert json.loads(json.dumps(found.to_dict()))["target"] == found.target
    with pytest.raises(SettingsError, match="no token"):
        model.inspect("")
    blind = elman.Translator(**SMALL | {"attention": None, "training": elman.Training(epochs=1)})
    with pytest.raises(SettingsError, match="looks at nothing"):
        blind.fit(numbers(20)).inspect("one")


def test_several_references_are_all_meant(model: elman.Translator) -> None:
    report = model.evaluate(["one", "one", "two"], ["uno", "eins", "due"])
    assert (report.count, report.references, report.figures["wer"]) == (2, 3, 0.5)


def test_a_name_is_copied() -> None:
    """Tokens that no vocabulary holds, from the input to the output."""
    draw = random.Random(1)

    def rows(count: int, seed: int) -> dict[str, list[str]]:
        draw.seed(seed)
        names = ["".join(draw.choices("abcdefgh", k=5)) for _ in range(count)]
        texts = [f"my name is {one} now" if draw.random() < 0.5 else f"so {one} it is" for one in names]
        return {"text": texts, "target": [f"hello {one}" for one in names]}

    side = elman.TextSettings(characters=None, embedding_size=16, min_count=2)
    for copy in ("tokens", "coverage"):
        model = elman.Translator(**SMALL | {"copy": copy, "text": side, "target": side})
        model.fit(rows(150, 1), dev=rows(20, 2))
        assert model.predict("my name is zebra now").text == "hello zebra"
        assert model.evaluate(rows(30, 3)).figures["wer"] < 0.1
    shared = elman.Translator(**SMALL | {"copy": "tokens", "shared": True, "text": side, "target": side})
    assert shared.fit(rows(60, 1)).predict(["so zebra it is"])[0].tokens


@pytest.mark.parametrize(
    "change",
    [
        {"attention": "general"},
        {"attention": "dot+feeding"},
        {"attention": None},
        {"sampling": 0.3},
        {"num_layers": 2, "bidirectional": False},
        {"metric": "bleu"},
        {"metric": "rouge"},
    ],
    ids=str,
)
def test_every_form_is_trained_and_asked(change) -> None:
    training = elman.Training(epochs=1, batch_size=16)
    model = elman.Translator(**SMALL | {"training": training} | change).fit(numbers(40))
    assert model.predict("one two").ranking
    assert model.evaluate(numbers(10, 2)).figures


def test_settings_that_contradict_each_other() -> None:
    rows = numbers(20)
    for wrong, match in (
        ({"attention": "big"}, "no such attention"),
        ({"attention": None, "copy": "tokens"}, "nothing to copy by"),
        ({"attention": "dot", "copy": "coverage"}, "place for coverage"),
        ({"copy": "all"}, "no such copy"),
        ({"metric": "meteor"}, "no such metric"),
        ({"shared": True, "text": elman.TextSettings()}, "one way of cutting"),
        ({"target": elman.TextSettings()}, "not letter by letter"),
    ):
        with pytest.raises(SettingsError, match=match):
            elman.Translator(**SMALL | wrong).fit(rows)
    with pytest.raises(UnknownNameError, match="gru"):
        elman.Translator("grru").fit(rows)
    with pytest.raises(NotFittedError):
        elman.Translator().predict("one")


def test_parallel_files(tmp_path: Path) -> None:
    rows = numbers(30)
    one, other, short = (tmp_path / name for name in ("a.en", "a.de", "b.de"))
    one.write_text("\n".join(rows["text"]) + "\n", encoding="utf-8")
    other.write_text("\r\n".join(rows["target"]), encoding="utf-8")
    short.write_text("\n".join(rows["target"][:-2]) + "\n", encoding="utf-8")
    model = elman.Translator(**SMALL | {"training": elman.Training(epochs=1)})
    assert model.fit(str(one), str(other)).evaluate(one, other).references == 30
    with pytest.raises(DataError) as raised:
        model.fit(one, short)
    told = str(raised.value)
    assert not [
        part for part in (f"{one}: 30 lines", f"{short}: 28 lines", "a.en:29") if part not in told
    ]
    gap = tmp_path / "gap.de"
    gap.write_text("\n".join([*rows["target"][:7], "", *rows["target"][8:]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.en and .*gap\.de:8"):
        model.fit(one, gap)
    with pytest.raises(DataError, match="one target for each"):
        model.fit(["one"], [])
    with pytest.raises(DataError, match="have no text"):
        model.fit({"text": ["one", None], "target": ["eins", "zwei"]})


CHINESE = "天地玄黄日月盈张"
ENGLISH = ["sky", "earth", "dark", "yellow", "sun", "moon", "full", "spread"]


def test_chinese_by_character_and_english_by_word() -> None:
    side = SIDE.model_copy(update={"tokenizer": "characters"})
    draw = random.Random(3)
    picks = [draw.choices(range(len(CHINESE)), k=draw.randint(1, 3)) for _ in range(300)]
    rows = {
        "text": [" ".join(ENGLISH[one] for one in each) for each in picks],
        "target": ["".join(CHINESE[one] for one in each) for each in picks],
    }
    model = elman.Translator(**SMALL | {"target": side, "metric": "bleu"}).fit(rows)
    assert model.predict("sky earth dark").text == "天地玄"
    report = model.evaluate(rows)
    assert report.signature is not None
    assert "tok:zh" in report.signature


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("translator")
    rows = numbers(200)
    lines = [f"{a}\t{b}\n" for a, b in zip(rows["text"], rows["target"], strict=True)]
    (folder / "pairs.tsv").write_text("english\tgerman\n" + "".join(lines), encoding="utf-8")
    args = ["fit", str(folder / "pairs.tsv"), "--text", "english", "--target", "german"]
    args += ["--hidden-size", "24", "--embedding-size", "16", "--metric", "wer", "--epochs", "25"]
    args += [
        "--learning-rate",
        "0.01",
        "--batch-size",
        "16",
        "--dropout",
        "0",
        "--set",
        "length_penalty=1.0",
    ]
    args += ["--set", "target_embedding_size=16", "--out", str(folder / "run")]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    return str(folder / "run")


def asked(*args: str) -> str:
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands(run: str) -> None:
    pairs = str(Path(run).parent / "pairs.tsv")
    assert elman.load(run).decode == elman.Beam(beam_size=5, length_penalty=1.0)
    figures = json.loads(asked("evaluate", run, pairs, "--json"))["report"]["figures"]
    assert figures["wer"] < 0.1
    assert "zwei eins" in asked("predict", run, "two one")
    several = asked("predict", run, "two one", "--top", "3", "--beam-size", "4")
    assert several.count("→") == 3
    line = json.loads(asked("predict", run, "one two", "--json", "--beam-size", "1"))
    assert line["translation"] == "eins zwei"
    table = asked("inspect", run, "two one three")
    assert all(one in table for one in ("zwei", "three", "</s>", "█"))
    data = json.loads(asked("inspect", run, "two one", "--json"))
    assert (data["source"], data["target"]) == (["two", "one"], ["zwei", "eins", "</s>"])


def test_the_attention_is_drawn(run: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "looks" / "seen.png"
    assert str(out) in asked("inspect", run, "two one three", "--out", str(out))
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_column_that_nobody_named_is_asked_for(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("source\ttarget\none\teins\n" * 3, encoding="utf-8")
    told = CliRunner().invoke(
        app, ["fit", str(pairs), "--task", "translator", "--out", str(tmp_path / "run")]
    )
    assert told.exit_code == 2
    assert "no column 'text'" in told.output
    assert "--text COLUMN" in told.output
    assert not (tmp_path / "run").exists()


def test_parallel_files_by_command(run: str, tmp_path: Path) -> None:
    rows = numbers(40, 9)
    for name in ("text", "target"):
        (tmp_path / name).write_text("\n".join(rows[name]) + "\n", encoding="utf-8")
    one, other = str(tmp_path / "text"), str(tmp_path / "target")
    figures = json.loads(asked("evaluate", run, one, "--parallel", other, "--json"))["report"]
    assert figures["references"] == 40
    out = str(tmp_path / "run")
    told = asked("fit", one, "--parallel", other, "--hidden-size", "8", "--epochs", "1", "--out", out)
    assert "36 rows" in told

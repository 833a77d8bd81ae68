"""The generator: what it reads and writes, what it refuses, and that it is the same after saving."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.data import read
from elman.errors import DataError, NotFittedError, SettingsError
from elman.structures.n_to_n import NToN

QUICK = elman.Training(epochs=40, batch_size=8, learning_rate=1e-2, dropout=0.0)
SMALL: dict[str, Any] = {"hidden_size": 16, "window": 12, "training": QUICK}
BOOK = "row, row, row your boat, gently down the stream; " * 12
NAMES = ["anna", "otto", "hannah", "bob", "nana", "toto"] * 8


@pytest.fixture(scope="module")
def book() -> elman.Generator:
    return elman.Generator("gru", **SMALL).fit([BOOK])


@pytest.fixture(scope="module")
def names() -> elman.Generator:
    return elman.Generator("gru", **SMALL).fit(NAMES)


def test_what_is_written(book: elman.Generator, names: elman.Generator) -> None:
    decode = elman.Sample(temperature=0.8, top_p=0.9, seed=7)
    text = book.generate("row, ", length=30, decode=decode)
    assert text.startswith("row, ")
    assert len(text) == 35
    assert text == book.generate("row, ", length=30, decode=decode)
    assert text != book.generate("row, ", length=30, decode=elman.Sample(seed=8))
    assert len(book.generate(length=3)) == 3
    assert len(book.generate(length=9, decode=elman.Greedy(max_length=4))) == 4
    assert len(book.generate()) == 500
    many = names.generations("an", decode=elman.Sample(seed=1, samples=5))
    assert [one.prompt for one in many] == ["an"] * 5
    assert all(one.text.startswith("an") and one.log_probability < 0 for one in many)
    assert {one.finished for one in names.generations(length=1, decode=decode)} <= {True, False}
    assert not any(one.finished for one in book.generations(length=50))


def test_its_probability_is_the_one_that_evaluate_counts(names: elman.Generator) -> None:
    """Of every text that ended: what a decoding says of it, and what reading it says."""
    for one in names.generations(decode=elman.Sample(seed=3, samples=8)):
        if one.finished and one.text:
            report = names.evaluate([one.text])
            assert report.nats * report.tokens == pytest.approx(-one.log_probability, rel=1e-4)


def test_figures(book: elman.Generator, names: elman.Generator) -> None:
    report = book.evaluate([BOOK])
    assert (report.count, report.tokens, report.characters) == (1, len(BOOK), len(BOOK))
    assert report.bits_per_character == pytest.approx(report.nats / math.log(2))
    assert report.perplexity == pytest.approx(math.exp(report.nats))
    assert book.score([BOOK]) == -report.nats
    report = names.evaluate(["anna", "bob"])
    assert (report.count, report.tokens, report.characters) == (2, 9, 9)
    strange = names.evaluate(["xnna"])
    assert strange.unknown == 1
    assert math.isfinite(strange.nats)
    assert set(book.figures_) >= {"dev_log_likelihood", "dev_bits_per_character", "train_loss"}


@pytest.mark.parametrize("tokenizer", ["words", "bpe", "unigram"])
def test_bits_are_those_of_characters_whatever_the_symbols_are(tokenizer: str) -> None:
    text = elman.TextSettings(tokenizer=tokenizer, vocabulary=300, lowercase=False)
    model = elman.Generator("gru", **SMALL, text=text).fit([BOOK])
    report = model.evaluate([BOOK])
    assert report.characters == len(BOOK)
    assert report.tokens < len(BOOK)
    bits = report.nats * report.tokens / math.log(2) / len(BOOK)
    assert report.bits_per_character == pytest.approx(bits)
    assert model.generate("row, row, ", length=6, decode=elman.Greedy()).startswith("row, row, ")


def test_what_comes_next(book: elman.Generator) -> None:
    found = book.predict("row, row, row you")
    assert found.label == "r"
    assert sum(p for _, p in found.ranking) == pytest.approx(1.0, rel=1e-5)
    assert [one.label for one in book.predict(["row, row, row you", "gent"])] == ["r", "l"]
    trace = book.inspect("row you", top=2)
    assert [step.token for step in trace.steps] == ["</s>", *"row you"]
    assert trace.steps[-1].beliefs[0] == pytest.approx(found.ranking[0], abs=0.5)
    told = json.loads(json.dumps(trace.to_dict()))["steps"]
    assert all(one["surprise"] >= 0 for one in told)
    assert trace.states["h_l0"].shape == (8, 16)
    with book.stream() as stream:
        for piece in ("row, ", "", "row, row", " you"):
            answer = stream.push(piece)
    assert answer is not None
    assert answer.label == found.label
    assert answer.score == pytest.approx(found.score, rel=1e-4)


def test_unknown_symbols_are_named(book: elman.Generator) -> None:
    for ask in (book.generate, book.predict, book.inspect, book.stream().push):
        with pytest.raises(DataError, match="never seen") as raised:
            ask("row, 你好")
        assert "'你', '好', the first one at character 6" in str(raised.value)
    text = elman.TextSettings(tokenizer="characters", lowercase=False, characters=None, min_count=30)
    rare = elman.Generator("gru", **SMALL, text=text).fit([BOOK])
    assert rare.generate("row, 你", length=4).startswith("row, 你")
    assert "□" not in rare.generate("row", length=200, decode=elman.Sample(seed=1))


def test_one_symbol_alone_can_be_learned() -> None:
    model = elman.Generator("gru", **SMALL).fit(["a" * 60])
    assert model.generate("a", length=5, decode=elman.Beam(beam_size=9)) == "aaaaaa"
    assert elman.Generator("gru", **SMALL).fit(["a"]).generate(length=3) == "aaa"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ([], "there are no rows"),
        ([""], "have no text"),
        (["a", ""], "row 2: ''"),
        (["a", None], "row 2"),
        ({"text": [1, 2]}, "have no text"),
        ({"words": ["a"]}, "there is no column 'text'"),
        (["a\ud800"], "half a character"),
    ],
)
def test_texts_that_cannot_be_used(source: Any, named: str) -> None:
    with pytest.raises(DataError, match=named):
        elman.Generator(**SMALL).fit(source)


def test_before_fit_there_is_nothing_to_ask() -> None:
    for name in ("generate", "inspect", "predict", "evaluate"):
        with pytest.raises(NotFittedError):
            getattr(elman.Generator(), name)("a")


def test_the_same_after_saving(book: elman.Generator, names: elman.Generator, tmp_path: Path) -> None:
    for number, model in enumerate((book, names)):
        again = elman.load(model.save(tmp_path / str(number)))
        assert again.evaluate([BOOK]).nats == model.evaluate([BOOK]).nats
        decode = elman.Sample(seed=2)
        assert again.generations("", 40, decode) == model.generations("", 40, decode)
        assert again.input_.ends == model.input_.ends
    text = elman.TextSettings(tokenizer="bpe", vocabulary=300, lowercase=False)
    tied = elman.Generator("lstm", **SMALL, head="tied", text=text).fit(NAMES)
    again = elman.load(tied.save(tmp_path / "tied"))
    assert again.evaluate(NAMES).nats == tied.evaluate(NAMES).nats


# --- files and the command line ---


def test_a_file_is_one_text_or_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "songs.txt"
    path.write_bytes("\ufeffrow\r\nboat\r\n\r\nstream".encode())
    assert read(path).columns == {"text": ["row\nboat\n\nstream"]}
    lines = read(path, format="lines")
    assert lines.columns == {"text": ["row", "boat", "stream"]}
    assert lines.place(2) == f"{path}:4"
    assert elman.Generator("gru", **SMALL).fit(str(path)).input_.ends is False
    assert elman.Generator("gru", **SMALL).fit(lines).input_.ends is True
    path.write_text(" \n")
    with pytest.raises(DataError, match="the file is empty"):
        read(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text(BOOK)
    runner = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"})

    def invoke(line: str) -> Any:
        return runner.invoke(app, line.split())

    return invoke


def test_from_the_command_line(run: Any) -> None:
    fit = "fit book.txt --cell gru --hidden-size 16 --epochs 20 --set window=12 --out model"
    found = run(fit)
    assert found.exit_code == 0, found.output
    assert "the last tenth of this text" in found.output
    assert "bits per character" in found.output
    assert "elman generate model" in found.output
    written = run("generate model --prompt row --temperature 0.8 --top-p 0.9 --length 20 --seed 7")
    assert written.exit_code == 0
    decode = elman.Sample(temperature=0.8, top_p=0.9, seed=7)
    assert written.stdout == elman.load("model").generate("row", 20, decode) + "\n"
    as_json = run("generate model --prompt row --length 5 --seed 1 --samples 2 --json").stdout
    told = [json.loads(line) for line in as_json.splitlines()]
    assert [one.keys() for one in told] == [{"prompt", "text", "log_probability", "finished"}] * 2
    beam = run("generate model --prompt row --length 5 --beam-size 3")
    assert beam.stdout == elman.load("model").generate("row", 5, elman.Beam(beam_size=3)) + "\n"
    report = json.loads(run("evaluate model book.txt --json").stdout)["report"]
    assert report["characters"] == len(BOOK)
    assert "perplexity" in run("evaluate model book.txt").output
    looked = run("inspect model boat")
    assert looked.exit_code == 0, looked.output
    assert "what comes next" in looked.output
    assert "␣" in run("inspect model row,").output
    assert "surprise" in run("inspect model boat --json").output
    assert run("predict model gent").output.startswith("gent")


def test_what_the_command_line_refuses(run: Any) -> None:
    assert run("fit book.txt --cell gru --hidden-size 4 --epochs 1 --out model").exit_code == 0
    for line, named in {
        "generate model --prompt 你": "never seen",
        "generate model --beam-size 3 --seed 1": "--seed",
        "generate model --temperature 0": "temperature",
        "generate model --top-p 2": "top_p",
        "generate nothing": "is not a model",
    }.items():
        found = run(line)
        assert found.exit_code == 2, line
        assert named in found.output, line
    assert run("generate model --length 0").exit_code == 2


def test_another_kind_of_model_does_not_write(run: Any, tmp_path: Path) -> None:
    training = elman.Training(epochs=1)
    texts = (["a", "b"] * 9, [0, 1] * 9)
    elman.Classifier(hidden_size=4, training=training).fit(*texts).save(tmp_path / "labels")
    found = run("generate labels")
    assert found.exit_code == 2
    assert "it is a classifier" in found.output
    with pytest.raises(SettingsError):
        elman.Generator(**{**SMALL, "window": 0}).fit([BOOK])


def test_some_windows_of_a_long_text_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on from the states of the window before: none does where all begin anew."""
    states: list[Any] = []
    loss = NToN.loss

    def seen(self: NToN, xs: Any, targets: Any, state: Any = None) -> Any:
        states.append(state)
        return loss(self, xs, targets, state)

    monkeypatch.setattr(NToN, "loss", seen)
    for share, moved in ((0.0, {True}), (1.0, {False}), (0.5, {True, False})):
        states.clear()
        monkeypatch.setattr("elman.tasks.generator.ANEW", share)
        training = elman.Training(epochs=1, batch_size=8)
        elman.Generator("lstm", 8, window=10, training=training).fit(["to be or not to be, " * 60])
        carried = [one for state in states if state is not None for one in state]
        assert {bool(row.any()) for one in carried for row in one.unbind(1)} == moved
        assert all(
            (h.any(-1) == c.any(-1)).all() for h, c in zip(carried[::2], carried[1::2], strict=True)
        )

"""The commands, as they are typed: what they do, what they print, and what a program can rely on."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import elman
from elman import datasets, registry, runs
from elman.apps import asking, fitting, listing
from elman.apps.cli import app
from elman.datasets import Dataset

TEXTS = {
    "time": ["what time is it ?", "tell me the time", "现在几点了", "几点"],
    "light": ["turn on the light", "lights on please", "打开灯", "把客厅的灯打开"],
    "music": ["play some music", "start a song", "播放音乐", "放首歌"],
}
ROWS = [(text, label) for label, texts in TEXTS.items() for text in texts] * 4
COLUMNS = "--text utterance --label intent"
SMALL = "--hidden-size 4 --embedding-size 4 --set character_size=4"


def run(line: str, code: int = 0, **more: Any) -> Result:
    result = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"}).invoke(app, shlex.split(line), **more)
    assert result.exit_code == code, f"{line}\n{result.output}\n{result.exception!r}"
    return result


def write_rows(path: Path, head: tuple[str, str] = ("utterance", "intent")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *ROWS])
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, but for `intents.csv`."""
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "intents.csv")
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that knows its twelve sentences."""
    folder = tmp_path_factory.mktemp("trained")
    source = write_rows(folder / "intents.csv")
    settings = "--hidden-size 16 --epochs 20 --batch-size 8 --learning-rate 0.02 --characters none"
    run(f"fit {source} {COLUMNS} {settings} --out {folder / 'run'}")
    return folder / "run"


# --- fit ---


def test_fit_says_what_it_reads_and_what_to_do_next(place: Path) -> None:
    line = f"fit intents.csv {COLUMNS} {SMALL} --cell lstm --bidirectional --epochs 1 --out runs/mine"
    said = run(line).stdout
    for part in ("intents.csv", "43 rows, 3 labels", "5 of these rows", "lstm", "both directions"):
        assert part in said
    assert "Dev accuracy" in said
    advice = said.splitlines()[-1].strip()
    assert advice == "elman inspect runs/mine 'what time is it ?'"
    assert runs.read(place / "runs/mine")["about"]["command"] == f"elman {line}"
    run(advice.removeprefix("elman "))


def test_fit_lays_a_data_sets_own_settings_under_what_is_given(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = datasets.get("home-assistant")
    monkeypatch.setattr(type(kind), "load", lambda *_: {"text": TEXTS["time"] * 4, "label": [0, 1] * 8})
    own = {"classifier": {"hidden_size": 3, "epochs": 2, "consistency": 0.5}, "tagger": {"crf": True}}
    monkeypatch.setattr(type(kind), "settings", own)
    said = run(
        f"fit --dataset home-assistant {SMALL} --epochs 1 --characters none --out runs/own"
    ).stdout
    assert "consistency 0.5" in said
    assert "epochs 2" not in said, "the user's own come first"
    identity = runs.read(place / "runs/own")["identity"]
    training = identity["training"]
    assert (training["consistency"], identity["hidden_size"], training["epochs"]) == (0.5, 4, 1)


@pytest.mark.parametrize("name", registry.names("datasets"))
def test_a_data_sets_own_settings_are_those_of_its_tasks(name: str) -> None:
    """Each is known to the task it stands for, and of a kind that it takes."""
    for task, own in datasets.get(name).settings.items():
        made = fitting._estimator({"dataset": name, "task": task, **own})
        assert made.task == task


def test_what_a_cell_does_not_know_of_a_data_sets_settings_is_left_out(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = datasets.get("home-assistant")
    monkeypatch.setattr(type(kind), "load", lambda *_: {"text": TEXTS["time"] * 4, "label": [0, 1] * 8})
    own = {"classifier": {"recurrent_dropout": 0.25, "consistency": 0.5}}
    monkeypatch.setattr(type(kind), "settings", own)
    fit = f"fit --dataset home-assistant {SMALL} --epochs 1 --characters none"
    found = {}
    for cell in ("gru", "mingru"):
        lines = run(f"{fit} --cell {cell} --out runs/{cell}").stdout.splitlines()
        found[cell] = {line.split()[0]: line for line in lines if line.startswith("  ")}
        dropped = runs.read(place / f"runs/{cell}")["identity"]["training"]["recurrent_dropout"]
        assert dropped == (0.25 if cell == "gru" else 0.0)
    assert "recurrent_dropout 0.25, consistency 0.5" in found["gru"]["set"]
    assert "left" not in found["gru"]
    assert "consistency 0.5" in found["mingru"]["set"]
    assert "recurrent_dropout" not in found["mingru"]["set"]
    assert "recurrent_dropout 0.25 (they suit these data, but mingru" in found["mingru"]["left"]
    # The user's own is an error, as it is without a data set.
    refused = run(f"{fit} --cell mingru --set recurrent_dropout=0.1 --out runs/no", 2)
    assert "has no recurrent weights" in refused.stderr


def test_fit_changes_what_is_given_and_nothing_else(place: Path) -> None:
    more = "--epochs 1 --seed 7 --characters none --devices 1 --set label_smoothing=0.25"
    run(f"fit intents.csv {COLUMNS} --hidden-size 4 --no-bidirectional {more}")
    expected = elman.Classifier(
        hidden_size=4,
        text=elman.TextSettings(characters=None),
        training=elman.Training(epochs=1, seed=7, label_smoothing=0.25),
    )
    # The folder is named after the file and the default cell.
    assert elman.load("runs/intents-gru").get_params() == expected.get_params()


def test_fit_chooses_the_epoch_on_the_dev_file(place: Path) -> None:
    (place / "dev.csv").write_text("utterance,intent\nwhat time is it ?,time\n")
    said = run(f"fit intents.csv {COLUMNS} {SMALL} --dev dev.csv --epochs 1 --out a").stdout
    assert "48 rows, 3 labels" in said
    assert "1 rows of dev.csv" in said
    assert elman.load("a").figures_["dev_accuracy"] in (0, 1)


def test_fit_on_a_data_set_tells_its_source_and_licence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "get", lambda name, fold=None: Tiny())
    said = run(f"fit --dataset tiny --cell rnn {SMALL} --epochs 1").stdout
    assert "3 rows, the dev split of tiny" in said
    assert "elman evaluate runs/tiny-rnn --dataset tiny --split test" in said
    card = (place / "runs/tiny-rnn/README.md").read_text()
    for fact in (
        "dataset: tiny",
        "licence: CC0-1.0",
        "source: https://example.org",
        "elman fit --dataset",
    ):
        assert fact in card


def interrupt_after_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("elman.progress.Progress.epoch", stop)


def test_an_interrupted_run_goes_on_by_its_folder_alone(place: Path) -> None:
    line = f"fit intents.csv {COLUMNS} {SMALL} --epochs 3"
    run(f"{line} --out whole")
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after_an_epoch(patch)
        stopped = run(f"{line} --out cut", code=130)
    assert "elman fit --out cut" in stopped.stderr
    assert "elman fit --out cut" in run("predict cut hello", code=2).stderr
    shutil.move("cut", "moved")
    assert "moved holds a run with 1 epochs behind it" in run("fit --out moved").stdout
    assert Path("moved/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    assert f"elman {line} --out cut" in Path("moved/README.md").read_text()
    assert "needs no more training" in run("fit --out moved").stdout


# --- evaluate ---


def test_evaluate_measures_on_columns_of_any_name(trained: Path, tmp_path: Path) -> None:
    other = write_rows(tmp_path / "held_out.csv", head=("said", "meant"))
    found = json.loads(run(f"evaluate {trained} {other} --text said --label meant --json").stdout)
    assert list(found) == ["model", "data", "split", "report"]
    assert (found["model"], found["data"], found["split"]) == (str(trained), str(other), None)
    report = elman.load(trained).evaluate([text for text, _ in ROWS], [label for _, label in ROWS])
    assert found["report"] == report.to_dict()
    assert report.accuracy > 0.9
    said = run(f"evaluate {trained} {trained.parent / 'intents.csv'}").stdout
    assert f"{report.accuracy:.4f}" in said
    assert "48" in said


class Tiny(Dataset):
    """A few rows under unusual names, and texts that belong to no label."""

    name, title, task, languages = "tiny", "Tiny", "classifier", ("en", "zh")
    licence, homepage, citation = "CC0-1.0", "https://example.org", ""
    splits = ("train", "dev", "test", "oos-test")
    companions = MappingProxyType({"test": "oos-test"})
    fields = MappingProxyType({"text": "said", "label": "meant"})
    sources = MappingProxyType({})

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        if split == "oos-test":
            return {"said": ["zzz", "qqq"], "meant": ["oos", "oos"]}
        if (split, language) == ("test", "zh"):
            return {"said": ["几点", "打开灯"], "meant": ["time", "music"]}
        return {"said": ["what time", "the light", "music"], "meant": ["time", "light", "music"]}


def test_evaluate_on_a_data_set_measures_out_of_scope_too(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "get", lambda name, fold=None: Tiny())
    line = f"evaluate {trained} --dataset tiny --language zh"
    found = json.loads(run(f"{line} --split test --json").stdout)
    assert list(found) == ["model", "data", "split", "language", "origin", "report"]
    assert (found["data"], found["split"], found["language"]) == ("tiny", "test", "zh")
    columns = Tiny().read("test", "zh")
    report = elman.load(trained).evaluate(columns["said"], columns["meant"], out_of_scope=["zzz", "qqq"])
    assert found["report"] == report.to_dict()
    said = run(line).stdout
    assert "the published test split" in said
    assert "out of scope: AUROC" in said
    assert "out of scope" not in run(f"{line} --split dev").stdout


# --- predict ---


def test_predict_answers_a_typed_text_and_several(trained: Path) -> None:
    assert "light" in run(f"predict {trained} 'turn on the light'").stdout
    one = run(f"predict {trained} 'turn on the light' --top 3").stdout
    assert all(label in one for label in TEXTS)
    several = run(f"predict {trained} 'turn on the light' 现在几点了").stdout.splitlines()
    (label, score, text), (other, _, _) = (line.split("\t") for line in several)
    assert (label, text, other) == ("light", "turn on the light", "time")
    assert float(score) == pytest.approx(
        elman.load(trained).predict("turn on the light").score, abs=1e-4
    )


def test_predict_prints_json_lines(trained: Path) -> None:
    said = run(f"predict {trained} 'play some music' 打开灯 --json --top 2").stdout.splitlines()
    texts = ["play some music", "打开灯"]
    for line, text, answer in zip(said, texts, elman.load(trained).predict(texts), strict=True):
        assert text in line, "Chinese is printed as it is"
        found = json.loads(line)
        assert list(found) == ["text", "label", "score", "top"]
        assert [list(one) for one in found["top"]] == [["label", "probability"]] * 2
        assert found == {"text": text, **answer.to_dict(2)}


LINES = ["turn on the light", "", "现在几点了", "  ", "a\tb", "播放音乐\r", ""]


@pytest.mark.parametrize("way", ["file", "dash", "pipe"])
def test_there_are_as_many_lines_out_as_in(
    trained: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BLOCK", 3)
    content = "\n".join(LINES) + "\n"
    (tmp_path / "lines.txt").write_bytes(b"\xef\xbb\xbf" + content.encode())
    asked = {"file": str(tmp_path / "lines.txt"), "dash": "-", "pipe": ""}[way]
    said = run(f"predict {trained} {asked} --json", input=content).stdout.splitlines()
    texts = [line.removesuffix("\r") for line in LINES]
    assert [json.loads(line)["text"] for line in said] == texts
    wanted = elman.load(trained).predict(texts)
    assert [json.loads(line)["label"] for line in said] == [one.label for one in wanted]
    plain = (
        run(f"predict {trained} {asked} --top 2", input=content).stdout.removesuffix("\n").split("\n")
    )
    assert [line.count("\t") for line in plain] == [4] * len(LINES)


def test_lines_are_read_as_they_are_needed() -> None:
    def endless() -> Any:
        number = 0
        while number < 3 * asking.BLOCK:
            number += 1
            yield f"line {number}\n".encode()
        pytest.fail("more was read than was asked for")

    blocks = asking._blocks(asking._lines(endless(), "standard input", None))
    assert len(next(blocks)) == len(next(blocks)) == asking.BLOCK


def test_predict_reads_the_texts_of_a_table(trained: Path, tmp_path: Path) -> None:
    same = run(f"predict {trained} {trained.parent / 'intents.csv'}").stdout.splitlines()
    assert [line.split("\t")[-1] for line in same] == [text for text, _ in ROWS]
    (tmp_path / "new.jsonl").write_text('{"said": "打开灯"}\n{"said": ""}\n', encoding="utf-8")
    said = run(f"predict {trained} {tmp_path / 'new.jsonl'} --text said --json").stdout.splitlines()
    assert [json.loads(line)["text"] for line in said] == ["打开灯", ""]


def test_predict_reads_other_encodings(trained: Path) -> None:
    said = run(f"predict {trained} - --encoding gb18030", input="打开灯\n".encode("gb18030")).stdout
    assert said.startswith("light\t")


# --- inspect, list, version ---


def test_inspect_prints_the_trace_as_json(trained: Path) -> None:
    found = json.loads(run(f"inspect {trained} 'What time is it ?' --json --top 2").stdout)
    assert list(found) == ["text", "prediction", "steps"]
    model = elman.load(trained)
    assert found["prediction"] == model.predict("What time is it ?").to_dict(2)
    assert found["steps"] == model.inspect("What time is it ?", top=2).to_dict()["steps"]
    assert [step["token"] for step in found["steps"]] == ["what", "time", "is", "it", "?"]


def test_inspect_shows_a_row_for_each_token(trained: Path) -> None:
    said = run(f"inspect {trained} '把客厅 light ?' --top 1").stdout.splitlines()
    assert said[0].startswith("把客厅 light ?  →  ")
    rows = [line.split() for line in said if line.startswith("O") and "..." not in line]
    assert [row[:2] for row in rows] == [
        [f"O{n}", t] for n, t in enumerate(["把", "客", "厅", "light", "?"], 1)
    ]
    assert "O5 is the prediction" in " ".join(said)


@pytest.mark.parametrize("family", [*listing.FAMILIES, ""])
def test_list_knows_every_member(family: str) -> None:
    found = json.loads(run(f"list {family} --json").stdout)
    assert list(found) == [family] if family else list(listing.FAMILIES)
    said = run(f"list {family}").stdout
    for name, members in found.items():
        assert tuple(one["name"] for one in members) == registry.names(name)
        assert all(one["description"] and one["name"] in said for one in members)
    for one in found.get("datasets", ()):
        assert {"licence", "languages", "splits", "homepage", "task"} <= set(one)


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"elman {elman.__version__}\n"
    said = subprocess.check_output([sys.executable, "-m", "elman", "--version"], text=True)
    assert said == f"elman {elman.__version__}\n"

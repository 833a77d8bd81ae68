"""What the command line says when something is wrong, where, and with which code it leaves."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import elman
from elman.apps.cli import app
from elman.errors import DataError

FIT = "fit intents.csv --text utterance --label intent"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, a model of two labels and a folder of something else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELMAN_TRACEBACK", raising=False)
    (tmp_path / "intents.csv").write_text("utterance,intent\n" + "hello,greet\nbye,leave\n" * 4)
    (tmp_path / "bad.txt").write_bytes(b"sound\nbroken \xff byte\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    text = elman.TextSettings(embedding_size=2, character_size=2)
    model = elman.Classifier(hidden_size=2, text=text, training=elman.Training(epochs=1))
    model.fit(["hello", "bye"] * 4, ["greet", "leave"] * 4, out="model")
    return tmp_path


def run(line: str, **env: str) -> Result:
    return CliRunner(env={"ELMAN_LANG": "en", **env}).invoke(app, shlex.split(line))


@pytest.mark.parametrize(
    ("line", "code", "error", "parts"),
    [
        ("fit intents.csv", 2, "DataError", ["no column 'text'", "'utterance', 'intent'"]),
        ("fit nothing.csv", 2, "DataError", ["nothing.csv"]),
        ("fit --dataset clinc", 2, "UnknownNameError", ["did you mean 'clinc150'?"]),
        ("fit --dataset clinc150 intents.csv", 2, "SettingsError", ["not on both"]),
        ("fit --dataset clinc150 --label intent", 2, "SettingsError", ["--label"]),
        ("fit", 2, "SettingsError", ["--out FOLDER alone, of a run to go on with"]),
        ("fit --epochs 3", 2, "SettingsError", ["nothing to train on"]),
        ("fit --out model --epochs 3", 2, "SettingsError", ["--out FOLDER alone"]),
        ("fit --out nowhere", 2, "StorageError", ["nowhere"]),
        ("fit --out model", 2, "SettingsError", ["not begun by elman fit"]),
        (f"{FIT} --cell gruu", 2, "UnknownNameError", ["gru, lstm, mingru", "did you mean 'gru'?"]),
        (f"{FIT} --pooling mex", 2, "UnknownNameError", ["'mex'"]),
        (f"{FIT} --epochs 0", 2, "SettingsError", ["epochs", "greater than or equal to 1", "0"]),
        (f"{FIT} --tokenizer letters", 2, "SettingsError", ["tokenizer", "'words'", "'letters'"]),
        (f"{FIT} --set label_smothing=0", 2, "UnknownNameError", ["did you mean 'label_smoothing'?"]),
        (f"{FIT} --set text=1", 2, "UnknownNameError", ["'text'"]),
        (f"{FIT} --set label_smoothing", 2, "SettingsError", ["--set label_smoothing=0.1"]),
        (f"{FIT} --out other", 1, "TrainingError", ["other is not empty", "notes.txt"]),
        (f"{FIT} --out model", 1, "TrainingError", ["another run"]),
        ("predict nowhere hello", 2, "StorageError", ["nowhere is not a model", "no such folder"]),
        ("predict model bad.txt", 2, "DataError", ["bad.txt:2", "0xFF at position 8", "--encoding"]),
        ("predict model bad.txt --encoding utf-16", 2, "SettingsError", ["'utf-16'"]),
        ("predict model bad.txt --encoding nonsense", 2, "SettingsError", ["'nonsense'"]),
        ("predict model intents.csv", 2, "DataError", ["no column 'text'"]),
        ("inspect model ''", 2, "SettingsError", ["no step"]),
        ("evaluate model", 2, "SettingsError", ["a file, or a data set"]),
        (
            "evaluate model intents.csv --dataset snips",
            2,
            "SettingsError",
            ["intents.csv and --dataset"],
        ),
        ("evaluate model --dataset snips --split tset", 2, "UnknownNameError", ["did you mean 'test'?"]),
        ("evaluate model intents.csv --text utterance", 2, "DataError", ["no column 'label'"]),
        ("list cell", 2, "UnknownNameError", ["did you mean 'cells'?"]),
    ],
)
def test_an_error_has_its_name_its_fix_and_its_code(
    line: str, code: int, error: str, parts: list[str], place: Path
) -> None:
    before = sorted(one.name for one in place.iterdir())
    result = run(line)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith(f"{error}: ")
    assert not [part for part in parts if part not in result.stderr], result.stderr
    assert "Traceback" not in result.output
    if not line.startswith("fit"):
        assert result.stdout in ("", "greet\t"), "an answer was given beside the error"
    if "--out" not in line and "--pooling" not in line:
        assert sorted(one.name for one in place.iterdir()) == before, "something was written"


@pytest.mark.parametrize(
    "line",
    [
        "predict nowhere hello --json",
        "inspect model '' --json",
        "evaluate nowhere intents.csv --json",
        "list cell --json",
    ],
)
def test_an_error_leaves_standard_output_to_json(line: str) -> None:
    result = run(line)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


@pytest.mark.parametrize(
    "line", ["fit --hidden-size few", "predict", "predict model hi --top 0", "trian"]
)
def test_a_command_that_is_not_understood_has_code_2(line: str) -> None:
    result = run(line)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert result.stdout == ""


def test_the_traceback_is_there_for_those_who_ask() -> None:
    result = run("fit intents.csv", ELMAN_TRACEBACK="1")
    assert isinstance(result.exception, DataError)


def test_nothing_typed_and_nobody_piping_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda self: True)
    result = run("predict model")
    assert result.exit_code == 2
    assert "There is no text to label." in result.stderr


def test_predict_is_quiet_when_nobody_reads_on(place: Path) -> None:
    (place / "many.txt").write_text("hello\n" * 50_000)  # far more than a pipe holds
    command = [sys.executable, "-m", "elman", "predict", "model", "many.txt"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=place) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b"\thello\n")
        process.stdout.close()
        assert process.stderr.read() == b""


HEAVY = """
import sys
from elman.apps.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
tops = {name.partition(".")[0] for name in sys.modules}
heavy = tops & {"torch", "numpy", "lightning_fabric", "tokenizers", "rich", "polars", "hassil"}
sys.exit(f"{code} {sorted(heavy)}")
"""


@pytest.mark.parametrize("line", ["--help", "fit --help", "predict --help", "--version"])
def test_help_waits_for_nothing_heavy(line: str) -> None:
    command = [sys.executable, "-c", HEAVY, *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0 []"
    assert done.stdout

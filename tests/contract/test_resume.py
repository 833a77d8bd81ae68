"""A training that is killed at any moment goes on to the same result, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import elman
from elman.errors import StorageError, TrainingError

from .interrupted import LABELS, SETTINGS, TEXTS

QUICK = elman.Training(epochs=1, batch_size=4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials are forked, which this system cannot")
@pytest.mark.parametrize("variant", SETTINGS)
def test_killed_at_any_moment(variant: str, tmp_path: Path) -> None:
    """Before each rename, before steps, and again and again: the same weights, figures and answers."""
    script = Path(__file__).with_name("interrupted.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), variant],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    whole = found["whole"]
    assert whole["weights"] == whole["named"]
    renames = sum(name.startswith("rename-") for name in found)
    assert renames > 10, "the trials must have met every file that is written"
    for name, one in found.items():
        for fact, value in whole.items():
            assert one[fact] == value, f"killed at {name}: another {fact}"


def small(**options: Any) -> elman.Classifier:
    return elman.Classifier(**({"hidden_size": 3, "training": QUICK} | options))


def snapshot(folder: Path) -> dict[str, str]:
    """The name and the content of every file of a folder."""
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    small().fit(TEXTS, LABELS, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_run_holds_what_it_takes_to_repeat_it(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["identity"]["training"]["seed"] == 0
    assert record["identity"]["cell"] == "gru"
    assert len(record["identity"]["data"]) == 64
    assert set(record["versions"]) >= {"elman", "torch", "python"}
    assert {one.name for one in run.iterdir()} == {
        *("run.json", "metrics.jsonl", "checkpoints", "config.json"),
        *("model.safetensors", "tokenizer.json", "metrics.json", "README.md"),
    }
    assert elman.load(run).classes_.tolist() == ["light", "time"]


def test_a_finished_run_is_only_saved_again(run: Path) -> None:
    before = snapshot(run)
    small().fit(TEXTS, LABELS, out=run)
    assert snapshot(run) == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"hidden_size": 4}, "hidden_size"),
        ({"cell": "lstm"}, "cell"),
        ({"training": elman.Training(epochs=2, batch_size=4)}, "training"),
        ({"training": QUICK.model_copy(update={"seed": 1})}, "training"),
        ({"text": elman.TextSettings(lowercase=False)}, "text"),
    ],
)
def test_another_run_is_refused_and_nothing_is_touched(run: Path, changed: Any, named: str) -> None:
    before = snapshot(run)
    with pytest.raises(TrainingError, match=f"another run: its {named} differ"):
        small(**changed).fit(TEXTS, LABELS, out=run)
    assert snapshot(run) == before


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        ([*TEXTS[:-1], "turn the light out"], LABELS),
        (TEXTS, [*LABELS[:-1], "time"]),
        (TEXTS[:-1], LABELS[:-1]),
        (TEXTS[::-1], LABELS[::-1]),
    ],
)
def test_other_data_is_another_run(run: Path, texts: list[str], labels: list[str]) -> None:
    before = snapshot(run)
    with pytest.raises(TrainingError, match="another run: its data differ"):
        small().fit(texts, labels, out=run)
    with pytest.raises(TrainingError, match="another run: its data differ"):
        small().fit(TEXTS, LABELS, dev=(texts, labels), out=run)
    assert snapshot(run) == before


def test_a_run_without_a_checkpoint_gives_way(tmp_path: Path) -> None:
    """Nothing is lost with it, so other settings may begin anew; leavings of a kill do not matter."""
    run = tmp_path / "run"
    small().fit(TEXTS, LABELS, out=run)
    record = (run / "run.json").read_bytes()
    for one in sorted(run.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    (run / "run.json").write_bytes(record)
    (run / ".run.json.tmp-x7k2").write_bytes(record[:50])
    small(hidden_size=4).fit(TEXTS, LABELS, out=run)
    assert elman.load(run).hidden_size == 4


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(TrainingError, match="not empty and holds no run"):
        small().fit(TEXTS, LABELS, out=tmp_path)
    assert snapshot(tmp_path).keys() == {"thesis.txt"}
    saved = small().fit(TEXTS, LABELS).save(tmp_path / "model")
    with pytest.raises(TrainingError, match="not empty and holds no run"):
        small().fit(TEXTS, LABELS, out=saved)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"identity": 3, "about": {}}', b"\xff\xfe"])
def test_a_broken_record_is_named(run: Path, content: bytes) -> None:
    (run / "run.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"run\.json does not describe a run"):
        small().fit(TEXTS, LABELS, out=run)


def test_a_broken_checkpoint_is_named(run: Path) -> None:
    last = run / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(StorageError, match=r"last\.safetensors is no sound safetensors file"):
        small().fit(TEXTS, LABELS, out=run)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        small().fit(TEXTS, LABELS, out=tmp_path / "file")

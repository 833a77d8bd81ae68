"""The commands on recordings: a folder, a table, files, a picture; and data that are split in several ways."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from elman import datasets
from elman.apps.cli import app
from elman.datasets.base import Dataset
from elman.errors import UnknownNameError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("kaldi_native_fbank")

RATE = 8_000
QUICK = "--hidden-size 4 --epochs 2 --set n_mels=8"


def run(line: str, code: int = 0) -> str:
    result = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"}).invoke(app, shlex.split(line))
    assert result.exit_code == code, f"{line}\n{result.output}\n{result.exception!r}"
    return result.output


def tone(hertz: float, seconds: float = 0.3) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "words"
    rows = ["path,word,said"]
    for label, hertz in (("low", 300), ("high", 2000)):
        (root / label).mkdir(parents=True)
        for number in range(6):
            soundfile.write(root / label / f"{number}.wav", tone(hertz + 10 * number), RATE)
            rows.append(f"{label}/{number}.wav,{label},{label}")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    out = folder.parent / "run"
    said = run(f"fit {folder} {QUICK} --out {out}")
    assert "12 rows, 2 labels" in said or "11 rows, 2 labels" in said or "10 rows, 2 labels" in said
    assert f"elman inspect {out}" in said
    return out


def test_files_folders_tables_and_lists_are_answered(trained: Path, folder: Path) -> None:
    one, two = folder / "low" / "0.wav", folder / "high" / "1.wav"
    assert str(one) in run(f"predict {trained} {one}")
    lines = run(f"predict {trained} {one} {two} --json").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [str(one), str(two)]
    assert len(run(f"predict {trained} {folder / 'low'}").splitlines()) == 6
    assert len(run(f"predict {trained} {folder / 'table.csv'} --text path").splitlines()) == 12
    assert "no audio" in run(f"predict {trained} {folder}", 2)
    assert "no such file" in run(f"predict {trained} nowhere.wav", 2)


def test_a_table_of_paths_is_learned_from_and_measured(folder: Path) -> None:
    out = folder.parent / "table"
    run(f"fit {folder / 'table.csv'} --audio path --label word {QUICK} --bidirectional --out {out}")
    report = json.loads(run(f"evaluate {out} {folder / 'table.csv'} --json"))["report"]
    assert report["count"] == 12


def test_inspect_shows_the_time_and_draws(trained: Path, folder: Path, tmp_path: Path) -> None:
    one = folder / "low" / "0.wav"
    said = run(f"inspect {trained} {one} --top 2")
    assert "0.295 s" in said  # 28 frames are thinned to 24 rows, the last one among them
    assert sum(line.startswith("O") and "%" in line for line in said.splitlines()) == 24
    assert len(json.loads(run(f"inspect {trained} {one} --json"))["steps"]) == 28
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.png"
    assert str(picture) in run(f"inspect {trained} {one} --out {picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_transcripts_by_the_command(folder: Path) -> None:
    out = folder.parent / "said"
    table = folder / "table.csv"
    run(f"fit {table} --audio path --target said {QUICK} --set stack=2 --out {out}")
    assert "word error rate" in run(f"evaluate {out} {table}")
    one = folder / "low" / "0.wav"
    assert "→" in run(f"predict {out} {one} --top 2")
    assert set(json.loads(run(f"predict {out} {one} --json"))) == {
        *("text", "transcript", "words", "times", "top"),
    }
    assert "likeliest words" in run(f"inspect {out} {one}")


class Folded(Dataset):
    """Tones, split in two ways."""

    name, title, task, languages = "folded", "Folded", "classifier", ()
    licence, homepage, citation = "CC0-1.0", "https://example.org", ""
    fields: ClassVar = {"audio": "sound", "label": "word"}
    folds: ClassVar = ("first", "second")
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        count = {"first": 3, "second": 2}[self.fold or ""]
        hertz = [300.0, 2000.0] * count
        return {"sound": [(tone(one), RATE) for one in hertz], "word": ["low", "high"] * count}


def test_a_fold_is_kept_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "get", lambda name, fold=None: Folded(fold))
    assert "6 rows" in run(f"fit --dataset folded {QUICK} --out {tmp_path / 'first'}")
    out = tmp_path / "second"
    assert "4 rows" in run(f"fit --dataset folded --fold second {QUICK} --out {out}")
    found = json.loads(run(f"evaluate {out} --dataset folded --json"))
    assert (found["fold"], found["report"]["count"]) == ("second", 4)
    assert "trained on the fold second" in run(f"evaluate {out} --dataset folded --fold first", 2)
    with pytest.raises(UnknownNameError, match="fold"):
        Folded("third")


def test_readings_in_long_form(tmp_path: Path) -> None:
    rows = ["id,seconds,x,y,what"]
    for number in range(12):
        label = ("still", "moving")[number % 2]
        rows += [
            f"s{number},{t / 10},{number % 2 * np.sin(t):.3f},{t},{label}"
            for t in reversed(range(5 + number % 3))  # in any order
        ]
    table = tmp_path / "readings.csv"
    table.write_text("\n".join(rows) + "\n")
    out = tmp_path / "run"
    run(f"fit {table} --series id --time seconds --label what --hidden-size 4 --epochs 2 --out {out}")
    found = json.loads(run(f"evaluate {out} {table} --json"))
    assert found["report"]["count"] == 12
    lines = run(f"predict {out} {table} --json").splitlines()
    assert len(lines) == 12
    assert [step[1] for step in json.loads(lines[0])["text"]] == [0, 1, 2, 3, 4]
    table.write_text("\n".join([*rows, "s0,9.9,0,0,moving"]) + "\n")
    assert "the label changes within a sequence" in run(f"evaluate {out} {table}", 2)
    table.write_text("\n".join([*rows, "s0,0.0,1,1,still", "s1,7,?,1,moving"]) + "\n")
    said = run(f"evaluate {out} {table}", 2)
    assert "are no finite numbers" in said
    table.write_text("\n".join([*rows, "s0,0.0,1,1,still"]) + "\n")
    assert "a time that their sequence has already" in run(f"evaluate {out} {table}", 2)

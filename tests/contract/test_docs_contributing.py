"""The three examples of CONTRIBUTING.md are put beside elman's own files, and really used."""

from __future__ import annotations

import doctest
import importlib
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.laws.cases import Case
from tests.laws.scan_laws import LAWS
from typer.testing import CliRunner

import elman
from elman import datasets, registry
from elman.apps.cli import app
from elman.errors import DataError, NotFittedError, TrainingError
from elman.layers.recurrent import Recurrent
from elman.scan import scan

from .test_docs import ROOT, of_language

FOLDERS = {"cells": "add_a_cell", "datasets": "add_a_dataset", "tasks": "add_a_task"}
Adder = Callable[[str, str], ModuleType]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adder]:
    """Copy an example into a folder that a family looks into, as `cp` into `src` would; undone after."""
    added = []

    def add(family: str, name: str) -> ModuleType:
        package = importlib.import_module(f"elman.{family}")
        folder = tmp_path / "added" / family
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "docs" / "examples" / FOLDERS[family] / f"{name}.py", folder)
        assert name not in registry.names(family), f"elman has its own {name}: take another example"
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        importlib.invalidate_caches()
        registry.names.cache_clear()
        added.append((package, name))
        return importlib.import_module(f"elman.{family}.{name}")

    yield add
    registry.names.cache_clear()
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}")
        delattr(package, name)


def command(line: str) -> str:
    result = CliRunner(env={"ELMAN_LANG": "en"}).invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.stdout


def listed(family: str) -> list[str]:
    return [one["name"] for one in json.loads(command(f"elman list {family} --json"))[family]]


@pytest.mark.parametrize("family", FOLDERS)
def test_the_page_shows_the_whole_file(family: str, add: Adder) -> None:
    (file,) = (ROOT / "docs" / "examples" / FOLDERS[family]).glob("*.py")
    shown = [block.content for block in of_language("python", ("CONTRIBUTING.md",))]
    assert file.read_text(encoding="utf-8") in shown
    module = add(family, file.stem)
    assert listed(family).count(file.stem) == 1
    member = registry.get(family, file.stem)
    assert member.__module__ == module.__name__
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed


# --- the cell ---


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "case", [Case(), Case(reverse=True, bias=False), Case(lengths=(0, 1, 5), seed=3)]
)
def test_the_cell_obeys_the_laws(law: str, case: Case, add: Adder) -> None:
    LAWS[law](add("cells", "mgu").MGU, case)


def test_the_cell_is_that_of_the_paper(add: Adder) -> None:
    """In numpy, with the two matrices of each gate as one, over what is read and what is remembered."""
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=shape) for name, shape in add("cells", "mgu").MGU.shapes(3, 4).items()
    }
    cell = registry.get("cells", "mgu")(**{name: torch.from_numpy(one) for name, one in weights.items()})
    xs = rng.normal(size=(5, 3))
    found = scan(cell, elman.Ragged.of([torch.from_numpy(xs)]), record=["f"])

    joined = np.concatenate([weights["weight_hh"], weights["weight_ih"]], 1)
    bias = weights["bias_ih"] + weights["bias_hh"]
    h = np.zeros(4)
    for t, x in enumerate(xs):
        f = 1 / (1 + np.exp(-(joined[:4] @ np.concatenate([h, x]) + bias[:4])))
        candidate = np.tanh(joined[4:] @ np.concatenate([f * h, x]) + bias[4:])
        h = (1 - f) * h + f * candidate
        np.testing.assert_allclose(found.outputs.values[t], h, rtol=1e-12)
        np.testing.assert_allclose(found.trace["f"].values[t], f, rtol=1e-12)


def test_the_cell_trains_by_name(add: Adder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two symbols came first, over a row of zeros: memory or nothing."""
    add("cells", "mgu")
    assert Recurrent("mgu", 3, 4, 2, bidirectional=True).output_size == 8
    xs = [[[1.0, 0.0] if k % 2 else [0.0, 1.0], *[[0.0, 0.0]] * (k % 5)] for k in range(120)]
    ys = ["odd" if k % 2 else "even" for k in range(120)]
    training = elman.Training(epochs=15, batch_size=8, learning_rate=0.02, dropout=0.0, seed=1)
    clf = elman.Classifier("mgu", 8, pooling="last", training=training).fit(xs[:100], ys[:100])
    assert clf.score(xs[100:], ys[100:]) == 1.0
    clf.save(tmp_path / "model")
    assert np.array_equal(elman.load(tmp_path / "model").predict_proba(xs), clf.predict_proba(xs))
    monkeypatch.chdir(ROOT)
    line = "elman fit docs/examples/intents.csv --text utterance --label intent --cell mgu --epochs 1"
    assert "Dev accuracy" in command(f"{line} --out {tmp_path / 'run'}")


# --- the data set ---


@pytest.fixture
def digits(add: Adder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The data set, and the very file that its checksum names, from the package that ships it."""
    module = importlib.import_module("sklearn.datasets")
    (tmp_path / "mirror" / "digits").mkdir(parents=True)
    file = Path(str(module.__file__)).parent / "data" / "digits.csv.gz"
    shutil.copy(file, tmp_path / "mirror" / "digits")
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path / "mirror"))
    add("datasets", "digits")
    return datasets.get("digits")


def test_the_data_set_is_what_another_loader_reads(digits: Any) -> None:
    splits = {split: datasets.load("digits", split) for split in digits.splits}
    assert {split: len(rows["digit"]) for split, rows in splits.items()} == {
        "train": 1257,
        "dev": 180,
        "test": 360,
    }
    oracle = importlib.import_module("sklearn.datasets").load_digits()
    pictures = [picture for split in digits.splits for picture in splits[split]["rows"]]
    assert np.array_equal(np.array(pictures), oracle.images)
    assert [one for split in digits.splits for one in splits[split]["digit"]] == oracle.target.tolist()
    assert "360" in digits.origin("test")


def test_the_data_set_notices_another_file(digits: Any, tmp_path: Path) -> None:
    path = tmp_path / "mirror" / "digits" / "digits.csv.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="not the file that digits is made of"):
        digits.load("train")


def test_the_commands_of_the_data_set(digits: Any, tmp_path: Path) -> None:
    line = f"elman fit --dataset {digits.name} --cell lstm --out {tmp_path / 'run'}"
    command(f"{line} --hidden-size 32 --epochs 3 --learning-rate 0.01")
    said = json.loads(command(f"elman evaluate {tmp_path / 'run'} --dataset digits --split test --json"))
    assert said["origin"] == "the last 360 of 1797 pictures"
    assert said["report"]["count"] == 360
    assert said["report"]["accuracy"] > 0.6  # of ten digits


# --- the task ---


@pytest.fixture
def regressor(add: Adder) -> Any:
    return add("tasks", "regressor").Regressor


def sums(count: int) -> tuple[list[list[float]], list[float]]:
    """Sequences of unequal length whose sum is asked for; in units that need the codecs."""
    rng = np.random.default_rng(4)
    xs = [(100 + 10 * rng.normal(size=rng.integers(1, 7))).tolist() for _ in range(count)]
    return xs, [1000 + sum(x) for x in xs]


FAST = elman.Training(epochs=25, batch_size=16, learning_rate=0.01, dropout=0.0)


def test_the_task_learns_saves_and_loads(regressor: Any, tmp_path: Path) -> None:
    xs, ys = sums(260)
    model = regressor(hidden_size=16, pooling="last", training=FAST)
    with pytest.raises(NotFittedError):
        model.predict(xs)
    model.fit(xs[:200], ys[:200])
    answers = model.predict(xs[200:])
    score = importlib.import_module("sklearn.metrics").r2_score
    assert model.score(xs[200:], ys[200:]) == pytest.approx(score(ys[200:], answers), abs=1e-4)
    assert score(ys[200:], answers) > 0.9
    assert answers[:3] == pytest.approx(model.predict(xs[200:203]), rel=1e-5), "batch mates matter"
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert type(loaded) is regressor
    assert np.array_equal(loaded.predict(xs), model.predict(xs))
    assert loaded.get_params() == model.get_params()


def test_the_task_goes_on_with_its_run(regressor: Any, tmp_path: Path) -> None:
    xs, ys = sums(60)
    model = regressor(hidden_size=4, training=FAST).fit(xs, ys, out=tmp_path / "run")
    again = regressor(hidden_size=4, training=FAST).fit(xs, ys, out=tmp_path / "run")
    assert again.history_ == model.history_
    assert np.array_equal(again.predict(xs), model.predict(xs))
    with pytest.raises(TrainingError, match="holds another run"):
        regressor(hidden_size=5, training=FAST).fit(xs, ys, out=tmp_path / "run")
    with pytest.raises(DataError, match="one label"):
        regressor().fit(xs, ys[1:])
    with pytest.raises(DataError, match="have no label"):
        regressor().fit(xs, [float("nan"), *ys[1:]])


def test_the_task_is_an_estimator_of_scikit_learn(regressor: Any) -> None:
    selection = importlib.import_module("sklearn.model_selection")
    xs, ys = sums(60)
    model = regressor(hidden_size=4, training=elman.Training(epochs=1))
    search = selection.GridSearchCV(model, {"training__epochs": [1, 3]}, cv=2).fit(xs, ys)
    assert set(search.best_params_) == {"training__epochs"}
    assert importlib.import_module("sklearn.base").is_regressor(model)

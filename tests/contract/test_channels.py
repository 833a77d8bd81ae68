"""The channels of a table have names: a model keeps them, and holds every later table to them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.data import read
from elman.data.readings import gathered
from elman.errors import DataError

QUICK = elman.Training(epochs=2, batch_size=4, learning_rate=1e-2)
ROLES = {"series": "id", "time": "seconds"}
ANSWER = {"tagger": "tags", "classifier": "label"}
"""The role that the column `doing` plays."""
SPARE = {"w": 0.0, "note": "fine"}
"""What else a row may hold."""


def written(path: Path, order: str = "id seconds x doing y z") -> Path:
    """Three channels of unlike sizes; what is done is the same throughout a sequence."""
    draw = random.Random(1)
    lines = []
    for number in range(8):
        for t in range(draw.randrange(3, 6)):
            doing = "ab"[number % 2]
            x, y, z = (draw.gauss(mean, 1.0) for mean in (number % 2, 10.0, -50.0))
            row = {"id": number, "seconds": t / 10, "x": x, "doing": doing, "y": y, "z": z} | SPARE
            lines.append(",".join(str(row[name]) for name in order.split()))
    path.write_text("\n".join([order.replace(" ", ","), *lines]) + "\n")
    return path


def made(task: str) -> Any:
    if task == "tagger":
        return elman.Tagger("gru", 4, 1, bidirectional=False, training=QUICK)
    return elman.Classifier("gru", 4, training=QUICK)


def run(line: str, code: int = 0) -> str:
    done = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "200"}).invoke(app, line.split())
    assert done.exit_code == code, f"{line}\n{done.output}\n{done.exception!r}"
    return done.output


@pytest.fixture(scope="module", params=ANSWER)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a model, `one`, its table, and the same table with its columns in another order."""
    folder = tmp_path_factory.mktemp(request.param)
    table = written(folder / "rows.csv")
    written(folder / "other.csv", "z seconds y id doing x")
    made(request.param).fit(table, **ROLES, **{ANSWER[request.param]: "doing"}).save(folder / "one")
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", ["predict", "evaluate", "inspect"])
def test_another_order_of_columns_changes_nothing(inside: Path, command: str) -> None:
    first, second = (run(f"{command} one {name} --json") for name in ("rows.csv", "other.csv"))
    assert second.replace("other.csv", "rows.csv") == first


def test_names_are_kept_in_plain_sight(inside: Path) -> None:
    model = elman.load("one")
    assert json.loads(Path("one/config.json").read_text())["channels"] == ["x", "y", "z"]
    again = elman.load(model.save("again"))
    assert again.channels_ == model.channels_ == ("x", "y", "z")
    assert again.evaluate("other.csv") == model.evaluate("rows.csv")


@pytest.mark.parametrize(
    ("order", "received", "fix"),
    [
        ("id seconds y doing x", "'y', 'x'", "add 'z', or rename what holds it"),
        ("id seconds x y note z doing", "'x', 'y', 'note', 'z'", "take out 'note'"),
        ("id seconds x y w doing", "'x', 'y', 'w'", "add 'z', or rename what holds it; take out 'w'"),
    ],
)
def test_other_channels_are_refused(inside: Path, order: str, received: str, fix: str) -> None:
    table = written(inside / "odd.csv", order)
    for command in ("predict", "evaluate", "inspect"):
        said = run(f"{command} one {table.name}", 2)
        assert "odd.csv: the columns of readings are not those that were learned from." in said
        parts = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in said.splitlines()[1:]}
        assert parts == {"expected": "'x', 'y', 'z', in any order", "received": received, "fix": fix}
    with pytest.raises(DataError, match="not those that were learned from"):
        elman.load("one").evaluate(table)


def test_a_model_without_names_reads_columns_as_they_come(inside: Path) -> None:
    """As one does that was saved before names were kept."""
    named = elman.load("one")
    named.save("old")
    config = json.loads(Path("old/config.json").read_text())
    del config["channels"]
    Path("old/config.json").write_text(json.dumps(config))
    old = elman.load("old")
    assert old.channels_ is None
    assert run("predict old rows.csv --json") == run("predict one rows.csv --json")
    assert run("predict old other.csv --json") != run("predict one rows.csv --json")
    assert "channels" not in json.loads((old.save("older") / "config.json").read_text())
    table = written(inside / "odd.csv", "id seconds x y w doing")
    assert len(run("predict old odd.csv").splitlines()) == len(run("predict old rows.csv").splitlines())
    assert old.evaluate(table).count == 8


@pytest.mark.parametrize("task", ANSWER)
def test_a_dev_table_is_held_to_the_names_of_the_other(task: str, tmp_path: Path) -> None:
    roles = ROLES | {ANSWER[task]: "doing"}
    table, other = written(tmp_path / "a.csv"), written(tmp_path / "b.csv", "z y x doing seconds id")
    figures = [
        made(task).fit(table, **roles, dev=dev).figures_
        for dev in (table, other, gathered(read(other), roles, next(iter(made(task).roles))))
    ]
    for one in figures:
        del one["minutes"]
    assert figures[1:] == figures[:1] * 2
    odd = written(tmp_path / "odd.csv", "id seconds x y w doing")
    with pytest.raises(DataError, match=r"odd\.csv: .* not those that were learned from"):
        made(task).fit(table, **roles, dev=odd)
    words = " ".join(f"--{role} {name}" for role, name in roles.items())
    line = f"fit {table} --task {task} {words} --hidden-size 4 --epochs 2 --cell gru"
    said = run(f"{line} --dev {odd} --out {tmp_path / 'no'}", 2)
    assert "take out 'w'" in said
    assert "8 rows" not in said  # nothing else is told before
    assert not (tmp_path / "no").exists()
    histories = []
    for dev in (table, other):
        run(f"{line} --dev {dev} --out {tmp_path / dev.stem}")
        assert elman.load(tmp_path / dev.stem).channels_ == ("x", "y", "z")
        kept = json.loads((tmp_path / dev.stem / "metrics.json").read_text())
        histories.append({name: one for name, one in kept.items() if name != "minutes"})
    assert histories[0] == histories[1]


def test_a_model_learns_its_names_anew(tmp_path: Path) -> None:
    model = made("classifier")
    table = written(tmp_path / "a.csv")
    model.fit(table, **ROLES, label="doing")
    model.fit(written(tmp_path / "b.csv", "id seconds w x doing"), **ROLES, label="doing")
    assert model.channels_ == ("w", "x")
    model.fit([[1.0, 2.0], [2.0]] * 4, ["a", "b"] * 4)
    assert model.channels_ is None


def test_rows_keep_the_names(tmp_path: Path) -> None:
    rows = gathered(read(written(tmp_path / "a.csv")), ROLES | {"label": "doing"}, "text")
    assert rows.channels == ("x", "y", "z")
    assert rows.select([1]).head(1).channels == rows.channels
    turned = gathered(rows, ROLES, "text", channels=("z", "x", "y"))
    assert turned.channels == ("z", "x", "y")
    assert turned.column("text")[0] == [[z, x, y] for x, y, z in rows.column("text")[0]]
    assert turned.column("doing") == rows.column("doing")
    with pytest.raises(DataError, match="not those that were learned from"):
        gathered(rows, ROLES, "text", channels=("x", "y"))

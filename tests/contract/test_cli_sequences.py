"""`elman predict` and `elman inspect` of sequences without names: rows of JSONL, or tables."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import elman
from elman.apps import fitting
from elman.apps.cli import app

QUICK = elman.Training(epochs=2, batch_size=4, learning_rate=1e-2)
MADE: dict[str, Any] = {
    "classifier": elman.Classifier("gru", 4, training=QUICK),
    "tagger": elman.Tagger("gru", 4, 1, bidirectional=False, training=QUICK),
}


def run(line: str, code: int = 0) -> str:
    done = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "120"}).invoke(app, line.split())
    assert done.exit_code == code, f"{line}\n{done.output}\n{done.exception!r}"
    return done.output


def table(path: str, steps: list[list[float]], names: str = "x,y") -> None:
    lines = [names, *(",".join(map(repr, step)) for step in steps)]
    Path(path).write_text("\n".join(lines) + "\n")


@pytest.fixture(params=MADE)
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of two channels, saved as `one`."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)
    xs = [[[draw.gauss(0, 1), draw.gauss(9, 1)] for _ in range(draw.randrange(3, 6))] for _ in range(12)]
    whole = ["up" if one[0][0] > 0 else "down" for one in xs]
    each = [["up" if step[0] > 0 else "down" for step in one] for one in xs]
    model = MADE[request.param].fit(xs, whole if request.param == "classifier" else each)
    model.save("one")
    return model


STEPS = [[[0.5, 9.0], [-0.5, 8.0], [0.1, 9.5]], [[-1.0, 9.0], [2.0, 10.0]]]


def said(model: Any, steps: list[list[list[float]]]) -> list[Any]:
    """What the model answers: labels, or a tag for every moment."""
    found = model.predict(steps)
    return [tag for one in found for tag in getattr(one, "tags", None) or [one.label]]


def test_each_row_and_each_file_is_a_sequence(model: Any) -> None:
    column = model.columns_[model.reads(model.columns_)]
    Path("rows.jsonl").write_text("\n".join(json.dumps({column: one}) for one in STEPS))
    for name, steps in zip(("a.csv", "b.csv"), STEPS, strict=True):
        table(name, steps)
    by_row = [json.loads(one) for one in run("predict one rows.jsonl --json").splitlines()]
    by_file = [json.loads(one) for one in run("predict one a.csv b.csv --json").splitlines()]
    key = "tag" if model.task == "tagger" else "label"
    for found, name, names in ((by_row, "row", [1, 2]), (by_file, "file", ["a.csv", "b.csv"])):
        assert [one[key] for one in found] == said(model, STEPS)
        assert list(dict.fromkeys(one[name] for one in found)) == names
    assert run("predict one a.csv").splitlines()[0].split("\t").count("a.csv") == 1
    for asked, title in (("rows.jsonl", "row 1"), ("a.csv", "a.csv")):
        trace = json.loads(run(f"inspect one {asked} --json"))
        assert [step["token"] for step in trace["steps"]] == ["1", "2", "3"]
        if model.task == "classifier":
            assert title in run(f"inspect one {asked}")


@pytest.mark.parametrize("command", ["predict", "inspect"])
def test_what_is_no_sequence_is_told(model: Any, command: str) -> None:
    table("long.csv", [[1, 0.5, 9.0]], "id,x,y")
    found = run(f"{command} one long.csv", 2)
    assert "long.csv: this is no table of what the model reads." in found
    assert "2 columns of numbers, as in training" in found
    Path("odd.csv").write_text("x,y\n1,2\noops,3\n")
    assert "odd.csv:3: 1 of 2 rows are no finite numbers in column 'x'." in run(
        f"{command} one odd.csv", 2
    )
    assert "This model reads tables of numbers." in run(f"{command} one hello", 2)


@pytest.mark.parametrize(
    ("named", "task"),
    [
        ("text label", "classifier"),
        ("series time label", "classifier"),
        ("tokens tags", "tagger"),
        ("series time tags", "tagger"),
        ("text target", "translator"),
        ("parallel", "translator"),
        ("audio target", "transcriber"),
        ("time target", "forecaster"),
        ("series time target past", "forecaster"),
        ("first second rhyme", "versifier"),
        ("piece", "composer"),
        ("image text", "captioner"),
        ("image label", "classifier"),
        ("video", "frame-forecaster"),
        ("first label", "classifier"),  # which then says that it has no such column
    ],
)
def test_the_columns_named_tell_the_task(named: str, task: str) -> None:
    given = {"source": "table.csv", **dict.fromkeys(named.split(), "column")}
    assert fitting._task(given) == task
    assert fitting._task(given | {"task": "generator"}) == "generator"

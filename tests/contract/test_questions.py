"""Questions about texts: the answer depends on both, from Python and on the command line."""

from __future__ import annotations

import csv
import json
import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.errors import DataError, SettingsError

PEOPLE, PLACES = ["Mary", "John", "Daniel"], ["kitchen", "garden", "office"]
HEAD = ("story", "asked", "answer")


def stories(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Where two people went, a question about one of them, and the answer."""
    draw, rows = random.Random(seed), []
    for _ in range(count):
        (one, other), (here, there) = draw.sample(PEOPLE, 2), draw.sample(PLACES, 2)
        asked, answer = draw.choice([(one, here), (other, there)])
        text = f"{one} went to the {here}. {other} went to the {there}."
        rows.append((text, f"Where is {asked}?", answer))
    return rows


def pairs(rows: list[tuple[str, str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    return [(story, asked) for story, asked, _ in rows], [answer for *_, answer in rows]


SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "bidirectional": True,
    "text": elman.TextSettings(embedding_size=16, characters=None),
    "training": elman.Training(
        epochs=25, batch_size=16, learning_rate=1e-2, dropout=0.0, word_dropout=0.0
    ),
}


@pytest.fixture(scope="module")
def reader() -> elman.Classifier:
    return elman.Classifier(**SMALL).fit(*pairs(stories(400)), question="asked")


def test_the_answer_depends_on_the_text_and_on_the_question(reader: elman.Classifier) -> None:
    assert reader.score(*pairs(stories(100, seed=1))) > 0.95
    text = "Daniel went to the garden. Mary went to the office."
    assert reader.predict((text, "Where is Daniel?")).label == "garden"
    found = reader.predict([(text, "Where is Daniel?"), (text, "Where is Mary?")])
    assert [one.label for one in found] == ["garden", "office"]


def test_it_is_looked_into_and_kept(reader: elman.Classifier, tmp_path: Path) -> None:
    asked = ("Mary went to the office.", "Where is Mary?")
    tokens = " ".join(step.token for step in reader.inspect(asked).steps)
    assert tokens == "where is mary ? | mary went to the office . | where is mary ?"
    again = elman.load(reader.save(tmp_path / "model"))
    assert again.predict(asked).ranking == reader.predict(asked).ranking
    with pytest.raises(SettingsError, match="cannot stream"):
        again.stream()


def test_what_is_no_pair_is_refused(reader: elman.Classifier) -> None:
    with pytest.raises(DataError, match="no text with a question"):
        reader.predict("Mary went to the office.")
    with pytest.raises(DataError, match="have no question"):
        elman.Classifier(**SMALL).fit(
            {"story": ["a b"] * 4, "asked": ["who ?", "", "who ?", None], "answer": [1, 2, 1, 2]},
            text="story",
            question="asked",
            label="answer",
        )


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("stories.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD, *stories(40)])

    def run(line: str) -> str:
        result = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"}).invoke(app, shlex.split(line))
        assert result.exit_code == 0, f"{line}\n{result.output}"
        return result.stdout

    columns = "--text story --question asked --label answer"
    run(f"fit stories.csv {columns} --epochs 2 --hidden-size 8 --out runs/reader")
    report = json.loads(run("evaluate runs/reader stories.csv --json"))["report"]
    assert report["count"] == 40
    text = shlex.quote("Mary went to the office.")
    assert "→" in run(f"predict runs/reader {text} --question 'Where is Mary?'")
    lines = run("predict runs/reader stories.csv --json").splitlines()
    assert len(lines) == 40
    assert json.loads(lines[0])["text"] == list(stories(40)[0][:2])
    assert "where" in run(f"inspect runs/reader {text} --question 'Where is Mary?'")

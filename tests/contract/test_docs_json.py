"""What `--json` prints has the fields that docs/guide/json.md names, and no others."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import elman
from elman import registry
from elman.apps.cli import app

from .test_docs import blocks, rows

PAGE = "docs/guide/json.md"
TEXTS = ["what time is it ?", "tell me the time", "turn on the light", "lights on please"] * 4
INTENTS = ["ask_time", "ask_time", "light_on", "light_on"] * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with the model and the file that the page speaks of."""
    folder = tmp_path_factory.mktemp("json")
    table = [f"{text},{intent}\n" for text, intent in zip(TEXTS, INTENTS, strict=True)]
    (folder / "docs" / "examples").mkdir(parents=True)
    (folder / "docs" / "examples" / "intents.csv").write_text("utterance,intent\n" + "".join(table))
    text = elman.TextSettings(embedding_size=4, character_size=4)
    clf = elman.Classifier(hidden_size=4, text=text, training=elman.Training(epochs=1))
    clf.fit({"utterance": TEXTS, "intent": INTENTS}, text="utterance", label="intent")
    clf.save(folder / "runs" / "mine")
    return folder


def shape(value: Any) -> Any:
    """A value with its leaves named by their kind: what two answers of one format have in common."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        kinds = [shape(one) for one in value]
        assert all(kind == kinds[0] for kind in kinds), f"the entries of a list differ: {value}"
        return kinds[:1]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


def shown(command: str) -> Any:
    """The JSON that the page shows right after a command."""
    found = [block for block in blocks(PAGE) if block.after and block.after.content.strip() == command]
    assert len(found) == 1, f"{PAGE} does not show what {command} prints"
    return json.loads(found[0].content)


def printed(line: str) -> Any:
    result = CliRunner(env={"ELMAN_LANG": "en"}).invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    "command",
    [
        'elman predict runs/mine "What time is it ?" --json --top 2',
        "elman evaluate runs/mine docs/examples/intents.csv --json",
        'elman inspect runs/mine "time ?" --json --top 1',
        "elman list cells --json",
    ],
)
def test_a_command_prints_what_is_shown(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    told, found = shown(command), printed(command)
    assert shape(found) == shape(told)
    for key in ("text", "model", "data"):
        assert found.get(key) == told.get(key)
    if "steps" in told:
        assert [(one["step"], one["token"]) for one in found["steps"]] == [(1, "time"), (2, "?")]
        assert found["steps"][-1]["beliefs"][0]["label"] == found["prediction"]["label"]


def test_a_data_set_adds_what_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows clinc150; what is at hand everywhere is a data set without texts out of scope."""
    monkeypatch.chdir(folder)
    told = shown("elman evaluate runs/clinc --dataset clinc150 --split test --json")
    found = printed("elman evaluate runs/mine --dataset home-assistant --split dev --json")
    assert found.keys() == told.keys()
    assert found["language"] is told["language"] is None
    assert found["report"].keys() == told["report"].keys()
    report = elman.load("runs/mine").evaluate(TEXTS, INTENTS, out_of_scope=["a poem", "so much"])
    assert shape(report.to_dict()) == shape(told["report"])


def test_the_families_are_those_told() -> None:
    found = printed("elman list --json")
    page = Path(__file__).parents[2] / PAGE
    told = re.search(r"`elman list --json` has the keys ([^.]*)\.", page.read_text(encoding="utf-8"))
    assert told
    assert list(found) == re.findall(r"`([a-z]+)`", told[1])
    datasets = shown("elman list datasets --json")["datasets"]
    assert {tuple(one) for one in found["datasets"]} == {tuple(one) for one in datasets}
    assert datasets[0] in found["datasets"]
    assert set(found["cells"][0]) == {"name", "description"}
    assert [one["name"] for one in found["cells"]] == list(registry.names("cells"))


def test_every_field_has_its_row() -> None:
    """A key of any JSON on the page is explained in a table, or is a name of a family."""

    def keys(value: Any) -> set[str]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        own = set(value) if isinstance(value, dict) else set()
        return own.union(*(keys(one) for one in inner))

    told = set(re.findall(r"`([a-z_0-9]+)`", (Path(__file__).parents[2] / PAGE).read_text("utf-8")))
    assert rows(PAGE, "field")
    gates = {"r", "z"}
    data_set = {"languages", "splits", "licence", "homepage", "task", "name", "description"}
    for block in blocks(PAGE):
        if block.language == "json":
            used = keys(json.loads(block.content)) - gates - data_set
            assert used <= told | {"probability", "report", "step"}, str(block)

"""What is drawn in the terminal: bars that say what the numbers say, and tables that fit; the demonstration."""

from __future__ import annotations

import io
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from elman import datasets
from elman.answers import Prediction
from elman.apps import demo, render
from elman.apps.cli import app
from elman.datasets import Dataset
from elman.inspection import Step, Trace

LABELS = ["HassClimateSetTemperature", "remove an item from it", "问现在的时间"]
TOKENS = ["把", "客厅", "supercalifragilisticexpialidocious", "light", "?"] * 3


def made(gates: str) -> tuple[Trace, Prediction]:
    beliefs: list[tuple[Any, float]] = list(zip(LABELS, [0.981, 0.0125, 0.0], strict=True))
    opened = dict(zip(gates, [0.0, 0.52, 1.0], strict=False))
    steps = [Step(token, beliefs, norm=12.345, change=0.5, gates=opened) for token in TOKENS]
    return Trace(steps, {}), Prediction(beliefs)


def drawn(gates: str, width: int) -> list[str]:
    trace, prediction = made(gates)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render.walk("text", prediction, trace, width))
    console.print()
    console.print(render.legend(trace, width))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("gates", ["", "rz", "ifo"])
@pytest.mark.parametrize("width", [40, 69, 70, 80, 120])
def test_a_walk_fits_its_terminal(width: int, gates: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_LANG", "en")
    lines = drawn(gates, width)
    assert max(map(cell_len, lines)) <= width
    rows = [line for line in lines if line.startswith("O") and "%" in line]
    assert [row.split()[0] for row in rows] == [f"O{n}" for n in range(1, len(TOKENS) + 1)]
    assert all("█  98 %" in row or "█▉  98 %" in row for row in rows), "a probability is cut"
    # Three labels are three lines, and what belongs together stands on one of them.
    top = next(n for n, line in enumerate(lines) if line.startswith("──")) + 1
    assert len(lines[top : lines.index("", top)]) == 3 * len(TOKENS)
    assert sum("1 %" in line for line in lines) == len(TOKENS)
    if width >= 70:
        assert all("12.35" in row and "0.50" in row for row in rows), "a number is cut"
        assert all(token[:6] in row for token, row in zip(TOKENS, rows, strict=True))
        assert sum("问现在的时间" in line for line in lines) == len(TOKENS)
        digits = ("0.00", "0.52", "1.00") if width >= 100 else ("", "", "")
        opened = [f"{one} {digit}".strip() for one, digit in zip("▁▅█", digits, strict=True)]
        assert all(part in row for part in opened[: len(gates)] for row in rows)
    said = " ".join(" ".join(lines).split())
    assert ("hidden state" in said) == (width >= 70)
    assert (f"{', '.join(gates)}: how open" in said) == (width >= 70 and gates != "")
    starts = {cell_len(line.partition("█")[0]) for line in rows}
    assert len(starts) == 1, "wide characters push the columns apart"


def test_all_labels_are_whole_where_there_is_room() -> None:
    assert sum(LABELS[0] in line for line in drawn("ifo", 120)) == len(TOKENS) + 1
    assert sum(LABELS[0] in line for line in drawn("rz", 80)) == len(TOKENS) + 1
    assert all("…" not in line for line in drawn("ifo", 120) if "supercali" not in line)


@pytest.mark.parametrize("share", [0.0, 0.004, 0.1, 0.33, 0.5, 0.999, 1.0])
def test_a_bar_is_as_long_as_its_share(share: float) -> None:
    text = render.bar(share)
    assert cell_len(text) == render.BAR
    eighths = sum(8 if one == "█" else render.EIGHTHS.index(one) for one in text)
    assert abs(eighths / 8 / render.BAR - share) <= 1 / 16 / render.BAR


def test_levels_rise_from_shut_to_open() -> None:
    drawn = [render.level(n / 100) for n in range(101)]
    assert drawn == sorted(drawn, key=render.LEVELS.index)
    assert set(drawn) == set(render.LEVELS)


class House(Dataset):
    """What the demonstration trains on, only smaller."""

    name, title, task, languages = "home-assistant", "House", "classifier", ("en", "zh-CN")
    licence, homepage, citation = "Apache-2.0", "https://example.org", ""
    sources = MappingProxyType({})

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        labels = ["unknown"] * 3 if (split, language) == ("test", "zh-CN") else ["time", "on", "time"]
        return {"text": ["what time is it", "turn it on", "几点了"] * 4, "label": labels * 4}

    def origin(self, split: str, language: str | None = None) -> str:
        return f"sentences in {language}"


@pytest.mark.parametrize(("code", "last"), [("en", "Next:"), ("zh", "接下来可以：")])
def test_the_demonstration_shows_all_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, last: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "get", lambda name: House())
    monkeypatch.setattr(demo, "NETWORK", {**demo.NETWORK, "hidden_size": 4})
    monkeypatch.setattr(demo, "TRAINING", {**demo.TRAINING, "epochs": 1})
    runner = CliRunner(env={"ELMAN_LANG": code, "COLUMNS": "80"})
    for turn in ("first", "again"):
        result = runner.invoke(app, ["demo"])
        assert result.exit_code == 0, f"{turn}: {result.output}"
        for part in ("sentences in en", "sentences in zh-CN", "What time is it ?  →", "现在几点了  →"):
            assert part in result.stdout, turn
        lines = [line.split() for line in result.stdout.splitlines() if " sentences in " in line]
        accuracy = {line[0]: float(line[-1]) for line in lines}
        assert accuracy["zh-CN"] == 0 < accuracy["en"], "each language has its own sentences"
        head, _, commands = result.stdout.partition(last)
        assert "runs/demo" in head
        lines = [line.strip() for line in commands.strip().splitlines()]
        assert [line.split()[:2] for line in lines] == [
            ["elman", x] for x in ("predict", "inspect", "fit")
        ]
    monkeypatch.setattr(demo, "TRAINING", {**demo.TRAINING, "epochs": 2})
    result = runner.invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "delete the folder runs/demo" in result.stderr

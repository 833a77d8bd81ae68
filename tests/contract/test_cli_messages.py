"""The command line's sentences: the same ones in every language, and the right language for each user."""

from __future__ import annotations

import ast
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from elman import apps
from elman.apps import messages
from elman.apps.cli import app
from elman.apps.messages import CATALOGUES, duration, language, say

VARIABLES = ("ELMAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def fields(sentence: str) -> set[tuple[str, str]]:
    return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(sentence) if name}


def test_every_sentence_is_there_in_every_language() -> None:
    english, chinese = CATALOGUES["en"], CATALOGUES["zh"]
    assert list(english) == list(chinese), "keep the keys in one order, side by side"
    for key, sentence in english.items():
        assert sentence.strip()
        assert chinese[key].strip()
        assert fields(sentence) == fields(chinese[key]), key
        assert sentence.startswith("\n") == chinese[key].startswith("\n"), key


def test_every_sentence_that_is_said_exists() -> None:
    said = set()
    for path in Path(apps.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("say", "tell")
            if called and isinstance(node.args[0], ast.Constant):
                said.add(node.args[0].value)
    assert {"fit.done", "help.fit", "demo.walk"} <= said, "the search for keys is broken"
    assert said <= set(CATALOGUES["en"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_GB"}, "zh"),
        ({"LC_ALL": "C", "LC_MESSAGES": "zh_TW", "LANG": "zh_CN"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"ELMAN_LANG": "zh", "LC_ALL": "en_US.UTF-8"}, "zh"),
        ({"ELMAN_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_environment_chooses_the_language(
    values: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert language() == expected
    assert say("list.name") == {"en": "name", "zh": "名称"}[expected]


def test_commands_answer_in_chinese() -> None:
    result = CliRunner(env={"ELMAN_LANG": "zh"}).invoke(app, ["list", "cells"])
    assert result.exit_code == 0
    assert "名称" in result.stdout
    assert "gru" in result.stdout


def test_help_is_in_chinese_too() -> None:
    command = [sys.executable, "-m", "elman", "fit", "--help"]
    environment = {**os.environ, "ELMAN_LANG": "zh", "PYTHONUTF8": "1"}
    said = subprocess.check_output(command, env=environment, encoding="utf-8")
    plain = "".join(said.split())
    assert CATALOGUES["zh"]["option.seed"] in plain
    assert CATALOGUES["en"]["option.seed"] not in said


def test_only_the_first_of_several_processes_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        messages.tell("fit.reading", source=f"rank {rank}")
    said = capsys.readouterr().out
    assert "rank 0" in said
    assert "rank 1" not in said


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (9.4, "9.4 s"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (100, "1 min 40 s"),
        (3599.6, "60 min 0 s"),
    ],
)
def test_a_time_is_short(seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_LANG", "en")
    assert duration(seconds) == expected

"""What the pages show is run: every Python file, and every command that needs no download."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from elman.apps.cli import app

from .test_docs import EXAMPLES, PAGES, READMES, ROOT, Block, blocks, of_language, text_of

SCRIPTS = [path for path in EXAMPLES if not path.parent.name.startswith("add_a_")]
IN_PROCESSES_OF_ITS_OWN = ROOT / "docs" / "examples" / "two_processes.py"
OUTPUTS = {block.after.content: block for block in of_language("text") if block.after}

# These need a download, or the minute of `elman demo`; they are parsed like all the others.
NOT_RUN = re.compile(r"clinc|demo|mgu|digits|chorales|harmony|motions|--dataset")


def furnished(folder: Path) -> Path:
    """A folder that looks like a clone to what the pages show."""
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    return folder


def run(line: str) -> str:
    result = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "80"}).invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"
    return result.stdout


# --- Python ---


@pytest.mark.parametrize(
    "path", [one for one in SCRIPTS if one != IN_PROCESSES_OF_ITS_OWN], ids=lambda path: path.stem
)
def test_an_example_runs_and_prints_what_its_page_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(furnished(tmp_path))
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    shown = OUTPUTS.get(path.read_text(encoding="utf-8"))
    if shown is not None:
        assert printed == shown.content, f"{shown} shows something else"
    else:
        assert printed.strip(), f"{path.name} prints nothing that a reader could compare"


@pytest.mark.slow
def test_the_example_of_two_processes(tmp_path: Path) -> None:
    furnished(tmp_path)
    command = [sys.executable, str(IN_PROCESSES_OF_ITS_OWN)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("2 epochs") == 2
    assert (tmp_path / "runs" / "two" / "config.json").is_file()


def test_outputs_follow_what_printed_them() -> None:
    assert len(OUTPUTS) >= 8, "the search for outputs is broken"
    assert {block.after.language for block in OUTPUTS.values() if block.after} == {"python", "sh"}


# --- the command line ---


def commands(page: str) -> Iterator[tuple[Block, str]]:
    for block in of_language("sh", (page,)):
        for line in block.content.splitlines():
            if bare := re.sub(r"\s+# .*", "", line).strip():
                yield block, bare


def in_prose(page: str) -> list[str]:
    """The commands that stand within a sentence: `elman list datasets`."""
    return re.findall(r"`(elman [^`]+)`", text_of(page))


def parsed(line: str) -> None:
    """Read a line as the program would, down to the last option, without doing what it says.

    A line that is the bare name of a command only has to name one.
    """
    words = shlex.split(line)[1:]
    group: Any = typer.main.get_command(app)
    context = group.make_context("elman", list(words))
    name, command, rest = group.resolve_command(context, list(words))
    if rest:
        command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_with_their_options(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), flags=re.MULTILINE))
    for block, line in commands(page):
        name = line.split()[0]
        if name == "elman":
            parsed(line)
        elif name == "make":
            assert line.split()[1] in targets, f"{block}: {line}"
        elif name == "cp":
            source, target = line.split()[1:]
            assert (ROOT / source).is_file(), f"{block}: {line}"
            assert (ROOT / target).is_dir(), f"{block}: {line}"
        else:
            assert name == "pytest", f"{block}: nobody knows {line}"
            assert (ROOT / line.split()[1]).exists()
    for line in in_prose(page):
        parsed(line)


def test_a_wrong_option_is_found() -> None:
    for line in ("elman fit x.csv --colour red", "elman train x.csv", "elman fit --epochs many"):
        with pytest.raises(Exception, match=r"No such|valid"):
            parsed(line)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnished(tmp_path_factory.mktemp("clone"))


@pytest.mark.parametrize("page", [page for page in PAGES if page != READMES[1]])
def test_commands_run_in_their_order(page: str, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README trains `runs/mine`, and the other pages may use it."""
    monkeypatch.chdir(clone)
    first = [line for _, line in commands(READMES[0]) if line.startswith("elman fit docs")]
    for line in [*first[:1], *(line for _, line in commands(page))]:
        if line.startswith("elman") and not NOT_RUN.search(line):
            run(line)


def test_a_run_leaves_behind_what_the_readme_lists(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    run(next(line for _, line in commands(READMES[0]) if line.startswith("elman fit docs")))
    listed = next(block for block in blocks(READMES[0]) if block.content.startswith("runs/mine/"))
    told = {line.split()[0].rstrip("/") for line in listed.content.splitlines()[1:]}
    assert told == {path.name for path in Path("runs/mine").iterdir()}
    page = text_of("docs/guide/training.md")
    for path in Path("runs/mine").rglob("*"):
        name = path.relative_to("runs/mine").as_posix()
        assert path.is_dir() or f"`{name}`" in page, f"{name} is not in the table of the guide"


def test_the_table_of_inspect_is_as_the_program_draws_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns, its tokens and its legend; the numbers are those of another model."""
    monkeypatch.chdir(clone)
    run(next(line for _, line in commands(READMES[0]) if line.startswith("elman fit docs")))
    drawn = run('elman inspect runs/mine "What time is it ?" --top 1').splitlines()
    shown = next(b for b in of_language("text", READMES[:1]) if "if it ended" in b.content)
    told = shown.content.splitlines()
    assert told[2].split() == drawn[2].split()
    rows = [
        [line.split()[:2] for line in lines if re.match(r"O\d .* %", line)] for lines in (told, drawn)
    ]
    tokens = enumerate(["what", "time", "is", "it", "?"], 1)
    assert rows[0] == rows[1] == [[f"O{number}", token] for number, token in tokens]
    assert "\n".join(told[-3:]).split() == "\n".join(drawn[-3:]).split()

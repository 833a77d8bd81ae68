"""Imports run downward, every module imports on its own, and the front door is cheap to open."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src"
PACKAGE = SOURCES / "elman"

# Each module is imported first of all in a process of its own, forked so that what is not elman's, torch above
# all, is loaded only once: a first child tells what that is.
ALONE = """
import contextlib, importlib, json, os, sys, traceback
import torch
names, failed = json.load(sys.stdin), {}
read, write = os.pipe()
if os.fork() == 0:
    for name in names:
        with contextlib.suppress(BaseException):
            importlib.import_module(name)
    os.write(write, json.dumps([one for one in sys.modules if one.split(".")[0] != "elman"]).encode())
    os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    for name in json.load(pipe):
        with contextlib.suppress(BaseException):
            importlib.import_module(name)
assert not any(name.split(".")[0] == "elman" for name in sys.modules)
for name in names:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            importlib.import_module(name)
        except BaseException:
            os.write(write, traceback.format_exc(limit=-3)[-4000:].encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if said:
        failed[name] = said
json.dump(failed, sys.stdout)
"""

# What a module brings in beside elman and the standard library.
BROUGHT = """
import importlib, json, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
json.dump(sorted(tops - set(sys.stdlib_module_names) - {"elman"}), sys.stdout)
"""


def module_names() -> list[str]:
    files = (path.relative_to(SOURCES).with_suffix("") for path in sorted(PACKAGE.rglob("*.py")))
    dotted = (".".join(file.parts).removesuffix(".__init__") for file in files)
    return [name for name in dotted if not name.endswith(".__main__")]


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{' '.join(command)[:80]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_imports_run_strictly_downward() -> None:
    said = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert "0 broken" in said, said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_every_module_imports_on_its_own() -> None:
    names = module_names()
    assert {"elman", "elman.errors", "elman.cells.gru"} <= set(names), "the search for modules is broken"
    failed = json.loads(run(sys.executable, "-c", ALONE, text=json.dumps(names)))
    assert not failed, "\n".join(f"{name}:\n{said}" for name, said in failed.items())


@pytest.mark.parametrize("name", ["elman", "elman.errors", "elman.registry"])
def test_the_front_door_brings_in_nothing_heavy(name: str) -> None:
    assert json.loads(run(sys.executable, "-c", BROUGHT, name)) == []


def front_door_imports(tree: ast.AST) -> list[int]:
    """The lines that ask `elman` itself for something that is not a module of its own."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(one.name == "elman" for one in node.names):
            lines.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "elman" and node.level == 0:
            inside = [PACKAGE / one.name for one in node.names]
            if not all(path.is_dir() or path.with_suffix(".py").exists() for path in inside):
                lines.append(node.lineno)
    return lines


def test_no_room_is_entered_through_the_front_door() -> None:
    """`import elman` loads whatever it is asked for, so below `apps` it would go round the layers."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__main__.py" and path.relative_to(PACKAGE).parts[0] != "apps"
        for line in front_door_imports(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "import the module that is meant instead: " + ", ".join(found)

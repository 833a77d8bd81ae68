"""The repository keeps its own promises: commands, sizes, versions, docstrings, nothing private."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "elman"
MODULES = sorted(PACKAGE.rglob("*.py"))

LIMITS = {".py": 400, ".js": 400, ".cpp": 700, ".hpp": 700, ".h": 700}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

# Joined here, so that this file does not hold what it looks for.
FOLDERS = ["wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"]
TOOLS = ["cla" + "ude", "anthro" + "pic", "chat" + "gpt", "cod" + "ex", "copi" + "lot", "C" + "EO"]
PRIVATE = re.compile(
    rf"(?<![\w.~/-])/(?:{'|'.join(FOLDERS)})/"
    rf"|\.\./{'sha' + 'red'}\b"
    rf"|(?i:\b(?:{'|'.join(TOOLS[:-1])})\b)|\b{TOOLS[-1]}\b"
    rf"|(?i:(?<!user[ -])\b{'age' + 'nts?'}\b(?!-motivations))"  # a task of bAbI has that name
    rf"|(?i:\b{'iss' + 'ue'} #?\d)"
)
MAY_NAME_THE_MIRROR = {".ci/run"}


@cache
def tracked() -> tuple[str, ...]:
    """The files that git holds, or would take in."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    assert "pyproject.toml" in names, "the list of files is broken"
    return tuple(sorted(names))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def unsafe_lines(tree: ast.AST) -> list[int]:
    """The lines that could run code which came with data: pickles, by whatever name."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.partition(".")[0] in UNSAFE_MODULES for name in names):
            lines.append(node.lineno)
    for name, call in calls(tree):
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name == "torch.load" and given.get("weights_only") != "True":
            lines.append(call.lineno)
        if given.get("allow_pickle", "False") != "False":
            lines.append(call.lineno)
    return lines


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_first_screen_names_the_two_commands(name: str) -> None:
    first = "\n".join(read(name).splitlines()[:40])
    assert "make demo" in first
    assert "make test" in first


def test_the_two_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", read("Makefile"), flags=re.MULTILINE)
    assert {"demo", "test", "lint", "slow", "wheel", "lock", "clean", "help"} <= set(targets)


def test_files_are_of_a_readable_length() -> None:
    lengths = {name: len(read(name).splitlines()) for name in tracked() if Path(name).suffix in LIMITS}
    too_long = {name: lines for name, lines in lengths.items() if lines > LIMITS[Path(name).suffix]}
    assert not too_long


def test_there_is_one_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert re.findall(r"^version: (.+)$", read("CITATION.cff"), flags=re.MULTILINE) == [version]
    released = re.findall(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert released, "CHANGELOG.md names no version"
    assert released[0] == version


def test_the_lock_pins_what_the_project_names() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", read("requirements.lock"), flags=re.MULTILINE))
    rows = [row for row in read("requirements.lock").splitlines() if not row.startswith("#")]
    assert len(pins) == len(rows), "a row of requirements.lock is no exact pin, or comes twice"
    assert list(pins) == sorted(pins)
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[^A-Za-z0-9_.-]", one)[0].lower().replace("_", "-") for one in wanted}
    read_only = set(re.findall(r"^([a-z0-9-]+)==\S+$", read("requirements.data"), flags=re.MULTILINE))
    assert names <= set(pins) | read_only, "run `make lock`"


def test_the_licence_is_whole() -> None:
    text = read("LICENSE")
    assert "Apache License" in text.splitlines()[1]
    assert "9. Accepting Warranty or Additional Liability." in text
    assert "APPENDIX: How to apply the Apache License to your work." in text


def test_nothing_private_is_told() -> None:
    found = [
        f"{name}:{number}: {row.strip()[:100]}"
        for name in tracked()
        for number, row in enumerate(read(name).splitlines(), start=1)
        if PRIVATE.search(row) and name not in MAY_NAME_THE_MIRROR
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_is_documented_and_safe(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert not unsafe_lines(tree), f"{path} may run code that came with data"


def public_members() -> Iterator[tuple[str, object]]:
    """Every public function, class and method that elman defines, by its full name."""
    for path in MODULES:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                kinds = (FunctionType, classmethod, staticmethod, property)
                for inner, method in vars(value).items():
                    if not inner.startswith("_") and isinstance(method, kinds):
                        yield f"{module.__name__}.{name}.{inner}", getattr(value, inner)


def test_whatever_is_public_is_documented() -> None:
    members = {
        name: value for name, value in public_members() if inspect.isclass(value) or callable(value)
    }
    assert "elman.errors.DataError.at" in members, "the search for public names is broken"
    bare = [name for name, value in members.items() if not inspect.getdoc(value)]
    assert not bare, "no docstring, own or inherited: " + ", ".join(bare)

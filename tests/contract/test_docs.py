"""The pages: links lead somewhere, both READMEs say the same, tables tell what the code has."""

from __future__ import annotations

import builtins
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from elman import AudioSettings, SeriesSettings, TextSettings, Training, errors
from elman.layers.embedding import CharacterNGrams

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))
READMES = ("README.md", "README.zh-CN.md")
PAGES = (
    *READMES,
    "CONTRIBUTING.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it begins, its language, its content, and whether it follows on.

    `after` is the block right before it, with nothing but blank lines in between.
    """

    page: str
    line: int
    language: str
    content: str
    after: Block | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    text, found = text_of(page), []
    end = 0
    for match in FENCED.finditer(text):
        follows = bool(found) and not text[end : match.start()].strip()
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2], found[-1] if follows else None))
        end = match.end()
    assert text.count("```") == 2 * len(found), f"{page}: a block is not closed, or not understood"
    return tuple(found)


def of_language(language: str, pages: tuple[str, ...] = PAGES) -> list[Block]:
    return [block for page in pages for block in blocks(page) if block.language == language]


def prose(page: str) -> str:
    return FENCED.sub("", text_of(page))


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of the table whose first heading is `first`."""
    lines = iter(prose(page).splitlines())
    assert any(line.startswith(f"| {first} |") for line in lines), f"{page} has no table of {first}"
    next(lines)
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


# --- the pages hold together ---


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    missing = [one for one in local if one and not ((ROOT / page).parent / one).exists()]
    assert not missing, f"{page}: {missing}"
    assert "CONTRIBUTING.md" in text_of("README.md"), "the search for links is broken"


def test_every_page_is_led_to() -> None:
    """From the README, by links alone."""
    found, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page in found or not page.endswith(".md"):
            continue
        found.add(page)
        for target in re.findall(r"\]\(([^)\s#]+)", prose(page)):
            path = (ROOT / page).parent / target
            if "://" not in target and path.is_file():
                waiting.append(path.resolve().relative_to(ROOT.resolve()).as_posix())
    assert set(PAGES) <= found


def test_the_files_that_pages_name_exist() -> None:
    named = {
        (page, name)
        for page in PAGES
        for name in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", prose(page))
        if name != "benchmarks/RESULTS.md"  # written by a run of the benchmarks
    }
    assert ("CONTRIBUTING.md", "src/elman/cells/") in named, "the search for files is broken"
    assert not [f"{page}: {name}" for page, name in named if not (ROOT / name).exists()]


def test_every_example_is_on_a_page_and_every_block_is_an_example() -> None:
    shown = {block.content: block for block in of_language("python")}
    files = {path.read_text(encoding="utf-8"): path for path in EXAMPLES}
    assert len(files) > 10, "the search for examples is broken"
    unknown = [str(block) for content, block in shown.items() if content not in files]
    assert not unknown, f"not one of the files of docs/examples, letter by letter: {unknown}"
    unseen = [path.name for content, path in files.items() if content not in shown]
    assert not unseen, f"on no page: {unseen}"


def test_no_example_stands_in_the_way_of_a_module() -> None:
    """A script's own folder comes first when Python imports: a `numbers.py` would break all the others."""
    assert not {path.stem for path in EXAMPLES} & {*sys.stdlib_module_names, "elman", "torch"}


def test_json_blocks_are_json() -> None:
    for block in of_language("json"):
        json.loads(block.content)


def test_decisions_are_dated_listed_and_short() -> None:
    pages = sorted((ROOT / "docs" / "design").glob("2*.md"))
    assert len(pages) >= 3
    for path in pages:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# ")
        assert lines[2] == path.name[:10], f"{path.name} is not dated as it is named"
        assert f"]({path.name})" in text_of("docs/design/README.md"), f"{path.name} is not listed"
        assert len(lines) <= 60, f"{path.name} is no short page"


# --- the two READMEs ---


def headings(page: str) -> list[int]:
    return [len(mark) for mark in re.findall(r"^(#+) ", prose(page), flags=re.MULTILINE)]


def code(page: str) -> list[tuple[str, list[str]]]:
    """The commands and the Python of a page; comments may be in its own language."""
    return [
        (block.language, [re.sub(r"\s+# .*", "", line) for line in block.content.splitlines()])
        for block in blocks(page)
        if block.language != "text"
    ]


def test_both_readmes_say_the_same() -> None:
    english, chinese = READMES
    assert headings(english) == headings(chinese)
    assert code(english) == code(chinese)
    counts = [[block.language for block in blocks(page)] for page in READMES]
    assert counts[0] == counts[1]
    links = [
        [one for one in re.findall(r"\]\(([^)]+)\)", prose(page)) if one not in READMES]
        for page in READMES
    ]
    assert links[0] == links[1]


def test_both_readmes_show_the_same_numbers_and_files() -> None:
    """Of the blocks of text, which are translated."""
    for english, chinese in zip(*(of_language("text", (page,)) for page in READMES), strict=True):
        for pattern in (r"\d+ %|\.\d\d\b|O\d", r"^  [\w./]+", r"Hass\w+"):
            found = [re.findall(pattern, one.content, flags=re.MULTILINE) for one in (english, chinese)]
            assert found[0] == found[1], f"{english} and {chinese}"


# --- what pages say of the code ---


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("training", Training),
        ("text", TextSettings),
        ("forecasting", SeriesSettings),
        ("sound", AudioSettings),
    ],
)
def test_tables_have_every_setting_and_its_default(page: str, model: type) -> None:
    told = [(row[0].strip("`"), row[1].strip("`")) for row in rows(f"docs/guide/{page}.md", "field")]
    settings = model()
    assert told == [(name, repr(getattr(settings, name))) for name in model.model_fields]


def test_the_guide_counts_the_rows_of_ngrams() -> None:
    layer = CharacterNGrams(1)
    assert f"{layer.buckets:,} rows" in text_of("docs/guide/text.md")
    assert f"{layer.SIZES[0]} to {layer.SIZES[-1]}" in text_of("docs/guide/text.md")


def test_the_table_of_errors_is_the_tree() -> None:
    for row in rows("docs/guide/data.md", "error"):
        error = getattr(errors, row[0].strip("`"))
        assert issubclass(error, errors.ElmanError)
        also = {getattr(builtins, name) for name in re.findall(r"`(\w+)`", row[2])}
        own = {one for one in error.__bases__ if one is not errors.ElmanError}
        assert also == own, row
    told = {row[0].strip("`") for row in rows("docs/guide/data.md", "error")}
    assert told == {one.__name__ for one in errors.ElmanError.__subclasses__()}


def test_the_layers_are_those_that_are_held() -> None:
    settings = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    package = ROOT / "src" / "elman"
    held = []
    for layer in settings["layers"]:
        names = {name.strip(" ()") for name in layer.split("|")}
        there = {
            name for name in names if (package / name).is_dir() or (package / f"{name}.py").exists()
        }
        held.append(there - {"__main__"})
    drawing = next(block for block in blocks("CONTRIBUTING.md") if block.content.startswith("apps"))
    told = [set(re.split(r"\s\s+", line)[0].split(" | ")) for line in drawing.content.splitlines()]
    assert told == [layer for layer in held if layer]


def test_the_code_of_a_page_is_not_cut_by_the_window() -> None:
    wide = [
        f"{block.page}: {line}"
        for language in ("python", "sh")
        for block in of_language(language)
        for line in block.content.splitlines()
        if len(line) > 125
    ]
    assert not wide

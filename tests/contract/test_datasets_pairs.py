"""The data sets of pairs of texts, as published."""

from __future__ import annotations

import os

import pytest

from elman import datasets

PAIRED = {
    "debian-synopsis": {"train": 27_622, "dev": 1_553, "test": 1_529},
    "multi30k-de-en": {"train": 29_000, "dev": 1_014, "test": 1_000, "test-2017": 1_000},
    "sigmorphon-2021-eng": {"train": 33_344, "dev": 4_168, "test": 4_168},
    "tatoeba-en-zh": {"train": 26_274, "dev": 1_434, "test": 1_447},
}

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="ELMAN_MIRROR names no folder with the published files"
)


@needs_mirror
@pytest.mark.parametrize("name", PAIRED)
def test_pairs_are_as_many_as_told_and_on_one_side(name: str) -> None:
    """Both texts are there; what is split by a hash has no source on two sides."""
    fields = datasets.get(name).fields
    sources = {}
    for split, count in PAIRED[name].items():
        columns = datasets.load(name, split)
        assert {column: len(values) for column, values in columns.items()} == dict.fromkeys(
            columns, count
        )
        assert all(one.strip() for role in fields.values() for one in columns[role])
        sources[split] = {one.lower() for one in columns[fields["text"]]}
    if name == "tatoeba-en-zh":
        assert not sources["test"] & sources["train"]
        assert not sources["dev"] & (sources["train"] | sources["test"])
        assert len(set(datasets.load(name, "test")["english"])) == 1_369


@needs_mirror
def test_one_of_each_as_it_stands_in_the_file() -> None:
    """First rows, seen by eye in the published files."""
    expected = {
        "sigmorphon-2021-eng": ("aa", "ɑ ɑ"),
        "tatoeba-en-zh": ("Run.", "你用跑的。"),
    }
    for name, (text, target) in expected.items():
        fields = datasets.get(name).fields
        columns = [
            pair
            for split in ("train", "dev", "test")
            for pair in zip(*(datasets.load(name, split)[one] for one in fields.values()), strict=True)
        ]
        assert (text, target) in columns
    multi = datasets.load("multi30k-de-en", "dev")
    assert multi["german"][1] == "Ein Mann schläft in einem grünen Raum auf einem Sofa."
    assert "sleeping" in multi["english"][1]
    assert all("\t" not in one for one in datasets.load("debian-synopsis", "dev")["synopsis"])

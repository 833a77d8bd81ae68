"""The data sets of sound and sensors: their sizes, and who is on which side."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from elman import datasets
from elman.datasets.japanese_vowels import of_ts
from elman.datasets.spoken_digits import SPEAKERS
from elman.errors import DataError, UnknownNameError

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="set ELMAN_MIRROR to the folder of the published files"
)


@needs_mirror
@pytest.mark.parametrize("fold", ["george", "theo-lucas"])
def test_a_fold_of_spoken_digits_leaves_its_speakers_out(fold: str) -> None:
    pytest.importorskip("soundfile")
    out, _, held = fold.partition("-")
    parts = {
        split: datasets.load("spoken-digits", split, fold=fold) for split in ("train", "dev", "test")
    }
    speakers = {split: set(columns["speaker"]) for split, columns in parts.items()}
    others = set(SPEAKERS) - {out}
    assert speakers["test"] == {out}
    assert speakers["train"] == others - {held}
    assert speakers["dev"] == ({held} if held else others)
    sizes = {split: len(columns["digit"]) for split, columns in parts.items()}
    assert sizes == {"train": 2000 if held else 2250, "dev": 500 if held else 250, "test": 500}
    for columns in parts.values():
        assert set(Counter(columns["digit"]).values()) == {len(columns["digit"]) // 10}
        assert all(rate == 8_000 and one.ndim == 1 for one, rate in columns["audio"])
    assert {one.tobytes() for one, _ in parts["train"]["audio"]}.isdisjoint(
        one.tobytes() for split in ("dev", "test") for one, _ in parts[split]["audio"]
    )


@needs_mirror
def test_strings_are_made_of_the_same_recordings_on_the_same_sides() -> None:
    pytest.importorskip("soundfile")
    single = datasets.load("spoken-digits", "test", fold="theo")
    first, again = (datasets.load("spoken-digit-strings", "test", fold="theo") for _ in range(2))
    assert first["text"] == again["text"]
    assert all(
        np.array_equal(one[0], two[0]) for one, two in zip(first["audio"], again["audio"], strict=True)
    )
    assert Counter(" ".join(first["text"]).split()) == dict.fromkeys("0123456789", 100)
    assert set(first["speaker"]) == {"theo"}
    assert {len(text.split()) for text in first["text"]} == set(range(1, 8))
    spoken = sum(len(one) for one, _ in single["audio"])
    assert 2 * spoken < sum(len(one) for one, _ in first["audio"]) < 2 * spoken + 1000 * 1600


@pytest.mark.parametrize(
    ("name", "sizes", "features", "labels"),
    [
        ("japanese-vowels", {"train": 216, "dev": 54, "test": 370}, 12, 9),
        ("basic-motions", {"train": 32, "dev": 8, "test": 40}, 6, 4),
    ],
)
def test_sequences_of_readings(name: str, sizes: dict[str, int], features: int, labels: int) -> None:
    pytest.importorskip("aeon")
    fields = datasets.get(name).fields
    for split, size in sizes.items():
        columns = datasets.load(name, split)
        assert len(columns[fields["text"]]) == len(columns[fields["label"]]) == size
        assert {len(step) for one in columns[fields["text"]] for step in one} == {features}
        assert len(set(columns[fields["label"]])) == labels
    train, dev = (datasets.load(name, split)[fields["text"]] for split in ("train", "dev"))
    assert not {str(one) for one in train} & {str(one) for one in dev}


def test_damaged_files_of_readings_are_refused() -> None:
    with pytest.raises(DataError, match="Line 2 has channels of unequal lengths"):
        of_ts("@data\n1,2:3:up\n")
    with pytest.raises(UnknownNameError, match="fold"):
        datasets.get("spoken-digits", "nobody")

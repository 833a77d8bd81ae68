"""Stamps of Tux Paint: photographs and drawings, each with a caption in English and in Chinese."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from elman.datasets.base import Dataset, Source, twentieth

PLACES = {0: "test", 1: "test", 2: "dev", 3: "dev"}
"""Which twentieths of all pictures, told by the MD5 of their paths, are not for training."""
COLUMNS = {"en": "en", "zh": "zh_CN"}
PACKAGE = (
    "https://snapshot.debian.org/package/tuxpaint-stamps/2022.06.04-1/"
    "#tuxpaint-stamps-default_2022.06.04-1"
)


class TuxpaintStamps(Dataset):
    """785 pictures of 64 × 64 pixels: animals, food, town, vehicles, letters and signs.

    They are those of the Debian package tuxpaint-stamps-default that are PNG and have a caption, made small
    on white. There is no published split, and this one is elman's own: a picture is for test where the
    MD5 of its path leaves 0 or 1 when divided by 20, for dev where it leaves 2 or 3: 630, 84 and 71 pictures
    in English, which is taken where no language is named; 713 of all have a Chinese caption.

    >>> TuxpaintStamps().origin("dev")
    'the pictures the MD5 of whose path leaves 2 or 3 when divided by 20'
    """

    name = "tuxpaint-stamps"
    title = "Stamps of Tux Paint with captions"
    task = "captioner"
    languages = ("en", "zh")
    licence = "GPL-2.0"
    homepage = "https://tuxpaint.org/stamps/"
    citation = "Kendrick et al., Tux Paint stamps 2022.06.04, https://tuxpaint.org"
    fields: ClassVar[Mapping[str, str]] = {"image": "picture", "text": "caption"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "captioner": {
            "image_size": 32,
            "epochs": 240,
            "patience": 240,
            "batch_size": 16,
            "learning_rate": 2e-3,
            "dropout": 0.2,
            "word_dropout": 0.2,
            "label_smoothing": 0.05,
        }
    }
    sources: ClassVar[Mapping[str, Source]] = {
        "pictures": Source(
            url=PACKAGE,
            sha256="dde3195ac93917a6541c4c36dc0550ec01b29f429205c692d58f63f536bb71e7",
            mirror="tuxpaint_stamps/stamps_64x64_rgb.npz",
        ),
        "captions": Source(
            url=PACKAGE,
            sha256="2abfcc063454963b42d6b1beae53da3f57c1d1d0ef44952288ce6434d380afa2",
            mirror="tuxpaint_stamps/captions.tsv",
        ),
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns path, picture (64 × 64 × 3, uint8) and caption."""
        how = (
            "the stamps below usr/share/tuxpaint/stamps, 64 × 64 on white, and their texts in one table"
        )
        text = self.derived("captions", how).read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))
        pictures = np.load(self.derived("pictures", how), allow_pickle=False)["images"]
        column = COLUMNS[language or "en"]
        chosen = [
            (row["file"], picture, row[column])
            for row, picture in zip(rows, pictures, strict=True)
            if PLACES.get(twentieth(row["file"]), "train") == split and row[column].strip()
        ]
        paths, found, captions = (list(one) for one in zip(*chosen, strict=True))
        return {"path": paths, "picture": found, "caption": captions}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the pictures they are."""
        self._check(split, language)
        what = {"test": "0 or 1", "dev": "2 or 3"}.get(split, "4 or more")
        return f"the pictures the MD5 of whose path leaves {what} when divided by 20"

"""Noto emoji: small pictures and their names, in English and in Chinese."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from elman.datasets.base import Dataset, Source, twentieth

PLACES = {0: "test", 1: "test", 2: "dev", 3: "dev"}
"""Which twentieths of all emoji, told by their MD5, are not for training."""
FONT = (
    "https://snapshot.debian.org/package/fonts-noto-color-emoji/2.042-0+deb12u1/"
    "#fonts-noto-color-emoji_2.042-0+deb12u1"
)
REGIONAL = range(0x1F1E6, 0x1F200)
"""The letters that pairs of make the flag of a country."""


class NotoEmoji(Dataset):
    """1639 emoji of 64 × 64 pixels with their names, without flags and without tones of skin.

    The pictures are the bitmaps of the font Noto Color Emoji 2.042, the names those of the package emoji
    2.16.0, which has them from Unicode's CLDR; no name stands twice. Left out are flags of countries and what
    else is named a flag: they are learned by heart or not at all. There is no published split, and this one is
    elman's own: an emoji is for test where the MD5 of its characters leaves 0 or 1 when divided by 20, for dev
    where it leaves 2 or 3: 1331, 136 and 172. English is taken where no language is named.

    >>> NotoEmoji().origin("test")
    'the emoji whose MD5 leaves 0 or 1 when divided by 20'
    """

    name = "noto-emoji"
    title = "Noto emoji with their names"
    task = "captioner"
    languages = ("en", "zh")
    licence = "OFL-1.1 (the font); Unicode-3.0 (the names)"
    homepage = "https://github.com/googlefonts/noto-emoji"
    citation = "Google, Noto Color Emoji 2.042; Unicode CLDR by way of emoji 2.16.0"
    fields: ClassVar[Mapping[str, str]] = {"image": "picture", "text": "name"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "captioner": {
            "image_size": 32,
            "shift": 0.06,
            "epochs": 130,
            "patience": 130,
            "batch_size": 16,
            "learning_rate": 2e-3,
            "dropout": 0.1,
            "word_dropout": 0.1,
            "label_smoothing": 0.0,
        }
    }
    sources: ClassVar[Mapping[str, Source]] = {
        "pictures": Source(
            url=FONT,
            sha256="c8171d91ef6670e5746cb070b8d20a4d5b180d3585c7b5a50ab9e0cfaff8aaee",
            mirror="noto_emoji/emoji_64x64_rgb.npz",
        ),
        "names": Source(
            url="https://pypi.org/project/emoji/2.16.0/",
            sha256="5b495a8945e165f1f0661a3521cbefedd3c0c1e9f8ea24adcd43bf9c7680b226",
            mirror="noto_emoji/captions.tsv",
        ),
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns emoji, picture (64 × 64 × 3, uint8) and name."""
        how = "the names of the emoji that the font has, in one table"
        text = self.derived("names", how).read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))
        how = "the bitmaps of the font's table CBDT, 64 × 64 on white"
        pictures = np.load(self.derived("pictures", how), allow_pickle=False)["images"]
        chosen = [
            (row["emoji"], picture, row[language or "en"])
            for row, picture in zip(rows, pictures, strict=True)
            if PLACES.get(twentieth(row["emoji"]), "train") == split and not _is_flag(row)
        ]
        emoji, found, names = (list(one) for one in zip(*chosen, strict=True))
        return {"emoji": emoji, "picture": found, "name": names}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the emoji they are."""
        self._check(split, language)
        what = {"test": "0 or 1", "dev": "2 or 3"}.get(split, "4 or more")
        return f"the emoji whose MD5 leaves {what} when divided by 20"


def _is_flag(row: Mapping[str, str]) -> bool:
    return row["en"].startswith("flag") or any(ord(one) in REGIONAL for one in row["emoji"])

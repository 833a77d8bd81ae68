"""Handwritten digits, read from the top row to the bottom one."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

PARTS = {"train": slice(0, 1257), "dev": slice(1257, 1437), "test": slice(1437, None)}


class Digits(Dataset):
    """The 1797 test digits of Alpaydin and Kaynak (1998), each as eight steps of eight numbers.

    A number counts the dark pixels, 0 to 16, of a square of 4 × 4. The split is elman's own: 1257, 180
    and 360 pictures in the order of the file, so that few writers are on both sides of a cut.

    >>> Digits().origin("test")
    'the last 360 of 1797 pictures'
    """

    name = "digits"
    title = "Optical recognition of handwritten digits"
    task = "classifier"
    languages = ()
    licence = "CC-BY-4.0"
    homepage = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
    citation = "Alpaydin and Kaynak, Cascading classifiers, Kybernetika 34(4), 1998"
    fields: ClassVar[Mapping[str, str]] = {"text": "rows", "label": "digit"}
    sources: ClassVar[Mapping[str, Source]] = {
        "data": Source(
            url="https://raw.githubusercontent.com/scikit-learn/scikit-learn/"
            "1.5.0/sklearn/datasets/data/digits.csv.gz",
            sha256="09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
            mirror="digits/digits.csv.gz",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns rows (8 lists of 8 numbers) and digit."""
        text = gzip.decompress(self.fetch("data").read_bytes()).decode("ascii")
        lines = [[int(one) for one in line.split(",")] for line in text.splitlines()[PARTS[split]]]
        pictures = [[line[start : start + 8] for start in range(0, 64, 8)] for line in lines]
        return {"rows": pictures, "digit": [line[64] for line in lines]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the pictures they are."""
        self._check(split, language)
        which = {"train": "first 1257", "dev": "next 180", "test": "last 360"}[split]
        return f"the {which} of 1797 pictures"

"""Handwritten digits of 8 × 8 pixels, which come with scikit-learn."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from elman.datasets.base import Dataset, Source

PARTS = {"train": slice(0, 1257), "dev": slice(1257, 1437), "test": slice(1437, None)}
CHECKSUM = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


class HandwrittenDigits(Dataset):
    """The 1797 test digits of Alpaydin and Kaynak, as pictures of 17 shades from 0, white, to 16.

    The split is elman's own: 1257, 180 and 360 pictures in the order of the file, so that few writers are on
    both sides of a cut. A classifier reads them row by row, eight steps of eight numbers.

    >>> HandwrittenDigits().origin("test")
    'the last 360 of 1797 pictures'
    """

    name = "handwritten-digits"
    title = "Optical recognition of handwritten digits, 8 × 8"
    task = "classifier"
    languages = ()
    licence = "CC-BY-4.0"
    homepage = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
    citation = "Alpaydin and Kaynak, Cascading classifiers, Kybernetika 34(4), 1998"
    fields: ClassVar[Mapping[str, str]] = {"image": "picture", "label": "digit"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "classifier": {"image_size": 8, "image_colour": False, "image_parts": "rows", "dropout": 0.3}
    }
    sources: ClassVar[Mapping[str, Source]] = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns picture (8 × 8, uint8, dark on white) and digit.

        Raises:
            MissingExtraError: scikit-learn is not installed.
            DataError: its file is another one.
        """
        pictures, digits = self.pictures()
        return {"picture": list(255 - pictures[PARTS[split]]), "digit": digits[PARTS[split]].tolist()}

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """All pictures, light on black, `1797 8 8`, and their digits."""
        data = self.packaged("sklearn", "datasets/data/digits.csv.gz", CHECKSUM, "bench")
        lines = gzip.decompress(data).decode("ascii").splitlines()
        numbers = np.array([[float(one) for one in line.split(",")] for line in lines])
        shades = np.rint(numbers[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
        return shades, numbers[:, -1].astype(int)

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the pictures they are."""
        self._check(split, language)
        which = {"train": "first 1257", "dev": "next 180", "test": "last 360"}[split]
        return f"the {which} of 1797 pictures"

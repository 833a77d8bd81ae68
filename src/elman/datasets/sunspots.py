"""The number of sunspots, year by year."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.base import Dataset

CHECKSUM = "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b"
PARTS = {"train": slice(0, 243), "dev": slice(243, 276), "test": slice(276, None)}


class Sunspots(Dataset):
    """The yearly numbers of 1700 to 2008: 309 of them, with a cycle of about eleven years.

    The file is part of the package `statsmodels` (the extra `forecast`); nothing of the package is run. There
    is no published split, and this one is elman's own: the last 33 years are for test, the 33 before them
    for dev.

    >>> Sunspots().origin("test")
    'the last 33 of 309 years'
    """

    name = "sunspots"
    title = "Yearly numbers of sunspots, 1700 to 2008"
    task = "forecaster"
    languages = ()
    licence = "public domain"
    homepage = "https://www.ngdc.noaa.gov/stp/solar/solarda3.html"
    citation = "National Geophysical Data Center, by statsmodels 0.15.0"
    fields: ClassVar[Mapping[str, str]] = {"time": "year", "target": "sunspots"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "forecaster": {"horizon": 5, "season": 11, "patch": 1, "direct": False, "hidden_size": 32}
    }
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns year and sunspots.

        Raises:
            MissingExtraError: the package statsmodels is not installed.
            DataError: its file is another one.
        """
        path = "datasets/sunspots/sunspots.csv"
        text = self.packaged("statsmodels", path, CHECKSUM, "forecast").decode("ascii")
        rows = list(csv.reader(text.splitlines()))[1:][PARTS[split]]
        return {"year": [int(year) for year, _ in rows], "sunspots": [float(count) for _, count in rows]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the years they are."""
        self._check(split, language)
        which = {"train": "first 243", "dev": "next 33", "test": "last 33"}[split]
        return f"the {which} of 309 years"

"""Monthly prices of five stocks, 2000 to 2010."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.base import Dataset

CHECKSUM = "f9953ac6693e587476b4ebf2f0b00d9bb95371ca8c39da4cc6155077b3e417cd"
BORDERS = {"train": ("", "2006-04"), "dev": ("2006-04", "2008-04"), "test": ("2008-04", "9999")}
"""The months of each split, the second not included."""


class Stocks(Dataset):
    """The price of AAPL, AMZN, GOOG, IBM and MSFT at the beginning of each month: 560 rows.

    The file is part of the package `vega_datasets` (the extra `forecast`); nothing of the package is run.
    There is no published split, and this one is elman's own: the last two years are for test, the two before
    them for dev.

    >>> Stocks().origin("dev")
    'the months from 2006-04 up to 2008-04'
    """

    name = "stocks"
    title = "Monthly prices of five stocks, 2000 to 2010"
    task = "forecaster"
    languages = ()
    licence = "MIT (the package); none stated for the prices"
    homepage = "https://github.com/altair-viz/vega_datasets"
    citation = "vega_datasets 0.9.0, stocks.csv"
    fields: ClassVar[Mapping[str, str]] = {"series": "symbol", "time": "date", "target": "price"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "forecaster": {"horizon": 1, "log": True, "hidden_size": 16}
    }
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns symbol, date and price.

        Raises:
            MissingExtraError: the package vega_datasets is not installed.
            DataError: its file is another one.
        """
        text = self.packaged("vega_datasets", "_data/stocks.csv", CHECKSUM, "forecast").decode("ascii")
        first, beyond = BORDERS[split]
        found: dict[str, list[Any]] = {"symbol": [], "date": [], "price": []}
        for row in csv.DictReader(text.splitlines()):
            day = datetime.datetime.strptime(row["date"], "%b %d %Y").date()
            if first <= str(day) < beyond:
                found["symbol"].append(row["symbol"])
                found["date"].append(str(day))
                found["price"].append(float(row["price"]))
        return found

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the months they are."""
        self._check(split, language)
        first, beyond = BORDERS[split]
        since = f"from {first} " if first else ""
        return f"the months {since}{'on' if beyond == '9999' else f'up to {beyond}'}"

"""Passengers of international flights, month by month."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.base import Dataset

FILE = "tsa/statespace/tests/results/results_sarimax.py"
CHECKSUM = "f5f9d85acb2873f035a3052f2ba968efe3b2601444c6a2197f73a8a314a31cff"
PARTS = {"train": slice(0, 96), "dev": slice(96, 120), "test": slice(120, None)}


class AirPassengers(Dataset):
    """The airline series of Box and Jenkins: 144 months from 1949 to 1960, in thousands.

    The numbers stand in a file of the package `statsmodels` (the extra `forecast`), which is read as text and
    not run. There is no published split, and this one is elman's own: the last two years are for test, the
    two before them for dev.

    >>> AirPassengers().origin("test")
    'the last 24 of 144 months'
    """

    name = "air-passengers"
    title = "Passengers of international flights by month, 1949 to 1960"
    task = "forecaster"
    languages = ()
    licence = "BSD-3-Clause (the package); none stated for the numbers"
    homepage = "https://www.statsmodels.org"
    citation = "Box and Jenkins, Time Series Analysis: Forecasting and Control, 1976, series G"
    fields: ClassVar[Mapping[str, str]] = {"time": "month", "target": "passengers"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "forecaster": {
            "horizon": 12,
            "window": 36,
            "patch": 1,
            "log": True,
            "hidden_size": 64,
        }
    }
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns month and passengers.

        Raises:
            MissingExtraError: the package statsmodels is not installed.
            DataError: its file is another one.
        """
        text = self.packaged("statsmodels", FILE, CHECKSUM, "forecast").decode("utf-8")
        found = re.search(r"^air2_data = (\[[^]]*\])", text, flags=re.MULTILINE)
        numbers = ast.literal_eval(found[1]) if found else []
        months = [f"{1949 + n // 12}-{n % 12 + 1:02d}-01" for n in range(len(numbers))]
        part = PARTS[split]
        return {"month": months[part], "passengers": [float(one) for one in numbers[part]]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the months they are."""
        self._check(split, language)
        which = {"train": "first 96", "dev": "next 24", "test": "last 24"}[split]
        return f"the {which} of 144 months"

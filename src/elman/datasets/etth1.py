"""Two years of an electricity transformer, hour by hour: six loads and the temperature of its oil."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

MONTH = 30 * 24
PARTS = {
    "train": slice(0, 12 * MONTH),
    "dev": slice(12 * MONTH, 16 * MONTH),
    "test": slice(16 * MONTH, 20 * MONTH),
}
"""The rows of each split: months of thirty days."""


class Etth1(Dataset):
    """ETTh1 as a long frame: seven series, a row for each hour of each.

    The split is that of the Informer: 12, 4 and 4 months of 30 days. The windows on dev and on test go back
    into what came before. Figures are of values standardised by the training part of their series.

    >>> Etth1().origin("test")
    'months 17 to 20 of 30 days'
    """

    name = "etth1"
    title = "ETTh1: electricity transformer, hourly, all seven series"
    task = "forecaster"
    languages = ()
    licence = "CC-BY-ND-4.0"
    homepage = "https://github.com/zhouhaoyi/ETDataset"
    citation = (
        "Zhou et al., Informer: Beyond Efficient Transformer for Long Sequence Forecasting, AAAI 2021"
    )
    fields: ClassVar[Mapping[str, str]] = {"series": "unique_id", "time": "ds", "target": "y"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "forecaster": {
            "horizon": 24,
            "hidden_size": 128,
            "epochs": 4,
            "batch_size": 256,
        }
    }
    sources: ClassVar[Mapping[str, Source]] = {
        "data": Source(
            url="https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
            sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            mirror="etth/ETTh1.csv",
        )
    }
    columns: ClassVar[tuple[str, ...]] = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    """The columns of the file that are series here."""

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns unique_id, ds and y."""
        with self.fetch("data").open(newline="", encoding="ascii") as file:
            rows = list(csv.DictReader(file))[PARTS[split]]
        return {
            "unique_id": [name for name in self.columns for _ in rows],
            "ds": [row["date"] for _ in self.columns for row in rows],
            "y": [float(row[name]) for name in self.columns for row in rows],
        }

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the months they are."""
        self._check(split, language)
        first, last = PARTS[split].start // MONTH + 1, PARTS[split].stop // MONTH
        return f"months {first} to {last} of 30 days"

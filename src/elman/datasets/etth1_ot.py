"""The temperature of a transformer's oil alone: ETTh1 with one series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from elman.datasets.etth1 import Etth1


class Etth1Ot(Etth1):
    """ETTh1 with the oil temperature alone, known in the literature as univariate.

    >>> Etth1Ot().columns
    ('OT',)
    """

    name = "etth1-ot"
    title = "ETTh1: oil temperature alone, hourly"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "forecaster": {
            "horizon": 24,
            "hidden_size": 256,
            "calendar": False,
            "epochs": 8,
            "batch_size": 64,
            "learning_rate": 5e-4,
        }
    }
    columns: ClassVar[tuple[str, ...]] = ("OT",)

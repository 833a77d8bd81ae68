"""The temperature of a transformer's oil alone: ETTh1 with one series."""

from __future__ import annotations

from typing import ClassVar

from elman.datasets.etth1 import Etth1


class Etth1Ot(Etth1):
    """ETTh1 with the oil temperature alone, known in the literature as univariate.

    >>> Etth1Ot().columns
    ('OT',)
    """

    name = "etth1-ot"
    title = "ETTh1: oil temperature alone, hourly"
    columns: ClassVar[tuple[str, ...]] = ("OT",)

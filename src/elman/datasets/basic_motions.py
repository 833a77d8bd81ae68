"""Basic motions: a smart watch, and what its wearer is doing."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source
from elman.datasets.japanese_vowels import of_aeon

URL = "https://raw.githubusercontent.com/aeon-toolkit/aeon/v1.6.0/aeon/datasets/data/BasicMotions/"
CHECKSUMS = {
    "TRAIN": "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
    "TEST": "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
}


class BasicMotions(Dataset):
    """Four students rest, walk, run and play badminton: 100 steps of an accelerometer and a gyroscope.

    There are 40 recordings for training, every fifth one of each motion set aside for dev, and 40 for test, ten
    seconds each at 10 Hz, with three axes of either sensor. The files are those that the package aeon ships.

    >>> BasicMotions().fields
    {'text': 'readings', 'label': 'motion'}
    """

    name = "basic-motions"
    title = "Basic motions"
    task = "classifier"
    languages = ()
    licence = "BSD-3-Clause (the package aeon); none stated for the recordings"
    homepage = "https://www.timeseriesclassification.com/description.php?Dataset=BasicMotions"
    citation = (
        "Bagnall et al., The UEA multivariate time series classification archive, arXiv 1811.00075"
    )
    fields: ClassVar = {"text": "readings", "label": "motion"}
    sources: ClassVar = {
        part: Source(
            url=f"{URL}BasicMotions_{part}.ts",
            sha256=sha256,
            mirror=f"basic_motions/BasicMotions_{part}.ts",
        )
        for part, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns readings (lists of 6 numbers) and motion."""
        sequences, labels = of_aeon(self, "BasicMotions", split)
        return {"readings": sequences, "motion": labels}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the recordings they are."""
        self._check(split, language)
        if split == "test":
            return "the published test split"
        which = "every fifth recording" if split == "dev" else "all but every fifth recording"
        return f"{which} of each motion in the published training set"

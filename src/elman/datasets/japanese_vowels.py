"""Japanese vowels: nine men say /ae/, and the question is who."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source
from elman.errors import DataError

URL = "https://raw.githubusercontent.com/aeon-toolkit/aeon/v1.6.0/aeon/datasets/data/JapaneseVowels/"
CHECKSUMS = {
    "TRAIN": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "TEST": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
FIFTH = 5
"""Every fifth of a label's training sequences is for dev."""


class JapaneseVowels(Dataset):
    """Two vowels by nine speakers (Kudo et al. 1999): 7 to 29 steps of 12 LPC cepstrum coefficients.

    The published split has 270 and 370 utterances; every fifth one of each speaker among the 270 is for dev.
    The files are those that the package aeon ships.

    >>> JapaneseVowels().origin("dev")
    'every fifth utterance of each speaker in the published training set'
    """

    name = "japanese-vowels"
    title = "Japanese vowels"
    task = "classifier"
    languages = ("ja",)
    licence = "CC-BY-4.0"
    homepage = "https://archive.ics.uci.edu/dataset/128/japanese+vowels"
    citation = "Kudo et al., Multidimensional curve classification, Pattern Recognition Letters 20, 1999"
    fields: ClassVar = {"text": "steps", "label": "speaker"}
    sources: ClassVar = {
        part: Source(
            url=f"{URL}JapaneseVowels_{part}.ts",
            sha256=sha256,
            mirror=f"japanese_vowels/JapaneseVowels_{part}.ts",
        )
        for part, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns steps (lists of 12 numbers) and speaker."""
        sequences, labels = of_aeon(self, "JapaneseVowels", split)
        return {"steps": sequences, "speaker": labels}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the utterances they are."""
        self._check(split, language)
        if split == "test":
            return "the published test split"
        which = "every fifth utterance" if split == "dev" else "all but every fifth utterance"
        return f"{which} of each speaker in the published training set"


def of_aeon(dataset: Dataset, problem: str, split: str) -> tuple[list[list[list[float]]], list[str]]:
    """The sequences and labels of a split that aeon ships; every fifth of each label for training is dev."""
    part = "TEST" if split == "test" else "TRAIN"
    place = f"datasets/data/{problem}/{problem}_{part}.ts"
    sequences, labels = of_ts(dataset.shipped(part, "aeon", place, "sensors").decode("utf-8"))
    if split == "test":
        return sequences, labels
    places = [labels[:i].count(label) for i, label in enumerate(labels, 1)]
    kept = [i for i, one in enumerate(places) if (one % FIFTH == 0) == (split == "dev")]
    return [sequences[i] for i in kept], [labels[i] for i in kept]


def of_ts(text: str) -> tuple[list[list[list[float]]], list[str]]:
    r"""The sequences of a file in the format `.ts`, each a list of steps, and their labels.

    A line after `@data` has the channels of one sequence, colons between them, and then its label.

    Raises:
        DataError: a line whose channels have unequal lengths.

    >>> of_ts("@problemName two\n@data\n1,2,3:4,5,6:up\n")
    ([[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]], ['up'])
    """
    sequences, labels, begun = [], [], False
    for number, line in enumerate(text.splitlines(), 1):
        if begun and line.strip():
            *channels, label = line.strip().split(":")
            values = [[float(one) for one in channel.split(",")] for channel in channels]
            if len({len(one) for one in values}) != 1:
                raise DataError(
                    f"Line {number} has channels of unequal lengths.",
                    received=[len(one) for one in values],
                )
            sequences.append([list(step) for step in zip(*values, strict=True)])
            labels.append(label)
        begun = begun or line.strip().lower() == "@data"
    return sequences, labels

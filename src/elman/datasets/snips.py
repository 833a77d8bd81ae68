"""SNIPS: seven intents of a voice assistant, with the slots of every token."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source
from elman.errors import DataError

FOLDERS = {"train": "train", "dev": "valid", "test": "test"}
CHECKSUMS = {
    "train/seq.in": "04ad1e3f2121d83c6478f9a4b17d2dbdc21d06d6127f73cb7af835ed733f9855",
    "train/seq.out": "fd5f2121d8055827e5d6b3d3bac30f3d7e94e82a5d437751960cbdd9e1b4f6d3",
    "train/label": "bfd7df6cf9dd76c5da5d8b61bc85f90386197bdd3d7510c1d324c051537b962f",
    "valid/seq.in": "64e0f6d8ad8aab3a3828164d7d53731a0993d3ca1aed437ceaca6d3d568d410e",
    "valid/seq.out": "712e6d34feb8d52d208b820a5f8bae6e6ff990f08374507dfde22de389088319",
    "valid/label": "9c1dd041216f647bcfca838aaf1a48eb5781e4404256d31ff07cd38a5436c52f",
    "test/seq.in": "c1e341173fcea2951a8ca371956a6f81c76de87b9583c62eb87edd6158fa3a7c",
    "test/seq.out": "58c07c9097d5e1f78889765c2a535a160f6455b90b3142055c8051847afcca47",
    "test/label": "37a26da3ad079bb41c42c85a3a8f827eb47efec4c5917ce5d08f4b2736e4f830",
}
ADDRESS = "https://raw.githubusercontent.com/MiuLab/SlotGated-SLU/master/data/snips"


class Snips(Dataset):
    """The split of Goo et al. (2018) that the literature reports on: 13084, 700 and 700 texts.

    `text` is the tokens joined by single spaces, and `slots` has one BIO tag for each of them. Intents are
    learned alone, or with `--task tagger` together with the slots.

    >>> Snips().fields
    {'text': 'text', 'label': 'label', 'tokens': 'text', 'tags': 'slots'}
    """

    name = "snips"
    title = "SNIPS"
    task = "classifier"
    languages = ("en",)
    licence = "CC0-1.0"
    homepage = "https://github.com/sonos/nlu-benchmark"
    citation = (
        "Coucke et al., Snips Voice Platform, 2018, https://arxiv.org/abs/1805.10190; split of Goo et al., "
        "Slot-Gated Modeling for Joint Slot Filling and Intent Prediction, https://aclanthology.org/N18-2118"
    )
    fields: ClassVar = {"text": "text", "label": "label", "tokens": "text", "tags": "slots"}
    settings: ClassVar = {
        "classifier": {"bidirectional": True, "ensemble": 4},
        "tagger": {"epochs": 10, "ensemble": 3},
    }
    sources: ClassVar = {
        file: Source(url=f"{ADDRESS}/{file}", sha256=sha256, mirror=f"snips/{file}")
        for file, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns text, label and slots.

        Raises:
            DataError: a line has more or fewer tags than tokens.
        """
        folder = FOLDERS[split]
        tokens = [line.split() for line in self._lines(f"{folder}/seq.in")]
        slots = [line.split() for line in self._lines(f"{folder}/seq.out")]
        labels = [line.strip() for line in self._lines(f"{folder}/label")]
        for number, (words, tags) in enumerate(zip(tokens, slots, strict=True), 1):
            if len(words) != len(tags):
                place = f"{self.name} {folder}/seq.out"
                raise DataError.at(
                    place,
                    "the tags do not fit the tokens.",
                    line=number,
                    expected=f"{len(words)} tags, for {' '.join(words)!r}",
                    received=f"{len(tags)} tags",
                )
        return {"text": [" ".join(words) for words in tokens], "label": labels, "slots": slots}

    def _lines(self, key: str) -> list[str]:
        # Not splitlines(): it would also break at the rarer separators that Unicode knows.
        return self.fetch(key).read_text(encoding="utf-8").rstrip("\n").split("\n")

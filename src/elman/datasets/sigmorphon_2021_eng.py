"""SIGMORPHON 2021, task 1: how English words are pronounced."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

ADDRESS = "https://raw.githubusercontent.com/sigmorphon/2021-task1/main/data/high"
CHECKSUMS = {
    "train": "bbe76f57ee799ef9094b1ed1fecf8861e754ac57c6aa4db7d5b18892c5401f7f",
    "dev": "dcce99504c5f8a00ebf13499aa4d4c2b7fc37614b65127c98aa871855e77080e",
    "test": "726192932a69a7197348ee64898613e94968234ce426cfc67d984baf5ddd317c",
}


class Sigmorphon2021Eng(Dataset):
    """The high-resource task: American English words and their phones, 33344, 4168 and 4168 of them.

    `phones` are symbols of the international phonetic alphabet with spaces between them.

    >>> Sigmorphon2021Eng().fields
    {'text': 'word', 'target': 'phones'}
    """

    name = "sigmorphon-2021-eng"
    title = "SIGMORPHON 2021, American English pronunciation"
    task = "translator"
    languages = ("en",)
    licence = "CC-BY-SA-3.0"
    homepage = "https://github.com/sigmorphon/2021-task1"
    citation = (
        "Ashby et al., Results of the Second SIGMORPHON Shared Task on Multilingual "
        "Grapheme-to-Phoneme Conversion, 2021, https://aclanthology.org/2021.sigmorphon-1.13"
    )
    fields: ClassVar = {"text": "word", "target": "phones"}
    settings: ClassVar = {
        "translator": {
            "metric": "wer",
            "tokenizer": "characters",
            "target_tokenizer": "spaces",
            "embedding_size": 128,
            "target_embedding_size": 128,
            "epochs": 28,
            "batch_size": 64,
            "learning_rate": 2e-3,
            "length_penalty": 0.0,
        }
    }
    sources: ClassVar = {
        split: Source(
            url=f"{ADDRESS}/eng_us_{split}.tsv",
            sha256=sha256,
            mirror=f"sigmorphon_g2p/2021_eng_us_{split}.tsv",
        )
        for split, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns word and phones."""
        lines = self.fetch(split).read_text(encoding="utf-8").rstrip("\n").split("\n")
        pairs = [line.split("\t") for line in lines]
        return {"word": [word for word, _ in pairs], "phones": [phones for _, phones in pairs]}

"""Tatoeba: English sentences and their Chinese translations."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

PLACES = {0: "test", 1: "dev"}
"""Which twentieths of all English sentences, told by their MD5 in lower case, are not for training."""


class TatoebaEnZh(Dataset):
    """29155 pairs; a sentence that was translated in several ways comes once for each.

    There is no published split, and this one is elman's own: a pair is for test or for dev where the MD5 of
    its English sentence, in lower case, leaves 0 or 1 when divided by 20, so that all translations of a
    sentence are on one side: 26274, 1434 and 1447 pairs. The Chinese is written by many hands, in simplified
    and in traditional characters.

    >>> TatoebaEnZh().origin("test")
    'the sentences whose MD5 leaves 0 when divided by 20'
    """

    name = "tatoeba-en-zh"
    title = "Tatoeba, English to Chinese"
    task = "translator"
    languages = ("en", "zh-CN")
    licence = "CC-BY-2.0-FR"
    homepage = "https://www.manythings.org/anki/"
    citation = (
        "Tatoeba, https://tatoeba.org, as selected by https://www.manythings.org/anki/ on 2022-05-02"
    )
    fields: ClassVar = {"text": "english", "target": "chinese"}
    settings: ClassVar = {
        "translator": {
            "target_tokenizer": "characters",
            "min_count": 2,
            "target_min_count": 2,
            "embedding_size": 256,
            "target_embedding_size": 256,
            "epochs": 15,
            "batch_size": 32,
        }
    }
    sources: ClassVar = {
        "data": Source(
            url="https://raw.githubusercontent.com/yingzhang123/seq2seq_attention/8cfa1f8/data/cmn.txt",
            sha256="d0f1cfbcfffe73dbbf738e292f2fb98cb2b09f2560e44cc3f1160ac20844df24",
            mirror="tatoeba_cmn_eng/cmn.txt",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns english and chinese."""
        english, chinese = [], []
        for line in self.fetch("data").read_text(encoding="utf-8").rstrip("\n").split("\n"):
            one, other = line.split("\t")[:2]
            digest = hashlib.md5(one.lower().encode(), usedforsecurity=False).hexdigest()
            if PLACES.get(int(digest, 16) % 20, "train") == split:
                english.append(one)
                chinese.append(other)
        return {"english": english, "chinese": chinese}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the sentences they are."""
        self._check(split, language)
        remainders = {name: f"leaves {number}" for number, name in PLACES.items()}
        what = remainders.get(split, "leaves 2 or more")
        return f"the sentences whose MD5 {what} when divided by 20"

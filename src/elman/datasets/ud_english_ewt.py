"""The English Web Treebank of Universal Dependencies: a part of speech for every word."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

ADDRESS = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/15d613d"
PLAIN = {
    "train": "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
    "dev": "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
    "test": "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
}
PACKED = {
    "train": "2ed2870d3885a793ca925bd074915fa399e13b4fc8f14b755cf6eef1ac8abcee",
    "dev": "ff5a9c238c81c1c0606ab5e60e96d0972a91030c196ac951d70b461df0b49119",
    "test": "8cf29b7c3d6776760bdf4ce84de547204002829ce5dc32681ad5e68653c07c9d",
}
"""The same files, as a mirror may hold them."""


class UdEnglishEwt(Dataset):
    """Blogs, mail, reviews, questions and newsgroups: 12544, 2001 and 2077 sentences, 17 universal tags.

    A row is a sentence: `tokens` are its syntactic words (`do` and `n't` are two), `tags` are theirs.

    >>> UdEnglishEwt().fields
    {'tokens': 'tokens', 'tags': 'tags'}
    """

    name = "ud-english-ewt"
    title = "UD English EWT"
    task = "tagger"
    languages = ("en",)
    licence = "CC-BY-SA-4.0"
    homepage = "https://universaldependencies.org/treebanks/en_ewt"
    citation = (
        "Silveira et al., A Gold Standard Dependency Corpus for English, LREC 2014, "
        "https://aclanthology.org/L14-1067"
    )
    fields: ClassVar = {"tokens": "tokens", "tags": "tags"}
    sources: ClassVar = {
        split + packed: Source(
            url=f"{ADDRESS}/en_ewt-ud-{split}.conllu",
            sha256=sums[split],
            mirror=f"ud_english_ewt/en_ewt-ud-{split}.conllu{packed}",
        )
        for packed, sums in (("", PLAIN), (".gz", PACKED))
        for split in PLAIN
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns tokens and tags."""
        packed = self.mirrored(self.sources[f"{split}.gz"])
        data = self.fetch(split).read_bytes() if packed is None else gzip.decompress(packed.read_bytes())
        tokens, tags = [], []
        for block in data.decode("utf-8").strip("\n").split("\n\n"):
            lines = [line.split("\t") for line in block.split("\n") if not line.startswith("#")]
            words = [
                line for line in lines if line[0].isdigit()
            ]  # no 3-4 of "don't", no 8.1 left unsaid
            tokens.append([line[1] for line in words])
            tags.append([line[3] for line in words])
        return {"tokens": tokens, "tags": tags}

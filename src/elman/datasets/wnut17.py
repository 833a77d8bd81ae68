"""WNUT 2017: names in social media that were hardly ever seen before."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

ADDRESS = "https://raw.githubusercontent.com/leondz/emerging_entities_17/e52a2d2"
FILES = {
    "train": "wnut17train.conll",
    "dev": "emerging.dev.conll",
    "test": "emerging.test.annotated",
}
CHECKSUMS = {
    "train": "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
    "dev": "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
    "test": "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
}


class Wnut17(Dataset):
    """Emerging entities, six kinds, in BIO: 3394, 1009 and 1287 messages.

    Train is Twitter, dev is YouTube, test is Twitter, Reddit and StackExchange: the names, and the manner
    of writing, are others each time.

    >>> sorted(Wnut17().sources)
    ['dev', 'test', 'train']
    """

    name = "wnut17"
    title = "WNUT 2017 emerging entities"
    task = "tagger"
    languages = ("en",)
    licence = "CC-BY-4.0"
    homepage = "https://noisy-text.github.io/2017/emerging-rare-entities.html"
    citation = (
        "Derczynski et al., Results of the WNUT2017 Shared Task on Novel and Emerging Entity Recognition, "
        "W-NUT 2017, https://aclanthology.org/W17-4418"
    )
    fields: ClassVar = {"tokens": "tokens", "tags": "tags"}
    sources: ClassVar = {
        split: Source(url=f"{ADDRESS}/{file}", sha256=CHECKSUMS[split], mirror=f"wnut17/{file}")
        for split, file in FILES.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns tokens and tags."""
        tokens: list[list[str]] = [[]]
        tags: list[list[str]] = [[]]
        for line in self.fetch(split).read_text(encoding="utf-8").split("\n"):
            if line.strip():
                token, tag = line.split("\t")
                tokens[-1].append(token)
                tags[-1].append(tag)
            elif tokens[-1]:
                tokens.append([])
                tags.append([])
        kept = [number for number, one in enumerate(tokens) if one]
        return {"tokens": [tokens[i] for i in kept], "tags": [tags[i] for i in kept]}

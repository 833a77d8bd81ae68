"""Tiny Shakespeare: forty thousand lines of the plays, as one text."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

CUTS = {"train": (0, 90), "dev": (90, 95), "test": (95, 100)}
"""Where each split begins and ends, in hundredths of all characters."""


class TinyShakespeare(Dataset):
    """1,115,394 characters of 65 kinds, as Karpathy (2015) put them together for char-rnn.

    There is no published split in three; this one is elman's own: the first 90 % of the characters are for
    training, the next 5 % for dev, the last 5 % for test. Each split is one text.

    >>> TinyShakespeare().origin("test")
    'the characters from 95 % to 100 % of the text'
    """

    name = "tiny-shakespeare"
    title = "Tiny Shakespeare"
    task = "generator"
    languages = ("en",)
    licence = "MIT (the repository); the text is in the public domain"
    homepage = "https://github.com/karpathy/char-rnn"
    citation = "Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks, 2015"
    fields: ClassVar = {"text": "text"}
    sources: ClassVar = {
        "data": Source(
            url="https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a/data/tinyshakespeare/input.txt",
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            mirror="tinyshakespeare/input.txt",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The column text, of one row."""
        whole = self.fetch("data").read_bytes().decode("ascii")
        start, stop = (len(whole) * share // 100 for share in CUTS[split])
        return {"text": [whole[start:stop]]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the characters they are."""
        self._check(split, language)
        start, stop = CUTS[split]
        return f"the characters from {start} % to {stop} % of the text"

"""The Complete Tang Poems: fifty-seven thousand poems in traditional characters."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cached_property
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source, twentieth
from elman.errors import DataError

ADDRESS = (
    "https://raw.githubusercontent.com/chinese-poetry/chinese-poetry/99ebbef/全唐诗/poet.tang.{}.json"
)
CHECKSUM = "bd1dde8e5519c54b2f45df650c8a9e0f78cbfaccf8da999eb043cceb91b3ff53"
"""Of the poems as lines of author, title and paragraphs, between tabs, the paragraphs joined by `|`."""
PLACES = {0: "test", 1: "dev"}
"""Which twentieths of all poems, told by the MD5 of the poem, are not for training."""


class TangPoems(Dataset):
    """57,603 poems; a poem's text is its couplets, each a line that ends with a line break.

    There is no published split, and this one is elman's own: a poem is for test or for dev where the MD5 of
    its couplets, joined, leaves 0 or 1 when divided by 20, so that equal poems are on one side.

    >>> TangPoems().origin("dev")
    'the poems whose MD5 leaves 1 when divided by 20'
    """

    name = "tang-poems"
    title = "The Complete Tang Poems"
    task = "generator"
    languages = ("zh-Hant",)
    licence = "MIT (the collection); the poems are in the public domain"
    homepage = "https://github.com/chinese-poetry/chinese-poetry"
    citation = (
        "全唐詩, compiled in 1705; chinese-poetry, https://github.com/chinese-poetry/chinese-poetry"
    )
    fields: ClassVar = {"text": "text"}
    settings: ClassVar = {"generator": {"hidden_size": 256, "head": "adaptive", "epochs": 8}}
    sources: ClassVar = {
        "poems": Source(
            url=ADDRESS.format(0),
            sha256="4887968b423078331c749e8a11c446f54b91f6d54d38c9d290ca391c2a5700d3",
            mirror="tang_poems/quantangshi.tsv.gz",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The column text."""
        chosen = [couplets for couplets in self.poems if side(couplets) == split]
        return {"text": ["".join(f"{one}\n" for one in couplets) for couplets in chosen]}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the poems they are."""
        self._check(split, language)
        remainders = {name: f"leaves {number}" for number, name in PLACES.items()}
        return f"the poems whose MD5 {remainders.get(split, 'leaves 2 or more')} when divided by 20"

    @cached_property
    def poems(self) -> list[list[str]]:
        """Every poem as its couplets, in the order of the collection.

        Raises:
            DataError: the files cannot be had, or the poems in them are others.
        """
        path = self.mirrored(self.sources["poems"])
        text = self._joined() if path is None else gzip.decompress(path.read_bytes()).decode()
        found = hashlib.sha256(text.encode()).hexdigest()
        if found != CHECKSUM:
            raise DataError(
                f"{self.homepage} does not hold the poems that {self.name} is made of.",
                expected=f"sha256 {CHECKSUM}",
                received=f"sha256 {found}",
                fix=f"put the joined file at FOLDER/{self.sources['poems'].mirror} and set ELMAN_MIRROR",
            )
        return [line.rsplit("\t", 1)[1].split("|") for line in text.split("\n")[:-1]]

    def _joined(self) -> str:
        """The 58 files of the collection as one: the mirror holds this, packed."""
        lines = []
        for number in range(0, 58_000, 1_000):
            poems = json.loads(self._piece(number))
            rows = ([one["author"], one["title"], "|".join(one["paragraphs"])] for one in poems)
            lines += ["\t".join(row) + "\n" for row in rows if row[2]]
        return "".join(lines)

    def _piece(self, number: int) -> str:
        source = Source(ADDRESS.format(number), "", f"tang_poems/poet.tang.{number}.json")
        return self._download(source).read_text(encoding="utf-8")


def side(couplets: list[str]) -> str:
    """The split that a poem belongs to."""
    return PLACES.get(twentieth("".join(couplets)), "train")

"""Debian packages: the first paragraph of a description, and its synopsis of a few words."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

CHECKSUMS = {
    "train": "e60c1dc3023fe354a58e3797e48cc4a2224bb64d2b38f37a43392acae51aa5c7",
    "dev": "0a34cde3347ce83ae86c91d0d62f80ad8b23663679911606896e1f3b4e6d92e1",
    "test": "d361f1f88434abf5f4dceee0f47e579eb252e528cd66fc0f95e4130874649df0",
}


class DebianSynopsis(Dataset):
    """What packages of Debian 12 are for, in a paragraph and in one line: one pair a source package.

    The descriptions are those of `Translation-en` of the section main. There is no published split, and
    this one is elman's own: a package is for test or for dev where the MD5 of its source's name leaves 0 or 1
    when divided by 20: 27622, 1553 and 1529 pairs. The three files are made of the archive's; they are read
    below `ELMAN_MIRROR`.

    >>> DebianSynopsis().fields
    {'text': 'paragraph', 'target': 'synopsis'}
    """

    name = "debian-synopsis"
    title = "Debian package descriptions and synopses"
    task = "translator"
    languages = ("en",)
    licence = "that of each package, all free by the Debian guidelines"
    homepage = "https://www.debian.org/distrib/packages"
    citation = "Debian project, Debian 12, https://www.debian.org/releases/bookworm/"
    fields: ClassVar = {"text": "paragraph", "target": "synopsis"}
    settings: ClassVar = {
        "translator": {
            "metric": "rouge",
            "copy": "tokens",
            "shared": True,
            "vocabulary": 10000,
            "target_vocabulary": 10000,
            "target_lowercase": True,
            "embedding_size": 128,
            "target_embedding_size": 128,
            "epochs": 10,
            "batch_size": 32,
        }
    }
    sources: ClassVar = {
        split: Source(
            url="https://deb.debian.org/debian/dists/bookworm/main/i18n/Translation-en.xz",
            sha256=sha256,
            mirror=f"debian_synopsis/{split}.tsv.gz",
        )
        for split, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns package, paragraph and synopsis."""
        text = gzip.decompress(self.fetch(split).read_bytes()).decode("utf-8")
        rows = [line.split("\t") for line in text.rstrip("\n").split("\n")]
        return dict(
            zip(("package", "paragraph", "synopsis"), map(list, zip(*rows, strict=True)), strict=True)
        )

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the packages they are."""
        self._check(split, language)
        what = {"test": "leaves 0", "dev": "leaves 1"}.get(split, "leaves 2 or more")
        return f"the packages the MD5 of whose source {what} when divided by 20"

"""Multi30k: what is to be seen in pictures, in German and in English."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source
from elman.errors import DataError

ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d/data/task1/raw"
FILES = {"train": "train", "dev": "val", "test": "test_2016_flickr", "test-2017": "test_2017_flickr"}
CHECKSUMS = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2017_flickr.de.gz": "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
    "test_2017_flickr.en.gz": "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
}


class Multi30kDeEn(Dataset):
    """German descriptions of 31014 pictures and their English originals, translated by people.

    The published splits: 29000, 1014, 1000 of 2016, and 1000 of 2017.

    >>> Multi30kDeEn().splits
    ('train', 'dev', 'test', 'test-2017')
    """

    name = "multi30k-de-en"
    title = "Multi30k, German to English"
    task = "translator"
    languages = ("de", "en")
    licence = "none stated; for non-commercial research and education"
    homepage = "https://github.com/multi30k/dataset"
    citation = (
        "Elliott et al., Multi30K: Multilingual English-German Image Descriptions, 2016, "
        "https://arxiv.org/abs/1605.00459"
    )
    splits = tuple(FILES)
    fields: ClassVar = {"text": "german", "target": "english"}
    settings: ClassVar = {
        "translator": {
            "tokenizer": "bpe",
            "vocabulary": 8000,
            "target_tokenizer": "bpe",
            "target_vocabulary": 6000,
            "target_lowercase": True,
            "embedding_size": 256,
            "target_embedding_size": 256,
            "epochs": 12,
            "batch_size": 64,
        }
    }
    sources: ClassVar = {
        file: Source(url=f"{ADDRESS}/{file}", sha256=sha256, mirror=f"multi30k_en_de/{file}")
        for file, sha256 in CHECKSUMS.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns german and english.

        Raises:
            DataError: one of the files has more lines than the other.
        """
        german, english = (self._lines(f"{FILES[split]}.{one}.gz") for one in ("de", "en"))
        if len(german) != len(english):
            raise DataError(
                f"{self.name} {split}: parallel files must have the same number of lines.",
                expected=f"{len(german)} lines, as in German",
                received=f"{len(english)}",
            )
        return {"german": german, "english": english}

    def _lines(self, key: str) -> list[str]:
        text = gzip.decompress(self.fetch(key).read_bytes()).decode("utf-8")
        return [line.strip() for line in text.rstrip("\n").split("\n")]

"""Spoken digits: ten words from six voices, each voice left out once."""

from __future__ import annotations

import tarfile
from itertools import permutations
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source
from elman.errors import DataError
from elman.sound import read_recording

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
HELD = 5
"""Recordings of each word and training speaker, the first ones, that are for dev."""


class SpokenDigits(Dataset):
    """The Free Spoken Digit Dataset: 0 to 9 in English, 50 times by each of six speakers, at 8 kHz.

    To know new voices is the question, so a fold leaves one speaker out: in `george` the 500 recordings of
    George are for test, and the first five of each word and other speaker for dev. In `george-jackson` all of
    Jackson's are for dev, and nobody else's: the fold on which settings are chosen for George.
    A recording is a pair of samples and their rate. The one file is made of the repository's folder
    `recordings`; it is read below `ELMAN_MIRROR`.

    >>> SpokenDigits("theo").origin("test")
    'the 500 recordings of theo, whom training leaves out'
    """

    name = "spoken-digits"
    title = "Free Spoken Digit Dataset"
    task = "classifier"
    languages = ("en",)
    licence = "CC-BY-SA-4.0"
    homepage = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    citation = "Jackson et al., Free Spoken Digit Dataset v1.0.8, https://doi.org/10.5281/zenodo.1342401"
    fields: ClassVar = {"audio": "audio", "label": "digit"}
    settings: ClassVar = {"classifier": {"colour": 10.0, "epochs": 20, "batch_size": 32}}
    folds: ClassVar = SPEAKERS + tuple("-".join(pair) for pair in permutations(SPEAKERS, 2))
    sources: ClassVar = {
        "recordings": Source(
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/26eb9aa.tar.gz",
            sha256="5979d08de1aeb2c487037043ff026875aaed919380289d49bd12f86e50e10559",
            mirror="fsdd/recordings.tar.gz",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns audio, digit and speaker, in the order of digit, speaker and number."""
        out, _, held = (self.fold or SPEAKERS[0]).partition("-")
        rows = []
        for digit, speaker, number, content in self._files():
            if speaker == out:
                place = "test"
            elif held:
                place = "dev" if speaker == held else "train"
            else:
                place = "dev" if number < HELD else "train"
            if place == split:
                rows.append((digit, speaker, number, content))
        rows.sort(key=lambda row: row[:3])
        return {
            "audio": [read_recording(content) for *_, content in rows],
            "digit": [digit for digit, *_ in rows],
            "speaker": [speaker for _, speaker, *_ in rows],
        }

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, whose recordings they are."""
        self._check(split, language)
        out, _, held = (self.fold or SPEAKERS[0]).partition("-")
        if split == "test":
            return f"the 500 recordings of {out}, whom training leaves out"
        if held:
            return f"the 500 recordings of {held}" if split == "dev" else f"all but {out} and {held}"
        part = "the first 5" if split == "dev" else "the last 45"
        return f"{part} recordings of each word by each speaker but {out}"

    def _files(self) -> list[tuple[str, str, int, bytes]]:
        """Digit, speaker, number and bytes of each recording; nothing is ever unpacked to the disk."""
        found = []
        path = self.fetch("recordings")
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                parts = name.removesuffix(".wav").split("_")
                if not member.isfile() or not name.endswith(".wav") or len(parts) != 3:
                    continue
                file = archive.extractfile(member)
                if file is not None and parts[1] in SPEAKERS and parts[2].isdigit():
                    found.append((parts[0], parts[1], int(parts[2]), file.read()))
        if len(found) != 500 * len(SPEAKERS):
            raise DataError.at(
                path, "these are not the recordings.", expected="3000", received=len(found)
            )
        return found

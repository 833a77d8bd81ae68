"""What every codec is: raw values to numbers and back, learned from data and saved without pickle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from elman.pixels import grey
from elman.ragged import Ragged
from elman.settings import Settings


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


class Reader(Codec):
    """A codec whose raw values become sequences of steps, each a row of numbers: what a network may read.

    `encode(raw)` is `finish(prepare(raw))`. What can be done once is done in `prepare`; what is drawn at
    random, and must never be outside of training, is in `finish(..., vary=True)`, from torch's generator.
    """

    features: int
    """The numbers in a step."""

    @classmethod
    def suits(cls, one: Any) -> bool:
        """Whether a raw value can be nothing else, so that no role has to be named for it."""
        return False

    @abstractmethod
    def is_one(self, source: Any) -> bool:
        """Whether this is one raw value, not a list of them."""

    def prepare(self, raw: Sequence[Any]) -> Ragged:
        """Raw values to what `finish` takes, examples in their order."""
        return self.encode(raw)

    def finish(self, xs: Ragged, *, vary: bool = False) -> Ragged:
        """Steps as the network reads them; with `vary`, changed at random as training asks for."""
        return xs

    def reader(self, dropout: float = 0.0) -> Any:
        """A fresh module from steps to features, with an `output_size`; None where steps are features."""
        return None

    @abstractmethod
    def names(self, one: Any) -> list[str]:
        """A name for each step of a raw value, for people to read."""

    @abstractmethod
    def pieces(self) -> Pieces:
        """What encodes one raw value that comes piece by piece."""


class Seen(Reader):
    """A codec of what is seen, as bytes of colours; its settings, of the class `kind`, have a `colour`.

    Attributes after `fit`: mean, spread: of each colour, as a share of full brightness.
    """

    kind: ClassVar[type[Settings]]
    settings: Any

    def __init__(
        self, settings: Any = None, mean: Sequence[float] = (), spread: Sequence[float] = ()
    ) -> None:
        self.settings = settings or self.kind()
        self.mean, self.spread = list(mean), list(spread)

    @property
    def colours(self) -> int:
        """3, or 1 for grey."""
        return 3 if self.settings.colour else 1

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """A picture in so many colours: `height width colours`."""
        return picture if self.settings.colour else grey(picture)[..., None]

    def pieces(self) -> Pieces:
        return Pieces(lambda piece: self.encode([piece]))

    def config(self) -> dict[str, Any]:
        return {"settings": self.settings.model_dump(), "mean": self.mean, "spread": self.spread}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(cls.kind(**config["settings"]), config["mean"], config["spread"])


class Pieces:
    """One raw value that comes piece by piece: each piece's steps, by a function that needs no memory.

    Called with a piece it gives a batch of one sequence; all of them together, with the steps of `finish`,
    are the steps of the whole. A codec whose steps depend on what came before has its own subclass.
    """

    def __init__(self, encode: Any) -> None:
        self._encode = encode

    def __call__(self, piece: Any) -> Ragged:
        return self._encode(piece)

    def finish(self) -> Ragged | None:
        """The steps that the end of the value completes, if it may complete any."""
        return None

    def reset(self) -> None:
        """Forget what came before."""

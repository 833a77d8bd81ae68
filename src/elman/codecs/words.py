"""Transcripts to the numbers of their words, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import torch

from elman.codecs.base import Codec
from elman.errors import DataError, UnknownNameError
from elman.ragged import Ragged

UNITS = ("words", "characters")


class Words(Codec):
    """Texts to the numbers of their words, which spaces set apart, or of their characters.

    Numbers begin at 1: 0 is left for what says nothing, such as the blank of `layers.ctc`. What `fit` did not
    see has no number, and cannot be encoded.

    Shapes: `encode` gives a Ragged of int64, `words`.

    >>> codec = Words().fit(["four two", "two"])
    >>> [one.tolist() for one in codec.encode(["two four two"])], codec.decode([2, 1])
    ([[2, 1, 2]], 'two four')
    """

    name: ClassVar[str] = "words"

    def __init__(self, units: str = "words", known: Sequence[str] = ()) -> None:
        if units not in UNITS:
            raise UnknownNameError.among("unit", units, UNITS)
        self.units, self.known = units, list(known)
        self.numbers = {one: number for number, one in enumerate(self.known, 1)}

    @property
    def size(self) -> int:
        """How many numbers there are, 0 included."""
        return 1 + len(self.known)

    def fit(self, raw: Sequence[str]) -> Self:
        """Learn the words.

        Raises:
            DataError: something that is no text, or no word at all.
        """
        known = sorted({one for text in raw for one in self.split(text)})
        if not known:
            raise DataError("The transcripts hold no word.", expected="text", received=list(raw)[:3])
        self.__init__(self.units, known)
        return self

    def split(self, text: str) -> list[str]:
        """The words, or characters, of a text."""
        if not isinstance(text, str):
            raise DataError("This is no transcript.", expected="a string", received=repr(text)[:60])
        words = text.split()
        return words if self.units == "words" else list(" ".join(words))

    def unknown(self, text: str) -> list[str]:
        """The words of a text that have no number.

        >>> Words().fit(["one two"]).unknown("one three")
        ['three']
        """
        return [one for one in self.split(text) if one not in self.numbers]

    def encode(self, raw: Sequence[str]) -> Ragged:
        """Texts to numbers; an empty one has length 0.

        Raises:
            DataError: a word that `fit` did not see.
        """
        for number, text in enumerate(raw, 1):
            if strange := self.unknown(text):
                raise DataError(
                    f"Transcript {number} has what training did not see: {', '.join(map(repr, strange[:5]))}.",
                    expected=f"{len(self.known)} {self.units}: {', '.join(self.known[:12])}, ...",
                    received=text[:80],
                )
        rows = [torch.tensor([self.numbers[one] for one in self.split(text)]).long() for text in raw]
        return Ragged.of(rows) if rows else Ragged(torch.zeros(0).long(), torch.zeros(1).long())

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers; 0 says nothing."""
        return (" " if self.units == "words" else "").join(self.words(numbers))

    def words(self, numbers: Iterable[int]) -> list[str]:
        """The words of numbers; 0 says nothing."""
        return [self.known[one - 1] for one in numbers if one]

    def config(self) -> dict[str, Any]:
        return {"units": self.units, "known": self.known}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(config["units"], config["known"])

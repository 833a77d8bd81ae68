"""Tags of tokens to numbers and back, the rules that they follow, and the spans that they mark."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from elman.codecs.base import Codec
from elman.errors import DataError
from elman.ragged import Ragged, offsets_of

SCHEMES = {"BIO": "BI", "BIOES": "BIES"}
"""The letters before the dash, scheme by scheme; `O` is outside of every span in both."""


class Span(NamedTuple):
    """The tokens `start` to `end`, the last one not included, and what they are."""

    start: int
    end: int
    label: str


class Tags(Codec):
    """The distinct tags of a training set, sorted, and the scheme that they are written in.

    A scheme is seen from the tags: `O` and, before a dash, B and I (BIO), or B, I, E and S (BIOES), for a
    span's beginning, inside, end, and single token. Other tags, such as parts of speech, have none.

    >>> codec = Tags().fit([["B-city", "I-city", "O"], ["O", "B-day"]])
    >>> codec.scheme, codec.tags
    ('BIO', ['B-city', 'B-day', 'I-city', 'O'])
    >>> codec.spans(["B-city", "I-city", "O"])
    [Span(start=0, end=2, label='city')]
    """

    name: ClassVar[str] = "tags"

    def __init__(self, tags: Sequence[str] = ()) -> None:
        self.tags = list(tags)
        self.numbers = {tag: number for number, tag in enumerate(self.tags)}
        self.scheme = scheme_of(self.tags)

    def fit(self, raw: Sequence[Sequence[str]]) -> Self:
        """Learn the tags.

        Raises:
            DataError: fewer than two distinct ones, or something that is no text.
        """
        found = set(chain.from_iterable(raw))
        if odd := [one for one in found if not isinstance(one, str) or not one]:
            raise DataError("A tag is no text.", expected="strings", received=repr(odd[0])[:60])
        if len(found) < 2:
            raise DataError(
                "There is nothing to tell apart.",
                expected="at least two distinct tags",
                received=f"{len(raw)} sequences, tags {sorted(found)}",
                fix="check which column was taken for the tags",
            )
        self.__init__(sorted(found))
        return self

    def encode(self, raw: Sequence[Sequence[str]]) -> Ragged:
        """The numbers of tags, `steps` of int64; one past the last for those that `fit` did not see."""
        beyond = len(self.tags)
        flat = [self.numbers.get(tag, beyond) for tag in chain.from_iterable(raw)]
        lengths = torch.tensor([len(one) for one in raw], dtype=torch.int64)
        return Ragged(torch.tensor(flat, dtype=torch.int64), offsets_of(lengths))

    def decode(self, numbers: Sequence[int] | Tensor) -> list[str]:
        """The tags with these numbers."""
        return [self.tags[int(number)] for number in numbers]

    def spans(self, tags: Sequence[str]) -> list[Span]:
        """What a sequence of tags marks; nothing where there is no scheme."""
        return spans_of(tags) if self.scheme else []

    def allowed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which tag may follow which, `tags tags`, and which may come first and last; all without a scheme."""
        count = len(self.tags)
        if self.scheme is None:
            return (torch.ones(count, count).bool(), torch.ones(count).bool(), torch.ones(count).bool())
        follows = [[may_follow(a, b, self.scheme) for b in self.tags] for a in self.tags]
        first = [may_follow("O", tag, self.scheme) for tag in self.tags]
        last = [may_follow(tag, "O", self.scheme) for tag in self.tags]
        return torch.tensor(follows), torch.tensor(first), torch.tensor(last)

    def faults(self, tags: Sequence[str]) -> list[str]:
        """What in a sequence is outside of its scheme; nothing where there is none.

        Tags that are partly written in BIO, `O` among them, are taken to be meant so.

        >>> Tags(["B-city", "I-city", "O"]).faults(["O", "I-city", "O"])
        ['I-city after O']
        >>> Tags(["B-city", "I-city", "O", "day"]).faults(["day", "O"])
        ['day']
        """
        scheme = self.scheme
        if scheme is None:
            inside = {one for one in self.tags if one[:2] in ("B-", "I-") and one[2:]}
            meant = bool(inside) and "O" in self.numbers
            return sorted({*tags} - {*inside, "O"}) if meant else []
        pairs = pairwise(["O", *tags, "O"])
        return [
            f"{after} after {before}" for before, after in pairs if not may_follow(before, after, scheme)
        ]

    def config(self) -> dict[str, Any]:
        return {"tags": self.tags}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(config["tags"])


def parted(tag: str) -> tuple[str, str]:
    """The letter of a tag in a scheme, and its label: `B-city` gives `B` and `city`; `O` gives `O` and ``."""
    letter, _, label = tag.partition("-")
    return letter, label


def scheme_of(tags: Sequence[str]) -> str | None:
    """The scheme in which all of these tags are written, `BIO` or `BIOES`; None where there is none.

    >>> scheme_of(["B-city", "I-city", "O"]), scheme_of(["NOUN", "VERB"])
    ('BIO', None)
    """
    inside = [parted(tag) for tag in tags if tag != "O"]
    for name, letters in SCHEMES.items():
        if inside and all(letter in letters and len(letter) == 1 and label for letter, label in inside):
            return name
    return None


def may_follow(before: str, after: str, scheme: str) -> bool:
    """Whether a scheme lets one tag follow another; `O` stands for both ends of the sequence.

    >>> may_follow("B-city", "I-city", "BIO"), may_follow("O", "I-city", "BIO")
    (True, False)
    """
    (was, label), (now, other) = parted(before), parted(after)
    goes_on = now in ("I", "E")
    if scheme == "BIO":
        return not goes_on or (was in ("B", "I") and label == other)
    return goes_on == (was in ("B", "I")) and (not goes_on or label == other)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans that tags mark, in BIO or BIOES; one that begins inside begins all the same.

    That is how the shared tasks of CoNLL count, whose script was `conlleval`.

    >>> spans_of(["I-day", "O", "B-city", "I-city", "B-city"])
    [Span(start=0, end=1, label='day'), Span(start=2, end=4, label='city'), Span(start=4, end=5, label='city')]
    """
    found: list[Span] = []
    start, label = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        letter, now = parted(tag)
        goes_on = bool(label) and letter in ("I", "E") and now == label
        if label and not goes_on:
            found.append(Span(start, place, label))
            label = ""
        if not goes_on and letter in ("B", "I", "E", "S") and now:
            start, label = place, now
        if label and letter in ("E", "S"):
            found.append(Span(start, place + 1, label))
            label = ""
    return found

"""Tokens that are given, each to its number and those of its letters."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch

from elman.codecs.base import Codec
from elman.codecs.text import END, SPECIAL, START, TextSettings, jieba
from elman.errors import DataError
from elman.layers.embedding import UNKNOWN
from elman.ragged import Ragged, offsets_of

FILE = "vocabulary.json"
PIECES = re.compile(r"\w+(?=n['’]t$)|n['’]t$|['’]\w+$|\w+(?:[-.@_']\w+)*|\W", re.IGNORECASE)


class Tokens(Codec):
    """Sequences of tokens to numbers: the token's own, in lower case, and those of its letters as spelled.

    Of `TextSettings` it heeds `lowercase`, `vocabulary`, `min_count`, `characters`, `max_characters`
    and, for a text that comes whole, `segmenter`. A token that `fit` did not see has the number of
    `<unk>`, but its letters' own numbers.

    Shapes: `encode` gives a Ragged of int32, `steps 1+width`: the token's number, then start mark,
    letters, end mark, zeros. Where the settings ask for no characters, `width` is 0.

    >>> codec = Tokens().fit([["Tom", "is", "late", "."], ["Is", "he", "?"]])
    >>> codec.split("Is Tom late?")
    ['Is', 'Tom', 'late', '?']
    >>> codec.encode([["Is"], ["is", "Tom"]]).values[:, 0].tolist() == codec.numbers(["is", "is", "tom"])
    True
    """

    name: ClassVar[str] = "tokens"

    def __init__(self, settings: TextSettings | None = None) -> None:
        self.settings = settings or TextSettings()
        self.vocabulary = {one: number for number, one in enumerate(SPECIAL)}
        self.alphabet: dict[str, int] = {}

    # --- learning ---

    def fit(self, raw: Sequence[Sequence[str]], extra: Sequence[str] = ()) -> Self:
        """Learn the vocabulary and the alphabet; `extra` are words known from elsewhere.

        Raises:
            DataError: no token at all, or something that is none.
        """
        surfaces = Counter(token for row in _checked(raw) for token in row)
        if not surfaces:
            raise DataError("The sequences hold no token.", expected="tokens", received=list(raw)[:3])
        counts: Counter[str] = Counter()
        for surface, count in surfaces.items():
            counts[self._word(surface)] += count
        settings = self.settings
        often = [(one, n) for one, n in counts.items() if n >= settings.min_count]
        often.sort(key=lambda pair: (-pair[1], pair[0]))
        learned = [one for one, _ in often if one not in SPECIAL][: settings.vocabulary - len(SPECIAL)]
        known = dict.fromkeys([*SPECIAL, *learned, *extra])
        self.vocabulary = {one: number for number, one in enumerate(known)}
        if settings.characters:
            letters = sorted({letter for token in surfaces for letter in _spelled(token)})
            self.alphabet = {letter: number for number, letter in enumerate(letters, END + 1)}
        return self

    # --- using ---

    def encode(self, raw: Sequence[Sequence[str]]) -> Ragged:
        """Tokens to numbers; a sequence without a token has length 0.

        Raises:
            DataError: something that is no list of tokens.
        """
        rows, cache = [], {}
        for one in _checked(raw):
            for token in one:
                if token not in cache:
                    cache[token] = self._numbered(token)
                rows.append(cache[token])
        values = np.stack(rows) if rows else np.zeros((0, 1 + self.width), np.int32)
        lengths = torch.tensor([len(one) for one in raw], dtype=torch.int64)
        return Ragged(torch.from_numpy(values), offsets_of(lengths))

    def split(self, text: str) -> list[str]:
        """The tokens of a text that comes whole: what spaces set apart, and signs taken off unknown words.

        >>> Tokens().fit([["I", "do", "n't", "U.S."]]).split("I don't like the U.S., Tom.")
        ['I', 'do', "n't", 'like', 'the', 'U.S.', ',', 'Tom', '.']
        """
        found: list[str] = []
        for piece in jieba().cut(text) if self.settings.segmenter else text.split():
            whole, tail = piece, []
            while whole and not self._knows(whole) and not whole[-1].isalnum():
                whole, tail = whole[:-1], [whole[-1], *tail]
            if self._knows(whole):
                found += [whole, *tail]
            else:
                found += [one for one in PIECES.findall(piece) if one.strip()]
        return found

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """The numbers of words as the vocabulary has them; that of `<unk>` for the others."""
        return [self.vocabulary.get(token, UNKNOWN) for token in tokens]

    @property
    def size(self) -> int:
        """The number of words in the vocabulary, the four special ones included."""
        return len(self.vocabulary)

    @property
    def letters(self) -> int:
        """The number of letters, the four marks included."""
        return END + 1 + len(self.alphabet)

    @property
    def width(self) -> int:
        """The numbers that spell a token: its letters and two marks, or 0."""
        return self.settings.max_characters + 2 if self.alphabet else 0

    # --- keeping ---

    def config(self) -> dict[str, Any]:
        return {"settings": self.settings.model_dump(), "alphabet": "".join(self.alphabet)}

    def files(self) -> dict[str, bytes]:
        return {FILE: (json.dumps(list(self.vocabulary), ensure_ascii=False) + "\n").encode()}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        codec = cls(TextSettings(**config["settings"]))
        codec.vocabulary = {one: number for number, one in enumerate(json.loads(files[FILE]))}
        codec.alphabet = {letter: number for number, letter in enumerate(config["alphabet"], END + 1)}
        return codec

    # --- inside ---

    def _word(self, token: str) -> str:
        return _spelled(token).lower() if self.settings.lowercase else _spelled(token)

    def _knows(self, token: str) -> bool:
        return self._word(token) in self.vocabulary

    def _numbered(self, token: str) -> np.ndarray:
        row = np.zeros(1 + self.width, np.int32)
        row[0] = self.vocabulary.get(self._word(token), UNKNOWN)
        if self.alphabet:
            letters = _spelled(token)
            if len(letters) > (most := self.settings.max_characters):
                letters = letters[: most - most // 2] + letters[-(most // 2) :]
            numbers = [self.alphabet.get(letter, UNKNOWN) for letter in letters]
            row[1 : len(numbers) + 3] = [START, *numbers, END]
        return row


def _spelled(token: str) -> str:
    return unicodedata.normalize("NFKC", token)


def _checked(raw: Sequence[Any]) -> Sequence[Sequence[str]]:
    """The rows, each a list of strings that UTF-8 can write and that are not empty."""
    for number, row in enumerate(raw, 1):
        wrong: Any = row if isinstance(row, str) or not hasattr(row, "__iter__") else None
        if wrong is None:
            wrong = next((one for one in row if not isinstance(one, str) or not one.strip()), None)
            wrong = wrong if wrong is None or isinstance(wrong, str) else repr(wrong)
            if wrong is None and not all(_writable(one) for one in row):
                wrong = "half a character"
        if wrong is not None:
            raise DataError(
                f"Row {number} is no list of tokens.",
                expected="a list of strings, none of them empty",
                received=ascii(wrong)[:80],
                fix='["What", "time", "is", "it", "?"]',
            )
    return raw


def _writable(token: str) -> bool:
    return token.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in token)

"""Text to symbols and back, letter by letter the same: what a model that writes text reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from elman.codecs.base import Codec
from elman.codecs.text import TextSettings
from elman.errors import DataError
from elman.ragged import Ragged, offsets_of

MARK, UNKNOWN = 0, 1
"""The mark before the first and after the last symbol of a text, and whatever `fit` did not see."""
SPECIAL = ("</s>", "<unk>")
VOCABULARY, TOKENIZER = "vocabulary.json", "tokenizer.json"
PIECES = re.compile(r"\w+|[^\w\s]|\s+")


class Symbols(Codec):
    """Text to the numbers of its symbols, and back to the same text.

    Of `TextSettings` it heeds `tokenizer`, `lowercase`, `vocabulary` and `min_count`. The symbols are
    characters; or words, signs and the blanks between them; or pieces of UTF-8 (`bpe`, which knows every
    text) or of characters (`unigram`). Nothing is normalised. They are numbered by how often they occur,
    after the mark (0) and `<unk>` (1).

    Attributes after `fit`:
        names: the symbols by number.
        ends: whether texts end; one text alone is taken for a part of something longer.
        learns_unknown: whether some symbols of the training texts are `<unk>`.

    Shapes: `encode` gives a Ragged of int32, `steps`, without marks.

    >>> codec = Symbols(TextSettings(tokenizer="characters", lowercase=False)).fit(["abra cadabra"])
    >>> codec.size, codec.symbols("bad")
    (8, ['b', 'a', 'd'])
    >>> codec.decode(codec.encode(["bad cab"]).values.tolist())
    'bad cab'
    """

    name: ClassVar[str] = "symbols"

    def __init__(self, settings: TextSettings | None = None) -> None:
        self.settings = settings or TextSettings(tokenizer="characters", lowercase=False)
        self.learns_unknown, self.ends = False, True
        self._name([])
        self._tokenizer: Tokenizer | None = None

    # --- learning ---

    def fit(self, raw: Sequence[str]) -> Self:
        """Learn the symbols.

        Raises:
            DataError: something that is no text, or no symbol at all.
        """
        texts = [self._cased(one) for one in _checked(raw)]
        if not any(texts):
            raise DataError("The texts are empty.", expected="text", received=list(raw)[:3])
        if self.settings.tokenizer in ("bpe", "unigram"):
            self._tokenizer = self._trained(texts)
        counts = Counter(one for text in texts for one in self._split(text))
        kept = [(one, n) for one, n in counts.items() if n >= self.settings.min_count]
        kept.sort(key=lambda one: (-one[1], one[0]))
        known = [one for one, _ in kept[: self.settings.vocabulary - len(SPECIAL)]]
        self.ends, self.learns_unknown = len(texts) > 1, len(counts) > len(known)
        if (
            self._tokenizer is not None and self.settings.tokenizer == "bpe"
        ):  # pieces that no training text needed make all others
            known += sorted(self._tokenizer.get_vocab().keys() - set(known))
        self._name(known)
        return self

    # --- using ---

    def encode(self, raw: Sequence[str]) -> Ragged:
        """Texts to the numbers of their symbols; an empty text has length 0."""
        known = self._numbers
        rows = [
            np.fromiter((known.get(one, UNKNOWN) for one in self._split(self._cased(text))), np.int32)
            for text in _checked(raw)
        ]
        values = np.concatenate(rows) if rows else np.zeros(0, np.int32)
        lengths = torch.tensor([len(one) for one in rows], dtype=torch.int64)
        return Ragged(torch.from_numpy(values), offsets_of(lengths))

    def pairs(self, xs: Ragged) -> tuple[Ragged, Tensor]:
        """What is read and what is to come: each text after its mark, and, where texts end, the mark again.

        >>> codec = Symbols().fit(["ab", "b"])
        >>> [one.tolist() for one in codec.pairs(codec.encode(["ab"]))[0]]
        [[0, 3, 2]]
        """
        lengths = xs.lengths + 1 if self.ends else xs.lengths
        offsets = offsets_of(lengths)
        inputs = xs.values.new_full((int(offsets[-1]),), MARK)
        targets = inputs.clone()
        places = offsets[:-1][xs.rows] + xs.positions
        targets[places] = xs.values
        inner = xs.positions + 1 < lengths[xs.rows]
        inputs[places[inner] + 1] = xs.values[inner]
        return Ragged(inputs, offsets), targets

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of symbols; a mark says nothing, and what is unknown is a white square, U+25A1."""
        names = self.names
        found = [names[one] if one != UNKNOWN else "□" for one in numbers if one != MARK]
        if self.settings.tokenizer == "bpe":
            return decoders.ByteLevel().decode(found)
        return "".join(found)

    def symbols(self, text: str) -> list[str]:
        """The symbols that a text is read as."""
        return list(self._split(self._cased(text)))

    def refuse(self, text: str) -> None:
        """Raise an error for a text with symbols that training did not see, unless it learned of such.

        Raises:
            DataError: names them, and where the first one stands.
        """
        strange = [one for one in self.symbols(text) if one not in self._numbers]
        if strange and not self.learns_unknown:
            shown = ", ".join(map(repr, dict.fromkeys(strange[:8])))
            raise DataError(
                f"The text holds {len(strange)} symbol(s) that the model has never seen.",
                expected=f"the {self.size - len(SPECIAL)} symbols of its training texts",
                received=f"{shown}, the first one at character {text.find(strange[0]) + 1}",
                fix="leave them out, or train with min_count=2, which makes the rarest ones <unk>",
            )

    @property
    def size(self) -> int:
        """How many symbols there are, the mark and `<unk>` included."""
        return len(self.names)

    # --- keeping ---

    def config(self) -> dict[str, Any]:
        learned = {"learns_unknown": self.learns_unknown, "ends": self.ends}
        return {"settings": self.settings.model_dump(), **learned}

    def files(self) -> dict[str, bytes]:
        found = {VOCABULARY: (json.dumps(self.names, ensure_ascii=False) + "\n").encode()}
        return found | (
            {} if self._tokenizer is None else {TOKENIZER: self._tokenizer.to_str().encode()}
        )

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        codec = cls(TextSettings(**config["settings"]))
        codec._name(json.loads(files[VOCABULARY])[len(SPECIAL) :])
        codec.learns_unknown, codec.ends = config["learns_unknown"], config["ends"]
        if TOKENIZER in files:
            codec._tokenizer = Tokenizer.from_str(files[TOKENIZER].decode())
        return codec

    # --- inside ---

    def _name(self, known: Sequence[str]) -> None:
        """Number the symbols; one that is spelled as the mark is a symbol all the same."""
        self.names = [*SPECIAL, *known]
        self._numbers = {one: number for number, one in enumerate(known, len(SPECIAL))}

    def _cased(self, text: str) -> str:
        return text.lower() if self.settings.lowercase else text

    def _split(self, text: str) -> Iterable[str]:
        if self.settings.tokenizer == "characters":
            return text
        if self.settings.tokenizer == "words":
            return PIECES.findall(text)
        assert self._tokenizer is not None
        encoding = self._tokenizer.encode(text)
        if self.settings.tokenizer == "bpe":
            return encoding.tokens
        return [text[start:end] for start, end in encoding.offsets]  # what is unknown keeps its letters

    def _trained(self, texts: Sequence[str]) -> Tokenizer:
        """Subwords of these texts, each of which gives back every letter."""
        size = self.settings.vocabulary - len(SPECIAL)
        if self.settings.tokenizer == "bpe":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer: Any = trainers.BpeTrainer(  # pyright: ignore[reportCallIssue]
                vocab_size=size, initial_alphabet=alphabet, show_progress=False
            )
        else:
            tokenizer = Tokenizer(models.Unigram())
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_next")  # pyright: ignore[reportAttributeAccessIssue]
            least = len(set("".join(texts))) + 9
            trainer = trainers.UnigramTrainer(  # pyright: ignore[reportCallIssue]
                vocab_size=max(size, least),
                special_tokens=["<unk>"],
                unk_token="<unk>",
                show_progress=False,
            )
        tokenizer.train_from_iterator(texts, trainer)
        return tokenizer


def _checked(raw: Sequence[Any]) -> Sequence[str]:
    """The texts, each a string that UTF-8 can write."""
    for number, one in enumerate(raw, 1):
        if not isinstance(one, str):
            raise DataError(
                f"Row {number} is no text.",
                expected="a string",
                received=f"{type(one).__name__}: {str(one)[:60]}",
                fix="fill the gap, or take the row out",
            )
        if not one.isascii() and any("\ud800" <= letter <= "\udfff" for letter in one):
            raise DataError(
                f"Row {number} holds half a character.",
                expected="text that UTF-8 can write",
                received=ascii(one)[:80],
                fix="read the file with its own encoding, or drop the lone surrogates",
            )
    return raw

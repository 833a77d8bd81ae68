"""Text to tokens to numbers: words, characters or subwords."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from elman.codecs.base import Pieces, Reader
from elman.errors import DataError, MissingExtraError
from elman.layers.embedding import UNKNOWN
from elman.ragged import Ragged, offsets_of
from elman.settings import Settings

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
WORD = r"\p{Han}|'?(?:(?!\p{Han})[\p{L}\p{M}])+|\p{N}+|[^\s\p{L}\p{M}\p{N}]"
"""One Chinese character; a run of other letters, led by the apostrophe of 's or 'll; digits; a sign."""
START, END = 2, 3
WHOLE = ("words", "characters", "spaces")
"""The tokenizers whose vocabulary is counted here; those of the others are trained."""
_WIDE = r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
_JOINED = (
    (re.compile(rf"(?<={_WIDE}) | (?={_WIDE})"), ""),
    (re.compile(r" (?=[.,!?;:%)\]}…’]|['’](?:s|d|m|ll|re|ve|t)\b)"), ""),
    (re.compile(r"(?<=[(\[{$£€#¿¡]) "), ""),
    (re.compile(r"(?<=\w) ([-/]) (?=\w)"), r"\1"),
    (re.compile(r'(")\s*([^"]*?)\s*(")'), r"\1\2\3"),
)
"""What stands beside no space in a text: wide characters, signs that close or open, what is in quotes."""


class TextSettings(Settings):
    """How text becomes tokens, and tokens vectors.

    With `vectors`, a file of pretrained ones, `embedding_size` is theirs. With the tokenizer `spaces`,
    whatever stands between spaces is a token, letter by letter as it was written.

    >>> TextSettings(tokenizer="bpe", vocabulary=4000).lowercase
    True
    """

    tokenizer: Literal["words", "characters", "spaces", "bpe", "unigram"] = "words"
    lowercase: bool = True
    segmenter: Literal["jieba"] | None = None
    vocabulary: int = Field(default=50_000, ge=8)
    min_count: int = Field(default=1, ge=1)
    characters: Literal["ngrams", "recurrent", "both"] | None = "ngrams"
    max_characters: int = Field(default=20, ge=4)
    embedding_size: int = Field(default=128, ge=1)
    character_size: int = Field(default=64, ge=2)
    vectors: str | None = None


class Text(Reader):
    """Text to tokens, and each token to its number and those of its characters.

    The tokenizers are Hugging Face's. With `words`, a run of letters is a token and so is each
    Chinese character, so that English and Chinese may stand in one text. A token that `fit` did not
    see has the number of `<unk>`, but its characters' own numbers.

    Shapes: `encode` gives a Ragged of int32, `steps 1+width`: the token's number, then start mark,
    characters, end mark, zeros. Where the settings ask for no characters, `width` is 0.

    >>> codec = Text().fit(["What time is it ?", "现在几点了"])
    >>> codec.tokens("What's 现在 ?")
    ['what', "'s", '现', '在', '?']
    >>> codec.encode(["it is late"]).values[:, 0].tolist() == codec.numbers(["it", "is", "<unk>"])
    True
    """

    name: ClassVar[str] = "text"

    def __init__(self, settings: TextSettings | None = None) -> None:
        self.settings = settings or TextSettings()
        self.tokenizer: Tokenizer = _untrained(self.settings)
        self.alphabet: dict[str, int] = {}

    # --- learning ---

    def fit(self, raw: Sequence[str], extra: Sequence[str] = ()) -> Self:
        """Learn the vocabulary and the alphabet; `extra` are words known from elsewhere.

        Raises:
            DataError: something that is no text, or no token at all.
        """
        texts = [self._segmented(one) for one in self._checked(raw)]
        settings, special = self.settings, list(SPECIAL)
        if settings.tokenizer == "bpe":
            trainer = trainers.BpeTrainer(  # pyright: ignore[reportCallIssue]
                vocab_size=settings.vocabulary, special_tokens=special, show_progress=False
            )
            self.tokenizer.train_from_iterator(texts, trainer)
        elif settings.tokenizer == "unigram":
            # Every character is a piece of its own, however small a vocabulary was asked for, as in BPE.
            least = len({character for text in texts for character in text}) + len(special) + 8
            trainer = trainers.UnigramTrainer(  # pyright: ignore[reportCallIssue]
                vocab_size=max(settings.vocabulary, least),
                special_tokens=special,
                unk_token="<unk>",
                show_progress=False,
            )
            self.tokenizer.train_from_iterator(texts, trainer)
        counts = Counter(token for text in texts for token in self._split(text))
        if not counts:
            raise DataError("The texts hold no token.", expected="words", received=list(raw)[:3])
        if settings.tokenizer in WHOLE:
            often = [
                (one, n) for one, n in counts.items() if n >= settings.min_count and one not in special
            ]
            often.sort(key=lambda pair: (-pair[1], pair[0]))
            learned = [one for one, _ in often[: settings.vocabulary - len(special)]]
            known = dict.fromkeys([*special, *learned, *(one for one in extra if one not in special)])
            self.tokenizer.model = models.WordLevel(
                dict(zip(known, range(len(known)), strict=True)), "<unk>"
            )
        if settings.characters and settings.tokenizer == "words":
            letters = sorted({letter for token in counts for letter in token})
            self.alphabet = {letter: number for number, letter in enumerate(letters, END + 1)}
        return self

    # --- using ---

    def encode(self, raw: Sequence[str]) -> Ragged:
        """Texts to numbers; a text without a token has length 0."""
        texts = [self._segmented(one) for one in self._checked(raw)]
        rows: list[np.ndarray] = []
        cache: dict[str, np.ndarray] = {}
        lengths = []
        for text, encoding in zip(texts, self.tokenizer.encode_batch(texts), strict=True):
            lengths.append(len(encoding.ids))
            numbers = np.asarray(encoding.ids, np.int32)[:, None]
            if not self.alphabet:
                rows.append(numbers)
                continue
            surfaces = [text[start:end] for start, end in encoding.offsets]
            spelled = [cache.get(one) for one in surfaces]
            for i, one in enumerate(spelled):
                if one is None:
                    spelled[i] = cache[surfaces[i]] = self._spelling(surfaces[i])
            letters = np.stack(spelled) if spelled else np.zeros((0, self.width), np.int32)  # pyright: ignore[reportArgumentType,reportCallIssue]
            rows.append(np.concatenate([numbers, letters], 1))
        values = np.concatenate(rows) if rows else np.zeros((0, 1 + self.width), np.int32)
        return Ragged(torch.from_numpy(values), offsets_of(torch.tensor(lengths, dtype=torch.int64)))

    def is_one(self, source: Any) -> bool:
        return isinstance(source, str)

    def names(self, one: Any) -> list[str]:
        return self.tokens(one)

    def pieces(self) -> Pieces:
        return Pieces(lambda piece: self.encode([piece]))

    def between(self, count: int) -> Ragged:
        """A mark to stand between two texts, for each of so many: one step, numbered as `</s>` is."""
        steps = torch.zeros(count, 1 + self.width, dtype=torch.int32)
        steps[:, 0] = SPECIAL.index("</s>")
        return Ragged(steps, torch.arange(count + 1))

    def tokens(self, text: str) -> list[str]:
        """The tokens that a text is read as, as they are spelled in it."""
        return self._split(self._segmented(text))

    def text(self, tokens: Sequence[str]) -> str:
        """Tokens as a text that reads naturally: the way back from `tokens`, but for spaces and case.

        >>> Text().text(["it", "'s", "late", ",", "tom", "."])
        "it's late, tom."
        """
        kind = self.settings.tokenizer
        if kind == "characters":
            return "".join(tokens).strip()
        if kind in ("bpe", "unigram"):
            return self.tokenizer.decoder.decode(list(tokens)).strip()  # pyright: ignore[reportOptionalMemberAccess]
        text = " ".join(tokens)
        for pattern, instead in _JOINED if kind == "words" else ():
            text = pattern.sub(instead, text)
        return text

    def spelled(self, number: int) -> str:
        """The token of a number."""
        return self.tokenizer.id_to_token(number) or SPECIAL[UNKNOWN]

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """The numbers of tokens; that of `<unk>` for those not in the vocabulary."""
        return [
            UNKNOWN if (one := self.tokenizer.token_to_id(token)) is None else one for token in tokens
        ]

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary, the four special ones included."""
        return self.tokenizer.get_vocab_size()

    @property
    def letters(self) -> int:
        """The number of characters, the four marks included."""
        return END + 1 + len(self.alphabet)

    @property
    def features(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The numbers of a token: its own, and those that spell it."""
        return 1 + self.width

    @property
    def width(self) -> int:
        """The numbers that spell a token: its characters and two marks, or 0."""
        return self.settings.max_characters + 2 if self.alphabet else 0

    # --- keeping ---

    def config(self) -> dict[str, Any]:
        return {"settings": self.settings.model_dump(), "alphabet": "".join(self.alphabet)}

    def files(self) -> dict[str, bytes]:
        return {"tokenizer.json": self.tokenizer.to_str().encode()}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        codec = cls(TextSettings(**config["settings"]))
        codec.tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
        codec.alphabet = {letter: number for number, letter in enumerate(config["alphabet"], END + 1)}
        return codec

    # --- inside ---

    def _split(self, text: str) -> list[str]:
        if self.settings.tokenizer in WHOLE:
            normal = self.tokenizer.normalizer.normalize_str(text)
            return [token for token, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(normal)]
        return self.tokenizer.encode(text).tokens

    def _spelling(self, surface: str) -> np.ndarray:
        letters = self.tokenizer.normalizer.normalize_str(surface)
        if len(letters) > (most := self.settings.max_characters):
            letters = letters[: most - most // 2] + letters[-(most // 2) :]
        row = np.zeros(self.width, np.int32)
        numbers = [self.alphabet.get(letter, UNKNOWN) for letter in letters]
        row[: len(numbers) + 2] = [START, *numbers, END]
        return row

    def _segmented(self, text: str) -> str:
        return " ".join(jieba().cut(text)) if self.settings.segmenter else text

    @staticmethod
    def _checked(raw: Sequence[Any]) -> list[str]:
        if isinstance(raw, str):
            raise DataError(
                "One text was given where a list is expected.", received=raw[:60], fix="[text]"
            )
        for number, one in enumerate(raw, 1):
            if not isinstance(one, str):
                raise DataError(
                    f"Row {number} is no text.",
                    expected="a string",
                    received=f"{type(one).__name__}: {str(one)[:60]}",
                    fix="fill the gap, or take the row out",
                )
            try:
                one.encode()
            except UnicodeEncodeError as cause:
                raise DataError(
                    f"Row {number} holds half a character at place {cause.start + 1}.",
                    expected="text that UTF-8 can write",
                    received=ascii(one[max(0, cause.start - 20) : cause.end + 20]),
                    fix="read the file with its own encoding, or drop the lone surrogates",
                ) from cause
        return [str(one) for one in raw]


def _untrained(settings: TextSettings) -> Tokenizer:
    steps: list[Any] = [] if settings.tokenizer == "spaces" else [normalizers.NFKC()]
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    if settings.tokenizer in WHOLE:
        tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(SPECIAL)}, "<unk>"))
        # A segmenter's words are kept whole; without one, each Chinese character is a token.
        word = WORD.removeprefix(r"\p{Han}|").replace(r"(?!\p{Han})", "") if settings.segmenter else WORD
        patterns = {"words": word, "characters": r"[\s\S]", "spaces": r"\S+"}
        pattern = Regex(patterns[settings.tokenizer])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, "removed", invert=True)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        model = models.BPE(unk_token="<unk>") if settings.tokenizer == "bpe" else models.Unigram()
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
        tokenizer.decoder = decoders.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.normalizer = normalizers.Sequence(steps)  # pyright: ignore[reportAttributeAccessIssue]
    return tokenizer


@lru_cache(maxsize=1)
def jieba() -> Any:
    """The package that cuts Chinese into words, loaded once.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import jieba
    except ImportError as cause:
        raise MissingExtraError.of("jieba", "chinese", 'segmenter="jieba"') from cause
    jieba.setLogLevel("ERROR")
    return jieba

"""A text and a question about it, as one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from elman.codecs.base import Pieces
from elman.codecs.text import Text
from elman.errors import DataError, SettingsError
from elman.ragged import Ragged, joined

MARK = "|"
"""How the mark between text and question is shown."""


class Asked(Text):
    """Pairs of a text and a question, read as: question, mark, text, mark, question.

    The question comes first, so that the recurrence knows what to look for while it reads, and again at the
    end, so that its last state is about it.

    >>> codec = Asked().fit([("Mary went home. John slept.", "Where is Mary?")])
    >>> codec.tokens(("John slept.", "Who?"))
    ['who', '?', '|', 'john', 'slept', '.', '|', 'who', '?']
    """

    name: ClassVar[str] = "asked"

    def fit(self, raw: Sequence[Any], extra: Sequence[str] = ()) -> Self:
        """Learn the vocabulary and the alphabet of the texts and of the questions."""
        return super().fit([one for pair in _pairs(raw) for one in pair], extra)

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Pairs to numbers; one without a token has the two marks alone."""
        pairs = _pairs(raw)
        text, question = (super(Asked, self).encode([pair[side] for pair in pairs]) for side in (0, 1))
        mark = self.between(len(pairs))
        return joined([question, mark, text, mark, question])

    def is_one(self, source: Any) -> bool:
        return isinstance(source, str | tuple)

    def pieces(self) -> Pieces:
        raise SettingsError(
            "What answers questions cannot stream: it reads the question after the text.",
            fix="train without questions",
        )

    def tokens(self, text: Any) -> list[str]:
        """The tokens that a pair is read as."""
        ((told, question),) = _pairs([text])
        tokens = super().tokens(question)
        return [*tokens, MARK, *super().tokens(told), MARK, *tokens]


def _pairs(raw: Sequence[Any]) -> list[tuple[str, str]]:
    for number, one in enumerate(raw, 1):
        if isinstance(one, str) or not hasattr(one, "__len__") or len(one) != 2:
            raise DataError(
                f"Row {number} is no text with a question.",
                expected="a pair of strings, (text, question)",
                received=repr(one)[:80],
                fix='("Mary went home.", "Where is Mary?"); on the command line --question',
            )
    return [(one[0], one[1]) for one in raw]

"""How words are pronounced, by simple means: each letter's phones by the letters around it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
Chunk = tuple[str, ...]
Score = Callable[[str, Chunk], float]

MOST, RARE, ROUNDS, REACH = 2, 3, 6, 4
"""Phones of a letter; a chunk seen less often is not learned; rounds of alignment; letters seen around."""


def best(letters: str, phones: Sequence[str], score: Score) -> list[Chunk] | None:
    """The likeliest division of the phones among the letters, in their order; None if there is none.

    >>> best("oxe", ["ɑ", "k", "s"], lambda letter, chunk: float(len(chunk) == {"x": 2, "e": 0}.get(letter, 1)))
    [('ɑ',), ('k', 's'), ()]
    """
    n, m = len(letters), len(phones)
    found: list[list[tuple[float, Chunk]]] = [[(0.0, ())] + [(-math.inf, ())] * m]
    for i, letter in enumerate(letters):
        row = []
        for j in range(m + 1):
            options = []
            for size in range(min(MOST, j) + 1):
                chunk = tuple(phones[j - size : j])
                before = found[i][j - size][0]
                options.append((before + score(letter, chunk) if before > -math.inf else before, chunk))
            row.append(max(options, key=lambda one: one[0]))
        found.append(row)
    if found[n][m][0] == -math.inf:
        return None
    chunks, j = [], m
    for i in range(n, 0, -1):
        chunks.append(found[i][j][1])
        j -= len(chunks[-1])
    return chunks[::-1]


def align(words: Sequence[str], phones: Sequence[Sequence[str]]) -> list[list[Chunk] | None]:
    """Each word's phones by letter: first by how often both are in one word, then by the rounds before."""
    letters, sounds, both = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for word, said in zip(words, phones, strict=True):
        letters.update(set(word))
        sounds.update(set(said))
        both.update((letter, sound) for letter in set(word) for sound in set(said))

    def first(letter: str, chunk: Chunk) -> float:
        known = (both[letter, one] / (letters[letter] * sounds[one]) for one in chunk)
        return sum(math.log(len(words) * max(one, 1e-9)) for one in known) - 1.5 * (len(chunk) != 1)

    score: Score = first
    divided: list[list[Chunk] | None] = []
    for _ in range(ROUNDS):
        divided = [best(word, said, score) for word, said in zip(words, phones, strict=True)]
        counts = Counter[tuple[str, Chunk]]()
        for word, chunks in zip(words, divided, strict=True):
            counts.update(zip(word, chunks or (), strict=False))
        total = Counter[str]()
        for (letter, _), count in counts.items():
            total[letter] += count

        def score(
            letter: str, chunk: Chunk, counts: Counter[Any] = counts, total: Counter[str] = total
        ) -> float:
            return math.log((counts[letter, chunk] + 0.01) / (total[letter] + 10))

    return divided


class LetterWindow:
    """A logistic regression of each letter's phones from those within four places; penalty chosen on dev."""

    PENALTIES = (1e-6, 1e-5)

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from baselines import measured
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import SGDClassifier

        self.fields, self.measured = fields, measured
        words, targets = train[fields["text"]], [one.split() for one in train[fields["target"]]]
        divided = align(words, targets)
        often = Counter(chunk for chunks in divided for chunk in chunks or ())
        self.hasher = FeatureHasher(n_features=2**20, input_type="string")
        seen, answers = [], []
        for word, chunks in zip(words, divided, strict=True):
            for place, chunk in enumerate(chunks or ()):
                if often[chunk] >= RARE:
                    seen.append(self._seen(word, place))
                    answers.append(" ".join(chunk))
        xs = self.hasher.transform(seen)
        fitted = []
        for penalty in self.PENALTIES:
            self.model = SGDClassifier("log_loss", alpha=penalty, random_state=0, max_iter=8, tol=None)
            self.model.fit(xs, answers)
            fitted.append((self.report(dev)["accuracy"], penalty, self.model))
        self.model = min(fitted, key=lambda one: one[:2])[2]
        self.size = int(self.model.coef_.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The share of words with an error, and that of phones."""
        return self.measured(rows, self.fields, self.said, "wer")

    def said(self, words: list[str]) -> list[str]:
        """The phones of each word."""
        xs = self.hasher.transform(
            self._seen(word, place) for word in words for place in range(len(word))
        )
        flat = iter(self.model.predict(xs).tolist())
        return [" ".join(filter(None, (next(flat) for _ in word))) for word in words]

    @staticmethod
    def _seen(word: str, place: int) -> list[str]:
        """The letters around one, alone and in runs that begin or end with it."""
        padded, at = "<" * REACH + word + ">" * REACH, place + REACH
        around = range(-REACH, REACH + 1)
        found = [f"{step} {padded[at + step]}" for step in around]
        runs = [
            (start, end) for start in range(-REACH, 1) for end in range(1, REACH + 2) if end - start > 1
        ]
        return [*found, *(f"{start} {padded[at + start : at + end]}" for start, end in runs)]

"""Simple methods that write: characters by those before them, and the second line of the nearest first."""

from __future__ import annotations

import math
from typing import Any

Row = dict[str, Any]


class NGram:
    """Characters by those before them, smoothed as Witten and Bell (1991) do; the order is chosen on dev.

        p(c | h) = (n(hc) + t(h)·p(c | h')) / (n(h) + t(h))        t(h): how many characters follow h

    h' is h without its first character; with no history at all, every character is as likely. Where there
    are several texts each ends with a mark, which counts as a character.
    """

    ORDERS = (2, 3, 4, 5, 6, 7)

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.text, self.ends = fields["text"], len(train[fields["text"]]) > 1
        self.counts: dict[str, dict[str, int]] = {}
        self.alphabet = len({c for one in train[self.text] for c in one}) + 1
        for one in train[self.text]:
            for history, c in self._steps(one, max(self.ORDERS)):
                for n in range(len(history) + 1):
                    following = self.counts.setdefault(history[n:], {})
                    following[c] = following.get(c, 0) + 1
        self.order = min(self.ORDERS, key=lambda order: self._nats(dev, order))
        self.size = sum(
            len(following) for history, following in self.counts.items() if len(history) < self.order
        )

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Bits per character, and nats and perplexity."""
        nats = self._nats(rows, self.order)
        return {"accuracy": nats / math.log(2), "nats": nats, "perplexity": math.exp(nats)}

    def _nats(self, rows: Row, order: int) -> float:
        chances = [self._chance(*step) for one in rows[self.text] for step in self._steps(one, order)]
        return -sum(map(math.log, chances)) / len(chances)

    def _steps(self, text: str, order: int) -> Any:
        marked = MARK + text + MARK * self.ends
        return ((marked[max(n - order + 1, 0) : n], marked[n]) for n in range(1, len(marked)))

    def _chance(self, history: str, c: str) -> float:
        p = 1 / self.alphabet
        for n in range(len(history), -1, -1):
            following = self.counts.get(history[n:])
            if following:
                kinds = len(following)
                p = (following.get(c, 0) + kinds * p) / (self._total(history[n:]) + kinds)
        return p

    def _total(self, history: str) -> int:
        if not hasattr(self, "totals"):
            self.totals = {one: sum(following.values()) for one, following in self.counts.items()}
        return self.totals[history]


class Bigram(NGram):
    """Each character by the one before it, every pair counted once more than it occurs."""

    ORDERS = (2,)

    def _chance(self, history: str, c: str) -> float:
        following = self.counts.get(history, {})
        return (following.get(c, 0) + 1) / (sum(following.values()) + self.alphabet)


class Nearest:
    """The second line of the first line that is most like the one asked, by its characters and their pairs.

    TF-IDF and the cosine, among first lines of the same length.
    """

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
        self.known, self.seconds = self.vectors.fit_transform(train["first"]), train["second"]
        self.sizes = [len(one) for one in train["first"]]
        self.size = int(self.known.nnz)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU by characters, and how far the rules are kept."""
        import numpy as np

        found, sizes = [], np.array(self.sizes)
        for start in range(0, len(rows["first"]), 500):
            lines = rows["first"][start : start + 500]
            near = (self.vectors.transform(lines) @ self.known.T).toarray()
            near[sizes[None] != np.array([len(one) for one in lines])[:, None]] = -1.0
            found += [self.seconds[one] for one in near.argmax(1)]
        return verse(rows, found)


def verse(rows: Row, seconds: list[str]) -> Row:
    """BLEU of second lines, and the shares of those of equal length, opposed tones, and the right rhyme."""
    from elman import metrics
    from elman.tasks.versifier import verse_figures

    score, _ = metrics.bleu(seconds, [[one] for one in rows["second"]], tokenize="char")
    pairs = list(zip(rows["first"], seconds, strict=True))
    equal = sum(len(one) == len(other) for one, other in pairs) / len(pairs)
    return {
        "accuracy": score / 100,
        "equal": equal,
        **verse_figures(rows["first"], seconds, rows["rhyme"]),
    }


MARK = "\0"
"""What stands before and after a text."""

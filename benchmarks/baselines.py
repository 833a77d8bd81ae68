"""What a simple method makes of the same data: the strongest that takes minutes and no network."""

from __future__ import annotations

from collections import Counter
from typing import Any

from asking import CommonAnswer
from music import CommonChord, KeyMarkov, KeyUnigram
from saying import LetterWindow
from seeing import CopiedFrame, NearestPicture
from sensing import Segments
from writing import Bigram, Nearest, NGram

Row = dict[str, Any]


class SVM:
    """Word and character n-grams by TF-IDF, a linear support vector machine, C chosen on dev."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.svm import LinearSVC

        def made(penalty: float) -> Any:
            words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
            letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
            return make_pipeline(make_union(words, letters), LinearSVC(C=penalty, random_state=0))

        fitted = [made(penalty).fit(train["text"], train["label"]) for penalty in (0.1, 0.3, 1.0, 3.0)]
        self.model = max(fitted, key=lambda one: one.score(dev["text"], dev["label"]))
        self.size = int(self.model[-1].coef_.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy and, with texts out of scope, how well the highest margin tells them apart."""
        import numpy as np
        from sklearn.metrics import f1_score, roc_auc_score

        truth, predicted = np.array(rows["label"]), self.model.predict(rows["text"])
        report = {
            "accuracy": float((predicted == truth).mean()),
            "macro_f1": float(f1_score(truth, predicted, average="macro")),
        }
        if out_of_scope is None:
            return report
        within = self.model.decision_function(rows["text"]).max(-1)
        other = self.model.decision_function(out_of_scope).max(-1)
        known = np.arange(len(within) + len(other)) < len(within)
        report["auroc"] = float(roc_auc_score(known, np.concatenate([within, other])))
        report["recall_at_95"] = float((other < np.quantile(within, 0.05)).mean())
        return report


class CommonTag:
    """The tag that each word has most often; for a word never seen, the one that most words have seen once."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.tokens, self.tags = fields["tokens"], fields["tags"]
        counts: dict[str, Counter[str]] = {}
        for words, tags in zip(*self._columns(train), strict=True):
            for word, tag in zip(words, tags, strict=True):
                counts.setdefault(word.lower(), Counter())[tag] += 1
        self.common = {word: found.most_common(1)[0][0] for word, found in counts.items()}
        once = Counter(tag for found in counts.values() if found.total() == 1 for tag in found)
        self.unseen = (once or Counter(self.common.values())).most_common(1)[0][0]
        self.size = len(self.common)

    def tags_of(self, sequences: list[list[str]]) -> list[list[str]]:
        """The tags of each token of each sequence."""
        return [[self.common.get(word.lower(), self.unseen) for word in words] for words in sequences]

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy of the tags and, where there are any, F1 of the spans."""
        from elman import metrics
        from elman.codecs.tags import scheme_of, spans_of

        sequences, answers = self._columns(rows)
        found = self.tags_of(sequences)
        pairs = [
            (a, b)
            for one, two in zip(answers, found, strict=True)
            for a, b in zip(one, two, strict=True)
        ]
        report = {"accuracy": sum(a == b for a, b in pairs) / len(pairs)}
        if scheme_of(sorted({a for a, _ in pairs})):
            spans = metrics.span_scores(*([spans_of(one) for one in each] for each in (answers, found)))
            report |= {f"span {name}": value for name, value in spans.items()}
        return report

    def _columns(self, rows: Row) -> tuple[list[list[str]], list[list[str]]]:
        def lists(name: str) -> list[list[str]]:
            return [one.split() if isinstance(one, str) else one for one in rows[name]]

        return lists(self.tokens), lists(self.tags)


class Window(CommonTag):
    """A logistic regression of each token by itself: its spelling, its neighbours, and its commonest tag.

    Affixes up to four letters, shape, and the words within two places, hashed; the penalty is chosen on
    dev. Spans are read off its tags as conlleval does.
    """

    PENALTIES = (1e-6, 1e-5)

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import SGDClassifier

        super().__init__(train, dev, fields)
        sequences, answers = self._columns(train)
        self.hasher = FeatureHasher(n_features=2**20, input_type="string")
        xs, ys = self._features(sequences), [tag for tags in answers for tag in tags]
        fitted = [
            SGDClassifier("log_loss", alpha=penalty, random_state=0, max_iter=8, tol=None).fit(xs, ys)
            for penalty in self.PENALTIES
        ]
        held, truth = self._columns(dev)
        known = self._features(held), [tag for tags in truth for tag in tags]
        self.model = max(fitted, key=lambda one: one.score(*known))
        self.size = int(self.model.coef_.size)

    def tags_of(self, sequences: list[list[str]]) -> list[list[str]]:
        """The tags of each token of each sequence."""
        flat = iter(self.model.predict(self._features(sequences)).tolist())
        return [[next(flat) for _ in words] for words in sequences]

    def _features(self, sequences: list[list[str]]) -> Any:
        return self.hasher.transform(
            self._seen(words, place) for words in sequences for place in range(len(words))
        )

    def _seen(self, words: list[str], place: int) -> list[str]:
        word = words[place]
        shape = "".join(
            "X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word
        )
        found = [f"shape {shape[:8]}", f"word {word}"]
        found += [f"start {word[:n]}" for n in range(1, 5)] + [
            f"end {word[-n:].lower()}" for n in range(1, 5)
        ]
        for step in (-2, -1, 0, 1, 2):
            near = words[place + step].lower() if 0 <= place + step < len(words) else "<edge>"
            found += [f"{step} {near}", f"{step} tag {self.common.get(near, '?')}"]
        near = words[place - 1].lower() if place else "<edge>"
        return [*found, f"pair {near} {word.lower()}"]


class Retrieval:
    """The target of the training text that is nearest by TF-IDF of words and letters."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        self.fields = fields
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2))
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        self.vectors = make_union(words, letters)
        self.known = self.vectors.fit_transform(train[fields["text"]])
        self.targets = train[fields["target"]]
        self.size = int(self.known.nnz)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU, several targets of one text being several references."""
        return measured(rows, self.fields, self.written)

    def written(self, texts: list[str]) -> list[str]:
        """What is answered to each text."""
        asked = self.vectors.transform(texts)
        nearest = [
            (asked[start : start + 500] @ self.known.T).argmax(1).A1
            for start in range(0, len(texts), 500)
        ]
        return [self.targets[one] for part in nearest for one in part]


class Lead:
    """The first twelve words of a text for its summary."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.fields, self.size = fields, 0

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """ROUGE."""
        return measured(
            rows, self.fields, lambda texts: [" ".join(one.split()[:12]) for one in texts], "rouge"
        )


def measured(rows: Row, fields: Row, write: Any, metric: str = "bleu") -> Row:
    """The figures of what is written, the first of them under the name of accuracy."""
    from elman import metrics

    meant: dict[str, list[str]] = {}
    for text, target in zip(rows[fields["text"]], rows[fields["target"]], strict=True):
        meant.setdefault(text, []).append(target)
    figures, _ = metrics.of_texts(metric, write(list(meant)), list(meant.values()))
    return named(figures)


def named(figures: Row) -> Row:
    """Figures as shares of one, the first of them as `accuracy`."""
    shares = {name: value / 100 if name == "bleu" else value for name, value in figures.items()}
    first, *others = shares
    return {"accuracy": shares[first], **{name: shares[name] for name in others}}


FREE = {
    "y": (24, 24, False, True),
    "price": (1, 12, True, False),
    "sunspots": (5, 11, False, True),
    "passengers": (12, 12, True, True),
}
"""By target: the horizon, the season, whether logarithms are foreseen, and whether they are standardised."""


class Free:
    """The last value, the last season or the straight line: whichever is best on dev.

    The horizon is a day of hours, else one step; values are standardised by the training part, or are the
    logarithms of prices.
    """

    size = 0

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.fields, self.train, self.dev = fields, train, dev
        self.horizon, self.season, self.log, self.spread = FREE[fields["target"]]
        errors = self._errors(train, dev)
        self.name = min(errors, key=lambda name: errors[name])

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The squared error over every window."""
        if rows is self.dev:
            return {"accuracy": self._errors(self.train, rows)[self.name]}
        known = {name: [*self.train[name], *self.dev[name]] for name in self.train}
        return {"accuracy": self._errors(known, rows)[self.name], "which": self.name}

    def _errors(self, known: Row, rows: Row) -> dict[str, float]:
        import numpy as np

        from elman.forecasting.naive import all_of

        horizon, season = self.horizon, self.season
        found: dict[str, list[Any]] = {}
        for name in dict.fromkeys(self._names(rows)):
            train, before, after = (self._series(one, name) for one in (self.train, known, rows))
            y = np.concatenate([before, after])
            spread = train.std() if self.spread else 1.0
            origins = np.arange(len(before), len(y) - horizon + 1)
            truth = y[origins[:, None] + np.arange(horizon)]
            for kind, table in all_of(y, origins, horizon, season, (y[0], 0)).items():
                found.setdefault(kind, []).append(((table - truth) / spread).ravel())
        return {kind: float(np.square(np.concatenate(one)).mean()) for kind, one in found.items()}

    def _series(self, rows: Row, name: Any) -> Any:
        import numpy as np

        pairs = zip(self._names(rows), rows[self.fields["target"]], strict=True)
        values = np.array([value for other, value in pairs if other == name])
        return np.log(values) if self.log else values

    def _names(self, rows: Row) -> list[Any]:
        column = self.fields.get("series")
        return rows[column] if column else [None] * len(rows[self.fields["target"]])


BASELINES: dict[str, tuple[str, Any]] = {
    "forecaster": ("last value, season or line", Free),
    "classifier": ("TF-IDF + linear SVM", SVM),
    "tagger": ("window + logistic regression", Window),
    "translator": ("TF-IDF nearest text", Retrieval),
    "lead": ("first twelve words", Lead),
    "letters": ("letters around each letter + logistic regression", LetterWindow),
    "segments": ("means of 8 segments + SVM", Segments),
    "generator": ("n-gram, Witten-Bell", NGram),
    "versifier": ("nearest first line", Nearest),
    "captioner": ("nearest picture", NearestPicture),
    "frame-forecaster": ("last frame", CopiedFrame),
    "composer": ("each key by the one before", KeyMarkov),
    "questions": ("commonest answer of each kind", CommonAnswer),
    "harmonizer": ("commonest chord below each note", CommonChord),
}
"""The baseline of each task, and its name in the tables."""

FURTHER: dict[str, tuple[str, Any]] = {
    "common-tag": ("commonest tag of each word", CommonTag),
    "bigram": ("bigram, add-one", Bigram),
    "key-unigram": ("each key by how often it sounds", KeyUnigram),
}
"""Other baselines, which a recipe asks for by name."""

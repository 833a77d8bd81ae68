"""What models answer, and how good they are: values that print well and turn into JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elman.atomic import write_bytes


@dataclass(frozen=True)
class Prediction:
    """An answer: every label with its probability, the likeliest first."""

    ranking: list[tuple[Any, float]]

    @property
    def label(self) -> Any:
        """The likeliest label."""
        return self.ranking[0][0]

    @property
    def score(self) -> float:
        """Its probability."""
        return self.ranking[0][1]

    @classmethod
    def of(cls, chances: Any, labels: Sequence[Any]) -> Prediction:
        """From the probability of each label, a vector, in their order."""
        best, order = chances.sort(descending=True)
        return cls([(labels[n], p) for n, p in zip(order.tolist(), best.tolist(), strict=True)])

    def __repr__(self) -> str:
        return f"Prediction(label={self.label!r}, score={self.score:.2f})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data, with the `top` likeliest labels."""
        ranking = [{"label": label, "probability": p} for label, p in self.ranking[:top]]
        return {"label": self.label, "score": self.score, "top": ranking}

    def cells(self, asked: str, top: int = 1) -> list[str]:
        """The answer as cells of a table: each label and its probability, then what was asked."""
        pairs = [(str(label), f"{p:.4f}") for label, p in self.ranking[:top]]
        return [*(one for pair in pairs for one in pair), asked]


class Predictions(list[Prediction]):
    """Answers in the order of the questions; as an array, their labels."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001 - numpy's
        return np.array([one.label for one in self], dtype=dtype)


@dataclass(frozen=True)
class Tagged:
    """A sequence with a tag for each token, what the tags mark, and the label of the whole if there is one.

    Attributes:
        tokens: what was read.
        tags: a tag for each.
        scores: the probability of each of these tags.
        spans: what the tags mark, where they are written in a scheme such as BIO: `start`, `end` (the last
            token not included) and `label`.
        label: the answer to the whole sequence, or None.
    """

    tokens: list[str]
    tags: list[str]
    scores: list[float]
    spans: list[Any]
    label: Prediction | None = None

    def text(self, span: Any) -> str:
        """The tokens of a span, with spaces between them."""
        return " ".join(self.tokens[span.start : span.end])

    def __repr__(self) -> str:
        pairs = " ".join(f"{token}/{tag}" for token, tag in zip(self.tokens, self.tags, strict=True))
        return f"Tagged({pairs!r}{'' if self.label is None else f', {self.label!r}'})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data."""
        spans = [{**span._asdict(), "text": self.text(span)} for span in self.spans]
        found = {"tokens": self.tokens, "tags": self.tags, "scores": self.scores, "spans": spans}
        return found | ({} if self.label is None else self.label.to_dict(top))

    def cells(self, asked: str, top: int = 1) -> list[str]:
        """The answer as cells of a table: the label of the whole if there is one, and the tagged tokens."""
        marked = " ".join(f"{token}/{tag}" for token, tag in zip(self.tokens, self.tags, strict=True))
        return [marked] if self.label is None else [*self.label.cells(asked)[:2], marked]


@dataclass(frozen=True)
class Translation:
    """A text that was written for another one, the likeliest first.

    Attributes:
        ranking: each text with its score: its log-probability, normalised by length as the decoding says.
        tokens: the tokens of the first one.
    """

    ranking: list[tuple[str, Any]]
    tokens: list[str] = field(repr=False)

    @property
    def text(self) -> str:
        """The best text."""
        return self.ranking[0][0]

    @property
    def score(self) -> float:
        """Its score."""
        return self.ranking[0][1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(text={self.text!r}, score={self.score:.2f})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data, with the `top` best texts."""
        ranking = [{"text": text, "score": score} for text, score in self.ranking[:top]]
        return {type(self).__name__.lower(): self.text, "score": self.score, "top": ranking}

    def cells(self, asked: str, top: int = 1) -> list[str]:
        """The answer as cells of a table: what was asked, and the best texts."""
        return [asked, *(text for text, _ in self.ranking[:top])]


class Caption(Translation):
    """A text that was written about a picture, the likeliest first."""


@dataclass(frozen=True, repr=False)
class Transcript(Translation):
    """What was said, the likeliest first; the score of a text is its log-likelihood, None where it is unknown.

    Attributes:
        ranking: each text with its score.
        tokens: the words of the first one.
        times: the second at which each of them is first heard, or None where they have no places of their own.
    """

    times: list[float] | None = None

    def __repr__(self) -> str:
        return f"Transcript(text={self.text!r})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data, with the `top` likeliest texts."""
        ranking = [{"text": text, "score": score} for text, score in self.ranking[:top]]
        return {"transcript": self.text, "words": self.tokens, "times": self.times, "top": ranking}


@dataclass(frozen=True)
class Alignment:
    """What was looked at while each token was written.

    Attributes:
        source: the tokens that were read.
        target: those that were written, the end included.
        weights: `target source`, each row summing to 1.
    """

    source: list[str]
    target: list[str]
    weights: np.ndarray = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The alignment as JSON data."""
        return {"source": self.source, "target": self.target, "weights": self.weights.tolist()}


@dataclass
class TextReport:
    """How good written texts are beside their references.

    Attributes:
        count: the number of different texts that were read.
        references: the number of texts that they were compared with.
        figures: by name: `bleu` (0 to 100); `wer` and `per`; `wer` and `cer`; or `rouge1`,
            `rouge2` and `rougeL` (0 to 1).
        signature: how sacrebleu counted.
    """

    count: int
    references: int
    figures: dict[str, float]
    signature: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


@dataclass
class Report:
    """How good a classifier is on labelled sequences.

    Attributes:
        count: the number of sequences.
        accuracy: the share answered with their own label.
        macro_f1: the mean F1 of the labels.
        unseen: how many had a label that training never saw; they count as errors.
        out_of_scope: for input that belongs to no label, `count`, `auroc` (the chance that an input in
            scope scores higher) and `recall_at_95` (the share refused when 95 % of the others pass).
    """

    count: int
    accuracy: float
    macro_f1: float
    unseen: int = 0
    out_of_scope: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


@dataclass
class TagReport:
    """How good a tagger is on tagged sequences.

    Attributes:
        count: the number of sequences.
        tokens: the number of tokens.
        accuracy: the share of tokens with their own tag.
        spans: precision, recall and F1 of what the tags mark, where they are written in a scheme.
        label_accuracy: the share of sequences with their own label, where the tagger labels them too.
        unseen: how many tokens had a tag that training never saw; they count as errors.
    """

    count: int
    tokens: int
    accuracy: float
    spans: dict[str, float] | None = None
    label_accuracy: float | None = None
    unseen: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


@dataclass
class ForecastReport:
    """How good forecasts are, beside those that cost nothing.

    Attributes:
        count: the number of forecasts, each of a whole horizon.
        series: the number of series.
        horizon: the steps of each.
        mae, rmse, smape: the mean error, in the series' own units or relative to them, averaged over forecasts.
        scaled_mae, scaled_mse: the same errors of the standardised values, which all series share.
        naive, seasonal_naive, drift: the same figures of the last value, the last season and the straight line.
        skill: the share of the squared error of the best of those that is saved: above 0 is better than it.
        coverage: by level in percent, the share of truths inside of the intervals.
    """

    count: int
    series: int
    horizon: int
    mae: float
    rmse: float
    smape: float
    scaled_mae: float
    scaled_mse: float
    skill: float
    naive: dict[str, float]
    seasonal_naive: dict[str, float]
    drift: dict[str, float]
    coverage: dict[str, float] | None = None

    @property
    def beaten(self) -> bool:
        """Whether the model is better than all that costs nothing, by the standardised squared error."""
        return self.skill > 0

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Generated:
    """A text that was written.

    Attributes:
        prompt: how it was begun.
        text: the whole, the prompt included.
        log_probability: of what was written, in nats, as the network gives it.
        finished: whether it came to an end; otherwise it was cut off.
    """

    prompt: str
    text: str
    log_probability: float
    finished: bool

    def save(self, path: str | Path) -> Path:
        """Write the text into a file, in UTF-8."""
        write_bytes(Path(path), self.text.encode())
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """The text as JSON data."""
        return asdict(self)


@dataclass
class LikelihoodReport:
    """How well texts are foretold.

    Attributes:
        count: the number of texts.
        tokens: the number of symbols, each text's end counted as one where texts end.
        characters: the number of characters, the ends counted likewise.
        nats: the mean negative log-probability of a symbol.
        bits_per_character: the same for a character, in bits, whatever the symbols are.
        perplexity: exp(nats): among how many equally likely symbols the model is undecided, as it were.
        unknown: how many symbols training never saw; each counts as `<unk>`, not as what it is.
    """

    count: int
    tokens: int
    characters: int
    nats: float
    bits_per_character: float
    perplexity: float
    unknown: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Verse:
    """Two lines of verse.

    Attributes:
        first: the line that was answered.
        second: its answer, of the same length.
        log_probability: of the answer, in nats, as the network gives it.
        tones: the share of the ruled places where the tones are opposed; None where they cannot be told.
        rhymes: whether the answer rhymes with what it was to rhyme with; None where nothing was named.
    """

    first: str
    second: str
    log_probability: float
    tones: float | None = None
    rhymes: bool | None = None

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The lines as JSON data."""
        return asdict(self)

    def cells(self, asked: str, top: int = 1) -> list[str]:
        """The lines as cells of a table."""
        return [self.first, self.second]


@dataclass
class VerseReport:
    """How good second lines are.

    Attributes:
        count: the number of pairs.
        nats, perplexity: how well the characters of the true second lines are foretold.
        bleu: of the written lines, by characters, from 0 to 100.
        equal_length: the share of written lines that are as long as their first lines.
        tones: the share of ruled places at which the tones of the two lines are opposed, or None.
        rhyme: the share of lines that rhyme with what they are to, or None.
    """

    count: int
    nats: float
    perplexity: float
    bleu: float
    equal_length: float
    tones: float | None = None
    rhyme: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)

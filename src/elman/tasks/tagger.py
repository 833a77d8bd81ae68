"""One tag for every token, or for every moment: parts of speech, slots, names, activities."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import metrics
from elman.answers import Prediction, Tagged, TagReport
from elman.codecs.label import Label
from elman.codecs.series import Series
from elman.codecs.tags import Tags
from elman.codecs.text import TextSettings
from elman.codecs.tokens import Tokens
from elman.data import Batches, Records, read, tagged
from elman.data.tagging import refuse_tags
from elman.errors import DataError, SettingsError
from elman.inspection import Trace, look
from elman.layers.crf import CRF
from elman.layers.embedding import Embedding, character_reader
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.streaming import Stream
from elman.structures.n_to_n import NToN
from elman.tasks.base import Estimator
from elman.training import Problem, Training

WHOLE = 0.1
"""What the loss of a sequence's label counts beside the loss of its tags."""

GENTLE = 2 / 3
"""The dropout of a token's features, as a share of that of the states: one of them tells much."""

SMALL_STEPS = Training(batch_size=16, learning_rate=1.5e-3, word_dropout=0.25)
"""A sequence of tags teaches more than one label does: small batches, which are many updates, do best."""

Examples = tuple[Ragged, Ragged, Tensor]
"""Steps, tags, and the label of each sequence (0 where there is none)."""


class Tagger(Estimator):
    """Names the tag of every token of a text, or of every moment of a sequence of readings.

        h[t] = cell(h[t-1], x[t])        y[t] = W_y·h[t] + b_y        p(tag at t) = softmax(y[t])

    With `crf`, the tags of a sequence are chosen together: `p(tags) = exp(s(tags)) / Z` of `layers.crf`,
    and where they are written in BIO or BIOES, what the scheme forbids is never chosen.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of each direction.
        num_layers: layers of recurrence.
        bidirectional: whether to read from the end as well.
        crf: whether a conditional random field chooses the tags; None: where they are written in a scheme.
        text: how tokens become vectors; ignored for numbers.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        tags_: the tags, sorted. classes_: the labels of whole sequences, empty if there are none.
        network_: the `NToN`. input_, tag_, label_: the codecs. history_: the figures of each epoch.

    >>> rows = {"tokens": ["the dog barks", "a cat sleeps"] * 9, "tags": ["DET NOUN VERB"] * 18}
    >>> tagger = Tagger(hidden_size=8, training=Training(epochs=30, batch_size=4)).fit(rows)
    >>> tagger.predict("the cat barks").tags
    ['DET', 'NOUN', 'VERB']
    """

    task: ClassVar[str] = "tagger"
    kind: ClassVar[str] = "tagger"
    structure: ClassVar[str] = "n-to-n"
    roles: ClassVar[Mapping[str, str]] = {
        **{"tokens": "tokens", "tags": "tags", "label": "label"},
        **{"series": "series", "time": "time"},
    }
    optional: ClassVar[tuple[str, ...]] = ("label", "series", "time")
    answers: ClassVar[str | None] = "tags"
    knows: ClassVar[frozenset[str]] = frozenset({"ensemble"})
    codecs: ClassVar[tuple[str, ...]] = ("input", "tag", "label")

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 200,
        num_layers: int = 2,
        *,
        bidirectional: bool = True,
        crf: bool | None = None,
        text: TextSettings = TextSettings(characters="both"),  # noqa: B008 - frozen
        training: Training = SMALL_STEPS,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.crf = bidirectional, crf
        self.text, self.training = text, training

    # --- learning ---

    def fit(  # noqa: PLR0913 - what a row holds, by role
        self,
        source: Any,
        y: Sequence[Any] | None = None,
        *,
        tokens: str = "tokens",
        tags: str = "tags",
        label: str | None = None,
        series: str | None = None,
        time: str | None = None,
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on tagged sequences.

        Args:
            source: a file (CoNLL-U, CoNLL, JSONL, ...), a data frame, a dict of columns, or, with `y`, a
                list of sequences. Tokens, and tags, are lists of strings; a string is taken apart at
                its spaces. A sequence of readings has a number, or a list of them, for each moment.
            y: their tags, where `source` holds none.
            tokens: the column of sequences.
            tags: the column of their tags.
            label: the column of labels of whole sequences, which are learned as well; None for none.
            series: the column that tells sequences apart, where each row of `source` is one moment of one
                and `tags` holds its tag; what is in no other column that is named are its channels, whose
                names are kept: later tables must have the same, in any order.
            time: the column of its times; rows as they come if None.
            dev: what the best epoch is chosen on: like `source`, or a pair `(sequences, tags)`. A tenth of
                `source` is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or value that cannot be used, with its file and line.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        given = source if y is None else (source, y)
        columns = {"tokens": tokens, "tags": tags, "label": label, "series": series, "time": time}
        return self._fit(given, columns, dev=dev, out=out, about=about)

    @classmethod
    def strata(cls, rows: Records, columns: Mapping[str, str]) -> Sequence[Hashable]:
        return rows.column(columns["label"]) if "label" in columns else super().strata(rows, columns)

    def _learn_codecs(self, rows: Records) -> None:
        columns = self.columns_
        raw = rows.column(columns["tokens"])
        self.input_ = (Tokens(self.text) if isinstance(raw[0][0], str) else Series()).fit(raw)
        self.tag_ = Tags().fit(rows.column(columns["tags"]))
        scheme = self.tag_.scheme or "BIO"
        refuse_tags(rows, columns["tags"], self.tag_.faults, scheme)  # no CRF could learn them
        self.label_ = Label().fit(rows.column(columns["label"])) if "label" in columns else None

    @property
    def tags_(self) -> list[str]:
        """The tags, sorted."""
        return self.tag_.tags

    @property
    def classes_(self) -> list[Any]:
        """The labels of whole sequences, sorted; empty if there are none."""
        return [] if self.label_ is None else self.label_.labels

    def _examples(self, source: Any, y: Any = None) -> Records:
        if y is None:
            source = self.sequences(read(source))
        long = ("series", "time")
        return tagged(source, y, **{k: v for k, v in self.columns_.items() if k not in long})

    def _encoded(self, rows: Records) -> Examples:
        xs = self.input_.encode(rows.column(self.columns_["tokens"]))
        ys = self.tag_.encode(rows.column(self.columns_["tags"]))
        return xs, ys, self._labels(rows)

    def _labels(self, rows: Records) -> Tensor:
        """The number of each row's label, one past the last for those never seen; 0 without labels."""
        codec = self.label_
        if codec is None:
            return torch.zeros(len(rows), dtype=torch.int64)
        column = rows.column(self.columns_["label"])
        known = [codec.numbers[one] if codec.knows(one) else len(codec.labels) for one in column]
        return torch.tensor(known, dtype=torch.int64)

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        xs, ys, labels = train
        smoothing = self.training.label_smoothing

        def loss(model: Any, batch: Examples) -> Tensor:
            tokens, tags, whole = batch
            if model.crf is None and self.label_ is None:
                return model.loss(tokens, tags.values, smoothing=smoothing)[0]
            steps, answers = model.joint(tokens)
            if model.crf is not None:
                found = -model.crf(steps, tags).sum() / max(len(tags.values), 1)
            else:
                found = F.cross_entropy(steps.values, tags.values, label_smoothing=smoothing)
            if self.label_ is not None:
                found = found + WHOLE * F.cross_entropy(answers, whole, label_smoothing=smoothing)
            return found

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (xs[chosen], ys[chosen], labels[torch.from_numpy(chosen)]),
            loss=loss,
            evaluate=(lambda _: self._figures(*dev)) if len(dev[0]) else None,
            monitor="f1" if self.tag_.scheme else "accuracy",
        )

    def _figures(self, xs: Ragged, ys: Ragged, labels: Tensor) -> dict[str, float]:
        """What is known of the dev set after an epoch."""
        report = self._compared(xs, ys, labels)
        found = {"accuracy": report.accuracy}
        found |= {"f1": report.spans["f1"]} if report.spans else {}
        return found | ({} if report.label_accuracy is None else {"label": report.label_accuracy})

    def _network(self) -> NToN:
        training, (inputs, size) = self.training, self._inputs()
        recurrent = Recurrent(
            self.cell,
            size,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=training.dropout,
            recurrent_dropout=training.recurrent_dropout,
        )
        together = self.tag_.scheme is not None if self.crf is None else self.crf
        return NToN(
            inputs,
            recurrent,
            outputs=len(self.tags_),
            labels=len(self.classes_),
            crf=CRF(len(self.tags_), *self.tag_.allowed()) if together else None,
            dropout=training.dropout,
        )

    def _inputs(self) -> tuple[nn.Module, int]:
        """What the recurrence reads of each step, and how many numbers that is."""
        codec = self.input_
        if isinstance(codec, Series):
            return nn.Identity(), codec.features
        kind = self.text.characters if codec.width else None
        characters = character_reader(
            kind, self.text.character_size, codec.letters, buckets=30_000, mode="sum"
        )
        size, dropped = codec.settings.embedding_size, GENTLE * self.training.dropout
        inputs = Embedding(codec.size, size, characters, self.training.word_dropout, dropped)
        return inputs, inputs.output_size

    # --- asking ---

    def predict(self, source: Any) -> Any:
        """The tags of one text, or of each sequence in a list.

        A string gives a `Tagged`; it is taken apart at spaces, and signs are taken off words that
        training did not see. A list, of strings or of lists of tokens, gives a list of them. So does a list
        of sequences of readings; one sequence of single numbers gives a `Tagged`.
        """
        self._check_fitted()
        if not hasattr(source, "__len__"):
            raise DataError("This is no sequence, and no list of them.", received=repr(source)[:80])
        codec = self.input_
        single = isinstance(source, str) if isinstance(codec, Tokens) else codec.is_one(source)
        rows = [self._steps(one) for one in ([source] if single else source)]
        chances, path, whole = self._answers(codec.encode(rows))
        scores = chances.values.gather(1, path.values[:, None]).squeeze(1)
        found = []
        for number, (one, some) in enumerate(zip(rows, path.with_values(scores), strict=True)):
            tags = self.tag_.decode(path[number].values)
            label = Prediction.of(whole[number], self.classes_) if self.label_ is not None else None
            found.append(Tagged(self._named(one), tags, some.tolist(), self.tag_.spans(tags), label))
        return found[0] if single else found

    def predict_proba(self, sequences: Sequence[Any]) -> list[np.ndarray]:
        """The probability of each tag, in the order of `tags_`, for each sequence: `tokens tags`.

        With a CRF they are its marginals, over all taggings of the sequence.
        """
        self._check_fitted()
        chances, _, _ = self._answers(self.input_.encode([self._steps(one) for one in sequences]))
        return [one.numpy() for one in chances]

    def score(self, source: Any, y: Sequence[Any] | None = None) -> float:
        """The F1 of the spans where the tags mark any, else the accuracy."""
        report = self.evaluate(source, y)
        return report.spans["f1"] if report.spans else report.accuracy

    def evaluate(self, source: Any, y: Sequence[Any] | None = None) -> TagReport:
        """How good the tags are on tagged sequences."""
        self._check_fitted()
        return self._compared(*self._encoded(self._examples(source, y)))

    def inspect(self, sequence: Any, top: int = 3) -> Trace:
        """What the network holds likely at each token, and what its state and gates did.

        A belief is the probability of a tag given the whole sequence, or, for a network that only reads
        forwards without a CRF, given what was read so far.
        """
        self._check_fitted()
        steps = self._steps(sequence)
        xs = self.input_.encode([steps])
        chances, _, _ = self._answers(xs)
        return look(self.network_, xs, self._named(steps), self.tags_, top, chances.values)

    def stream(self) -> Stream[Prediction]:
        """A session that reads token by token in constant memory; each push answers its last token.

        A piece of readings is a moment, as a list with a number for each channel, or several of them.

        Raises:
            SettingsError: an answer depends on what follows: the network reads backwards too, chooses the
                tags together, or labels the whole.
        """
        self._check_fitted()
        network = self.network_
        if self.bidirectional or network.crf is not None or network.labels:
            raise SettingsError(
                "This tagger cannot stream: its first tag needs the last token.",
                fix="train with bidirectional=False and crf=False, and without a label",
            )
        codec = self.input_
        words = isinstance(codec, Tokens)
        return Stream(
            network,
            (lambda piece: codec.encode([self._steps(piece)])) if words else codec.pieces(),
            lambda logits: Prediction.of(logits[0].softmax(-1), self.tags_),
        )

    def _steps(self, one: Any) -> Any:
        """One sequence as the codec takes it: tokens, into which a text is taken apart, or numbers."""
        if not isinstance(self.input_, Tokens):
            return one
        return self.input_.split(one) if isinstance(one, str) else list(one)

    def _named(self, steps: Any) -> list[str]:
        """A name for each step."""
        return steps if isinstance(self.input_, Tokens) else self.input_.names(steps)

    @torch.inference_mode()
    def _answers(self, xs: Ragged) -> tuple[Ragged, Ragged, Tensor]:
        """The probability of each tag, the tags chosen, and the probability of each label."""
        network = self.network_.eval()
        device = network.head.weight.device
        chances = xs.with_values(torch.zeros(len(xs.values), len(self.tags_)))
        path = torch.zeros(len(xs.values), dtype=torch.int64)
        whole = torch.zeros(len(xs), len(self.classes_))
        for batch in Batches(xs.lengths.numpy(), batch_size=256, max_steps=20_000).ordered():
            steps, answers = network.joint(xs[batch].to(device))
            where = xs.with_values(torch.arange(len(xs.values)))[batch].values
            if network.crf is None:
                found = steps.values.softmax(-1)
                best = found.argmax(-1)
            else:
                found, best = network.crf.marginals(steps).values, network.crf.best(steps).values
            chances.values[where], path[where] = found.float().cpu(), best.cpu()
            whole[torch.from_numpy(batch)] = answers.float().softmax(-1).cpu()
        return chances, xs.with_values(path), whole

    def _compared(self, xs: Ragged, ys: Ragged, labels: Tensor) -> TagReport:
        _, path, whole = self._answers(xs)
        report = TagReport(len(xs), len(xs.values), metrics.accuracy(ys.values, path.values))
        report.unseen = int((ys.values == len(self.tags_)).sum())
        if self.tag_.scheme:
            # A tag never seen marks a span that no answer can match.
            names = [*self.tags_, "B-<unseen>"]
            truth, found = (
                [self.tag_.spans([names[tag] for tag in one.tolist()]) for one in each]
                for each in (ys, path)
            )
            report.spans = metrics.span_scores(truth, found)
        if self.label_ is not None:
            report.label_accuracy = metrics.accuracy(labels, whole.argmax(-1))
        return report

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), "
            f"{'both directions' if self.bidirectional else 'one direction'}"
            f"{'' if self.network_.crf is None else ', CRF'}",
            "Tags": len(self.tags_),
        }

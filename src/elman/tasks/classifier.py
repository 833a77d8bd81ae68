"""One label for a whole sequence: intents, sentiment, spoken words, patterns, answers to questions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman import metrics, registry
from elman.answers import Prediction, Predictions, Report
from elman.codecs.asked import Asked
from elman.codecs.audio import Audio, AudioSettings
from elman.codecs.base import Reader
from elman.codecs.image import ImageSettings
from elman.codecs.label import Label
from elman.codecs.series import Series
from elman.codecs.text import Text, TextSettings
from elman.codecs.video import VideoSettings
from elman.data import Batches, Records, labelled, located, read, read_vectors
from elman.errors import DataError, SettingsError
from elman.inspection import Heard, Trace, look
from elman.layers.embedding import Embedding, character_reader
from elman.layers.recurrent import Recurrent
from elman.layers.softmax import divergence
from elman.ragged import Ragged
from elman.streaming import Stream
from elman.structures.n_to_one import NToOne
from elman.tasks.base import Estimator, Prepare
from elman.training import Problem, Training
from elman.weights import Gradients

SETTLING = 256
"""Steps of pictures or films by which an untrained network is centred."""


class Classifier(Estimator):
    """Names the class of a text, a recording, a sequence of numbers, a picture's rows, a film's frames.

        h[t] = cell(h[t-1], x[t])        p(label) = softmax(W_y·pool(h[1] … h[T]) + b_y)

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of each direction.
        num_layers: layers of recurrence.
        bidirectional: whether to read from the end as well.
        pooling: `last`, `max`, `mean` or `attention`: what the answer is made from.
        text: how text becomes vectors; ignored for what is no text.
        audio, image, video: how sound, pictures and films become numbers; ignored for what is none.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        classes_: the labels, sorted. network_: the `NToOne`. input_, label_: the codecs.
        history_: the figures of each epoch.

    >>> texts, labels = ["good film", "bad film", "a good one", "so bad"] * 8, ["+", "-", "+", "-"] * 8
    >>> clf = Classifier(hidden_size=8, training=Training(epochs=30, batch_size=4)).fit(texts, labels)
    >>> clf.predict("good").label
    '+'
    """

    task: ClassVar[str] = "classifier"
    kind: ClassVar[str] = "classifier"
    structure: ClassVar[str] = "n-to-one"
    roles: ClassVar[Mapping[str, str]] = {
        **{"text": "text", "label": "label", "question": "question"},
        **{"audio": "audio", "image": "image", "video": "video"},
        **{"series": "series", "time": "time"},
    }
    optional: ClassVar[tuple[str, ...]] = ("question", "audio", "image", "video", "series", "time")
    senses: ClassVar[tuple[str, ...]] = ("audio", "image", "video")
    answers: ClassVar[str | None] = "label"
    knows: ClassVar[frozenset[str]] = frozenset({"consistency", "ensemble"})
    codecs: ClassVar[tuple[str, ...]] = ("input", "label")

    def __init__(  # noqa: PLR0913 - settings for each kind of input
        self,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        pooling: str = "attention",
        text: TextSettings = TextSettings(),  # noqa: B008 - frozen
        audio: AudioSettings = AudioSettings(),  # noqa: B008 - frozen
        image: ImageSettings = ImageSettings(parts="rows"),  # noqa: B008 - frozen
        video: VideoSettings = VideoSettings(),  # noqa: B008 - frozen
        training: Training = Training(),  # noqa: B008 - frozen
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.pooling = bidirectional, pooling
        self.text, self.audio, self.image, self.video = text, audio, image, video
        self.training = training

    # --- learning ---

    def fit(  # noqa: PLR0913 - what a row holds, by role
        self,
        source: Any,
        y: Sequence[Any] | None = None,
        *,
        text: str = "text",
        label: str = "label",
        question: str | None = None,
        audio: str | None = None,
        image: str | None = None,
        video: str | None = None,
        series: str | None = None,
        time: str | None = None,
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on labelled sequences.

        Args:
            source: a file (CSV, TSV, JSONL, Parquet), a data frame, a dict of columns, a folder of
                recordings whose folders are labels, or, with `y`, a list of sequences: strings, lists of
                numbers, pairs of a text and a question, or of samples and their rate.
            y: their labels, where `source` holds none.
            text: the column of sequences.
            label: the column of labels.
            question: the column of questions about the texts, to which the labels are the answers.
            audio: the column of recordings, instead of `text`: paths, as they are seen from the file that
                they are written in, or pairs of samples and their rate.
            image: the column of pictures, likewise: paths or arrays.
            video: the column of films, likewise.
            series: the column that tells sequences apart, where each row of `source` is one moment of one
                (see `data.readings`); what is in no other column that is named are its channels, whose
                names are kept: later tables must have the same, in any order.
            time: the column of its times; rows as they come if None.
            dev: what the best epoch is chosen on: like `source`, or a pair `(sequences, labels)`. A tenth
                of `source` is set aside, label by label, if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or value that cannot be used, with its file and line.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        given = source if y is None else (source, y)
        own = None if audio or image or video else text
        columns = {"text": own, "label": label, "question": question, "series": series, "time": time}
        columns |= {"audio": audio, "image": image, "video": video}
        return self._fit(given, columns, dev=dev, out=out, about=about)

    @classmethod
    def strata(cls, rows: Records, columns: Mapping[str, str]) -> Sequence[Hashable]:
        return rows.column(columns["label"])

    def _examples(self, source: Any, y: Any = None) -> Records:
        if y is None:
            source = self.sequences(read(source))
            self.columns_ = self.settled(self.columns_, source.names)
        columns, role = dict(self.columns_), self.reads(self.columns_)
        for long in ("series", "time"):
            columns.pop(long, None)
        rows = labelled(source, y, text=columns.pop(role), **columns)
        column = self.columns_[role]
        if Audio.suits(rows.column(column)[0]):
            role, self.columns_ = "audio", {"audio": column, **columns}
        return located(rows, column) if role in self.senses else rows

    def asked(self, rows: Records, column: str | None = None) -> list[Any]:
        questions = self.columns_.get("question")
        texts = super().asked(rows, column)
        return texts if questions is None else list(zip(texts, rows.column(questions), strict=True))

    def _learn_codecs(self, rows: Records) -> Prepare | None:
        self.label_ = Label().fit(rows.column(self.columns_["label"]))
        self.input_, vectors = self._input(self.asked(rows))
        if hasattr(self.input_.reader(), "settle"):
            some = self.input_.encode(self.asked(rows)[:SETTLING]).values[:SETTLING]
            return lambda network: network.inputs.eval().settle(some)
        return None if vectors is None else lambda network: network.inputs.fill(*vectors)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted."""
        return np.array(self.label_.labels)

    def _encoded(self, rows: Records) -> tuple[Ragged, Tensor]:
        """Steps before they are finished, and the label's number; one past the last for a label never seen."""
        xs = self.input_.prepare(self.asked(rows))
        rows.refuse(
            self.columns_[self.reads(self.columns_)],
            torch.nonzero(xs.lengths == 0).flatten().tolist(),
            "have nothing to read",
            expected="at least one token, one number, or 25 ms of sound",
            fix="fill these rows or take them out",
        )
        return xs, self._numbers(rows.column(self.columns_["label"]))

    def _problem(self, train: tuple[Ragged, Tensor], dev: tuple[Ragged, Tensor]) -> Problem:
        (xs, ys), (held, truth) = train, dev
        held, finish = self.input_.finish(held), self.input_.finish
        smoothing, agreement = self.training.label_smoothing, self.training.consistency

        def loss(model: Any, batch: tuple[Ragged, Tensor]) -> Tensor:
            xs, ys = batch
            if not agreement:
                return model.loss(xs, ys, smoothing)
            logits, again = model(xs), model(xs)
            found = F.cross_entropy(logits, ys, label_smoothing=smoothing)
            found = (found + F.cross_entropy(again, ys, label_smoothing=smoothing)) / 2
            return found + agreement * divergence(logits, again)

        def gradients(model: Any, batch: tuple[Ragged, Tensor]) -> Gradients | None:
            return model.gradients(*batch, smoothing)

        def evaluate(_: Any) -> dict[str, float]:
            logits = self._logits(held)
            known = truth < len(self.label_.labels)
            miss = float(F.cross_entropy(logits[known], truth[known])) if known.any() else 0.0
            return {"accuracy": metrics.accuracy(truth, logits.argmax(-1)), "dev_loss": miss}

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (finish(xs[chosen], vary=True), ys[torch.from_numpy(chosen)]),
            loss=loss,
            gradients=None if agreement else gradients,
            evaluate=evaluate if len(held) else None,
        )

    def _input(self, raw: Sequence[Any]) -> tuple[Reader, tuple[Tensor, Tensor] | None]:
        """The codec that suits the sequences, and pretrained rows for its table if there are any."""
        sense = self.reads(self.columns_)
        if sense in self.senses:
            more = {"causal": not self.bidirectional} if sense == "audio" else {}
            return registry.get("codecs", sense)(getattr(self, sense), **more).fit(raw), None
        if "question" in self.columns_:
            return Asked(self.text).fit(raw), None
        if not isinstance(raw[0], str):
            return Series().fit(raw), None
        if self.text.vectors is None:
            return Text(self.text).fit(raw), None
        # The words of the training set, then the file's own most frequent ones.
        seen = Text(self.text).fit(raw).tokenizer.get_vocab()
        words, vectors = read_vectors(self.text.vectors, keep=seen)
        more, others = read_vectors(self.text.vectors, limit=self.text.vocabulary)
        settings = self.text
        if "embedding_size" not in settings.model_fields_set:
            settings = settings.model_copy(update={"embedding_size": others.shape[1]})
        codec = Text(settings).fit(raw, extra=more)
        rows = torch.tensor(codec.numbers([*more, *words]))
        return codec, (rows, torch.from_numpy(np.concatenate([others, vectors])))

    def _network(self) -> NToOne:
        training, codec = self.training, self.input_
        inputs = self._embedding(codec) if isinstance(codec, Text) else codec.reader(training.dropout)
        size = codec.features if inputs is None else inputs.output_size
        recurrent = Recurrent(
            self.cell,
            size,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=training.dropout,
            recurrent_dropout=training.recurrent_dropout,
        )
        outputs = len(self.label_.labels)
        inputs = torch.nn.Identity() if inputs is None else inputs
        return NToOne(inputs, recurrent, outputs=outputs, pooling=self.pooling, dropout=training.dropout)

    def _embedding(self, codec: Text) -> Embedding:
        kind = self.text.characters if codec.width else None
        characters = character_reader(kind, self.text.character_size, codec.letters)
        training, size = self.training, codec.settings.embedding_size
        return Embedding(codec.size, size, characters, training.word_dropout, training.dropout)

    # --- asking ---

    def predict(self, source: Any) -> Any:
        """The label of one sequence, or of each in a list.

        A string, a pair (text, question), a recording or a single sequence of numbers gives a `Prediction`; a
        list gives `Predictions`, a list that is also an array of labels. A text without a token, and a
        recording shorter than 25 ms, have no steps: the answer is what the network holds likely before it
        reads anything.
        """
        self._check_fitted()
        if not any(hasattr(source, name) for name in ("__len__", "__fspath__", "convert")):
            raise DataError("This is no sequence, and no list of them.", received=repr(source)[:80])
        single = self.input_.is_one(source)
        answers = self._predictions(self.decision_function([source] if single else source).softmax(-1))
        return answers[0] if single else answers

    def predict_proba(self, sequences: Sequence[Any]) -> np.ndarray:
        """The probability of each label, in the order of `classes_`: `batch labels`."""
        return self.decision_function(sequences).softmax(-1).numpy()

    def decision_function(self, sequences: Sequence[Any]) -> Tensor:
        """The logit of each label, in the order of `classes_`: `batch labels`."""
        self._check_fitted()
        if not isinstance(sequences, str):
            sequences = list(sequences)
        return self._logits(self.input_.encode(sequences))

    def score(self, source: Any, y: Sequence[Any] | None = None) -> float:
        """The accuracy on labelled sequences."""
        return self.evaluate(source, y).accuracy

    def evaluate(
        self, source: Any, y: Sequence[Any] | None = None, *, out_of_scope: Sequence[Any] | None = None
    ) -> Report:
        """How good the predictions are on labelled sequences.

        A row whose label was never seen in training counts as an error, and `Report.unseen` tells how many
        there were. With `out_of_scope`, sequences that belong to no label, the report tells how well the
        highest logit sets them apart from `source`.
        """
        self._check_fitted()
        rows = self._examples(source, y)
        truth = self._numbers(rows.column(self.columns_["label"]))
        logits = self.decision_function(self.asked(rows))
        report = Report(
            count=len(rows),
            accuracy=metrics.accuracy(truth, logits.argmax(-1)),
            macro_f1=metrics.macro_f1(truth, logits.argmax(-1)),
            unseen=int((truth == len(self.label_.labels)).sum()),
        )
        if out_of_scope is None:
            return report
        within, beyond = logits.amax(-1), self.decision_function(out_of_scope).amax(-1)
        known = torch.arange(len(within) + len(beyond)) < len(within)
        report.out_of_scope = {
            "count": len(beyond),
            "auroc": metrics.auroc(torch.cat([within, beyond]), known),
            "recall_at_95": metrics.recall_at(within, beyond, 0.95),
        }
        return report

    def inspect(self, sequence: Any, top: int = 3) -> Trace:
        """What the network believed after each step, and what its state and gates did."""
        self._check_fitted()
        codec = self.input_
        raw = codec.prepare([sequence])
        trace = look(self.network_, codec.finish(raw), codec.names(sequence), self.label_.labels, top)
        if not isinstance(codec, Audio):
            return trace
        return Heard(**vars(trace), frames=raw.values.numpy(), ends=codec.ends(len(raw.values)))

    def stream(self) -> Stream[Prediction]:
        """A session that reads piece by piece in constant memory.

        A piece of text is a token or several, one of numbers a step or several. One of sound is any number of
        samples, at the rate `input_.rate` or, as a pair, at their own; there is an answer every 10 ms.

        Raises:
            SettingsError: the network reads backwards too, or answers questions, which come last, or what it
                reads is normalised by the whole of it.
        """
        self._check_fitted()
        if self.bidirectional:
            raise SettingsError(
                "A bidirectional network cannot stream: its first output needs the last input.",
                fix="train with bidirectional=False",
            )
        pieces = self.input_.pieces()
        return Stream(self.network_, pieces, lambda logits: self._predictions(logits.softmax(-1))[0])

    @torch.inference_mode()
    def _logits(self, xs: Ragged) -> Tensor:
        self.network_.eval()
        device = self.network_.head.weight.device
        logits = torch.zeros(len(xs), len(self.label_.labels))
        for batch in Batches(xs.lengths.numpy(), batch_size=256, max_steps=200_000).ordered():
            logits[torch.from_numpy(batch)] = self.network_(xs[batch].to(device)).float().cpu()
        return logits

    def _predictions(self, chances: Tensor) -> Predictions:
        best, order = chances.sort(-1, descending=True)
        labels = self.label_.labels
        return Predictions(
            Prediction([(labels[number], p) for number, p in zip(numbers, values, strict=True)])
            for numbers, values in zip(order.tolist(), best.tolist(), strict=True)
        )

    def _numbers(self, labels: Sequence[Any]) -> Tensor:
        """The numbers of labels, one past the last for those never seen."""
        beyond = len(self.label_.labels)
        known = [self.label_.encode([one])[0] if self.label_.knows(one) else beyond for one in labels]
        return torch.tensor([int(one) for one in known], dtype=torch.int64)

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), "
            f"{'both directions' if self.bidirectional else 'one direction'}, pooling {self.pooling}",
            "Labels": len(self.label_.labels),
        }

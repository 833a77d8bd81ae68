"""What was said, word by word: sequences from recordings whose words have no known places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from elman import metrics
from elman.answers import TextReport, Transcript
from elman.codecs.audio import Audio, AudioSettings
from elman.codecs.words import Words
from elman.data import Batches, Records, labelled, located
from elman.errors import DataError
from elman.inspection import Heard, look
from elman.layers.ctc import BLANK, best_path, ctc_loss, prefix_beam, steps_needed
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.streaming import Stream
from elman.structures.n_to_n import NToN
from elman.tasks.base import Estimator
from elman.training import Problem, Training

SHOWN_BLANK = "·"
"""How the symbol that says nothing is shown."""

Examples = tuple[Ragged, Ragged, list[str]]
"""Frames before they are finished, the numbers of the words, and the transcripts."""


class Transcriber(Estimator):
    """Writes down what is said in a recording.

        h[t] = cell(h[t-1], x[t])        p(symbol at t) = softmax(W_y·h[t] + b_y)
        p(words) = Σ over the ways to lay the words along the steps, blanks between them        (CTC)

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of each direction.
        num_layers: layers of recurrence.
        bidirectional: whether to read from the end as well.
        units: `words`, which spaces set apart, or `characters`.
        beam_size: how many beginnings are followed in search of the answer; 1 reads off the likeliest path.
        audio: how sound becomes numbers.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToN`. input_, word_: the codecs. history_: the figures of each epoch.

    Source: Graves et al. 2006, "Connectionist temporal classification".

    >>> rows = {"audio": ["one.wav", "two_one.wav"], "text": ["one", "two one"]}
    >>> model = Transcriber().fit(rows)                                  # doctest: +SKIP
    >>> model.predict("one_two.wav").text                                # doctest: +SKIP
    'one two'
    """

    task: ClassVar[str] = "transcriber"
    kind: ClassVar[str] = "transcriber"
    structure: ClassVar[str] = "n-to-n"
    roles: ClassVar[Mapping[str, str]] = {"audio": "audio", "target": "text"}
    senses: ClassVar[tuple[str, ...]] = ("audio",)
    codecs: ClassVar[tuple[str, ...]] = ("input", "word")

    def __init__(  # noqa: PLR0913 - as the other tasks have them
        self,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 2,
        *,
        bidirectional: bool = True,
        units: str = "words",
        beam_size: int = 8,
        audio: AudioSettings = AudioSettings(stack=3),  # noqa: B008 - frozen
        training: Training = Training(batch_size=16, dropout=0.3),  # noqa: B008 - frozen
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.units, self.beam_size = bidirectional, units, beam_size
        self.audio, self.training = audio, training

    # --- learning ---

    def fit(
        self,
        source: Any,
        y: Sequence[str] | None = None,
        *,
        audio: str = "audio",
        target: str = "text",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on recordings and what is said in them.

        Args:
            source: a file (CSV, TSV, JSONL, Parquet), a data frame, a dict of columns, or, with `y`, a list of
                recordings: paths, or pairs of samples and their rate.
            y: the transcripts, where `source` holds none.
            audio: the column of recordings; paths are as they are seen from the file that they stand in.
            target: the column of transcripts.
            dev: what the best epoch is chosen on: like `source`, or a pair `(recordings, transcripts)`. A tenth
                of `source` is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there goes
                on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a recording or transcript that cannot be used, with its file and line.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        given = source if y is None else (source, y)
        return self._fit(given, {"audio": audio, "target": target}, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        column = self.columns_["audio"]
        return located(labelled(source, y, text=column, label=self.columns_["target"]), column)

    def _learn_codecs(self, rows: Records) -> None:
        self.word_ = Words(self.units).fit(rows.column(self.columns_["target"]))
        self.input_ = Audio(self.audio, causal=not self.bidirectional).fit(self.asked(rows))

    def _encoded(self, rows: Records) -> Examples:
        target = self.columns_["target"]
        texts = list(rows.column(target))
        strange = [i for i, one in enumerate(texts) if self.word_.unknown(one)]
        rows.refuse(
            target, strange, "have words that training did not see", fix="put such rows into training"
        )
        xs, ys = self.input_.prepare(self.asked(rows)), self.word_.encode(texts)
        room = (xs.lengths // self.audio.stack).tolist()
        short = [i for i, one in enumerate(ys) if steps_needed(one.tolist()) > room[i]]
        rows.refuse(
            target,
            short,
            "have more words than their recordings have steps",
            fix="take them out, or lower stack",
        )
        return xs, ys, texts

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        (xs, ys, _), (held, _, truth) = train, dev
        held, finish = self.input_.finish(held), self.input_.finish

        def loss(model: Any, batch: tuple[Ragged, Ragged]) -> Tensor:
            steps, words = batch
            each = ctc_loss(model(steps), words)
            fits = each.isfinite()  # a recording that was made faster may have too few steps
            return torch.where(fits, each, 0.0).sum() / words.lengths[fits].sum().clamp(min=1)

        def evaluate(_: Any) -> dict[str, float]:
            found = [self.word_.decode(best_path(one)[0]) for one in self._logits(held)]
            figures = metrics.transcripts(found, truth)
            return {"score": -figures["wer"], **figures}

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (finish(xs[chosen], vary=True), ys[chosen]),
            loss=loss,
            evaluate=evaluate if len(held) else None,
            monitor="score",
        )

    def _network(self) -> NToN:
        training = self.training
        recurrent = Recurrent(
            self.cell,
            self.input_.features,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=training.dropout,
            recurrent_dropout=training.recurrent_dropout,
        )
        return NToN(nn.Identity(), recurrent, outputs=self.word_.size, dropout=training.dropout)

    # --- asking ---

    def predict(self, source: Any) -> Any:
        """What is said in one recording, or in each of a list: a `Transcript`, or a list of them."""
        self._check_fitted()
        if not hasattr(source, "__len__") and not hasattr(source, "__fspath__"):
            raise DataError("This is no recording, and no list of them.", received=repr(source)[:80])
        single = self.input_.is_one(source)
        found = self._transcripts(self.input_.encode([source] if single else list(source)))
        return found[0] if single else found

    def _transcripts(self, xs: Ragged) -> list[Transcript]:
        return [self._transcript(one) for one in self._logits(xs)]

    def _transcript(self, logits: Tensor) -> Transcript:
        """The answer that these logits, `steps symbols`, give."""
        numbers, starts = best_path(logits)
        if self.beam_size == 1:
            score = float(-ctc_loss(Ragged.of([logits]), Ragged.of([torch.tensor(numbers).long()]))[0])
            ranking: list[tuple[Sequence[int], float]] = [(numbers, score)]
        else:
            ranking = list(prefix_beam(logits, self.beam_size))
        texts = [(self.word_.decode(one), score) for one, score in ranking]
        if list(ranking[0][0]) != numbers:  # then the likeliest path says nothing of where its words are
            return Transcript(texts, self.word_.words(ranking[0][0]), None)
        return replace(self._so_far(numbers, starts), ranking=texts)

    def score(self, source: Any, y: Sequence[str] | None = None) -> float:
        """1 less the word error rate: 1 is perfect, and it may fall below 0."""
        return 1 - self.evaluate(source, y).figures["wer"]

    def evaluate(self, source: Any, y: Sequence[str] | None = None) -> TextReport:
        """How good the transcripts are: the word error rate, and that of characters."""
        self._check_fitted()
        rows = self._examples(source, y)
        truth = [" ".join(one.split()) for one in rows.column(self.columns_["target"])]
        found = [one.text for one in self.predict(self.asked(rows))]
        return TextReport(len(rows), len(rows), metrics.transcripts(found, truth))

    def inspect(self, recording: Any, top: int = 3) -> Heard:
        """What the network holds likely at each moment, and what its state and gates did."""
        self._check_fitted()
        raw = self.input_.prepare([recording])
        xs, labels = self.input_.finish(raw), [SHOWN_BLANK, *self.word_.known]
        chances = self._logits(xs).values.softmax(-1)
        trace = look(self.network_, xs, self.input_.names(recording), labels, top, chances)
        return Heard(**vars(trace), frames=raw.values.numpy(), ends=self.input_.ends(len(raw.values)))

    def stream(self) -> Stream[Transcript]:
        """A session that takes samples as they come; each answer is what was said so far.

        It is read off the likeliest path, whatever `beam_size` is.

        Raises:
            SettingsError: the network reads backwards too, or normalises by the whole of a recording.
        """
        self._check_fitted()
        self.network_.recurrent.step_cells()  # says what is wrong with one that reads backwards
        spelled: Any = _Spelling(self.network_)
        return Stream(spelled, self.input_.pieces(), self._heard)

    def _heard(self, found: Any) -> Transcript:
        return self._so_far(*found)

    def _so_far(self, numbers: Sequence[int], starts: Sequence[int]) -> Transcript:
        ends = [round(float(self.input_.ends((t + 1) * self.audio.stack)[-1]), 3) for t in starts]
        return Transcript([(self.word_.decode(numbers), None)], self.word_.words(numbers), ends)

    @torch.inference_mode()
    def _logits(self, xs: Ragged) -> Ragged:
        network = self.network_.eval()
        device = network.head.weight.device
        found = torch.zeros(len(xs.values), self.word_.size)
        places = xs.with_values(torch.arange(len(xs.values)))
        for batch in Batches(xs.lengths.numpy(), batch_size=64, max_steps=50_000).ordered():
            found[places[batch].values] = network(xs[batch].to(device)).values.float().cpu()
        return xs.with_values(found)

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), "
            f"{'both directions' if self.bidirectional else 'one direction'}, CTC",
            "Symbols": f"{self.word_.size - 1} {self.units}",
        }


class _Spelling:
    """A network that goes step by step, with the symbols that its likeliest path has spelled so far."""

    def __init__(self, network: NToN) -> None:
        self.network = network

    def start(self, batch: int) -> Any:
        return self.network.start(batch), (), (), BLANK, 0

    def step(self, x: Tensor, state: Any) -> tuple[Any, Any]:
        inner, numbers, starts, last, t = state
        logits, inner = self.network.step(x, inner)
        symbol = int(logits.argmax(-1))
        if symbol not in (BLANK, last):
            numbers, starts = (*numbers, symbol), (*starts, t)
        return (numbers, starts), (inner, numbers, starts, symbol, t + 1)

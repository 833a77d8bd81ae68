"""One text for another: translations, summaries, pronunciations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from elman import metrics
from elman.answers import Alignment, TextReport, Translation
from elman.codecs.text import END, START, Text, TextSettings
from elman.data import Batches, Records, paired
from elman.decoding.base import Decoding, Hypothesis
from elman.decoding.beam import Beam
from elman.decoding.greedy import Greedy
from elman.errors import DataError, SettingsError
from elman.layers.attention import ATTENTIONS, Attention
from elman.layers.embedding import UNKNOWN, Embedding, character_reader
from elman.layers.lexicon import Lexicon, forced
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged, offsets_of
from elman.structures.n_to_m import NToM
from elman.tasks.base import Estimator
from elman.training import Problem, Training

METRICS = ("bleu", "wer", "rouge")
HELD = 1_000
"""Rows of dev that are written anew after each epoch, to choose the best one by."""
GENTLE = 2 / 3
"""The dropout of what is read, as a share of that of what is written."""

Examples = tuple[Ragged, Ragged, Ragged]
"""What is read, what is written, and the number that each token read has among those written."""


class Translator(Estimator):
    """Reads one text and writes another: an encoder, attention, and a decoder with a beam.

        m = encoder(x)    s[t] = decoder(s[t-1], y[t-1])    c[t] = attention(s[t], m)    p(y[t]) = f(s[t], c[t])

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of the decoder, and of each direction of the encoder.
        num_layers: layers of each.
        bidirectional: whether the encoder reads from the end as well.
        attention: `additive`, `dot` or `general`; None for one context for all steps. `additive+feeding`
            and its like feed each output to the next step, which trains slower.
        copy: `tokens` lets tokens of the input be copied, those outside the vocabulary too; `coverage`
            copies as well, and holds the attention to what it has not looked at yet; None for neither.
        metric: by what `evaluate` measures and the best epoch is chosen: `bleu`, `wer` or `rouge`.
        shared: whether both sides have one vocabulary.
        text: how the text that is read becomes tokens, and tokens vectors.
        target: the same for what is written.
        decode: how it is written, unless `predict` is told otherwise.
        sampling: chance that a token is the network's own when it learns to go on (scheduled sampling).
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToM`. input_, target_: the codecs. history_: the figures of each epoch.

    >>> pairs = {"text": ["one two", "two one"] * 9, "target": ["eins zwei", "zwei eins"] * 9}
    >>> small = Training(epochs=25, batch_size=4, learning_rate=0.01)
    >>> Translator(hidden_size=16, training=small).fit(pairs, dev=pairs).predict("one two").text
    'eins zwei'
    """

    task: ClassVar[str] = "translator"
    kind: ClassVar[str] = "translator"
    structure: ClassVar[str] = "n-to-m"
    roles: ClassVar[Mapping[str, str]] = {"text": "text", "target": "target"}
    codecs: ClassVar[tuple[str, ...]] = ("input", "target")

    def __init__(  # noqa: PLR0913 - what may be chosen
        self,
        cell: str = "gru",
        hidden_size: int = 256,
        num_layers: int = 1,
        *,
        bidirectional: bool = True,
        attention: str | None = "additive",
        copy: str | None = None,
        metric: str = "bleu",
        shared: bool = False,
        text: TextSettings = TextSettings(characters=None),  # noqa: B008 - frozen
        target: TextSettings = TextSettings(characters=None, lowercase=False),  # noqa: B008
        decode: Decoding = Beam(beam_size=5, length_penalty=0.6),  # noqa: B008
        sampling: float = 0.0,
        training: Training = Training(dropout=0.3, learning_rate=1e-3, batch_size=32),  # noqa: B008
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.attention, self.copy = bidirectional, attention, copy
        self.metric, self.shared, self.text, self.target = metric, shared, text, target
        self.decode, self.sampling, self.training = decode, sampling, training

    @classmethod
    def summarizer(cls, **changes: Any) -> Self:
        """A translator with what suits summaries: copying, coverage, one vocabulary, and ROUGE.

        Args:
            changes: arguments of the constructor, which come first.

        >>> Translator.summarizer(hidden_size=128).copy
        'coverage'
        """
        side = TextSettings(characters=None, vocabulary=10_000)
        known = {"copy": "coverage", "shared": True, "metric": "rouge", "text": side, "target": side}
        return cls(**known | changes)

    # --- learning ---

    def fit(
        self,
        source: Any,
        y: Any = None,
        *,
        text: str = "text",
        target: str = "target",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on pairs of texts.

        Args:
            source: a file (TSV, CSV, JSONL, ...), a data frame, a dict of columns; or, with `y`, a list of
                texts, or a file with a text on every line.
            y: what is to be written for each: a list, or a file with as many lines.
            text: the column of what is read.
            target: the column of what is written.
            dev: what the best epoch is chosen on: like `source`, or a pair `(source, y)`. A tenth of
                `source` is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or value that cannot be used, with its file and line; parallel files of
                unequal length.
            SettingsError: settings that contradict each other.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        self._check_settings()
        given = source if y is None else (source, y)
        return self._fit(given, {"text": text, "target": target}, dev=dev, out=out, about=about)

    def _check_settings(self) -> None:
        choices = (("metric", METRICS), ("copy", ("tokens", "coverage", None)))
        for name, known in choices:
            if getattr(self, name) not in known:
                expected = ", ".join(str(one) for one in known)
                raise SettingsError(
                    f"There is no such {name}.", expected=expected, received=getattr(self, name)
                )
        if self.shared and self.text != self.target:
            raise SettingsError(
                "A vocabulary that both sides share has one way of cutting texts.",
                expected="text and target alike",
                received=f"{self.text!r} and {self.target!r}",
                fix="pass the same TextSettings twice, or shared=False",
            )
        if self.target.characters is not None:
            raise SettingsError(
                "Tokens are written one by one, not letter by letter of each.",
                fix='target=TextSettings(characters=None), or tokenizer="characters"',
            )

    def _examples(self, source: Any, y: Any = None) -> Records:
        return paired(source, y, **self.columns_)

    def _learn_codecs(self, rows: Records) -> None:
        sides = [rows.column(self.columns_[role]) for role in ("text", "target")]
        if self.shared:
            self.input_ = self.target_ = Text(self.text).fit([*sides[0], *sides[1]])
        else:
            self.input_, self.target_ = Text(self.text).fit(sides[0]), Text(self.target).fit(sides[1])

    def _encoded(self, rows: Records) -> Examples:
        xs, copies, extra = self._read(rows.column(self.columns_["text"]))
        targets = rows.column(self.columns_["target"])
        if self.copy is None:
            encoded = self.target_.encode(targets)
            return xs, encoded.with_values(encoded.values[:, 0].long()), copies
        found = []
        for one, names in zip(targets, extra, strict=True):
            tokens = self.target_.tokens(one)
            numbers = self.target_.numbers(tokens)
            pairs = zip(tokens, numbers, strict=True)
            found.append([names.get(a, b) if b == UNKNOWN else b for a, b in pairs])
        return xs, _ragged(found), copies

    def _read(self, texts: Sequence[str]) -> tuple[Ragged, Ragged, list[dict[str, int]]]:
        """Texts to numbers; each token's number among those written; and those that only a text gives.

        A token that is not in the vocabulary of what is written has there, for this text alone, the next
        number after it.
        """
        xs = self.input_.encode(texts)
        if self.copy is None:
            return xs, Ragged(torch.zeros(0, dtype=torch.int64), xs.offsets * 0), [{} for _ in texts]
        found, extra = [], []
        for one in texts:
            tokens = self.input_.tokens(one)
            own: dict[str, int] = {}
            numbers = self.target_.numbers(tokens)
            for place, (token, number) in enumerate(zip(tokens, numbers, strict=True)):
                if number == UNKNOWN:
                    numbers[place] = own.setdefault(token, self.target_.size + len(own))
            found.append(numbers)
            extra.append(own)
        return xs, _ragged(found), extra

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        xs, ys, copies = train
        smoothing = self.training.label_smoothing

        def loss(model: Any, batch: Examples) -> Tensor:
            given, wanted = forced(batch[1], START, END)
            if self.sampling:
                given = model.guessed(batch[0], given, self.sampling)
            own, every, again = model(batch[0], given, wanted, batch[2]).values.unbind(-1)
            return again.mean() - (1 - smoothing) * own.mean() - smoothing * every.mean()

        return Problem(
            lengths=(xs.lengths + ys.lengths).tolist(),
            batch=lambda chosen: (xs[chosen], ys[chosen], copies[chosen]),
            loss=loss,
            evaluate=(lambda _: self._figures(*dev)) if len(dev[0]) else None,
            monitor="score",
        )

    def _figures(self, xs: Ragged, ys: Ragged, copies: Ragged) -> dict[str, float]:
        """What is known of dev after an epoch: its first texts, written greedily, compared by token."""
        count = min(HELD, len(xs))
        found = self._written(xs[:count], copies[:count], Greedy())
        texts = [" ".join(map(str, one[0].tokens)) for one in found]
        truth = [[" ".join(map(str, one.tolist()))] for one in ys[:count]]
        if self.metric == "bleu":
            figures = {"bleu": metrics.plain_bleu(texts, truth)}
        else:
            figures = metrics.of_texts(self.metric, texts, truth)[0]
        return {"score": -figures["wer"] if "wer" in figures else next(iter(figures.values()))} | figures

    def _network(self) -> NToM:
        training, size = self.training, self.hidden_size
        dropped = GENTLE * training.dropout
        options: dict[str, Any] = {
            "num_layers": self.num_layers,
            "dropout": training.dropout if self.num_layers > 1 else 0.0,
            "recurrent_dropout": training.recurrent_dropout,
        }
        kind, _, feeding = (self.attention or "").partition("+")
        if (kind and kind not in ATTENTIONS) or feeding not in ("", "feeding"):
            raise SettingsError(
                "There is no such attention.",
                expected=", ".join([*ATTENTIONS, "each with +feeding, or none"]),
                received=self.attention,
            )
        reader = character_reader(
            self.text.characters if self.input_.width else None,
            self.text.character_size,
            self.input_.letters,
            buckets=30_000,
            mode="sum",
        )
        inputs = Embedding(
            self.input_.size, self.text.embedding_size, reader, training.word_dropout, dropped
        )
        encoder = Recurrent(
            self.cell, inputs.output_size, size, bidirectional=self.bidirectional, **options
        )
        lexicon = Lexicon(
            self.target_.size,
            self.target.embedding_size,
            features=2 * size,
            dropout=training.dropout,
        )
        more = lexicon.size * bool(feeding) if kind else size
        return NToM(
            inputs,
            encoder,
            lexicon,
            Recurrent(self.cell, lexicon.size + more, size, **options),
            attention=Attention(kind, size, size, coverage=self.copy == "coverage") if kind else None,
            feeding=bool(feeding),
            copy=self.copy is not None,
        )

    # --- asking ---

    def predict(self, source: Any, decode: Decoding | None = None) -> Any:
        """What is written for one text, or for each in a list: a `Translation`, or a list of them.

        Args:
            source: a string, or a list of them.
            decode: how to write; `decode` of the constructor if None. `Beam(n_best=3)` gives three texts.
        """
        self._check_fitted()
        if not isinstance(source, str) and not hasattr(source, "__len__"):
            raise DataError("This is no text, and no list of them.", received=repr(source)[:80])
        texts = [source] if isinstance(source, str) else list(source)
        xs, copies, extra = self._read(texts)
        found = []
        for own, names in zip(self._written(xs, copies, decode), extra, strict=True):
            tokens = [self._named(one.tokens, names) for one in own]
            pairs = zip(tokens, own, strict=True)
            ranking = [(self.target_.text(one), each.score) for one, each in pairs]
            found.append(Translation(ranking, tokens[0]))
        return found[0] if isinstance(source, str) else found

    def score(self, source: Any, y: Any = None) -> float:
        """The figure of `evaluate` by which models are compared, higher being better."""
        figures = self.evaluate(source, y).figures
        return 1 - figures["wer"] if "wer" in figures else next(iter(figures.values()))

    def evaluate(self, source: Any, y: Any = None, decode: Decoding | None = None) -> TextReport:
        """How good what is written is; of a text that comes with several targets, each may be meant."""
        self._check_fitted()
        rows = self._examples(source, y)
        meant: dict[str, list[str]] = {}
        pairs = zip(*(rows.column(self.columns_[role]) for role in ("text", "target")), strict=True)
        for text, target in pairs:
            meant.setdefault(text, []).append(target)
        found = [one.text for one in self.predict(list(meant), decode)]
        several = list(meant.values())
        lower = self.target.lowercase
        figures, signature = metrics.of_texts(self.metric, found, several, lowercase=lower)
        return TextReport(len(meant), len(rows), figures, signature)

    def inspect(self, text: str, top: int = 1) -> Alignment:
        """What was looked at while each token of the answer was written.

        Raises:
            SettingsError: there is no attention, or nothing to look at.
        """
        self._check_fitted()
        if self.attention is None:
            raise SettingsError(
                "A translator without attention looks at nothing.", fix='train with attention="additive"'
            )
        xs, copies, extra = self._read([text])
        if not len(xs.values):
            raise SettingsError("There is no token to look at.", received=repr(text))
        with torch.inference_mode():
            best = self._written(xs, copies, None)[0][0]
            given, _ = forced(_ragged([best.tokens]), START, END)
            weights = self.network_.looked(xs, given)[0].numpy()
        target = [*self._named(best.tokens, extra[0]), *(["</s>"] if best.finished else [])]
        return Alignment(self.input_.tokens(text), target, weights[: len(target)])

    @torch.inference_mode()
    def _written(self, xs: Ragged, copies: Ragged, decode: Decoding | None) -> list[list[Hypothesis]]:
        """The hypotheses for each text, batch by batch."""
        network, decode = self.network_.eval(), decode or self.decode
        device = network.lexicon.bias.device
        known = torch.ones(END + 1, dtype=torch.bool, device=device)
        known[:END] = False  # padding, the unknown token and the start are never written
        found: list[list[Hypothesis]] = [[] for _ in range(len(xs))]
        for batch in Batches(xs.lengths.numpy(), batch_size=64, max_steps=8_000).ordered():
            own = xs[batch].to(device)
            state = network.start(own, copies[batch].to(device) if self.copy else None)
            first = torch.full((len(own),), START, device=device)
            most = 2 * own.lengths + 20
            answers = decode.run(
                network,
                state,
                first,
                end=END,
                lengths=(torch.zeros_like(most), most),
                constraint=lambda prefixes, sentences: known,
            )
            for number, one in zip(batch.tolist(), answers, strict=True):
                found[number] = one
        return found

    def _named(self, tokens: Sequence[int], extra: Mapping[str, int]) -> list[str]:
        """The tokens of numbers; those past the vocabulary are the text's own."""
        names = {number: token for token, number in extra.items()}
        return [names.get(one) or self.target_.spelled(one) for one in tokens]

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), encoder "
            f"in {'both directions' if self.bidirectional else 'one direction'}, "
            f"attention {self.attention or 'none'}, copying {self.copy or 'nothing'}",
            "Vocabulary": f"{self.input_.size} tokens read, {self.target_.size} written",
        }


def _ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Rows of numbers as one batch."""
    flat = np.array([one for row in rows for one in row], dtype=np.int64)
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return Ragged(torch.from_numpy(flat), offsets_of(lengths))

"""A model that writes text: what comes next, symbol by symbol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from elman.answers import Generated, LikelihoodReport, Prediction
from elman.codecs.symbols import MARK, UNKNOWN, Symbols
from elman.codecs.text import TextSettings
from elman.data import Records, Windows, read
from elman.decoding.base import Decoding
from elman.decoding.sample import Sample
from elman.errors import DataError
from elman.inspection import Trace, look, surprises
from elman.layers.dropout import Dropout
from elman.layers.recurrent import Recurrent
from elman.layers.softmax import AdaptiveSoftmax, Tied
from elman.ragged import Ragged
from elman.streaming import Begun, Stream
from elman.structures.n_to_n import NToN
from elman.tasks.base import Estimator
from elman.training import Problem, Training

MANY = 20_000
"""Symbols from which an output layer in clusters is worth it."""

LENGTH = 500
"""Symbols that are written at most, unless a length is given."""

STRETCH = 1_000
"""A long dev text is read side by side in stretches of so many symbols, which is fast; see `evaluate`."""

ANEW = 1 / 32
"""Of the windows of a long text, those that begin anew: a prompt does, and a dev stretch."""
LETTERS = TextSettings(tokenizer="characters", lowercase=False, characters=None)
WRITING = Training(batch_size=32, dropout=0.2, word_dropout=0.0, label_smoothing=0.0, learning_rate=3e-3)

Examples = tuple[Ragged, int]
"""The symbols of each text, and how many characters they are, each end counted as one where texts end."""


class Generator(Estimator):
    """Learns how texts go on, and writes some.

        h[t] = cell(h[t-1], E·x[t])        p(x[t+1] | x[1] … x[t]) = softmax(W_y·h[t] + b_y)

    Several texts (names, poems) are sequences of their own: a mark stands before and after each, so that the
    model also learns how they begin and end. One text alone (a book) has no end to be learned: it is read in
    windows, and the states are carried from each window to the next (truncated back-propagation through
    time; Williams and Peng 1990), but for one in 32, which begins anew, as a prompt does.

    Of `training`, `label_smoothing` and `word_dropout` play no part: what is learned are probabilities.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units.
        num_layers: layers of recurrence.
        window: how many steps back an error reaches in one long text.
        head: `linear`; `tied`, which shares its weights with the embedding; `adaptive`, in clusters; None:
            `adaptive` from 20,000 symbols, else `linear`.
        text: how text becomes symbols, and the size of their vectors.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToN`. input_: the codec, `Symbols`. history_: the figures of each epoch.

    >>> training = Training(epochs=40, learning_rate=1e-2, dropout=0.0)
    >>> writer = Generator("gru", 16, window=12, training=training).fit(["to be or not to be, " * 20])
    >>> writer.generate("to be ", length=20, decode=Sample(temperature=0.1, seed=1))
    'to be or not to be, to be,'
    """

    task: ClassVar[str] = "generator"
    kind: ClassVar[str] = "generator"
    structure: ClassVar[str] = "n-to-n"
    roles: ClassVar[Mapping[str, str]] = {"text": "text"}
    codecs: ClassVar[tuple[str, ...]] = ("input",)
    bidirectional: ClassVar[bool] = False
    """Whoever writes cannot have read what comes."""

    def __init__(
        self,
        cell: str = "lstm",
        hidden_size: int = 512,
        num_layers: int = 1,
        *,
        window: int = 128,
        head: Literal["linear", "tied", "adaptive"] | None = None,
        text: TextSettings = LETTERS,
        training: Training = WRITING,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.window, self.head = window, head
        self.text, self.training = text, training

    # --- learning ---

    def fit(
        self,
        source: Any,
        y: None = None,
        *,
        text: str = "text",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on texts.

        Args:
            source: a file (`.txt` is one text; with `read(..., format="lines")` each line is one; or a table),
                a data frame, a dict of columns, or a list of texts.
            y: nothing; texts are their own answers.
            text: the column of texts.
            dev: what the best epoch is chosen on, like `source`. If it is None, a tenth of the texts is set
                aside, or the last tenth of one text.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or value that cannot be used, with its file and line.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        return self._fit(source, {"text": text}, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        name = self.columns_["text"]
        if isinstance(source, list) and not any(isinstance(one, Mapping) for one in source):
            source = {name: source}
        rows = read(source)
        texts = rows.column(name)
        wrong = [i for i, one in enumerate(texts) if not isinstance(one, str) or not one]
        rows.refuse(name, wrong, "have no text", fix="fill these rows or take them out")
        return rows

    def set_aside(self, rows: Records, columns: Mapping[str, str]) -> tuple[Records, Records]:
        if len(rows) != 1:
            return super().set_aside(rows, columns)
        name = columns["text"]
        whole = rows.column(name)[0]
        cut = len(whole) - len(whole) // 10
        train, held = (
            replace(rows, columns={**rows.columns, name: [one]}) for one in (whole[:cut], whole[cut:])
        )
        return train, held if cut < len(whole) else held.select([])

    def _learn_codecs(self, rows: Records) -> None:
        self.input_ = Symbols(self.text).fit(rows.column(self.columns_["text"]))

    def _encoded(self, rows: Records) -> Examples:
        texts = rows.column(self.columns_["text"])
        ends = len(texts) if self.input_.ends else 0
        return self.input_.encode(texts), sum(map(len, texts)) + ends

    def _network(self) -> NToN:
        training, size, symbols = self.training, self.text.embedding_size, self.input_.size
        table = nn.Embedding(symbols, size)
        nn.init.normal_(table.weight, std=0.1)
        recurrent = Recurrent(
            self.cell,
            size,
            self.hidden_size,
            self.num_layers,
            dropout=training.dropout,
            recurrent_dropout=training.recurrent_dropout,
        )
        kind = self.head or ("adaptive" if symbols >= MANY else "linear")
        head = None
        if kind == "tied":
            head = Tied(self.hidden_size, table)
        elif kind == "adaptive":
            head = AdaptiveSoftmax(self.hidden_size, symbols)
        inputs = nn.Sequential(table, Dropout(training.dropout))
        return NToN(inputs, recurrent, outputs=symbols, head=head, dropout=training.dropout)

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        xs, _ = train
        evaluate = (lambda _: self._figures(*dev)) if len(dev[0].values) else None
        if not self.input_.ends:
            return self._unrolled(xs, evaluate)

        def loss(model: Any, batch: tuple[Ragged, Tensor]) -> Tensor:
            return model.loss(*batch)[0]

        return Problem(
            lengths=(xs.lengths + 1).tolist(),
            batch=lambda chosen: self.input_.pairs(xs[chosen]),
            loss=loss,
            evaluate=evaluate,
            monitor="log_likelihood",
        )

    def _unrolled(self, xs: Ragged, evaluate: Any) -> Problem:
        """One long text: windows of many streams, the states of which are carried along."""
        inputs, targets = self.input_.pairs(xs)
        windows = Windows(
            len(targets),
            window=self.window,
            batch_size=self.training.batch_size,
            seed=self.training.seed,
        )
        steps, carried = torch.arange(windows.window), {}

        def batch(starts: Any) -> tuple[Ragged, Tensor]:
            places = (torch.from_numpy(starts)[:, None] + steps).flatten()
            offsets = torch.arange(len(starts) + 1) * len(steps)
            return Ragged(inputs.values[places], offsets), targets[places]

        def loss(model: Any, batch: tuple[Ragged, Tensor]) -> Tensor:
            state = tuple(carried[name] for name in sorted(carried)) or None
            if state is not None:
                goes_on = (torch.rand(state[0].shape[1], 1) >= ANEW).to(state[0])
                state = tuple(one * goes_on for one in state)
            found, after = model.loss(*batch, state)
            carried.update({f"{n}": one.detach() for n, one in enumerate(after)})
            return found

        return Problem([], batch, loss, evaluate, "log_likelihood", windows, carried)

    # --- figures ---

    def _figures(self, xs: Ragged, characters: int) -> dict[str, float]:
        """What is known of the dev set after an epoch; a long text is cut, and each stretch begun anew."""
        if not self.input_.ends and len(xs.values) > 2 * STRETCH:
            cuts = torch.arange(0, len(xs.values), STRETCH)
            xs = Ragged(xs.values, torch.cat([cuts, torch.tensor([len(xs.values)])]))
        found = self._surprises(xs).values
        nats = float(found.sum())
        return {
            "log_likelihood": -nats / max(len(found), 1),
            "bits_per_character": nats / math.log(2) / max(characters, 1),
        }

    def _surprises(self, xs: Ragged) -> Ragged:
        """How unexpected each symbol of each text is, and its end where it has one: nats, in float64."""
        return surprises(self.network_, *self.input_.pairs(xs))

    def evaluate(self, source: Any, y: None = None) -> LikelihoodReport:
        """How well texts are foretold: each in one pass from its beginning, however long it is."""
        self._check_fitted()
        xs, characters = self._encoded(self._examples(source))
        nats = self._surprises(xs).values
        mean = float(nats.mean())
        return LikelihoodReport(
            count=len(xs),
            tokens=len(nats),
            characters=characters,
            nats=mean,
            bits_per_character=float(nats.sum()) / math.log(2) / characters,
            perplexity=math.exp(min(mean, 700.0)),
            unknown=int((xs.values == UNKNOWN).sum()),
        )

    def score(self, source: Any, y: None = None) -> float:
        """The mean log-probability of a symbol, in nats: higher is better."""
        return -self.evaluate(source).nats

    # --- asking ---

    def generate(
        self, prompt: str = "", length: int | None = None, decode: Decoding | None = None
    ) -> str:
        """A text: the prompt, and how it may go on.

        Args:
            prompt: how the text begins.
            length: symbols to write at most, 500 if None; a `max_length` of `decode` goes before it. Where
                texts have ends, one may end sooner.
            decode: how each symbol is chosen: `Greedy`, `Sample` or `Beam`; by chance at a temperature of 0.8
                if None.

        Raises:
            DataError: the prompt has symbols that training did not see (see `Symbols.refuse`).
        """
        return self.generations(prompt, length, decode)[0].text

    @torch.inference_mode()
    def generations(
        self, prompt: str = "", length: int | None = None, decode: Decoding | None = None
    ) -> list[Generated]:
        """All the texts that `decode` gives, with their probabilities: one, or its `samples` or `n_best`."""
        self._check_fitted()
        decode = Sample(temperature=0.8) if decode is None else decode
        network, ends = self.network_.eval(), self.input_.ends
        state, first = self._read(prompt)
        most = torch.tensor([LENGTH if length is None else length])
        allowed = torch.ones(self.input_.size, dtype=torch.bool)
        allowed[[UNKNOWN] if ends else [UNKNOWN, MARK]] = False
        found = decode.run(
            network,
            state,
            first,
            end=MARK if ends else None,
            lengths=(torch.zeros_like(most), most),
            constraint=lambda prefixes, _: allowed.to(prefixes.device),
        )[0]
        return [
            Generated(prompt, prompt + self.input_.decode(one.tokens), one.log_probability, one.finished)
            for one in found
        ]

    def predict(self, source: Any) -> Any:
        """What comes after a text: a `Prediction` of the next symbol; for a list of texts, a list of them."""
        self._check_fitted()
        if isinstance(source, str):
            return self._next(source)
        if not hasattr(source, "__iter__"):
            raise DataError("This is no text, and no list of texts.", received=repr(source)[:80])
        return [self._next(one) for one in source]

    def inspect(self, text: str, top: int = 3) -> Trace:
        """What the network expected after each symbol, how unexpected each was (in bits), and its states.

        The first step is the mark that stands before every text.
        """
        self._check_fitted()
        xs = self._marked(text)
        names = self.input_.names
        with torch.inference_mode():
            chances = self.network_.eval()(xs).values.softmax(-1)
            told = chances[:-1].gather(1, xs.values[1:, None].long())[:, 0]
        bits = [0.0, *(-told.double().log2()).tolist()]
        tokens = [names[MARK], *self.input_.symbols(text)]
        return look(self.network_, xs, tokens, names, top, chances, bits)

    def stream(self) -> Stream[Prediction]:
        """A session that reads piece by piece in constant memory; each push answers what comes next."""
        self._check_fitted()
        return Stream(Begun(self.network_.eval(), torch.tensor(MARK)), self._symbols, self._prediction)

    def _next(self, text: Any) -> Prediction:
        state, first = self._read(text)
        with torch.inference_mode():
            return self._prediction(self.network_.step(first, state)[0])

    def _prediction(self, logits: Tensor) -> Prediction:
        return Prediction.of(logits[0].softmax(-1), self.input_.names)

    @torch.inference_mode()
    def _read(self, text: Any) -> tuple[Any, Tensor]:
        """The state after all of a text but its last symbol, and that symbol."""
        tokens = self._marked(text).values
        before = Ragged.of([tokens[:-1]])
        network = self.network_.eval()
        state = network.start(1) if len(tokens) == 1 else network.run(before).final
        return state, tokens[-1:].long()

    def _marked(self, text: Any) -> Ragged:
        """A text after its mark."""
        xs = self._symbols(text)
        return Ragged.of([torch.cat([xs.values.new_full((1,), MARK), xs.values])])

    def _symbols(self, text: Any) -> Ragged:
        xs = self.input_.encode([text])
        self.input_.refuse(text)
        return xs

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s)",
            "Symbols": self.input_.size,
        }

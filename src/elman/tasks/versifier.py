"""A second line to a first: verse whose lines are of one length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import metrics, prosody
from elman.answers import Verse, VerseReport
from elman.codecs.symbols import MARK, UNKNOWN, Symbols
from elman.codecs.text import TextSettings
from elman.data import Batches, Records, read
from elman.decoding.base import Constraint, Decoding
from elman.decoding.beam import Beam
from elman.errors import DataError, SettingsError
from elman.inspection import Trace, look_at_writing
from elman.layers.dropout import Dropout
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_n_writer import NToNWriter
from elman.tasks.base import Estimator
from elman.training import Problem, Training

LETTERS = TextSettings(tokenizer="characters", lowercase=False, characters=None, embedding_size=128)
VERSE = Training(batch_size=64, epochs=8, dropout=0.3, word_dropout=0.0, label_smoothing=0.0)
AT_ONCE = 256
"""Lines that are answered at once."""

Examples = tuple[Ragged, Ragged, list[dict[str, str]]]
"""The characters of first and of second lines, and the rows themselves."""


class Versifier(Estimator):
    """Answers a line of verse with a line of the same length.

        e = encoder(x[1] … x[T])
        h[t] = cell(h[t-1], [e[t], E·w[t-1]])        p(w[t]) = softmax(E·(W_y·[h[t], e[t]]) + b_y)

    Each character is written in view of the whole first line, read in both directions, at its own place, and of
    what was written before; see `NToNWriter`. There are as many answers as characters, so that the length is
    right whatever is written. That tones are opposed, and that the line rhymes, is learned, and can be
    enforced when it is written (`predict`).

    Of `training`, `word_dropout` and `label_smoothing` play no part.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of what writes, and of each direction of what reads.
        num_layers: layers of either.
        text: how lines become characters, and the size of their vectors.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToNWriter`. input_: the codec, `Symbols`. history_: the figures of each epoch.

    >>> rows = {"first": ["ab", "ba", "aab"] * 9, "second": ["xy", "yx", "xxy"] * 9}
    >>> training = Training(epochs=40, dropout=0.0, learning_rate=1e-2, batch_size=9)
    >>> Versifier(hidden_size=12, training=training).fit(rows).predict("aba").second
    'xyx'
    """

    task: ClassVar[str] = "versifier"
    kind: ClassVar[str] = "versifier"
    structure: ClassVar[str] = "n-to-n-writer"
    roles: ClassVar[Mapping[str, str]] = {"first": "first", "second": "second", "rhyme": "rhyme"}
    optional: ClassVar[tuple[str, ...]] = ("rhyme",)
    codecs: ClassVar[tuple[str, ...]] = ("input",)
    bidirectional: ClassVar[bool] = True

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 256,
        num_layers: int = 1,
        *,
        text: TextSettings = LETTERS,
        training: Training = VERSE,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.text, self.training = text, training

    # --- learning ---

    def fit(  # noqa: PLR0913 - what a row holds, by role
        self,
        source: Any,
        y: Sequence[str] | None = None,
        *,
        first: str = "first",
        second: str = "second",
        rhyme: str | None = None,
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on pairs of lines.

        Args:
            source: a file (`.tsv`, `.csv`, `.jsonl`, ...), a data frame, a dict of columns, or, with `y`, a
                list of first lines.
            y: their second lines, where `source` holds none.
            first: the column of first lines.
            second: the column of second lines, each as long as its first line.
            rhyme: the column of characters that second lines are to rhyme with, for `evaluate`; None for none.
            dev: what the best epoch is chosen on: like `source`, or a pair `(first, second)`. A tenth of
                `source` is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or value that cannot be used, or lines of unequal length, with file and line.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        given = source if y is None else (source, y)
        columns = {"first": first, "second": second, "rhyme": rhyme}
        return self._fit(given, columns, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        first, second = self.columns_["first"], self.columns_["second"]
        if y is not None:
            source = {first: list(source), second: list(y)}
        rows = read(source)
        for name in (first, second):
            lines = rows.column(name)
            wrong = [i for i, one in enumerate(lines) if not isinstance(one, str) or not one.strip()]
            rows.refuse(name, wrong, "have no line", fix="fill these rows or take them out")
        pairs = list(zip(rows.column(first), rows.column(second), strict=True))
        unlike = [i for i, (one, other) in enumerate(pairs) if len(one) != len(other)]
        if unlike:
            one, other = pairs[unlike[0]]
            raise DataError.at(
                rows.place(unlike[0]),
                f"{len(unlike)} of {len(rows)} rows have lines of unequal length.",
                expected="as many characters in the second line as in the first",
                received=f"{one!r}, {len(one)}, and {other!r}, {len(other)}",
                fix="take these rows out",
            )
        return rows

    def _learn_codecs(self, rows: Records) -> None:
        lines = [rows.column(self.columns_[name]) for name in ("first", "second")]
        self.input_ = Symbols(self.text).fit([*lines[0], *lines[1]])

    def _encoded(self, rows: Records) -> Examples:
        first, second = (rows.column(self.columns_[name]) for name in ("first", "second"))
        columns = {role: rows.column(name) for role, name in self.columns_.items()}
        told = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return self.input_.encode(first), self.input_.encode(second), told

    def _network(self) -> NToNWriter:
        size, hidden, dropout = self.text.embedding_size, self.hidden_size, self.training.dropout
        tables = [nn.Embedding(self.input_.size, size) for _ in range(2)]
        for one in tables:
            nn.init.normal_(one.weight, std=0.1)
        options: dict[str, Any] = {
            "dropout": dropout,
            "recurrent_dropout": self.training.recurrent_dropout,
        }
        encoder = Recurrent(self.cell, size, hidden, self.num_layers, bidirectional=True, **options)
        recurrent = Recurrent(self.cell, 2 * hidden + size, hidden, self.num_layers, **options)
        inputs = nn.Sequential(tables[0], Dropout(dropout))
        return NToNWriter(inputs, encoder, tables[1], recurrent, dropout)

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        xs, ys, _ = train

        def loss(model: nn.Module, batch: tuple[Ragged, Ragged]) -> Tensor:
            return F.cross_entropy(model(*batch).values, batch[1].values.long())

        def evaluate(_: nn.Module) -> dict[str, float]:
            return {"log_likelihood": -self._nats(*dev[:2])}

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (xs[chosen], ys[chosen]),
            loss=loss,
            evaluate=evaluate if len(dev[0]) else None,
            monitor="log_likelihood",
        )

    @torch.inference_mode()
    def _nats(self, xs: Ragged, ys: Ragged) -> float:
        """The mean negative log-probability of a character of the second lines."""
        network, total = self.network_.eval(), 0.0
        device = network.head.bias.device
        for batch in Batches(xs.lengths.numpy(), batch_size=AT_ONCE, max_steps=20_000).ordered():
            answers = network(xs[batch].to(device), ys[batch].to(device)).values
            targets = ys[batch].values.long().to(device)
            total += float(F.cross_entropy(answers, targets, reduction="none").double().sum())
        return total / max(len(ys.values), 1)

    # --- asking ---

    def predict(
        self,
        source: Any,
        decode: Decoding | None = None,
        *,
        tones: bool = False,
        rhyme: str | Sequence[str] | None = None,
    ) -> Any:
        """The second line to a first one, a `Verse`; to a list of lines, a list of them.

        Args:
            source: one line, or a list of lines.
            decode: how each character is chosen; a beam of 5 if None.
            tones: whether the tones are to be opposed at the ruled places (`prosody.places`).
            rhyme: a character that the line is to rhyme with, or one for each line.

        Raises:
            DataError: a line with characters that training did not see.
            SettingsError: no character of the vocabulary can stand where a rule asks for one.
            MissingExtraError: a rule is to be kept, and pypinyin is not installed.
        """
        self._check_fitted()
        single = isinstance(source, str)
        if not hasattr(source, "__len__"):
            raise DataError("This is no line, and no list of lines.", received=repr(source)[:80])
        lines = [source] if single else list(source)
        for one in lines:
            if not isinstance(one, str):
                raise DataError("This is no line.", expected="a string", received=repr(one)[:80])
            self.input_.refuse(one)
        ends = [rhyme] * len(lines) if rhyme is None or isinstance(rhyme, str) else list(rhyme)
        if len(ends) != len(lines):
            raise SettingsError("There must be one rhyme for each line.", received=f"{len(ends)} rhymes")
        decode = Beam(beam_size=5) if decode is None else decode
        found = []
        for start in range(0, len(lines), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            found += self._written(lines[part], decode, ends[part], tones=tones)
        return found[0] if single else found

    @torch.inference_mode()
    def _written(
        self, lines: list[str], decode: Decoding, ends: Sequence[str | None], *, tones: bool
    ) -> list[Verse]:
        xs = self.input_.encode(lines)
        network = self.network_.eval()
        told = decode.run(
            network,
            network.start(xs),
            torch.full((len(lines),), MARK),
            lengths=(xs.lengths, xs.lengths),
            constraint=self._rules(lines, ends, tones=tones),
        )
        verses = []
        for line, end, (best, *_) in zip(lines, ends, told, strict=True):
            second = self.input_.decode(best.tokens)
            verses.append(Verse(line, second, best.log_probability, *_judged(line, second, end)))
        return verses

    def _rules(self, lines: list[str], ends: Sequence[str | None], *, tones: bool) -> Constraint:
        """What may stand at each place of each line's answer: `lines time symbols`."""
        longest = max(map(len, lines), default=0)
        allowed = torch.ones(len(lines), longest, self.input_.size, dtype=torch.bool)
        allowed[..., [MARK, UNKNOWN]] = False
        if tones or any(ends):
            sounds = [prosody.sound(one) if len(one) == 1 else (None, None) for one in self.input_.names]
            kinds = {
                kind: torch.tensor([one[n] == kind for one in sounds])
                for n in (0, 1)
                for kind in {one[n] for one in sounds} - {None}
            }
            for number, (line, end) in enumerate(zip(lines, ends, strict=True)):
                for at in prosody.places(len(line)) if tones else ():
                    if told := prosody.tone(line[at]):
                        other = prosody.OBLIQUE if told == prosody.LEVEL else prosody.LEVEL
                        allowed[number, at] &= kinds.get(other, torch.zeros(()).bool())
                if end and line:
                    allowed[number, len(line) - 1] &= kinds.get(_rhyme(end), torch.zeros(()).bool())
                _check_rules(allowed[number, : len(line)], line, end)
        return lambda prefixes, rows: allowed[rows, min(prefixes.shape[1], longest - 1)]

    def evaluate(self, source: Any, y: Any = None) -> VerseReport:
        """How good second lines are: as foretold, and as written by a beam of 5, without any rule enforced."""
        self._check_fitted()
        rows = self._examples(source, y)
        xs, ys, told = self._encoded(rows)
        ends = [one.get("rhyme") for one in told]
        found = []
        for start in range(0, len(told), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            lines = [one["first"] for one in told[part]]
            found += self._written(lines, Beam(beam_size=5), [None] * len(lines), tones=False)
        seconds = [one.second for one in found]
        nats = self._nats(xs, ys)
        return VerseReport(
            count=len(told),
            nats=nats,
            perplexity=math.exp(min(nats, 700.0)),
            bleu=metrics.bleu(seconds, [[one["second"]] for one in told], tokenize="char")[0],
            equal_length=sum(len(one.first) == len(one.second) for one in found) / max(len(found), 1),
            **verse_figures([one.first for one in found], seconds, ends),
        )

    def score(self, source: Any, y: Any = None) -> float:
        """The mean log-probability of a character of the second lines, in nats: higher is better."""
        self._check_fitted()
        xs, ys, _ = self._encoded(self._examples(source, y))
        return -self._nats(xs, ys)

    def inspect(self, line: str, top: int = 3) -> Trace:
        """What was held likely at each place of the answer, given what was written before, and the states."""
        verse = self.predict(line)
        xs, ys = (self.input_.encode([one]) for one in (line, verse.second))
        return look_at_writing(self.network_, xs, ys, list(verse.second), self.input_.names, top)

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s)",
            "Symbols": self.input_.size,
        }


def verse_figures(
    firsts: Sequence[str], seconds: Sequence[str], ends: Sequence[str | None]
) -> dict[str, float | None]:
    """The share of ruled places with opposed tones, and of lines that rhyme where they are to; None unknown."""
    if not prosody.available():
        return {"tones": None, "rhyme": None}
    places = [one for pair in zip(firsts, seconds, strict=True) for one in prosody.opposed(*pair)]
    rhymes = [
        prosody.rhyme(one[-1]) == prosody.rhyme(end)
        for one, end in zip(seconds, ends, strict=True)
        if one and end and prosody.rhyme(end)
    ]
    shares = [sum(each) / len(each) if each else None for each in (places, rhymes)]
    return {"tones": shares[0], "rhyme": shares[1]}


def _judged(first: str, second: str, end: str | None) -> tuple[float | None, bool | None]:
    found = verse_figures([first], [second], [end])
    return found["tones"], None if found["rhyme"] is None else bool(found["rhyme"])


def _rhyme(end: str) -> str:
    """The class of rhymes of a character.

    Raises:
        SettingsError: it has none.
    """
    found = prosody.rhyme(end) if len(end) == 1 else None
    if found is None:
        raise SettingsError(
            "Nothing rhymes with this.", expected="one Chinese character", received=repr(end)
        )
    return found


def _check_rules(allowed: Tensor, line: str, end: str | None) -> None:
    """Raise unless every place has something that may stand there: `time symbols`."""
    empty = (~allowed.any(-1)).nonzero()[:, 0].tolist()
    if empty:
        raise SettingsError(
            f"No character that the model knows may stand at place {empty[0] + 1} of the answer to {line!r}.",
            received="tones" if end is None else f"a rhyme with {end!r}",
            fix="leave a rule out, or train on more verse",
        )

"""A model that writes music: what sounds next, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from elman.answers import Prediction
from elman.codecs.music import Music, MusicSettings, drawn, moved, opened, preceding, room
from elman.data import Records, Windows, read
from elman.decoding.base import Decoding
from elman.decoding.greedy import Greedy
from elman.decoding.sample import Sample
from elman.errors import DataError, SettingsError
from elman.inspection import Roll, look_at_music, surprises
from elman.layers.frames import Keyboard, frames_of
from elman.layers.recurrent import Recurrent
from elman.music.answers import Composed, HarmonyReport, MusicReport
from elman.music.piece import Piece
from elman.ragged import Ragged
from elman.streaming import Begun, Stream
from elman.structures.n_to_n import NToN
from elman.tasks.base import Estimator
from elman.training import Problem, Training

LENGTH = 64
"""Frames that are written, unless a length is given."""

WRITING = Training(batch_size=16, epochs=100, dropout=0.3, word_dropout=0.0, label_smoothing=0.0)


class Composer(Estimator):
    """Learns how pieces of music go on, and writes some.

        h[t] = cell(h[t-1], W·v[t-1] + b)        p(v[t] | v[1] … v[t-1]) = head(h[t])

    A frame v[t] says which of the 88 keys of a piano sound at a step of a grid; before the first one a mark is
    read. Each frame is answered by the likelihood of every other one: of its keys one by one
    (`head="independent"`), or of whole chords (`nade`). Pieces of up to `window` frames are read whole; if one
    is longer, all of them are read as one stream in windows, and the states are carried from each window to
    the next. In training, pieces are moved to other keys, anew each time.

    Of `training`, `label_smoothing` and `word_dropout` play no part: what is learned are probabilities.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units.
        num_layers: layers of recurrence.
        window: frames that are read at a time, and how far back an error reaches in longer pieces.
        head: `nade` or `independent`; see `layers.frames`.
        music: the grid of frames, and how they are read.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToN`. input_: the codec, `Music`. history_: the figures of each epoch.

    >>> scale = [[pitch] for pitch in (60, 62, 64, 65, 67, 65, 64, 62)] * 4
    >>> training = Training(epochs=40, batch_size=2, learning_rate=1e-2, dropout=0.0)
    >>> model = Composer(hidden_size=16, music=MusicSettings(transpose=0), training=training)
    >>> model = model.fit([scale] * 8)
    >>> written = model.generate([[60], [62]], length=3, decode=Greedy())
    >>> [note.pitch for note in written.notes]
    [60, 62, 64, 65, 67]
    """

    task: ClassVar[str] = "composer"
    kind: ClassVar[str] = "composer"
    structure: ClassVar[str] = "n-to-n"
    roles: ClassVar[Mapping[str, str]] = {"piece": "piece"}
    codecs: ClassVar[tuple[str, ...]] = ("input",)
    bidirectional: bool = False
    """Whoever writes cannot have heard what comes."""

    input_: Music

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 256,
        num_layers: int = 1,
        *,
        window: int = 256,
        head: Literal["independent", "nade"] = "nade",
        music: MusicSettings = MusicSettings(),  # noqa: B008 - frozen
        training: Training = WRITING,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.window, self.head = window, head
        self.music, self.training = music, training

    # --- learning ---

    def fit(
        self,
        source: Any,
        y: None = None,
        *,
        piece: str = "piece",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on pieces of music.

        Args:
            source: a folder of MIDI and ABC files, one such file, a table or a dict of columns, or a list of
                pieces: paths, `Piece`s, lists of frames of MIDI numbers, arrays `time 88`.
            y: nothing; pieces are their own answers.
            piece: the column of pieces.
            dev: what the best epoch is chosen on, like `source`; a tenth of the pieces if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a column or a piece that cannot be used, with its file.
            TrainingError: the loss is not finite, or the folder holds another run.
            MissingExtraError: there are MIDI files, and symusic is not installed.
        """
        return self._fit(source, {"piece": piece}, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        name = self.columns_["piece"]
        if isinstance(source, list) and not any(isinstance(one, Mapping) for one in source):
            source = {name: source}
        rows = read(source)
        pieces = rows.column(name)
        wrong = [i for i, one in enumerate(pieces) if one is None or _nothing(one)]
        rows.refuse(name, wrong, "have no piece", fix="fill these rows or take them out")
        columns = {**rows.columns, name: [opened(one) for one in pieces]}
        return Records(columns, rows.source, rows.lines, rows.rows)

    def _learn_codecs(self, rows: Records) -> None:
        self.input_ = Music(self.music.grid).fit(rows.column(self.columns_["piece"]))

    def _encoded(self, rows: Records) -> Ragged:
        frames = self.input_.encode(rows.column(self.columns_["piece"]))
        short = (frames.lengths == 0).nonzero()[:, 0].tolist()
        name = self.columns_["piece"]
        rows.refuse(name, short, "are shorter than a frame", fix="take them out, or use a finer grid")
        return frames

    def _network(self) -> NToN:
        training, keys, size = self.training, self.input_.features, self.music.embedding_size
        recurrent = Recurrent(
            self.cell,
            size,
            self.hidden_size,
            self.num_layers,
            bidirectional=self.bidirectional,
            dropout=training.dropout,
            recurrent_dropout=training.recurrent_dropout,
        )
        head = frames_of(self.head, recurrent.output_size, keys)
        inputs = Keyboard(keys + 1, size, training.dropout)
        return NToN(inputs, recurrent, outputs=keys, head=head, dropout=training.dropout)

    def _asked(self, frames: Ragged) -> tuple[Ragged, Tensor]:
        """What is read of pieces, step by step, and what is answered to it."""
        return preceding(frames), frames.values

    def _problem(self, train: Ragged, dev: Ragged) -> Problem:
        evaluate = (lambda _: {"frame_log_likelihood": -self._nats(dev)[0]}) if len(dev) else None
        if int(train.lengths.max()) > self.window and not self.bidirectional:
            return self._unrolled(train, evaluate)
        low, high = room(train, self.music.transpose)

        def loss(model: Any, batch: tuple[Ragged, Tensor, Tensor]) -> Tensor:
            frames, down, up = batch
            frames = frames.with_values(moved(frames.values, drawn(down, up)[frames.rows]))
            return model.surprise(*self._asked(frames))[0].mean()

        return Problem(
            lengths=train.lengths.tolist(),
            batch=lambda chosen: (train[chosen], low[chosen], high[chosen]),
            loss=loss,
            evaluate=evaluate,
            monitor="frame_log_likelihood",
        )

    def _unrolled(self, frames: Ragged, evaluate: Any) -> Problem:
        """Long pieces as one stream: windows of many parts, each with a state and a key that are carried."""
        inputs, targets = self._asked(frames)
        training = self.training
        windows = Windows(
            len(targets), window=self.window, batch_size=training.batch_size, seed=training.seed
        )
        steps, carried = torch.arange(windows.window), {}
        low, high = (one for one in room(frames, self.music.transpose))
        low, high = low.max(), high.min()

        def batch(starts: Any) -> tuple[Ragged, Tensor]:
            places = (torch.from_numpy(starts)[:, None] + steps).flatten()
            offsets = torch.arange(len(starts) + 1) * len(steps)
            return Ragged(inputs.values[places], offsets), targets[places]

        def loss(model: Any, batch: tuple[Ragged, Tensor]) -> Tensor:
            read, wanted = batch
            state = tuple(carried[name] for name in sorted(carried) if name != "keys") or None
            if state is None:
                many = torch.ones(len(read), dtype=torch.int64, device=wanted.device)
                carried["keys"] = drawn(low * many, high * many)
            keys = carried["keys"][read.rows]
            heard = torch.cat([moved(read.values[:, :-1], keys), read.values[:, -1:]], 1)
            found, after = model.surprise(read.with_values(heard), moved(wanted, keys), state)
            carried.update({f"state.{n}": one.detach() for n, one in enumerate(after)})
            return found.mean()

        return Problem([], batch, loss, evaluate, "frame_log_likelihood", windows, carried)

    # --- figures ---

    def _nats(self, frames: Ragged) -> tuple[float, float]:
        """The mean surprise of a frame: without those that nothing comes before, and of all."""
        nats = surprises(self.network_, *self._asked(frames))
        later = nats.values[nats.positions > 0]
        every = float(nats.values.mean())
        return (float(later.mean()) if len(later) else every), every

    def evaluate(self, source: Any, y: None = None) -> MusicReport | HarmonyReport:
        """How well pieces are foretold, each in one pass from its beginning, in its own key."""
        self._check_fitted()
        frames = self._encoded(self._examples(source))
        later, every = self._nats(frames)
        return MusicReport(len(frames), len(frames.values), later, every)

    def score(self, source: Any, y: None = None) -> float:
        """The mean log-probability of a frame, in nats: higher is better."""
        return -self.evaluate(source).nats_per_frame

    # --- asking ---

    def generate(
        self, prompt: Any = None, length: int | None = None, decode: Decoding | None = None
    ) -> Piece:
        """A piece: the prompt, and how it may go on.

        Args:
            prompt: how the piece begins: the path of a MIDI or ABC file, a `Piece`, frames; nothing if None.
            length: frames to write, 64 if None; a `max_length` of `decode` goes before it.
            decode: how notes are chosen: `Sample` with a temperature and a seed, or `Greedy`; by chance as
                the network has it if None.

        Raises:
            DataError: the prompt is no piece, or has notes beyond the keys.
            SettingsError: `decode` asks for what frames do not have, such as a beam.
        """
        return self.generations(prompt, length, decode)[0].piece

    @torch.inference_mode()
    def generations(
        self, prompt: Any = None, length: int | None = None, decode: Decoding | None = None
    ) -> list[Composed]:
        """All the pieces that `decode` gives, with their probabilities: one, or its `samples`."""
        self._check_fitted()
        decode = Sample() if decode is None else decode
        count, temperature, generator = choosing(decode)
        length = decode.max_length or (LENGTH if length is None else length)
        network: Any = self.network_.eval()
        given, state, x = self._heard(prompt)
        state, x = network.select(state, torch.zeros(count, dtype=torch.int64)), x.expand(count, -1)
        written, nats = [], torch.zeros(count, dtype=torch.float64)
        for _ in range(length):
            told, state = network.step(x, state)
            numbers = self._numbers(count, generator)
            frames = network.head.draw(told, numbers, temperature)
            nats += network.head.nats(told, frames).double()
            written.append(frames)
            x = torch.cat([frames, torch.zeros(count, 1)], 1)
        rolls = torch.cat([given.expand(count, -1, -1), torch.stack(written, 1)], 1)
        quarters = len(given) / self.input_.grid
        return [
            Composed(self.input_.decode(roll), quarters, -float(one))
            for roll, one in zip(rolls, nats, strict=True)
        ]

    @torch.inference_mode()
    def predict(self, source: Any) -> Any:
        """What sounds after a piece: the chance of every key; for a list of pieces, a list of them.

        A list of frames is one piece, as it is for `fit` inside of a list of pieces.
        """
        self._check_fitted()
        if is_piece(source):
            _, state, x = self._heard(source)
            return self._prediction(self.network_.eval().step(x, state)[0])
        if not hasattr(source, "__iter__"):
            raise DataError("This is no piece, and no list of pieces.", received=repr(source)[:80])
        return [self.predict(one) for one in source]

    def inspect(self, piece: Any) -> Roll:
        """What the network expected of each frame, how unexpected each was, in nats, and its states."""
        self._check_fitted()
        frames = self.input_.encode([piece])
        inputs, wanted = self._asked(frames)
        wanted = frames.with_values(wanted)
        return look_at_music(self.network_.eval(), inputs, wanted, self.input_.names)

    def stream(self) -> Stream[Prediction]:
        """A session that hears piece by piece in constant memory; each push answers what sounds next."""
        self._check_fitted()
        begun = Begun(self.network_.eval(), self._heard(None)[2][0])
        return Stream(begun, self._frames, self._prediction)

    def _numbers(self, frames: int, generator: torch.Generator | None) -> Tensor | None:
        """What frames are drawn by; nothing, where they are the likeliest."""
        size = (frames, self.input_.features)
        return None if generator is None else torch.rand(size, generator=generator)

    def _prediction(self, told: Tensor) -> Prediction:
        return Prediction.of(self.network_.head.expected(told)[0], self.input_.names)

    @torch.inference_mode()
    def _heard(self, piece: Any) -> tuple[Tensor, Any, Tensor]:
        """The frames of a piece, the state after all of them but the last, and what is read of that one."""
        nothing = piece is None or (isinstance(piece, str) and not piece)
        rows = self._frames([] if nothing else piece).values
        mark = torch.zeros(1, self.input_.features + 1, dtype=rows.dtype)
        mark[:, -1] = 1
        read = torch.cat([mark, rows])
        network: Any = self.network_.eval()
        before = Ragged.of([read[:-1]])
        state = network.start(1) if len(read) == 1 else network.run(before).final
        return rows[:, :-1].float(), state, read[-1:]

    def _frames(self, piece: Any) -> Ragged:
        """Frames as they are read within a piece, the place of the mark empty."""
        frames = self.input_.encode([piece])
        return frames.with_values(F.pad(frames.values, (0, 1)))

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), "
            f"head {self.head}",
            "Grid": f"{self.music.grid} frame(s) of a quarter note",
        }


def choosing(decode: Decoding) -> tuple[int, float, torch.Generator | None]:
    """How many pieces, at which temperature, by which random numbers; by none, the likeliest of notes."""
    if isinstance(decode, Greedy):
        return 1, 1.0, None
    if not isinstance(decode, Sample):
        raise SettingsError(
            "Frames are drawn, or chosen note by note.",
            expected="Sample(temperature=..., seed=...) or Greedy()",
            received=repr(decode),
        )
    if decode.top_k or decode.top_p < 1 or decode.no_repeat_ngram_size or decode.constraint:
        raise SettingsError(
            "Frames are drawn by a temperature alone.",
            received="top_k, top_p, no_repeat_ngram_size or constraint",
            fix="leave it out",
        )
    generator = torch.Generator()
    if decode.seed is None:
        generator.manual_seed(int(torch.randint(2**62, ())))
    else:
        generator.manual_seed(decode.seed)
    return decode.samples, decode.temperature, generator


def _nothing(piece: Any) -> bool:
    return hasattr(piece, "__len__") and not len(piece)


def is_piece(source: Any) -> bool:
    """One piece, rather than a list of pieces: a path, bytes, a `Piece`, a roll, a list of frames."""
    if isinstance(source, str | bytes | Path | Piece) or source is None:
        return True
    if isinstance(source, list):
        return bool(source) and all(
            isinstance(frame, list) and all(isinstance(key, int) for key in frame) for frame in source
        )
    return getattr(source, "ndim", 0) == 2

"""A model that harmonises: given the top voice of a piece, it writes the others."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from elman.codecs.music import MusicSettings, below_highest, highest
from elman.decoding.base import Decoding
from elman.decoding.greedy import Greedy
from elman.decoding.sample import Sample
from elman.errors import DataError, SettingsError
from elman.music.answers import Composed, HarmonyReport, voice_accuracy
from elman.ragged import Ragged
from elman.streaming import Stream
from elman.tasks.composer import Composer, choosing, is_piece
from elman.training import Training

HARMONY = Training(batch_size=16, epochs=60, dropout=0.4, word_dropout=0.0, label_smoothing=0.0)


class Harmonizer(Composer):
    """Given the highest note of every frame, writes the notes below it: N-to-N, as long as what is given.

        h[t] = [cell(h[t-1], x[t]) ; cell'(h'[t+1], x[t])]        p(v[t] | x[1] … x[T]) = head(h[t])

    x[t] is the top voice alone, and v[t] all else that sounds; in training both are taken from whole pieces.
    The top voice is read in both directions, so that each chord is chosen in view of where the tune goes.
    Nothing is written above it.

    Args:
        cell, hidden_size, num_layers, head, music: as for `Composer`.
        bidirectional: whether the top voice is read from its end as well.
        training: how the network is trained, with the seed.

    Attributes after `fit`:
        network_: the `NToN`. input_: the codec, `Music`. history_: the figures of each epoch.

    >>> thirds = [[pitch - 4, pitch] for pitch in (60, 62, 64, 65, 67, 65, 64, 62)]
    >>> training = Training(epochs=60, batch_size=2, learning_rate=1e-2, dropout=0.0)
    >>> model = Harmonizer(hidden_size=16, music=MusicSettings(transpose=0), training=training)
    >>> [note.pitch for note in model.fit([thirds] * 8).predict([[64], [65]]).piece.notes]
    [60, 64, 61, 65]
    """

    task: ClassVar[str] = "harmonizer"
    kind: ClassVar[str] = "harmonizer"

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        *,
        bidirectional: bool = True,
        head: Literal["independent", "nade"] = "nade",
        music: MusicSettings = MusicSettings(),  # noqa: B008 - frozen
        training: Training = HARMONY,
    ) -> None:
        super().__init__(cell, hidden_size, num_layers, head=head, music=music, training=training)
        self.bidirectional = bidirectional

    # --- learning ---

    def _asked(self, frames: Ragged) -> tuple[Ragged, Tensor]:
        """The top voice, with the place of the mark empty, and all below it."""
        top = highest(frames.values)
        empty = top.new_zeros(len(top), 1)
        return frames.with_values(torch.cat([top, empty], 1)), frames.values - top

    # --- figures ---

    def evaluate(self, source: Any, y: None = None) -> HarmonyReport:
        """How well the lower voices are foretold, and how many notes of each voice are written as they were.

        What is written is the likeliest note by note from the lowest (`Greedy`). In every frame the notes below
        the top voice are counted from the highest down, in what was written as in what is true; a note is
        right where both have the same key at the same place.
        """
        self._check_fitted()
        frames = self._encoded(self._examples(source))
        written = self._written(frames, Greedy())[0][0]
        wanted = self._asked(frames)[1]
        return HarmonyReport(
            count=len(frames),
            frames=len(frames.values),
            nats_per_frame=self._nats(frames)[1],
            voices=voice_accuracy(written.numpy(), wanted.numpy()),
        )

    # --- asking ---

    def predict(self, source: Any, decode: Decoding | None = None) -> Any:
        """A piece with its lower voices written, `Composed`; for a list of pieces, a list of them.

        Of what is given the highest note of every frame counts alone. Without `decode`, notes are the
        likeliest, from the lowest up.
        """
        self._check_fitted()
        if is_piece(source):
            return self.generations(source, decode=Greedy() if decode is None else decode)[0]
        if not hasattr(source, "__iter__"):
            raise DataError("This is no piece, and no list of pieces.", received=repr(source)[:80])
        return [self.predict(one, decode) for one in source]

    def generations(
        self, prompt: Any = None, length: int | None = None, decode: Decoding | None = None
    ) -> list[Composed]:
        """The piece with its lower voices written, as often as `decode` gives samples.

        Raises:
            SettingsError: no top voice is given, or another length than its own is asked for.
        """
        self._check_fitted()
        nothing = prompt is None or (isinstance(prompt, str) and not prompt)
        if nothing or length is not None:
            raise SettingsError(
                "What is harmonised has the length of the top voice that is given.",
                received="no piece" if nothing else f"length={length}",
                fix="elman generate RUN --prompt melody.mid, without --steps",
            )
        frames = self.input_.encode([prompt])
        if not len(frames.values):
            raise DataError("There is nothing to harmonise.", received="a piece without frames")
        top = highest(frames.values).float()
        quarters = len(top) / self.input_.grid
        found, nats = self._written(frames, Sample() if decode is None else decode)
        return [
            Composed(self.input_.decode(one + top), quarters, -float(each.sum()))
            for one, each in zip(found, nats, strict=True)
        ]

    @torch.inference_mode()
    def _written(self, frames: Ragged, decode: Decoding) -> tuple[Tensor, Tensor]:
        """What lies below the top voice, `samples steps keys`, and how unexpected it was, `samples steps`."""
        count, temperature, generator = choosing(decode)
        network: Any = self.network_.eval()
        told = network(self._asked(frames)[0]).values
        below = below_highest(frames.values)
        found, nats = [], []
        for _ in range(count):
            whole = network.head.draw(told, self._numbers(len(told), generator), temperature)
            # A key depends on those below it alone: to leave out the highest changes no other.
            found.append(whole * below)
            nats.append(network.head.nats(told, found[-1]))
        return torch.stack(found), torch.stack(nats)

    def stream(self) -> Stream[Any]:
        """There is none: the first chord depends on the last note.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(
            "A harmony is written in view of the whole tune.", fix="give the whole piece"
        )

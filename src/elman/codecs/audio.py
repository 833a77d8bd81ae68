"""Recordings to log-mel frames, every 10 ms, freed of what the microphone and the voice's colour add."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field

from elman.codecs.base import Pieces, Reader
from elman.errors import DataError, SettingsError
from elman.layers.spectral import coloured, masked, noised, paced, voiced
from elman.ragged import Ragged, offsets_of
from elman.settings import Settings
from elman.sound import (
    HOP,
    SUFFIXES,
    WINDOW,
    Frames,
    bands_of,
    frames_of,
    hertz_of,
    is_recording,
    read_recording,
)

PRIOR = 50.0
"""Frames that a training set's mean and spread count for beside a recording's own."""
FLOOR = 0.05
"""The least spread that is divided by, as a share of the training set's: silence stays silence."""
QUIET = 10.0
"""Decibels below the softest recording of the training set from which on a recording is taken for silence."""
BEL = math.log(10)
"""A factor of ten in power, as frames have it."""


class AudioSettings(Settings):
    """How sound becomes numbers, and how it is varied while a network learns, never afterwards.

    All sound is brought to `rate` samples a second; where it is None, to 16,000 if every recording of the
    training set has as many, else to 8,000. A frame has `n_mels` numbers. The loudest of them becomes 0, and
    what is more than `dynamic_range` decibels softer is raised to that (None for never), so that neither the
    distance of a microphone nor its hiss are heard. Then they are brought to mean 0 and spread 1: those of the
    `utterance`, for which the training set counts as half a second more, so that a voice loses its colour and a
    short word keeps its own; or those of the training set alone (`level`).
    `causal` says whether this is done by what was heard so far, which can stream, or by the whole; None is
    so for networks that read one way only.

    `stack` neighbouring frames make one step, which is that much less to go through.

    In training, `speed` is by how much a recording is faster or slower, `vocal_tract` by how much its
    frequencies are scaled; some are raised and others lowered by about `colour` decibels, as by another
    microphone; noise is added `noise` decibels below it or less (None for no noise); a stretch of
    up to `time_mask` frames and a band of up to `frequency_mask` numbers are left out.

    >>> AudioSettings(n_mels=24).speed
    0.1
    """

    rate: int | None = Field(default=None, ge=4000, le=48_000)
    n_mels: int = Field(default=40, ge=4, le=128)
    stack: int = Field(default=1, ge=1, le=16)
    dynamic_range: float | None = Field(default=40.0, gt=0)
    normalisation: Literal["level", "utterance"] = "utterance"
    causal: bool | None = None
    speed: float = Field(default=0.1, ge=0, lt=0.5)
    vocal_tract: float = Field(default=0.1, ge=0, lt=0.5)
    colour: float = Field(default=0.0, ge=0)
    noise: float | None = None
    time_mask: int = Field(default=10, ge=0)
    frequency_mask: int = Field(default=6, ge=0)


class Audio(Reader):
    """Recordings to frames: `steps n_mels*stack`, one every 10 ms, each looking at 25 ms.

        l[t, m] = max(x[t, m] - peak, -range)        x: `sound.Frames`; peak: the loudest, of all or so far
        x'[t, m] = (l[t, m] - mean[m]) / √(spread[m]² + floor)

    A recording is the path of a file, or a pair of samples and their rate. What is softer than any recording of
    the training set by 10 dB is silence, and as soft as can be; a recording shorter than 25 ms has no frame.

    >>> from elman.sound import frames_of                                # doctest: +SKIP
    >>> codec = Audio(AudioSettings(n_mels=8)).fit([(np.sin(np.arange(8000.0)), 8000)])   # doctest: +SKIP
    >>> codec.encode([(np.zeros(4000), 8000)])                           # doctest: +SKIP
    Ragged(lengths=[48], features=(8,), torch.float32)
    """

    name: ClassVar[str] = "audio"

    def __init__(self, settings: AudioSettings | None = None, *, causal: bool = False) -> None:
        self.settings = settings or AudioSettings()
        self.causal = causal if self.settings.causal is None else self.settings.causal
        self.rate, self.quiet = self.settings.rate or 0, -math.inf
        self.mean, self.spread = np.zeros(0), np.ones(0)

    @property
    def features(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The numbers in a step: those of the frames that it is made of."""
        return self.settings.n_mels * self.settings.stack

    @classmethod
    def suits(cls, one: Any) -> bool:
        return is_recording(one)

    def is_one(self, source: Any) -> bool:
        return isinstance(source, str | os.PathLike) or is_recording(source)

    # --- learning ---

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn the rate, and the mean and spread of each band.

        Raises:
            DataError: a recording that cannot be read, or none that is as long as a frame.
        """
        recordings = _all(raw)
        if not self.rate:
            self.rate = 16_000 if all(rate >= 16_000 for _, rate in recordings) else 8_000
        frames = [self._frames(one) for one in recordings]
        self.quiet = (
            min((float(one.max()) for one in frames if len(one)), default=0.0) - QUIET * BEL / 10
        )
        whole = np.concatenate([*(Levels(self)(one) for one in frames), self._none]).astype(np.float64)
        if not len(whole):
            raise DataError(
                "No recording is as long as a frame.",
                expected="at least 25 ms of sound",
                received=f"{len(recordings)} recordings, the longest of "
                f"{max((len(one) / rate for one, rate in recordings), default=0):.3f} s",
            )
        self.mean, self.spread = whole.mean(0), np.maximum(whole.std(0), 1e-3)
        return self

    # --- using ---

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Recordings to frames as the network reads them; nothing is drawn at random."""
        return self.finish(self.prepare(raw))

    def prepare(self, raw: Sequence[Any]) -> Ragged:
        """Recordings to log-mel frames as they are."""
        frames = [torch.from_numpy(self._frames(one)) for one in _all(raw)]
        return (
            Ragged.of(frames) if frames else Ragged(torch.from_numpy(self._none), torch.zeros(1).long())
        )

    def finish(self, xs: Ragged, *, vary: bool = False) -> Ragged:
        """Frames normalised; with `vary` after changes of speed, voice and noise, and with gaps."""
        if not vary or not len(xs.values):
            return stacked(self._normalised(xs), self.settings.stack)
        settings = self.settings
        if settings.speed:
            xs = paced(xs, settings.speed)
        bands = torch.from_numpy(bands_of(self.rate, settings.n_mels))
        if settings.vocal_tract:
            xs = voiced(xs, settings.vocal_tract, bands)
        if settings.colour:
            xs = coloured(xs, settings.colour)
        if settings.noise is not None:
            hertz = torch.from_numpy(hertz_of(bands.numpy()))
            widths = (hertz[2:] - hertz[:-2]).float()
            xs = noised(xs, settings.noise, widths / widths.mean())
        xs = masked(self._normalised(xs), settings.time_mask, settings.frequency_mask)
        return stacked(xs, settings.stack)

    def names(self, one: Any) -> list[str]:
        """The time at which each step ends, in seconds."""
        return [f"{end:.3f} s" for end in self.ends(len(self._frames(read_recording(one))))]

    def ends(self, frames: int) -> np.ndarray:
        """The time at which each step of so many frames ends, in seconds."""
        stack = self.settings.stack
        return (np.arange(1, frames // stack + 1) * stack - 1) * HOP + WINDOW

    def pieces(self) -> HeardSoFar:
        """What takes samples as they come: arrays at the codec's rate, or pairs with their own.

        Raises:
            SettingsError: frames are normalised by what is still to come.
        """
        return HeardSoFar(self)

    # --- keeping ---

    def config(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(),
            "causal": self.causal,
            "rate": self.rate,
            "quiet": self.quiet,
            "mean": self.mean.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        codec = cls(AudioSettings(**config["settings"]), causal=config["causal"])
        codec.rate, codec.quiet = config["rate"], config["quiet"]
        codec.mean, codec.spread = np.asarray(config["mean"]), np.asarray(config["spread"])
        return codec

    # --- inside ---

    def _frames(self, recording: tuple[np.ndarray, int]) -> np.ndarray:
        return frames_of(*recording, self.rate, self.settings.n_mels)

    @property
    def _none(self) -> np.ndarray:
        """No frame at all."""
        return np.zeros((0, self.settings.n_mels), np.float32)

    def _normalised(self, xs: Ragged) -> Ragged:
        parts = [Normal(self)(Levels(self)(one.numpy())) for one in xs]
        return xs.with_values(torch.from_numpy(np.concatenate([*parts, self._none])))


class Levels:
    """Frames as levels beside the loudest: of all that it is given at once, or, if it is causal, so far."""

    def __init__(self, codec: Audio) -> None:
        decibels = codec.settings.dynamic_range
        self.depth = math.inf if decibels is None else decibels * BEL / 10
        self.causal, self.peak = codec.causal, codec.quiet

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """The levels of the next frames: `frames n_mels`, at most 0."""
        peaks = np.maximum.accumulate(np.concatenate([[self.peak], frames.max(1, initial=-np.inf)]))
        self.peak = float(peaks[-1])
        beside = peaks[1:, None] if self.causal else self.peak
        return np.maximum(frames - beside, -self.depth)


class Normal:
    """Levels brought to mean 0 and spread 1: by the training set, or by the utterance beside it.

        mean[t] = (κ·M + Σ_i l[i]) / (κ + n)        i: to t if it is causal, else to the end
        spread[t]² = (κ·(M² + S²) + Σ_i l[i]²) / (κ + n) - mean[t]²

    M and S are the training set's, κ is `PRIOR`, n the number of frames. Frames come in any pieces if it is
    causal, and otherwise at once.
    """

    def __init__(self, codec: Audio) -> None:
        self.codec, self.count = codec, PRIOR
        self.total = PRIOR * codec.mean
        self.squares = PRIOR * (codec.mean**2 + codec.spread**2)

    def __call__(self, levels: np.ndarray) -> np.ndarray:
        """The next frames: float32, `frames n_mels`."""
        levels = levels.astype(np.float64)
        mean, spread = self.codec.mean, self.codec.spread
        if self.codec.settings.normalisation == "utterance":
            mean, spread = self._own(levels)
        floor = FLOOR * self.codec.spread
        return ((levels - mean) / np.sqrt(spread**2 + floor**2)).astype(np.float32)

    def _own(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean and spread at each frame, or, if it is not causal, over all of them."""
        counts = self.count + np.arange(1, len(levels) + 1)[:, None]
        totals = np.cumsum(np.concatenate([self.total[None], levels]), 0)
        squares = np.cumsum(np.concatenate([self.squares[None], levels**2]), 0)
        self.count, self.total, self.squares = self.count + len(levels), totals[-1], squares[-1]
        if self.codec.causal:
            mean, square = totals[1:] / counts, squares[1:] / counts
        else:
            mean, square = self.total / self.count, self.squares / self.count
        return mean, np.sqrt(np.maximum(square - mean**2, 0))


class HeardSoFar(Pieces):
    """A recording that comes piece by piece; the rate of the first piece is that of all."""

    def __init__(self, codec: Audio) -> None:
        if not codec.causal:
            raise SettingsError(
                "This model cannot stream: it normalises a recording by the whole of it.",
                received="causal=False",
                fix="train with AudioSettings(causal=True) (--set causal=true)",
            )
        self.codec = codec
        self.reset()

    def reset(self) -> None:
        self.frames: Frames | None = None
        self.levels, self.normal = Levels(self.codec), Normal(self.codec)
        self.rest = self.codec._none  # frames that do not make a step yet

    def __call__(self, piece: Any) -> Ragged:
        samples, rate = read_recording(
            piece if is_recording(piece) else (np.asarray(piece), self.codec.rate)
        )
        if self.frames is None:
            self.frames = Frames(rate, self.codec.rate, self.codec.settings.n_mels)
        if rate != self.frames.rate:
            raise DataError(
                "The rate changed within a recording.",
                expected=f"{self.frames.rate} samples a second, as in the first piece",
                received=rate,
                fix="begin anew: reset()",
            )
        return self._steps(self.frames.push(samples))

    def finish(self) -> Ragged | None:
        return None if self.frames is None else self._steps(self.frames.finish())

    def _steps(self, frames: np.ndarray) -> Ragged:
        frames = np.concatenate([self.rest, self.normal(self.levels(frames))])
        stack = self.codec.settings.stack
        self.rest = frames[len(frames) // stack * stack :]
        return stacked(Ragged.of([torch.from_numpy(frames)]), stack)


def stacked(xs: Ragged, count: int) -> Ragged:
    """So many neighbouring steps as one; those at the end that make none are dropped.

    Shapes: xs `steps features`; the result `steps/count features*count`.

    >>> stacked(Ragged.of([torch.arange(5.0)[:, None]]), 2).values.tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    if count == 1:
        return xs
    lengths = xs.lengths // count
    kept = xs.values[xs.positions < (lengths * count)[xs.rows]]
    return Ragged(kept.reshape(-1, count * xs.values.shape[1]), offsets_of(lengths))


def _all(raw: Sequence[Any]) -> list[tuple[np.ndarray, int]]:
    """The samples and rate of each recording; what cannot be read is told together."""
    if isinstance(raw, str) or is_recording(raw):
        raise DataError("One recording was given where a list is expected.", fix="[recording]")
    found, faults = [], []
    for one in raw:
        try:
            found.append(read_recording(one))
        except DataError as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        shown = [one.problem for one in faults[:5]] + (
            [f"… and {len(faults) - 5} more"] if faults[5:] else []
        )
        raise DataError(
            f"{len(faults)} of {len(raw)} recordings cannot be used.",
            expected=", ".join(one.lstrip(".") for one in SUFFIXES),
            received="\n".join(shown),
            fix="repair them or take them out",
        )
    return found

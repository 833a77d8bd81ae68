"""Sound as numbers: recordings read from files or arrays, brought to one rate, and cut into log-mel frames."""

from __future__ import annotations

import io
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import DataError, MissingExtraError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64")
"""Those of files that are recordings."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Samples a second, below or above which a rate is taken for a damaged header."""
WINDOW, HOP = 0.025, 0.010
"""Seconds that a frame looks at, and from one frame to the next."""
UNTOLD = 2**31 - 1
"""The least length, in bytes, by which a program says that it did not know how long a recording would be."""


def is_recording(one: Any) -> bool:
    """Whether a value is samples with their rate: `(array, rate)`.

    >>> is_recording((np.zeros(80), 8000)), is_recording(np.zeros(80))
    (True, False)
    """
    return (
        isinstance(one, tuple) and len(one) == 2 and np.ndim(one[1]) == 0 and np.ndim(one[0]) in (1, 2)
    )


def read_recording(source: Any) -> tuple[np.ndarray, int]:
    """The samples of a recording, -1 to 1, several channels averaged, and their rate.

    Args:
        source: the path of a file that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, ...), or its bytes;
            or a pair of samples, `time` or `time channels`, and their rate. Whole numbers are taken by the
            range of their type: int16 by 32768, uint8 by 128 around 128. Floats are taken as they are.

    Shapes: float32, `time`. A recording without a sample is legal, and has no frame.

    Raises:
        DataError: no such file; no sound, or cut off in the middle; a rate that cannot be; samples that are
            no numbers, or are infinite.
        MissingExtraError: the package soundfile is not installed, and a file was named.

    >>> read_recording((np.array([[0, 16384], [-32768, 0]], np.int16), 8000))
    (array([ 0.25, -0.5 ], dtype=float32), 8000)
    """
    if isinstance(source, str | os.PathLike | bytes):
        place = "these bytes" if isinstance(source, bytes) else os.path.expanduser(os.fspath(source))
        samples, rate = _of_file(place, source if isinstance(source, bytes) else None)
    elif is_recording(source):
        place, (samples, rate) = "this recording", source
        samples = _scaled(np.asarray(samples))
    else:
        raise DataError(
            "This is no recording.",
            expected="the path of a file, or a pair (samples, rate)",
            received=f"{type(source).__name__}: {str(source)[:60]}",
            fix='"words/yes.wav", or (samples, 16000): how many samples a second cannot be guessed',
        )
    if not LOWEST_RATE <= rate <= HIGHEST_RATE or int(rate) != rate:
        raise DataError.at(
            place,
            "a recording cannot have this rate.",
            expected=f"{LOWEST_RATE} to {HIGHEST_RATE} samples a second",
            received=rate,
            fix="repair the header, or record it anew: 8000 to 48000 is usual for speech",
        )
    whole = int(rate)
    if samples.ndim == 2:
        samples = samples.mean(1, dtype=np.float32)
    if not np.isfinite(samples).all():
        first = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise DataError.at(
            place,
            f"the samples are not finite at {first / whole:.3f} s.",
            expected="finite numbers",
            received=samples[first],
            fix="write the file anew, in 16 bits",
        )
    return samples, whole


class Frames:
    """Log-mel frames of samples that come piece by piece: any cutting gives the same frames.

        e[t, m] = log max(ε, Σ_f W[m, f]·|FFT(w·x[t])[f]|²)        W: triangles, equal steps in mel

    A frame looks at 25 ms, from its start on, and the next one starts 10 ms later; what is left at the end
    and fills no frame is dropped, so that n samples have `1 + (n - window) // hop` frames. Each frame loses
    its mean and is emphasised by `x[i] - 0.97·x[i-1]`; w is a Hann window to the power 0.85, and samples are
    taken in the range of 16 bits. These are Kaldi's, without its dither.

    Args:
        rate: of the samples that are pushed.
        to: the rate that they are brought to first.
        n_mels: numbers in a frame.

    Shapes: `push` and `finish` give `frames n_mels`, float32.

    Source: Povey et al. 2011, "The Kaldi speech recognition toolkit".
    """

    def __init__(self, rate: int, to: int, n_mels: int) -> None:
        self.rate, self.n_mels = rate, n_mels
        kaldi = _kaldi()
        options = kaldi.FbankOptions()
        options.frame_opts.samp_freq, options.frame_opts.dither = to, 0.0
        options.frame_opts.frame_length_ms, options.frame_opts.frame_shift_ms = 1e3 * WINDOW, 1e3 * HOP
        options.mel_opts.num_bins = n_mels
        self._bank, self._to, self._taken = kaldi.OnlineFbank(options), to, 0
        self._resample = None if rate == to else _soxr().ResampleStream(rate, to, 1, dtype="float32")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The frames that these samples complete: float32 samples, -1 to 1."""
        if self._resample is not None and len(samples):
            samples = self._resample.resample_chunk(samples)
        return self._frames(samples)

    def finish(self) -> np.ndarray:
        """The frames that the end completes: what bringing samples to another rate held back."""
        if self._resample is None:
            return self._frames(np.zeros(0, np.float32))
        return self._frames(self._resample.resample_chunk(np.zeros(0, np.float32), last=True))

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        if len(samples):
            self._bank.accept_waveform(self._to, samples * np.float32(32768))
        new = range(self._taken, self._bank.num_frames_ready)
        found = np.zeros((len(new), self.n_mels), np.float32)
        for row, number in enumerate(new):
            found[row] = self._bank.get_frame(number)
        self._bank.pop(len(new))  # what was given is let go: memory does not grow
        self._taken += len(new)
        return found


def frames_of(samples: np.ndarray, rate: int, to: int, n_mels: int) -> np.ndarray:
    """The log-mel frames of a whole recording: `frames n_mels`; none where it is shorter than 25 ms."""
    frames = Frames(rate, to, n_mels)
    return np.concatenate([frames.push(samples), frames.finish()])


def mel_of(hertz: np.ndarray) -> np.ndarray:
    """Frequencies in mel: 1127·ln(1 + f/700)."""
    return 1127.0 * np.log1p(hertz / 700.0)


def hertz_of(mel: np.ndarray) -> np.ndarray:
    """The way back from `mel_of`.

    >>> round(float(hertz_of(mel_of(np.array(440.0)))), 6)
    440.0
    """
    return 700.0 * np.expm1(mel / 1127.0)


def bands_of(rate: int, n_mels: int) -> np.ndarray:
    """The middle of each band of `Frames`, in mel, with the outer ends before and after: `n_mels+2`.

    >>> hertz_of(bands_of(8000, 3)).round().tolist()
    [20.0, 451.0, 1140.0, 2240.0, 4000.0]
    """
    low, high = mel_of(np.array([20.0, rate / 2]))
    return np.linspace(low, high, n_mels + 2)


def _of_file(path: str, content: bytes | None) -> tuple[np.ndarray, int]:
    """What a file holds, `time channels`, and its rate; `content` are its bytes where they are in memory."""
    soundfile = _soundfile()
    if content is None:
        content = _content(path)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            told, rate, notes = len(file), file.samplerate, file.extra_info
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                return np.zeros(0, np.float32), rate  # whoever asked says what is wrong
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as cause:
        raise _unreadable(path, content, str(cause).rpartition(": ")[2]) from cause
    # libsndfile reads what there is and says so only in its notes; 0 and ~2³² are written by streams.
    for size, there in re.findall(r"(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", notes):
        if int(there) < int(size) < UNTOLD:
            raise _cut(path, f"{there} of {size} bytes of sound")
    if len(samples) < told:
        raise _cut(path, f"{len(samples)} of {told} samples")
    if content.startswith(b"OggS") and not _ends(content):
        raise _cut(path, f"{len(content)} bytes without the end")
    return samples, rate


def _ends(content: bytes) -> bool:
    """Whether the last page of an Ogg file is the one that ends it, and is whole."""
    page = content[content.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4 or len(page) < 27 + page[26]:
        return False
    return len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _content(path: str) -> bytes:
    if not os.path.isfile(path):
        what = "this is a folder, no recording" if os.path.isdir(path) else "there is no such file"
        raise DataError.at(path, f"{what}.", expected="a recording", fix="check its name and folder")
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise DataError.at(path, f"the file cannot be opened: {fault.strerror}.") from fault


def _cut(path: str, received: str) -> DataError:
    return DataError.at(
        path,
        "the recording is cut off in the middle.",
        expected="as much sound as its header says",
        received=received,
        fix="copy the file again",
    )


def _unreadable(path: str, content: bytes, reason: str) -> DataError:
    head = content[:64]
    plain = bool(head) and all(32 <= one < 127 or one in b"\t\r\n" for one in head)
    received = f"text: {head[:40].decode('ascii')!r}" if plain else f"{len(content)} bytes: {reason}"
    return DataError.at(
        path,
        "this is no recording that can be read.",
        expected="WAV, FLAC, OGG, MP3, AIFF, or another format of libsndfile, whole",
        received=received if head else "an empty file",
        fix="copy the file again, or convert it to WAV",
    )


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Samples of any type of numbers as float32, -1 to 1."""
    kind = samples.dtype.kind
    if kind not in "iuf":
        raise DataError(
            "The samples of a recording must be numbers.",
            expected="an array of whole or floating numbers",
            received=f"an array of {samples.dtype}",
        )
    if samples.ndim == 2 and samples.shape[1] > 64 and samples.shape[0] < samples.shape[1]:
        raise DataError(
            f"This recording would have {samples.shape[1]} channels.",
            expected="samples of shape time, or time × channels",
            received=f"shape {samples.shape}",
            fix="pass samples.T",
        )
    if kind == "f":
        return samples.astype(np.float32)
    half = -float(np.iinfo(samples.dtype).min) if kind == "i" else (np.iinfo(samples.dtype).max + 1) / 2
    return ((samples.astype(np.float64) - (half if kind == "u" else 0)) / half).astype(np.float32)


@lru_cache(maxsize=1)
def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as cause:  # OSError: its library is not there
        raise MissingExtraError.of("soundfile", "audio", "Reading recordings") from cause
    return soundfile


@lru_cache(maxsize=1)
def _soxr() -> Any:
    try:
        import soxr
    except ImportError as cause:
        raise MissingExtraError.of("soxr", "audio", "Bringing recordings to one rate") from cause
    return soxr


@lru_cache(maxsize=1)
def _kaldi() -> Any:
    try:
        import kaldi_native_fbank
    except ImportError as cause:
        raise MissingExtraError.of("kaldi-native-fbank", "audio", "Cutting sound into frames") from cause
    return kaldi_native_fbank

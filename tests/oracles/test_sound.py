"""Frames and rates against others: a log-mel written here in numpy, scipy's resampling, soundfile's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from elman.sound import frames_of, read_recording

pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("soxr")
soundfile = pytest.importorskip("soundfile")


def noise(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=round(seconds * rate))).astype(np.float32)


def log_mel(samples: np.ndarray, rate: int, n_mels: int) -> np.ndarray:
    """The equation of `Frames`, frame by frame, band by band."""
    window, hop = round(0.025 * rate), round(0.010 * rate)
    size = 1 << (window - 1).bit_length()
    hann = np.hanning(window) ** 0.85

    def mel(f: np.ndarray | float) -> np.ndarray:
        return 1127 * np.log(1 + np.asarray(f) / 700)

    edges = np.linspace(mel(20), mel(rate / 2), n_mels + 2)
    bins = mel(np.arange(size // 2) * rate / size)
    weights = np.zeros((n_mels, size // 2))
    for m in range(n_mels):
        left, middle, right = edges[m : m + 3]
        rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
        weights[m] = np.where((bins > left) & (bins < right), np.minimum(rising, falling), 0)
    found = []
    for start in range(0, len(samples) - window + 1, hop):
        x = samples[start : start + window].astype(np.float64) * 32768
        x = x - x.mean()
        x = np.concatenate([[0.03 * x[0]], x[1:] - 0.97 * x[:-1]]) * hann
        power = np.abs(np.fft.rfft(x, size)[:-1]) ** 2
        found.append(np.log(np.maximum(weights @ power, 1.1920929e-07)))
    return np.array(found).reshape(-1, n_mels)


@pytest.mark.parametrize(("rate", "n_mels"), [(8_000, 24), (8_000, 40), (16_000, 40), (16_000, 80)])
def test_frames_are_those_of_the_equation(rate: int, n_mels: int) -> None:
    samples = noise(0.4, rate) + 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(0.4 * rate)) / rate)
    samples = samples.astype(np.float32)
    ours, theirs = frames_of(samples, rate, rate, n_mels), log_mel(samples, rate, n_mels)
    assert ours.shape == theirs.shape == (1 + (len(samples) - rate // 40) // (rate // 100), n_mels)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_silence_is_the_smallest_number_there_is() -> None:
    assert np.allclose(frames_of(np.zeros(800, np.float32), 8_000, 8_000, 8), np.log(1.1920929e-07))


@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100, 48_000])
def test_another_rate_gives_nearly_the_frames_of_scipys_resampling(rate: int) -> None:
    """A chirp below 3 kHz, where both filters are flat: log-mel frames agree to a few hundredths."""
    t = np.arange(rate) / rate
    samples = (0.5 * signal.chirp(t, 200, 1, 3000)).astype(np.float32)
    theirs = signal.resample_poly(samples, 8_000, rate, window=("kaiser", 12.0)).astype(np.float32)
    ours = frames_of(samples, rate, 8_000, 20)
    other = frames_of(theirs, 8_000, 8_000, 20)
    count = min(len(ours), len(other))
    assert abs(len(ours) - len(other)) <= 1
    loud = other[5 : count - 5] > other.max() - 7  # where the chirp is, not where rounding is
    assert np.abs(ours[5 : count - 5] - other[5 : count - 5])[loud].max() < 0.1


@pytest.mark.parametrize(
    ("suffix", "subtype", "close"),
    [
        ("wav", "PCM_U8", 2**-7),
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 1e-7),
        ("flac", "PCM_16", 2**-15),
        ("aiff", "PCM_16", 2**-15),
        ("ogg", "VORBIS", 0.2),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_come_back(tmp_path: Path, suffix: str, subtype: str, close: float, channels: int) -> None:
    """Every depth of samples, one channel or two: two are averaged."""
    samples = np.stack([noise(0.2, 8_000, seed) for seed in range(channels)], 1)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 8_000, subtype=subtype)
    found, rate = read_recording(path)
    assert rate == 8_000
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, samples.mean(1), atol=close + 1e-7)
    again, _ = read_recording(path.read_bytes())
    assert np.array_equal(again, found)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
def test_arrays_of_whole_numbers_are_taken_by_their_range(kind: type) -> None:
    info = np.iinfo(kind)
    zero = 0 if info.min else (info.max + 1) // 2
    found, _ = read_recording((np.array([info.min, zero, info.max], kind), 8_000))
    assert found[0] == -1
    assert found[1] == 0
    assert 0.99 < found[2] <= 1

"""Sound: any cutting gives the same frames, batch mates never matter, nothing is random but training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.codecs.audio import Audio, AudioSettings
from elman.layers.spectral import coloured, masked, noised, paced, voiced
from elman.ragged import Ragged
from elman.sound import Frames, bands_of, frames_of, hertz_of

pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("soxr")

RATES = [8_000, 11_025, 16_000]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def codec(**options: object) -> Audio:
    """One that has learned from two recordings; without frames left out or changed unless asked for."""
    plain = {"n_mels": 8, "speed": 0.0, "vocal_tract": 0.0, "time_mask": 0, "frequency_mask": 0}
    return Audio(AudioSettings(**plain | options)).fit([(noise(4000), 8_000), (noise(2400, 1), 8_000)])


@pytest.mark.parametrize("rate", RATES)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=12), length=st.integers(0, 6000))
def test_any_cutting_gives_the_same_frames(rate: int, cuts: list[int], length: int) -> None:
    samples = noise(length)
    whole = frames_of(samples, rate, 8_000, 8)
    frames = Frames(rate, 8_000, 8)
    edges = sorted({0, length, *(one for one in cuts if one < length)})
    found = [frames.push(samples[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate([*found, frames.finish(), np.zeros((0, 8))]), whole)


@pytest.mark.parametrize("normalisation", ["level", "utterance"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("stack", [1, 3])
def test_pieces_give_the_steps_of_the_whole(normalisation: str, rate: int, stack: int) -> None:
    one = codec(normalisation=normalisation, causal=True, stack=stack)
    samples = noise(rate // 2, 3)
    whole = one.encode([(samples, rate)]).values
    pieces = one.pieces()
    for _ in range(2):
        found = [pieces((part, rate)).values for part in np.split(samples, [1, 80, 1000, 1001])]
        rest = pieces.finish()
        assert rest is not None
        torch.testing.assert_close(torch.cat([*found, rest.values]), whole, rtol=0, atol=0)
        pieces.reset()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("normalisation", ["level", "utterance"])
def test_batch_mates_never_matter(normalisation: str, causal: bool) -> None:
    one = codec(normalisation=normalisation, causal=causal)
    raw = [(noise(n, n), 8_000) for n in (3000, 800, 100, 0, 5000)]
    together = one.encode(raw)
    for alone, found in zip(raw, together, strict=True):
        assert torch.equal(one.encode([alone]).values, found)
    assert torch.equal(one.encode(raw[::-1])[::-1].values, together.values)


@pytest.mark.parametrize("normalisation", ["level", "utterance"])
def test_causal_frames_never_look_ahead(normalisation: str) -> None:
    one = codec(normalisation=normalisation, causal=True)
    first, second = noise(4000, 1), noise(4000, 2)
    second[:2000] = first[:2000]
    known = 1 + (2000 - 200) // 80
    a, b = (one.encode([(each, 8_000)]).values for each in (first, second))
    assert torch.equal(a[:known], b[:known])
    assert not torch.equal(a, b)


@pytest.mark.parametrize("causal", [False, True])
def test_loudness_does_not_matter(causal: bool) -> None:
    """However near the microphone is: the last frame's level is known by then."""
    one = codec(causal=causal)
    samples = noise(4000, 5)
    soft, loud = (one.encode([(gain * samples, 8_000)]).values for gain in (0.7, 5.0))
    torch.testing.assert_close(soft, loud, rtol=0, atol=2e-3)


def test_an_utterance_nears_its_own_mean_0_and_spread_1() -> None:
    """By then the 50 frames of the training set count for a tenth; noise is drawn from elsewhere."""
    rough = np.cumsum(noise(40_000, 5)).astype(np.float32)
    found = codec(normalisation="utterance", dynamic_range=None).encode([(rough, 8_000)]).values
    level = codec(normalisation="level", dynamic_range=None).encode([(rough, 8_000)]).values
    assert found.mean(0).abs().max() < 0.3 * level.mean(0).abs().max()


def test_a_short_utterance_is_normalised_by_the_equation() -> None:
    one = codec(normalisation="utterance", dynamic_range=None)
    x = one.prepare([(noise(1600, 9), 8_000)]).values.double().numpy()
    levels = x - x.max()
    n, prior = len(levels), 50
    mean = (prior * one.mean + levels.sum(0)) / (prior + n)
    square = (prior * (one.mean**2 + one.spread**2) + (levels**2).sum(0)) / (prior + n)
    wanted = (levels - mean) / np.sqrt(square - mean**2 + (0.05 * one.spread) ** 2)
    found = one.finish(one.prepare([(noise(1600, 9), 8_000)])).values
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("depth", [40.0, None])
def test_silence_is_soft_and_one_sample_is_no_frame(causal: bool, depth: float | None) -> None:
    one = codec(causal=causal, dynamic_range=depth, normalisation="level")
    found = one.encode([(np.zeros(4000), 8_000), (np.zeros(1), 8_000)])
    assert found.lengths.tolist() == [48, 0]
    assert bool(found.values.isfinite().all())
    sound = one.encode([(noise(4000, 1), 8_000)]).values
    assert bool((found.values <= sound.amin(0) + 1e-6).all())


def test_nothing_is_random_but_training() -> None:
    one = codec(speed=0.2, vocal_tract=0.2, colour=3.0, noise=5.0, time_mask=10, frequency_mask=4)
    raw = [(noise(4000, 1), 8_000), (noise(3000, 2), 8_000)]
    prepared = one.prepare(raw)
    before = torch.get_rng_state()
    assert torch.equal(one.encode(raw).values, one.finish(prepared).values)
    assert torch.equal(torch.get_rng_state(), before)  # nothing was drawn
    torch.manual_seed(1)
    first, second = one.finish(prepared, vary=True), one.finish(prepared, vary=True)
    torch.manual_seed(1)
    assert torch.equal(one.finish(prepared, vary=True).values, first.values)  # a run that resumes
    assert second.values.shape != first.values.shape or not torch.equal(second.values, first.values)
    assert torch.equal(one.prepare(raw).values, prepared.values)  # what was prepared is not touched


def test_no_change_is_no_change() -> None:
    one = codec()
    prepared = one.prepare([(noise(4000, 1), 8_000)])
    assert torch.equal(one.finish(prepared, vary=True).values, one.finish(prepared).values)


# --- what training changes ---


def ramp(*lengths: int) -> Ragged:
    return Ragged.of([torch.arange(float(n))[:, None].repeat(1, 6) for n in lengths])


def test_another_pace_keeps_the_ends_and_the_order() -> None:
    torch.manual_seed(0)
    xs = ramp(40, 1, 25)
    found = paced(xs, 0.4)
    assert found.lengths[1] == 1
    assert bool((found.lengths[[0, 2]] != xs.lengths[[0, 2]]).all())
    for one, other in zip(found, xs, strict=True):
        assert bool((one.diff(dim=0) >= 0).all())
        assert 0.7 * len(other) - 1 <= len(one) <= len(other) / 0.6 + 1
        assert (one[-1] - other[-1]).abs().max() < 1.5
        assert one[0].abs().max() < 1.5


def test_another_voice_moves_a_tone_by_its_factor() -> None:
    """A peak at 1 kHz: where x'(f) = x(α·f), it stands at 1 kHz / α afterwards."""
    bands = torch.from_numpy(bands_of(8_000, 60))
    hertz = hertz_of(bands[1:-1].numpy())
    peak = torch.tensor(-np.abs(np.log(hertz / 1000)), dtype=torch.float32)
    torch.manual_seed(3)
    alpha = 1 + 0.2 * (2 * torch.rand(5, 1, dtype=torch.float64) - 1)
    torch.manual_seed(3)
    found = voiced(Ragged.of([peak[None]] * 5), 0.2, bands).values
    for row, factor in zip(found, alpha.flatten().tolist(), strict=True):
        assert hertz[int(row.argmax())] == pytest.approx(1000 / factor, rel=0.05)


def test_another_colour_is_one_smooth_curve_a_sequence() -> None:
    torch.manual_seed(0)
    xs = Ragged.of([torch.randn(30, 24), torch.randn(5, 24)])
    found = coloured(xs, 6.0)
    curves = [one - other for one, other in zip(found, xs, strict=True)]
    assert all(float(one.std(0).max()) < 1e-5 for one in curves)
    assert all(
        0.01 < float(one.abs().max()) <= 6.0 * (1 + 1 / 2 + 1 / 3) * np.log(10) / 10 for one in curves
    )
    assert all(float(one[0].mean().abs()) < 1e-5 for one in curves)  # no louder on the whole
    assert not torch.allclose(curves[0][0], curves[1][0])


def test_noise_is_as_loud_as_was_asked() -> None:
    torch.manual_seed(0)
    xs = Ragged.of([torch.full((4000, 4), 10.0)])
    drowned = noised(xs, -40.0, torch.ones(4)).values  # from 10 to 40 dB above the sound
    assert 10 + 10 * np.log(10) / 10 < float(drowned.exp().mean().log()) < 10 + 4.2 * np.log(10)
    quiet = noised(xs, 60.0, torch.ones(4)).values
    assert float((quiet - 10).abs().max()) < 1e-4


def test_masks_take_a_stretch_and_a_band() -> None:
    torch.manual_seed(2)
    xs = Ragged.of([torch.ones(50, 12), torch.ones(3, 12)])
    for _ in range(20):
        found = masked(xs, 8, 4)
        rows, bands = (found[0].values == 0).all(1), (found[0].values == 0).all(0)
        assert int(rows.sum()) <= 8
        assert int(bands.sum()) <= 4
        assert int((found[0].values == 0).sum()) == 50 * 12 - int((~rows).sum()) * int((~bands).sum())
        assert bool((found[1].values.sum(1) >= 8).all())  # a fifth of three frames is none
    assert torch.equal(masked(xs, 0, 0).values, xs.values)

"""Sound: any cutting gives the same frames, batch mates never matter, nothing is random but training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.codecs.audio import Audio, AudioSettings
from elman.layers.spectral import masked, noised, paced, voiced
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


@pytest.mark.parametrize("normalisation", ["running", "corpus"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("stack", [1, 3])
def test_pieces_give_the_steps_of_the_whole(normalisation: str, rate: int, stack: int) -> None:
    one = codec(normalisation=normalisation, stack=stack)
    samples = noise(rate // 2, 3)
    whole = one.encode([(samples, rate)]).values
    pieces = one.pieces()
    for _ in range(2):
        found = [pieces((part, rate)).values for part in np.split(samples, [1, 80, 1000, 1001])]
        rest = pieces.finish()
        assert rest is not None
        torch.testing.assert_close(torch.cat([*found, rest.values]), whole, rtol=0, atol=0)
        pieces.reset()


@pytest.mark.parametrize("normalisation", ["utterance", "running", "corpus"])
def test_batch_mates_never_matter(normalisation: str) -> None:
    one = codec(normalisation=normalisation)
    raw = [(noise(n, n), 8_000) for n in (3000, 800, 100, 0, 5000)]
    together = one.encode(raw)
    for alone, found in zip(raw, together, strict=True):
        torch.testing.assert_close(one.encode([alone]).values, found, rtol=0, atol=1e-6)
    torch.testing.assert_close(one.encode(raw[::-1])[::-1].values, together.values, rtol=0, atol=1e-6)


def test_running_frames_never_look_ahead() -> None:
    one = codec(normalisation="running")
    first, second = noise(4000, 1), noise(4000, 2)
    second[:2000] = first[:2000]
    known = 1 + (2000 - 200) // 80
    a, b = (one.encode([(each, 8_000)]).values for each in (first, second))
    assert torch.equal(a[:known], b[:known])
    assert not torch.equal(a, b)


def test_an_utterance_has_mean_0_and_spread_1() -> None:
    found = codec(normalisation="utterance").encode([(noise(8000, 5), 8_000)]).values
    assert found.mean(0).abs().max() < 1e-5
    assert ((found.std(0) - 1).abs() < 0.02).all()


@pytest.mark.parametrize("normalisation", ["utterance", "running", "corpus"])
def test_silence_is_finite_and_one_sample_is_no_frame(normalisation: str) -> None:
    found = codec(normalisation=normalisation).encode([(np.zeros(4000), 8_000), (np.zeros(1), 8_000)])
    assert found.lengths.tolist() == [48, 0]
    assert bool(found.values.isfinite().all())
    if normalisation == "utterance":
        assert not found.values.any()


def test_nothing_is_random_but_training() -> None:
    one = codec(speed=0.2, vocal_tract=0.2, noise=5.0, time_mask=10, frequency_mask=4)
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

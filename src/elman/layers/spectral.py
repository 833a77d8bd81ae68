"""Spectrograms changed at random, as a network in training sees them: other speeds, voices, rooms, gaps.

Everything is drawn from torch's generator, which a checkpoint keeps: a run that goes on draws the same.
All of them work on log-mel frames, so that a recording is cut into frames once and varied at every visit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from elman.ragged import Ragged, offsets_of


def paced(xs: Ragged, most: float) -> Ragged:
    """Each sequence faster or slower, by a factor drawn from `1 - most` to `1 + most`.

        x'[j] = x at (j + ½)·T/T' - ½, between its two neighbours by a straight line        T' = round(T/s)

    Shapes: xs and the result `steps features`; no length falls to 0.

    >>> torch.manual_seed(0).initial_seed()
    0
    >>> paced(Ragged.of([torch.arange(8.0)[:, None]]), 0.0).values.flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    speeds = 1 + most * (2 * torch.rand(len(xs), dtype=torch.float64) - 1)
    lengths = (xs.lengths / speeds).round().long().clamp(min=1).minimum(xs.lengths * 2)
    offsets = offsets_of(lengths)
    rows = torch.arange(len(xs)).repeat_interleave(lengths)
    positions = torch.arange(int(offsets[-1])) - offsets[:-1][rows]
    places = (positions + 0.5) * (xs.lengths / lengths)[rows] - 0.5
    last = (xs.lengths - 1)[rows]
    places = places.clamp(min=0).minimum(last.double())
    low = places.floor().long()
    share = (places - low)[:, None].to(xs.values.dtype)
    start = xs.offsets[:-1][rows]
    before, after = xs.values[start + low], xs.values[start + (low + 1).minimum(last)]
    return Ragged(before + (after - before) * share, offsets)


def voiced(xs: Ragged, most: float, bands: Tensor) -> Ragged:
    """Each sequence as from a longer or shorter vocal tract: frequencies scaled by `1 - most` to `1 + most`.

        x'(f) = x(α·f) below 0.8 of the highest frequency, and from there by a straight line to its end

    Args:
        xs: log-mel frames.
        most: how far α may be from 1.
        bands: the middle of each band in mel, in equal steps, the outer ends before and after: `features+2`.

    Shapes: xs and the result `steps features`.

    Source: Jaitly and Hinton 2013, "Vocal tract length perturbation improves speech recognition".
    """
    alpha = 1 + most * (2 * torch.rand(len(xs), 1, dtype=torch.float64) - 1)
    hertz = 700 * torch.expm1(bands.double() / 1127)
    top, knee = hertz[-1], 0.8 * hertz[-1] / alpha.clamp(min=1)
    beyond = alpha * knee + (hertz - knee) * (top - alpha * knee) / (top - knee)
    warped = torch.where(hertz < knee, alpha * hertz, beyond)[:, 1:-1]
    mel = 1127 * torch.log1p(warped / 700)
    last = xs.values.shape[1] - 1
    places = ((mel - bands[1]) / (bands[1] - bands[0])).clamp(0, last)
    low = places.floor().long()
    share = (places - low).to(xs.values.dtype)
    rows = xs.rows
    before = xs.values.gather(1, low[rows])
    after = xs.values.gather(1, (low + 1).clamp(max=last)[rows])
    return xs.with_values(before + (after - before) * share[rows])


def coloured(xs: Ragged, decibels: float) -> Ragged:
    """Each sequence through a filter of its own, smooth in frequency: another microphone, another room.

        x'[t, m] = x[t, m] + Σ_k a[k]·cos(π·k·(m + ½)/M)        k = 1, 2, 3; a[k] from -c/k to c/k

    Args:
        xs: log-mel frames.
        decibels: c, by which frequencies are raised or lowered.

    Shapes: xs and the result `steps features`.
    """
    bands, waves = torch.arange(xs.values.shape[1]), torch.arange(1, 4)
    shapes = torch.cos(math.pi * waves[:, None] * (bands + 0.5) / len(bands))
    weights = decibels * math.log(10) / 10 * (2 * torch.rand(len(xs), 3) - 1) / waves
    return xs.with_values(xs.values + (weights @ shapes).to(xs.values.dtype)[xs.rows])


def noised(xs: Ragged, least: float, widths: Tensor) -> Ragged:
    """Each sequence in noise that is alike at all frequencies, `least` decibels below it or up to 30 more.

        x' = log(exp x + exp n)        n[m] = log(power·width[m]·e)        e: the mean of 3 exponential variates

    Args:
        xs: log-mel frames.
        least: the smallest distance of noise from sound, in dB.
        widths: of the bands, with mean 1: `features`.

    Shapes: xs and the result `steps features`.
    """
    rows = xs.rows
    power = torch.zeros(len(xs), dtype=torch.float64)
    power = power.index_add(0, rows, xs.values.double().exp().mean(1)) / xs.lengths.clamp(min=1)
    decibels = least + 30 * torch.rand(len(xs))
    level = power.clamp(min=1e-6).log() - decibels * math.log(10) / 10
    grain = torch.empty(3, *xs.values.shape).exponential_().mean(0).log()
    noise = level[rows, None].to(xs.values.dtype) + widths.log() + grain
    return xs.with_values(torch.logaddexp(xs.values, noise))


def masked(xs: Ragged, steps: int, features: int) -> Ragged:
    """Each sequence without a stretch of time and a band of frequencies, which are set to 0 (SpecAugment).

    Their widths are drawn from 0 to `steps`, a fifth of the sequence at most, and from 0 to `features`; where
    they begin is drawn, too.

    Shapes: xs and the result `steps features`.

    Source: Park et al. 2019, arXiv 1904.08779.
    """
    rows, here, bands = xs.rows, xs.positions, torch.arange(xs.values.shape[1])
    wide = (torch.rand(len(xs)) * (torch.minimum(xs.lengths // 5, torch.tensor(steps)) + 1)).long()
    start = (torch.rand(len(xs)) * (xs.lengths - wide + 1)).long()
    gone = (here >= start[rows]) & (here < (start + wide)[rows])
    high = (torch.rand(len(xs), 1) * (min(features, len(bands)) + 1)).long()
    low = (torch.rand(len(xs), 1) * (len(bands) - high + 1)).long()
    out = (bands >= low) & (bands < low + high)
    return xs.with_values(xs.values.masked_fill(gone[:, None] | out[rows], 0.0))

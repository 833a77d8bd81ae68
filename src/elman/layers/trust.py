"""How far a guess is to be trusted, from how right such guesses were so far."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from elman import library
from elman.ragged import Ragged

DECAY = 0.9
"""What remains of an observation after one more step: about ten steps are looked back upon."""

NEAR = 5
"""Pixels on a side of the square whose past speaks for its middle."""

TINY = 1e-12


class Trust(NamedTuple):
    """What is remembered of the steps before.

    Attributes:
        frame, change: the last frame, and what was guessed to be added to it: `batch colours height width`.
        right, whole: what of the guesses came true, and all that was guessed: the same shape.
        begun: `batch`: whether there was a step.
    """

    frame: Tensor
    change: Tensor
    right: Tensor
    whole: Tensor
    begun: Tensor


def begun(batch: int, shape: tuple[int, ...], like: Tensor) -> Trust:
    """What is remembered before the first step: nothing."""
    zeros = like.new_zeros(batch, *shape)
    return Trust(zeros, zeros, zeros, zeros, like.new_zeros(batch))


@torch.no_grad()
def trusted(frames: Ragged, changes: Tensor) -> Tensor:
    """The share of each guessed change that is believed, from 0 to 1: the shape of the frames.

        α[t] = N[t] / E[t], no less than 0 and no more than 1
        N[t] = λ·N[t-1] + Δ[t-1]·(x[t] - x[t-1])        E[t] = λ·E[t-1] + Δ[t-1]²
        N[0] = E[0] = Δ[0]²

    where each product stands for its mean over the squares around a pixel, plus that over the whole frame.
    That is the factor that would have made the guesses so far best in the least squares, and 1 before there
    are any.
    Nothing is learned: films whose changes cannot be foreseen are told by what they show.

    Args:
        frames: `steps colours height width`.
        changes: what is guessed to be added to each frame, the same shape.
    """
    x = frames.values
    first = frames.positions == 0
    guessed = torch.cat([changes[:1], changes[:-1]])
    came = torch.cat([x[:1], x[1:] - x[:-1]])
    guessed, came = (torch.where(_over(first, x), changes, one) for one in (guessed, came))
    right, whole = (_summed(frames, _around(guessed * one)) for one in (came, guessed))
    return _share(right, whole)


@torch.no_grad()
def trust(memory: Trust, frame: Tensor, change: Tensor) -> tuple[Tensor, Trust]:
    """The same for one more frame of each film: the share, and what is remembered after it."""
    first = _over(memory.begun == 0, frame)
    guessed = torch.where(first, change, memory.change)
    came = torch.where(first, change, frame - memory.frame)
    right = DECAY * memory.right + _around(guessed * came)
    whole = DECAY * memory.whole + _around(guessed * guessed)
    return _share(right, whole), Trust(frame, change, right, whole, torch.ones_like(memory.begun))


def _share(right: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > TINY, right / whole.clamp_min(TINY), 1.0).clamp(0, 1)


def _over(flags: Tensor, frames: Tensor) -> Tensor:
    return flags[:, None, None, None].expand_as(frames)


def _around(values: Tensor) -> Tensor:
    """The mean of the square around each pixel, and that of the whole frame."""
    near = F.avg_pool2d(values, NEAR, 1, NEAR // 2, count_include_pad=False)
    return near + values.mean((2, 3), keepdim=True)


def _summed(frames: Ragged, values: Tensor) -> Tensor:
    """h[t] = λ·h[t-1] + values[t], along each film."""
    if library.available() and values.device.type == "cpu" and len(values):
        flat = values.flatten(1)
        start = flat.new_zeros(len(frames), flat.shape[1])
        decay = torch.full_like(flat, DECAY)
        found = torch.ops.elman.linear_recurrence(decay, flat, frames.offsets, start, False)
        return found[0].view_as(values)
    found, before = [], values.new_zeros(values.shape[1:])
    for value, position in zip(values, frames.positions.tolist(), strict=True):
        before = value + (DECAY * before if position else 0)
        found.append(before)
    return torch.stack(found) if found else values

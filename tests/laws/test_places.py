"""Frames of several places: each place has its own past, and no film touches another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from elman import registry
from elman.layers.convolution import Frames
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_n_frames import NToNFrames

from .cases import same


def network_of(cell: str) -> NToNFrames:
    frames = Frames((2, 9, 14), 4, hidden=5)
    nn.init.normal_(frames.change.weight)
    return NToNFrames(frames, Recurrent(cell, 8, 5, 2)).double().eval()


@pytest.mark.parametrize("cell", registry.names("cells"))
def test_frame_by_frame_as_at_once(cell: str) -> None:
    network = network_of(cell)
    films = [torch.rand(time, 2, 9, 14, dtype=torch.float64) for time in (4, 1, 3)]
    at_once = network(Ragged.of(films)).unbind()
    for film, expected in zip(films, at_once, strict=True):
        state, found = network.start(1), []
        for frame in film.split(1):
            answer, state = network.step(frame, state)
            found.append(answer)
        same(torch.cat(found), expected, "step by step")


def test_what_happens_far_away_does_not_matter() -> None:
    """A place is told by what is around it: nothing else in the frame, and nothing later."""
    network = network_of("gru").train()  # before the guess is weighed by how right all of them were
    film = torch.rand(5, 2, 9, 14, dtype=torch.float64)
    other = film.clone()
    other[3, :, :, 13] += 1.0
    before, after = (network(Ragged.of([one])).values for one in (film, other))
    assert torch.equal(before[:3], after[:3])
    assert not torch.equal(before[4], after[4]), "it is remembered"
    assert torch.equal(before[..., :1], after[..., :1])

"""What share of a guess is believed: the one that would have made the guesses so far best."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from elman.layers import trust as module
from elman.layers.trust import DECAY, NEAR, begun, trust, trusted
from elman.ragged import Ragged

LENGTHS = (6, 1, 9)


@pytest.fixture(params=["compiled", "loop"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "loop":
        monkeypatch.setattr(module.library, "available", lambda: False)


def films(seed: int = 0) -> tuple[Ragged, Tensor]:
    torch.manual_seed(seed)
    xs = Ragged.of([torch.rand(n, 2, 7, 9, dtype=torch.float64) for n in LENGTHS])
    return xs, torch.randn_like(xs.values)


def by_hand(frames: Tensor, changes: Tensor, colour: int, row: int, column: int) -> list[float]:
    """The weighted least squares of one pixel, spelled out."""
    half, shares, past = NEAR // 2, [], []
    rows = slice(max(row - half, 0), row + half + 1)
    columns = slice(max(column - half, 0), column + half + 1)
    for t in range(len(frames)):
        came = frames[t] - frames[t - 1] if t else changes[0]
        past.append((changes[t - 1] if t else changes[0], came))
        right = whole = 0.0
        for back, (guess, came) in enumerate(reversed(past)):
            for part in ((colour, rows, columns), (colour,)):
                right += DECAY**back * float((guess[part] * came[part]).mean())
                whole += DECAY**back * float((guess[part] ** 2).mean())
        shares.append(min(1.0, max(0.0, right / whole)))
    return shares


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("pixel", [(0, 0, 0), (1, 3, 4), (0, 6, 8)])
def test_it_is_the_least_squares_of_the_past(pixel: tuple[int, int, int]) -> None:
    xs, changes = films()
    shares = xs.with_values(trusted(xs, changes))
    for film, own, share in zip(xs, xs.with_values(changes), shares, strict=True):
        wanted = torch.tensor(by_hand(film, own, *pixel), dtype=torch.float64)
        torch.testing.assert_close(share[(slice(None), *pixel)], wanted)


@pytest.mark.usefixtures("_way")
def test_frame_by_frame_as_at_once() -> None:
    xs, changes = films()
    for film, own in zip(xs, xs.with_values(changes), strict=True):
        whole = trusted(Ragged.of([film]), own)
        memory = begun(1, film.shape[1:], film)
        for t in range(len(film)):
            share, memory = trust(memory, film[t : t + 1], own[t : t + 1])
            torch.testing.assert_close(share[0], whole[t])


def test_right_guesses_are_believed_and_wrong_ones_are_not() -> None:
    xs, _ = films()
    came = torch.cat([xs.values[1:] - xs.values[:-1], torch.zeros_like(xs.values[:1])])
    first = (xs.positions == 0)[:, None, None, None].expand_as(came)
    later = ~first
    assert torch.allclose(trusted(xs, came)[later], torch.ones(1, dtype=torch.float64))
    assert float(trusted(xs, -came)[xs.positions > 2].max()) < 0.5
    assert float(trusted(xs, 4 * came)[xs.positions > 3].mean()) < 0.6
    assert bool((trusted(xs, torch.zeros_like(came)) == 1).all())


def test_the_first_guess_is_believed() -> None:
    xs, changes = films()
    assert bool((trusted(xs, changes)[xs.positions == 0] == 1).all())
    assert trusted(Ragged.of([torch.zeros(0, 1, 3, 3)]), torch.zeros(0, 1, 3, 3)).shape[0] == 0

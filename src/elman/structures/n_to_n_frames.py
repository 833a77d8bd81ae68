"""N-to-N over frames: each is answered with the one that comes next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.convolution import Frames
from elman.layers.dropout import dropout
from elman.layers.recurrent import Recurrent
from elman.layers.trust import Trust, begun, trust, trusted
from elman.ragged import Ragged
from elman.scan import Scan


class NToNFrames(nn.Module):
    """What changes until the next frame, told by one recurrence at each place of the picture.

        f[t] = see(x[t])        h[t]_p = cell(h[t-1]_p, f[t]_p) at each place p
        y[t] = x[t] + α[t]·draw(h[t], x[t])

    The places are those of the frame, four times smaller on a side; all have the same weights, and each sees
    what is around it. `draw` begins as 0, so that an untrained network copies the last frame. In training α
    is 1; in use it is what share of the changes drawn so far came true there (`elman.layers.trust`), so that a
    film that is not like those of training is copied more than guessed at.

    Sources: Shi et al. 2015, arXiv 1506.04214 (recurrence at each place); He et al. 2015, arXiv 1512.03385
    (learning what is to be added).

    Args:
        frames: what sees a frame, and draws the change.
        recurrent: the stack of recurrences, one direction; it reads `frames.features` numbers and answers
            with `frames.hidden`.
        dropout: chance that a feature of `h` is dropped before it is drawn from.

    Shapes: xs `steps colours height width`, floats from 0 to 1. Result: the same.

    Raises:
        SettingsError: sizes that do not fit, or a recurrence that reads backwards.

    >>> network = NToNFrames(Frames((1, 8, 8), 4, hidden=8), Recurrent("gru", 8, 8))
    >>> xs = Ragged(torch.rand(5, 1, 8, 8), torch.tensor([0, 3, 5]))
    >>> bool(torch.equal(network(xs).values, xs.values))
    True
    """

    def __init__(self, frames: Frames, recurrent: Recurrent, *, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = recurrent.input_size, recurrent.hidden_size
        if sizes != (frames.features, frames.hidden):
            raise SettingsError(
                "This recurrence cannot foresee these frames.",
                expected=f"input_size={frames.features}, hidden_size={frames.hidden}",
                received=f"input_size={sizes[0]}, hidden_size={sizes[1]}",
            )
        self.frames, self.recurrent, self.dropout = frames, recurrent, dropout

    def forward(self, xs: Ragged) -> Ragged:
        """The frame after each frame."""
        if self.recurrent.bidirectional:
            raise SettingsError(
                "A network that foresees frames cannot go step by step backwards.",
                fix="use bidirectional=False",
            )
        near, far = self.frames.see(xs.values)
        h = _whole(self.recurrent(_places(xs.with_values(far))).outputs, xs, self.frames.grid)
        change = self._change(xs.values, h, near)
        share = 1.0 if self.training else trusted(xs, change)
        return xs.with_values(xs.values + share * change)

    def run(self, xs: Ragged, record: Sequence[str] = ()) -> Scan:
        """The recurrence over every place of every film, place by place; `record` keeps gates and states."""
        return self.recurrent(_places(xs.with_values(self.frames.see(xs.values)[1])), record=record)

    def start(self, batch: int) -> tuple[State, Trust]:
        """The state before the first frame of so many films."""
        rows, columns = self.frames.grid
        like: Tensor = next(self.parameters())
        return self.recurrent.start(batch * rows * columns), begun(batch, self.frames.shape, like)

    def step(self, x: Tensor, state: tuple[State, Trust]) -> tuple[Tensor, tuple[State, Trust]]:
        """One more frame of each film, `batch colours height width`: the next one, and the state after it.

        Raises:
            SettingsError: the recurrence is bidirectional.
        """
        near, far = self.frames.see(x)
        h, after = self.recurrent.step(far.permute(0, 2, 3, 1).flatten(0, 2), state[0])
        h = h.view(len(x), *self.frames.grid, -1).permute(0, 3, 1, 2)
        change = self._change(x, h, near)
        share, memory = trust(state[1], x, change)
        return x + (1.0 if self.training else share) * change, (after, memory)

    def _change(self, x: Tensor, h: Tensor, near: Tensor) -> Tensor:
        return self.frames.draw(dropout(h, self.dropout, self.training), near, x)


def _places(xs: Ragged) -> Ragged:
    """Each place of each film as a sequence of its own: `steps·places features`."""
    places = xs.values.shape[2] * xs.values.shape[3]
    flat = xs.with_values(xs.values.flatten(2))
    parts = [one.permute(2, 0, 1).flatten(0, 1) for one in flat.unbind()]
    values = torch.cat(parts) if parts else xs.values.new_zeros(0, xs.values.shape[1])
    lengths = xs.lengths.repeat_interleave(places)
    return Ragged(values, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))


def _whole(steps: Ragged, xs: Ragged, shape: Sequence[int]) -> Tensor:
    """The places of each step, put together again: `steps features rows columns`."""
    rows, columns = shape
    places, features = rows * columns, steps.values.shape[-1]
    parts = steps.values.split((xs.lengths * places).tolist())
    whole = [one.view(places, -1, features).permute(1, 2, 0) for one in parts]
    values = torch.cat(whole) if whole else steps.values.new_zeros(0, features, places)
    return values.reshape(-1, features, rows, columns)

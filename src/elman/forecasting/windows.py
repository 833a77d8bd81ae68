"""Windows on series: what was seen up to a moment, and what came after it. They are cut out when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elman.codecs.panel import Numbers
from elman.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Seen:
    """A batch of windows.

    Shapes:
        xs: `steps features`, the target first of each observation. fed: `steps`, the target as it was.
        anchor, unit: `batch`. ahead: `batch horizon-1 features`, what is known of the steps to come.

    Attributes:
        xs: the steps of each window. anchor: what forecasts are a distance from.
        unit: what a standardised value is multiplied by to be in the series' own units.
        ahead: empty for direct forecasts.
    """

    xs: Ragged
    anchor: Tensor
    unit: Tensor
    fed: Tensor
    ahead: Tensor

    def to(self, device: torch.device) -> Seen:
        """The same on a device."""
        rest = (one.to(device) for one in (self.anchor, self.unit, self.fed, self.ahead))
        return Seen(self.xs.to(device), *rest)


class Windows:
    """Every window of some series, each ending at an origin: the number of steps that are seen.

    A window holds the `window` observations before its origin, or as many as there are, and its forecast is
    of the `horizon` after it. Nothing at or after the origin is in `Seen`, except for what is known of the
    future: columns named so, and the calendar. `patch` observations are one step.

    Args:
        series: as numbers.
        origins: for each series, its origins.
        window, horizon, patch: in observations.
        anchor: `last`, `mean` or `none`.
        pointwise: whether steps are laid out for a network whose output feeds the next step.
    """

    def __init__(
        self,
        series: Sequence[Numbers],
        origins: Sequence[np.ndarray],
        *,
        window: int,
        horizon: int,
        patch: int = 1,
        anchor: str = "last",
        pointwise: bool = False,
    ) -> None:
        self.window, self.horizon, self.patch = window, horizon, patch
        self.anchor, self.pointwise = anchor, pointwise
        extra = horizon  # each series is followed by room for what is asked of its future
        sizes = [len(one.z) + extra for one in series]
        starts = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        self.z = _joined([one.z[:, None] for one in series], sizes).squeeze(1)
        self.past = _joined([one.past for one in series], sizes)
        self.future = _joined([one.future for one in series], sizes)
        self.step = _joined([one.step for one in series], sizes)
        self.rows = np.repeat(np.arange(len(series)), [len(one) for one in origins])
        self.origins = np.concatenate([np.zeros(0, np.int64), *origins]).astype(np.int64)
        self.ends = self.origins + starts[self.rows]
        self.unit = torch.tensor([one.spread for one in series], dtype=torch.float32)
        seen = np.minimum(window, self.origins)
        self.lengths = seen // patch * patch

    def __len__(self) -> int:
        return len(self.ends)

    def seen(self, chosen: np.ndarray) -> Seen:
        """What is seen of the windows with these numbers."""
        ends, lengths = self.ends[chosen], self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        place = torch.from_numpy(np.repeat(ends - lengths, lengths) + within)
        owner = torch.from_numpy(np.repeat(np.arange(len(ends)), lengths))
        z = self.z[place]
        anchor = self._anchor(z, owner, torch.from_numpy(ends), lengths)
        unit = self.unit[torch.from_numpy(self.rows[chosen])]
        if self.pointwise:
            xs = Ragged(self._known(place), torch.from_numpy(offsets))
            ahead = torch.from_numpy(ends)[:, None] + torch.arange(self.horizon - 1)
            return Seen(xs, anchor, unit, z, self._known(ahead))
        values = [(z - anchor[owner])[:, None], self.past[place], self.future[place]]
        values.append(self.future[place + self.horizon])
        steps = torch.cat(values, -1).reshape(-1, self.patch * sum(one.shape[1] for one in values))
        own = self.step[place[self.patch - 1 :: self.patch]]
        xs = Ragged(torch.cat([steps, own], -1), torch.from_numpy(offsets // self.patch))
        return Seen(xs, anchor, unit, z, steps.new_zeros(len(ends), 0, 0))

    def _known(self, place: Tensor) -> Tensor:
        """What is known, at each place, of the observation after it."""
        return torch.cat([self.future[place + 1], self.step[place + 1]], -1)

    def _anchor(self, z: Tensor, owner: Tensor, ends: Tensor, lengths: np.ndarray) -> Tensor:
        if self.anchor == "last":
            return self.z[ends - 1]
        total = z.new_zeros(len(ends))
        if self.anchor == "mean":
            total.index_add_(0, owner, z)
            return total / torch.from_numpy(lengths)
        return total

    def truth(self, chosen: np.ndarray) -> Tensor:
        """What came after each: `batch horizon`."""
        return self.z[torch.from_numpy(self.ends[chosen])[:, None] + torch.arange(self.horizon)]

    def after(self, chosen: np.ndarray) -> Tensor:
        """What came after each step that is seen, the windows end to end, for `pointwise`."""
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return self.z[torch.from_numpy(np.repeat(self.ends[chosen] - lengths, lengths) + within + 1)]


def _joined(parts: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """The tables one below the other, each with its last row repeated up to its size."""
    found = []
    for part, size in zip(parts, sizes, strict=True):
        rest = part[-1:].expand(max(0, size - len(part)), -1)
        found.append(torch.cat([part, rest])[:size])
    return torch.cat(found) if found else torch.zeros(0, 0)

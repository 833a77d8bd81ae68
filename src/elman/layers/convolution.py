"""Convolutions: from pictures to regions and features, and from features back to frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.errors import ShapeError
from elman.ragged import Ragged

GROUPS = 4
"""Groups of channels that are normalised together; never over a batch, so that batch mates do not matter."""
PIECE = 256
"""Pictures that are read together where nothing is learned: what bounds the memory."""


class Pixels(nn.Module):
    """Bytes to numbers around 0.

        y = (x/255 - mean) / spread

    Args:
        mean, spread: of each feature: of the last axis, or of the colours of whole pictures.

    Shapes: `steps features`, or `steps colours height width`; the same out.

    >>> Pixels([0.5], [0.5])(torch.tensor([[0], [255]], dtype=torch.uint8)).tolist()
    [[-1.0], [1.0]]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, mean: Sequence[float], spread: Sequence[float]) -> None:
        super().__init__()
        self.output_size = len(mean)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, 1, 1) if x.dim() == 4 else (-1,)
        return (x / 255 - self.mean.view(shape)) / self.spread.view(shape)


class Jitter(nn.Module):
    """Pictures, each a little elsewhere, larger or smaller, brighter or of another tint; in training only.

    What comes in from outside repeats the border. All is drawn by torch's own random numbers.

    Args:
        shift: how far a picture moves, and how much it grows or shrinks, at most, as a share of its side.
        tint: how far brightness, contrast and each colour change, at most, as shares.
        flip: whether left and right may be exchanged.

    Shapes: `pictures colours height width`, numbers; the same out.

    >>> jitter = Jitter(shift=0.1).eval()
    >>> x = torch.rand(1, 3, 4, 4)
    >>> bool((jitter(x) == x).all())
    True
    """

    def __init__(self, *, shift: float = 0.1, tint: float = 0.2, flip: bool = False) -> None:
        super().__init__()
        self.shift, self.tint, self.flip = shift, tint, flip

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        count, colours = x.shape[:2]

        def drawn(*shape: int) -> Tensor:
            return 2 * torch.rand(count, *shape, device=x.device) - 1

        if self.shift or self.flip:
            size, turn = 1 + self.shift * drawn(2), 0.5 * self.shift * drawn()
            moved = 2 * self.shift * drawn(2)
            side = torch.where(drawn() > 0, 1.0, -1.0) if self.flip else torch.ones_like(turn)
            rows = [torch.stack([size[:, 0] * side, turn, moved[:, 0]], -1)]
            rows += [torch.stack([-turn * side, size[:, 1], moved[:, 1]], -1)]
            grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
            x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        if self.tint:
            contrast, light = 1 + self.tint * drawn(1, 1, 1), self.tint * drawn(1, 1, 1)
            own = 0.5 * self.tint * drawn(colours, 1, 1)
            x = x * contrast + light + own
        return x


class Centred(nn.Module):
    """Features less their mean, by their spread, as both were in some examples before training.

        y = (x - mean) / spread

    What pictures have in common is far larger, in features that nothing has trained yet, than what tells them
    apart. Source: data-dependent initialisation, Salimans and Kingma 2016, arXiv 1602.07868.

    Shapes: `… features`; the same out.

    >>> centred = Centred(2)
    >>> centred.settle(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> centred(torch.tensor([[3.0, 6.0]])).tolist()
    [[1.0, 1.0]]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))

    def settle(self, x: Tensor) -> None:
        """Take mean and spread from examples; a feature that is always the same is only centred."""
        x = x.flatten(0, -2)
        spread = x.std(0, correction=0)
        self.mean.copy_(x.mean(0))
        self.spread.copy_(torch.where(spread > 1e-4, spread, torch.ones_like(spread)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread


class Convolutions(nn.Module):
    """A picture as regions, each seen with what is around it, and as one vector.

        each stage: x' = relu(norm(conv(x))), half as high and wide; then x'' = relu(x' + norm(conv(x')))
        regions     what the last stage gives
        vector      [mean over the regions ; maximum over them ; a few features of each, place by place],
                    centred (see `Centred`)

    Normalisation is by groups of channels within one picture (Wu and He 2018, arXiv 1803.08494).

    Args:
        shape: colours, height and width of a picture.
        channels: features of the first stage, a multiple of 4; each further one has twice as many, at most
            8 times.
        least: a side of so many pixels is halved once more.
        pixels: from bytes to numbers; nothing if None.
        jitter: what changes pictures in training; nothing if None.
        dropout: chance that a feature of a region is dropped, the same in all of a picture's regions.

    Shapes: x `pictures colours height width`. Result: `pictures output_size`.

    Raises:
        ShapeError: pictures of another shape.

    >>> network = Convolutions((3, 16, 16), 4)
    >>> network(torch.rand(2, 3, 16, 16)).shape, network.output_size
    (torch.Size([2, 48]), 48)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: int = 32,
        *,
        least: int = 8,
        pixels: nn.Module | None = None,
        jitter: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape, self.dropout = tuple(shape), dropout
        self.pixels, self.jitter = pixels or nn.Identity(), jitter or nn.Identity()
        stages, before, now = [], shape[0], channels
        height, width = shape[1:]
        while min(height, width) >= least or not stages:
            stages.append(_Stage(before, now))
            before, now = now, min(2 * now, 8 * channels)
            height, width = -(-height // 2), -(-width // 2)
        self.stages = nn.Sequential(*stages)
        self.features, self.grid = before, (height, width)
        self.place = nn.Conv2d(before, channels // 2, 1)
        self.output_size = 2 * before + channels // 2 * height * width
        self.centred = Centred(self.output_size)

    def regions(self, x: Tensor) -> Tensor:
        """The last stage: `pictures features height width`."""
        if tuple(x.shape[1:]) != self.shape:
            raise ShapeError(
                "These pictures have another shape than those the network was made for.",
                expected=f"(pictures, {', '.join(map(str, self.shape))})",
                received=tuple(x.shape),
            )
        if torch.is_grad_enabled():
            return self._regions(x)
        pieces = [self._regions(piece) for piece in x.split(PIECE)]
        return torch.cat(pieces) if pieces else self._regions(x)

    def _regions(self, x: Tensor) -> Tensor:
        found = self.stages(self.jitter(self.pixels(x)))
        return F.dropout2d(found, self.dropout, self.training)

    def forward(self, x: Tensor) -> Tensor:
        return self.centred(self._vector(x))

    def _vector(self, x: Tensor) -> Tensor:
        found = self.regions(x)
        where = self.place(found).flatten(1)
        return torch.cat([found.mean((2, 3)), found.amax((2, 3)), where], -1)

    @torch.no_grad()
    def settle(self, x: Tensor) -> None:
        """Centre the vectors by those of these pictures as training will show them, before training."""
        self.jitter.train()  # alike pictures would be told apart by too little, and too loudly
        self.centred.settle(self._vector(x))


class Regions(nn.Module):
    """Pictures as sequences of their regions, row by row: what a recurrence reads and attention looks at.

    Args:
        convolutions: what sees the regions.

    Shapes: `steps` takes a Ragged of one step a picture, and gives `height·width` of the grid for each.

    >>> regions = Regions(Convolutions((3, 16, 16), 4))
    >>> regions.steps(Ragged(torch.rand(2, 3, 16, 16), torch.arange(3)))
    Ragged(lengths=[16, 16], features=(8,), torch.float32)
    """

    def __init__(self, convolutions: Convolutions) -> None:
        super().__init__()
        self.convolutions, self.output_size = convolutions, convolutions.features
        self.centred = Centred(self.output_size)

    def steps(self, xs: Ragged) -> Ragged:
        """The regions of each picture, from left to right and from top to bottom."""
        found = self.convolutions.regions(xs.values).flatten(2).transpose(1, 2)
        return Ragged(self.centred(found.flatten(0, 1)), xs.offsets * found.shape[1])

    @torch.no_grad()
    def settle(self, x: Tensor) -> None:
        """Centre the regions by those of these pictures as training will show them, before training."""
        self.convolutions.jitter.train()
        self.centred.settle(self.convolutions.regions(x).flatten(2).transpose(1, 2))


class _Stage(nn.Module):
    """Half as high and wide, and then once more with what came before beside it."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.same = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, after) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[0](self.down(x)))
        return F.relu(x + self.norms[1](self.same(x)))


class Frames(nn.Module):
    """Sees a frame at a quarter of its height and width, and draws a change of it from there.

        a = relu(conv(x))        b = relu(conv(a))                           each half as high and wide
        u = relu(shuffle(conv(h)) + conv(a))        change = conv([relu(shuffle(conv(u))) ; x])

    `shuffle` lays four features out as a square of 2 × 2 (Shi et al. 2016, arXiv 1609.05158). The last
    convolution begins as 0.

    Args:
        shape: colours, height and width of a frame.
        channels: features of `a`; `b` has twice as many.
        hidden: features of `h`.

    Shapes: frames `steps colours height width`; `b` and `h` `steps … rows columns` of the `grid`, a quarter.

    >>> frames = Frames((1, 10, 12), 4, hidden=8)
    >>> seen, wide = frames.see(torch.rand(2, 1, 10, 12))
    >>> wide.shape, frames.grid
    (torch.Size([2, 8, 3, 3]), (3, 3))
    >>> frames.draw(torch.rand(2, 8, 3, 3), seen, torch.rand(2, 1, 10, 12)).shape
    torch.Size([2, 1, 10, 12])
    """

    def __init__(self, shape: tuple[int, int, int], channels: int, *, hidden: int) -> None:
        super().__init__()
        colours, height, width = shape
        self.shape, self.grid = shape, (-(-height // 4), -(-width // 4))
        self.features, self.hidden = 2 * channels, hidden
        self.near = nn.Conv2d(colours, channels, 5, stride=2, padding=2)
        self.far = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
        self.up = nn.Conv2d(hidden, 4 * channels, 3, padding=1)
        self.beside = nn.Conv2d(channels, channels, 3, padding=1)
        self.fine = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.change = nn.Conv2d(channels // 2 + colours, colours, 3, padding=1)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)  # pyright: ignore[reportArgumentType]

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Frames at half their size, and at a quarter."""
        a = F.relu(self.near(x - 0.5))
        return a, F.relu(self.far(a))

    def draw(self, h: Tensor, a: Tensor, x: Tensor) -> Tensor:
        """What is to be added to the frames."""
        up = _shuffle(self.up(h))[..., : a.shape[2], : a.shape[3]]
        u = F.relu(up + self.beside(a))
        fine = F.relu(_shuffle(self.fine(u))[..., : x.shape[2], : x.shape[3]])
        return self.change(torch.cat([fine, x], 1))


def _shuffle(x: Tensor) -> Tensor:
    """Four features of a place as a square of 2 × 2; torch's own has no gradient where there is no picture."""
    count, features, rows, columns = x.shape
    square = x.reshape(count, features // 4, 2, 2, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return square.reshape(count, features // 4, 2 * rows, 2 * columns)

"""Pictures to pixels and back: as one step, or read row by row or patch by patch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.codecs.base import Seen
from elman.errors import DataError, SettingsError
from elman.layers.convolution import Convolutions, Jitter, Pixels
from elman.pixels import brightness, fitted, is_pillow, pixels_of
from elman.ragged import Ragged
from elman.settings import Settings

SHOWN = 5


class ImageSettings(Settings):
    """How pictures become steps.

    With `parts="whole"` a picture is one step, which a small convolutional network of `channels`,
    2·`channels`, ... features reads; with `rows` it is read from top to bottom, with `patches` square by
    square of `patch` pixels. `shift`, `tint` and `flip` change a whole picture a little each time it is
    seen in training: by so large a share of its side, by so much brightness and colour, left for right.

    >>> ImageSettings(parts="rows", size=8).colour
    True
    """

    size: int = Field(default=64, ge=4, le=1024)
    colour: bool = True
    parts: Literal["whole", "rows", "patches"] = "whole"
    patch: int = Field(default=8, ge=1)
    channels: int = Field(default=32, ge=4, multiple_of=4)
    shift: float = Field(default=0.1, ge=0, lt=0.5)
    tint: float = Field(default=0.2, ge=0, lt=1)
    flip: bool = False


class Image(Seen):
    """Pictures of any size to squares of one size, on white, and their pixels to steps.

    A picture is a path, an array `height width` or `height width 3` (uint8, or floats from 0 to 1), or an
    image of Pillow. It keeps its proportions: what is left of the square is white. What is transparent
    lies on white; CMYK and palettes become RGB; 16 bits become 8; of an animation the first frame counts;
    a camera's note on which side is up is heeded. Grey is 0.299·R + 0.587·G + 0.114·B.

    Shapes: `encode` gives a Ragged of uint8: `steps colours size size` for wholes, one step each;
    `steps size·colours` for rows; `steps patch·patch·colours` for patches, row by row of patches.

    Attributes after `fit`: mean, spread: of each colour, as a share of full brightness.

    >>> codec = Image(ImageSettings(size=8, parts="rows", colour=False))
    >>> picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> xs = codec.fit([picture]).encode([picture])
    >>> xs.lengths.tolist(), bool((codec.decode(xs)[0] == picture).all())
    ([8], True)
    """

    name: ClassVar[str] = "image"
    kind: ClassVar = ImageSettings
    settings: ImageSettings

    def __init__(
        self, settings: Any = None, mean: Sequence[float] = (), spread: Sequence[float] = ()
    ) -> None:
        super().__init__(settings, mean, spread)
        if self.settings.parts == "patches" and self.settings.size % self.settings.patch:
            raise SettingsError(
                "A picture is not a whole number of patches.",
                expected="a size that the patch divides",
                received=f"size={self.settings.size}, patch={self.settings.patch}",
            )

    # --- learning ---

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn how bright pictures are, and how much that varies.

        Raises:
            DataError: no picture at all, or some that cannot be used.
        """
        squares = self._squares(raw)
        if not len(squares):
            raise DataError("There is no picture to learn from.", expected="pictures", received="none")
        self.mean, self.spread = brightness(squares)
        return self

    # --- using ---

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Pictures to steps.

        Raises:
            DataError: pictures that cannot be used, all of them counted.
        """
        squares = torch.from_numpy(self._squares(raw))
        count, size, patch = len(squares), self.settings.size, self.settings.patch
        if self.settings.parts == "whole":
            return Ragged(squares.permute(0, 3, 1, 2).contiguous(), torch.arange(count + 1))
        if self.settings.parts == "rows":
            return Ragged(squares.flatten(2).flatten(0, 1), torch.arange(count + 1) * size)
        side = size // patch
        cut = squares.unflatten(2, (side, patch)).unflatten(1, (side, patch)).transpose(2, 3)
        return Ragged(cut.flatten(3).flatten(0, 2), torch.arange(count + 1) * side * side)

    def decode(self, xs: Ragged) -> list[np.ndarray]:
        """The squares of steps: `size size 3`, or `size size` in grey."""
        size, patch, colours = self.settings.size, self.settings.patch, self.colours
        if self.settings.parts == "whole":
            found = xs.values.permute(0, 2, 3, 1)
        elif self.settings.parts == "rows":
            found = xs.values.reshape(-1, size, size, colours)
        else:
            side = size // patch
            cut = xs.values.reshape(-1, side, side, patch, patch, colours)
            found = cut.transpose(2, 3).reshape(-1, size, size, colours)
        array = found.cpu().numpy()
        return list(array if colours == 3 else array[..., 0])

    def is_one(self, source: Any) -> bool:
        if isinstance(source, str | os.PathLike) or is_pillow(source):
            return True
        shape = np.shape(source) if isinstance(source, np.ndarray | Tensor) else ()
        return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))

    def names(self, one: Any) -> list[str]:
        size = self.settings.size
        if self.settings.parts == "whole":
            return ["picture"]
        if self.settings.parts == "rows":
            return [f"row {row}" for row in range(1, size + 1)]
        side = range(1, size // self.settings.patch + 1)
        return [f"patch {row}.{column}" for row in side for column in side]

    def reader(self, dropout: float = 0.0, least: int = 8) -> Pixels | Convolutions:
        """Pixels alone for rows and patches; convolutions for wholes, halved while a side has `least`."""
        colours, settings = self.colours, self.settings
        if settings.parts != "whole":
            steps = settings.size if settings.parts == "rows" else settings.patch**2
            return Pixels(self.mean * steps, self.spread * steps)
        jitter = Jitter(shift=settings.shift, tint=settings.tint, flip=settings.flip)
        pixels = Pixels(self.mean, self.spread)
        shape = (colours, settings.size, settings.size)
        return Convolutions(
            shape, settings.channels, least=least, pixels=pixels, jitter=jitter, dropout=dropout
        )

    @property
    def features(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The numbers in a step."""
        size, patch = self.settings.size, self.settings.patch
        return self.colours * {"whole": size**2, "rows": size, "patches": patch**2}[self.settings.parts]

    # --- inside ---

    def _squares(self, raw: Sequence[Any]) -> np.ndarray:
        """All pictures, `pictures size size colours`, or one error for all that cannot be used."""
        size = self.settings.size
        squares = np.empty((len(raw), size, size, self.colours), np.uint8)
        faults = []
        for number, source in enumerate(raw):
            try:
                found = fitted(pixels_of(source), size)
            except DataError as fault:
                faults.append((number, fault))
                continue
            squares[number] = self.shown(found)
        if len(faults) == 1:
            raise faults[0][1]
        if faults:
            shown = [f"{number + 1}: {fault.problem}" for number, fault in faults[:SHOWN]]
            more = [f"… and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
            raise DataError(
                f"{len(faults)} of {len(raw)} pictures cannot be used.",
                received="\n".join(shown + more),
                fix="repair them or take their rows out",
            )
        return squares

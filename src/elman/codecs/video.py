"""Films to frames and back: from files, or from arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from elman.codecs.base import Seen
from elman.errors import DataError, MissingExtraError
from elman.layers.convolution import Convolutions, Jitter, Pixels
from elman.pixels import MOST, brightness, pixels_of, resized
from elman.ragged import Ragged
from elman.settings import Settings

STILL = (".gif", ".webp", ".png", ".tif", ".tiff")
"""Animated pictures: Pillow reads them frame by frame."""


class VideoSettings(Settings):
    """How films become steps: each frame of `height` × `width` is one, at most `frames` of them.

    Of a longer film every so many frames one is read, evenly, where `frames` is given. `channels` are those
    of the network that sees a frame; `shift`, `tint` and `flip` as in `ImageSettings`, for each frame alone.

    >>> VideoSettings(height=48, width=64).colour
    False
    """

    height: int = Field(default=32, ge=4, le=1024)
    width: int = Field(default=32, ge=4, le=1024)
    colour: bool = False
    frames: int | None = Field(default=None, ge=1)
    channels: int = Field(default=16, ge=4, multiple_of=4)
    shift: float = Field(default=0.0, ge=0, lt=0.5)
    tint: float = Field(default=0.0, ge=0, lt=1)
    flip: bool = False


class Video(Seen):
    """Films to frames of one size.

    A film is a path (whatever PyAV decodes; animated GIF, WebP and PNG by Pillow; `.npz` and `.npy` arrays),
    an array `time height width` or `time height width 3` (uint8, or floats from 0 to 1), or a list of frames
    of one size. Frames of another size than the settings' are stretched to it.

    Shapes: `encode` gives a Ragged of uint8, `steps colours height width`.

    Attributes after `fit`: mean, spread: of each colour, as a share of full brightness.

    >>> film = np.zeros((5, 32, 32), np.uint8)
    >>> codec = Video().fit([film])
    >>> codec.encode([film, film[:2]])
    Ragged(lengths=[5, 2], features=(1, 32, 32), torch.uint8)
    """

    name: ClassVar[str] = "video"
    kind: ClassVar = VideoSettings
    settings: VideoSettings

    # --- learning ---

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn how bright frames are, and how much that varies.

        Raises:
            DataError: no film at all, or some that cannot be used.
        """
        xs = self.encode(raw)
        if not len(xs.values):
            raise DataError("There is no frame to learn from.", expected="films", received="none")
        self.mean, self.spread = brightness(xs.values.permute(0, 2, 3, 1).numpy())
        return self

    # --- using ---

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Films to frames.

        Raises:
            DataError: a film that cannot be used, with its file; frames of unequal size.
        """
        films = [torch.from_numpy(self._film(one, number)) for number, one in enumerate(raw, 1)]
        if not films:
            shape = (0, self.colours, self.settings.height, self.settings.width)
            return Ragged(torch.zeros(shape, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
        return Ragged.of([one.permute(0, 3, 1, 2).contiguous() for one in films])

    def decode(self, xs: Ragged) -> list[np.ndarray]:
        """The films of steps: `time height width 3`, or `time height width` in grey."""
        films = [one.permute(0, 2, 3, 1).cpu().numpy() for one in xs.unbind()]
        return films if self.settings.colour else [one[..., 0] for one in films]

    def is_one(self, source: Any) -> bool:
        if isinstance(source, str | os.PathLike):
            return True
        shape = np.shape(source) if isinstance(source, np.ndarray | Tensor) else ()
        return len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))

    def names(self, one: Any) -> list[str]:
        return [f"frame {number}" for number in range(1, len(self._film(one, 1)) + 1)]

    def reader(self, dropout: float = 0.0) -> Convolutions:
        settings = self.settings
        jitter = Jitter(shift=settings.shift, tint=settings.tint, flip=settings.flip)
        pixels = Pixels(self.mean, self.spread)
        shape = (self.colours, settings.height, settings.width)
        return Convolutions(shape, settings.channels, pixels=pixels, jitter=jitter, dropout=dropout)

    @property
    def features(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The numbers in a step."""
        return self.colours * self.settings.height * self.settings.width

    # --- inside ---

    def _film(self, source: Any, number: int) -> np.ndarray:
        """The frames of a film: `time height width colours`, uint8."""
        a_file = isinstance(source, str | os.PathLike)
        place = os.fspath(source) if a_file else f"film {number}"
        if a_file:
            source = _read(Path(source).expanduser())
        frames = list(source) if hasattr(source, "__iter__") else [source]
        shapes = sorted({np.shape(one) for one in frames}, key=str)
        if len(shapes) > 1:
            raise DataError.at(
                place,
                "the frames are of unequal size.",
                expected=f"{len(frames)} frames like the first, {np.shape(frames[0])}",
                received=", ".join(map(str, shapes[:4])),
                fix="cut or stretch them to one size first",
            )
        if self.settings.frames is not None and len(frames) > self.settings.frames:
            chosen = np.linspace(0, len(frames) - 1, self.settings.frames).round().astype(int)
            frames = [frames[one] for one in chosen]
        height, width = self.settings.height, self.settings.width
        film = np.empty((len(frames), height, width, self.colours), np.uint8)
        for step, frame in enumerate(frames):
            try:
                found = resized(pixels_of(frame), height, width)
            except DataError as fault:
                raise DataError.at(f"{place}, frame {step + 1}", str(fault)) from None
            film[step] = self.shown(found)
        return film


def _read(path: Path) -> Any:
    """The frames of a file, one after the other."""
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError.at(path, f"{what}.", expected="a film", fix="check its name and folder")
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return _array(path)
    try:
        found = list(_animated(path) if suffix in STILL else _decoded(path))
    except (DataError, MissingExtraError):
        raise
    except Exception as cause:  # whatever a decoder makes of damaged bytes
        raise DataError.at(
            path,
            "this is no film that can be read, or it is damaged.",
            expected="MP4, MKV, AVI, GIF, ... or an array in .npy or .npz",
            received=f"{type(cause).__name__}: {cause}".split("\n")[0][:200],
            fix="check that the file is what its name says",
        ) from cause
    if not found:
        raise DataError.at(path, "the film has no frame.", expected="a picture at least")
    return found


def _array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
        arrays = [found] if isinstance(found, np.ndarray) else [found[name] for name in found.files]
    except (OSError, ValueError, EOFError, KeyError) as cause:
        raise DataError.at(path, "the file holds no array.", received=str(cause)[:200]) from cause
    if len(arrays) != 1 or arrays[0].ndim not in (3, 4):
        shapes = ", ".join(str(one.shape) for one in arrays[:4])
        raise DataError.at(
            path,
            "the file holds no single film.",
            expected="one array (time, height, width) or (time, height, width, 3)",
            received=f"{len(arrays)} arrays: {shapes}",
        )
    return arrays[0]


def _animated(path: Path) -> Iterator[np.ndarray]:
    try:
        from PIL import Image, ImageSequence
    except ImportError as cause:
        raise MissingExtraError.of("pillow", "video", "Reading an animation") from cause
    with Image.open(path) as opened:
        if opened.size[0] * opened.size[1] > MOST:
            raise DataError.at(path, "the frames are larger than any that are opened.")
        for frame in ImageSequence.Iterator(opened):
            yield pixels_of(frame.copy())


def _decoded(path: Path) -> Iterator[np.ndarray]:
    try:
        import av
    except ImportError as cause:
        raise MissingExtraError.of("av", "video", "Reading a film") from cause
    with av.open(os.fspath(path)) as opened:
        if not opened.streams.video:
            raise DataError.at(
                path, "the file has no pictures.", expected="a film", received="sound alone"
            )
        stream = opened.streams.video[0]
        if (stream.width or 0) * (stream.height or 0) > MOST:
            raise DataError.at(path, "the frames are larger than any that are opened.")
        for frame in opened.decode(stream):
            yield frame.to_ndarray(format="rgb24")

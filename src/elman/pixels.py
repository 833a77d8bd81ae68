"""Pictures as arrays of bytes: read from files, checked, and brought to a size."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import DataError, MissingExtraError

MOST = 64_000_000
"""Pixels of the largest picture that is opened; a larger one may be a bomb of a few bytes."""


def pixels_of(source: Any) -> np.ndarray:
    """The pixels of a picture, `height width 3`, uint8: of a path, an array, or an image of Pillow.

    Raises:
        DataError: no such file, no picture, a damaged one, one of more than 64 million pixels, an array of
            another shape, or numbers outside of their range.
        MissingExtraError: Pillow is not installed, and it is no array.

    >>> pixels_of(np.zeros((2, 5))).shape
    (2, 5, 3)
    """
    if isinstance(source, str | os.PathLike):
        return _of_file(Path(source).expanduser())
    if is_pillow(source):
        return _of_pillow(source, "the image")
    return _of_array(source)


def fitted(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture in the middle of a white square, as large as it can be: `size size 3`.

    >>> fitted(np.zeros((2, 4, 3), np.uint8), 4)[:, 0, 0].tolist()
    [255, 0, 0, 255]
    """
    height, width = picture.shape[:2]
    longer = max(height, width)
    tall, wide = (max(1, round(one * size / longer)) for one in (height, width))
    if (tall, wide) == (size, size) == (height, width):
        return picture
    square = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - tall) // 2, (size - wide) // 2
    square[top : top + tall, left : left + wide] = resized(picture, tall, wide)
    return square


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture of another size: the mean of what falls on a pixel, or bicubic where it becomes larger."""
    if picture.shape[:2] == (height, width):
        return picture
    image = _pillow("Resizing a picture")
    smaller = height * width < picture.shape[0] * picture.shape[1]
    way = image.Resampling.BOX if smaller else image.Resampling.BICUBIC
    return np.asarray(image.fromarray(picture).resize((width, height), way))


def grey(picture: np.ndarray) -> np.ndarray:
    """How bright each pixel is: 0.299·R + 0.587·G + 0.114·B, rounded.

    >>> grey(np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8)).tolist()
    [[76, 255]]
    """
    parts = picture.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((parts + 0x8000) >> 16).astype(np.uint8)


def brightness(pixels: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and spread of each colour, the last axis, as shares of full brightness; a spread is never 0."""
    axes = tuple(range(pixels.ndim - 1))
    mean, spread = pixels.mean(axes, dtype=np.float64) / 255, pixels.std(axes, dtype=np.float64) / 255
    return mean.tolist(), np.where(spread > 1e-3, spread, 1.0).tolist()


def _of_array(source: Any) -> np.ndarray:
    try:
        array = np.asarray(source)
    except (TypeError, ValueError) as cause:
        raise DataError("This is no picture.", received=str(source)[:80]) from cause
    shape = array.shape
    if (
        array.dtype.kind not in "uifb"
        or array.ndim not in (2, 3)
        or shape[2:] not in ((), (1,), (3,), (4,))
    ):
        raise DataError(
            "This is no picture.",
            expected="a path, or an array (height, width) or (height, width, 3) of numbers",
            received=f"{type(source).__name__} of shape {shape}, {array.dtype}",
        )
    if not array.size:
        raise DataError("A picture has no pixels.", received=f"shape {shape}")
    highest = 255 if array.dtype.kind in "ui" else 1
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= highest):  # nor NaN
        raise DataError(
            "The brightness of a picture is out of range.",
            expected="whole numbers from 0 to 255, or floats from 0 to 1",
            received=f"{array.dtype} from {least:g} to {most:g}",
            fix="divide by the brightest value there can be",
        )
    if highest == 1:
        array = np.rint(array * 255.0)
    array = array.astype(np.uint8)
    array = array[..., None] if array.ndim == 2 else array
    if array.shape[2] == 4:
        return _on_white(array)
    return np.repeat(array, 3, 2) if array.shape[2] == 1 else array


def _on_white(picture: np.ndarray) -> np.ndarray:
    alpha = picture[..., 3:].astype(np.float64) / 255
    return np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _of_file(path: Path) -> np.ndarray:
    image = _pillow("Opening a picture")
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise DataError.at(path, f"{what}.", expected="a picture", fix="check its name and folder")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures, which are refused here
        try:
            opened = image.open(path)
        except image.DecompressionBombError as cause:
            raise _bomb(path, str(cause)) from None
        except Exception as cause:  # whatever a decoder makes of damaged bytes
            start = path.read_bytes()[:16] if os.access(path, os.R_OK) else b""
            raise DataError.at(
                path,
                "this is no picture that can be read."
                if start
                else "the file is empty or closed to us.",
                expected="PNG, JPEG, GIF, WebP, TIFF, BMP, ...",
                received=f"{path.stat().st_size} bytes, beginning with {start!r}",
                fix="check that the file is what its name says",
            ) from cause
        with opened:
            return _of_pillow(opened, path)


def _of_pillow(opened: Any, place: Any) -> np.ndarray:
    """The pixels of the first frame, as its file means them to be seen."""
    from PIL import ImageOps

    width, height = opened.size
    if width * height > MOST:
        raise _bomb(place, f"{width} × {height} pixels")
    if not width * height:
        raise DataError.at(place, "the picture has no pixels.", received=f"{width} × {height}")
    try:
        opened.load()
        found = ImageOps.exif_transpose(opened)
        if found.mode.startswith("I;16") or found.mode in ("I", "F"):
            return _deep(np.asarray(found), found.mode, place)
        if found.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in found.info:
            return _on_white(np.asarray(found.convert("RGBA")))
        return np.asarray(found.convert("RGB"))
    except DataError:
        raise
    except Exception as cause:  # whatever a decoder makes of damaged bytes
        raise DataError.at(
            place,
            "the picture is damaged, or was cut off.",
            expected=f"{width} × {height} pixels",
            received=f"{type(cause).__name__}: {cause}".split("\n")[0][:200],
            fix="copy the file again from where it came from",
        ) from cause


def _deep(array: np.ndarray, mode: str, place: Any) -> np.ndarray:
    """Pixels of more than 8 bits: whole numbers of 16 bits, or floats from 0 to 1."""
    highest = 1.0 if mode == "F" else 65535.0
    if not (float(array.min()) >= 0 and float(array.max()) <= highest):
        raise DataError.at(
            place,
            "the brightness of the picture is out of range.",
            expected=f"from 0 to {highest:g}",
            received=f"from {array.min():g} to {array.max():g}",
        )
    return np.repeat(np.rint(array * (255 / highest)).astype(np.uint8)[..., None], 3, 2)


def _bomb(place: Any, received: str) -> DataError:
    return DataError.at(
        place,
        "the picture is larger than any that is opened.",
        expected=f"at most {MOST:,} pixels",
        received=received,
        fix="make it smaller first, if you trust it",
    )


def is_pillow(source: Any) -> bool:
    """Whether this is an image of Pillow, told without importing it."""
    return type(source).__module__.partition(".")[0] == "PIL" and hasattr(source, "convert")


def _pillow(purpose: str) -> Any:
    try:
        from PIL import Image as image
    except ImportError as cause:
        raise MissingExtraError.of("pillow", "image", purpose) from cause
    return image

"""Pictures and films against those who know them: Pillow's own numbers, PyAV, numpy by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.codecs.image import Image, ImageSettings
from elman.codecs.video import Video, VideoSettings
from elman.pixels import fitted, grey, pixels_of

PIL = pytest.importorskip("PIL.Image")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1), (40, 3, 3)])
def test_a_file_gives_the_pixels_that_were_written(tmp_path: Path, suffix: str, shape: Any) -> None:
    picture = noise(*shape)
    if suffix == "gif" and len(shape) == 3:
        picture = (picture // 128) * 255  # few enough colours for a palette
    path = tmp_path / f"one.{suffix}"
    PIL.fromarray(picture).save(path)
    expected = np.asarray(PIL.fromarray(picture).convert("RGB"))
    for source in (path, str(path), PIL.open(path), picture):
        assert np.array_equal(pixels_of(source), expected)


def test_grey_is_pillows_grey() -> None:
    picture = noise(50, 60, 3)
    assert np.array_equal(grey(picture), np.asarray(PIL.fromarray(picture).convert("L")))


@pytest.mark.parametrize(("height", "width"), [(100, 50), (30, 90), (64, 64), (7, 3), (200, 1)])
def test_a_picture_keeps_its_proportions_on_white(height: int, width: int) -> None:
    picture = noise(height, width, 3)
    square = fitted(picture, 32)
    scale = 32 / max(height, width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    way = PIL.Resampling.BOX if tall * wide < height * width else PIL.Resampling.BICUBIC
    own = PIL.new("RGB", (32, 32), "white")
    own.paste(PIL.fromarray(picture).resize((wide, tall), way), ((32 - wide) // 2, (32 - tall) // 2))
    assert np.array_equal(square, np.asarray(own))


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    picture = noise(9, 9, 4)
    PIL.fromarray(picture).save(tmp_path / "a.png")
    own = PIL.new("RGBA", (9, 9), "white")
    own.alpha_composite(PIL.fromarray(picture))
    found = pixels_of(tmp_path / "a.png").astype(int)
    assert np.abs(found - np.asarray(own.convert("RGB"))).max() <= 1
    assert np.array_equal(found, pixels_of(picture))
    palette = PIL.fromarray(noise(9, 9) % 4, "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.save(tmp_path / "p.png", transparency=1)
    found = pixels_of(tmp_path / "p.png")
    colours = np.array([[255, 0, 0], [255, 255, 255], [0, 0, 255], [9, 9, 9]])
    assert np.array_equal(found, colours[noise(9, 9) % 4])


def test_modes_of_all_kinds_become_rgb(tmp_path: Path) -> None:
    deep = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    PIL.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(pixels_of(tmp_path / "deep.png")[..., 0], np.rint(deep / 257).astype(np.uint8))
    shares = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    PIL.fromarray(shares).save(tmp_path / "f.tiff")
    assert np.array_equal(pixels_of(tmp_path / "f.tiff"), pixels_of(shares))
    ink = PIL.new("CMYK", (4, 4), (0, 255, 255, 0))
    ink.save(tmp_path / "ink.jpg", quality=100)
    red, green, blue = pixels_of(tmp_path / "ink.jpg").reshape(-1, 3).mean(0)
    assert red > 240
    assert max(green, blue) < 15
    PIL.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    assert (pixels_of(tmp_path / "bit.png") == 255).all()
    frames = [PIL.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert (pixels_of(tmp_path / "two.gif") == [255, 0, 0]).all()


def test_a_camera_that_was_turned(tmp_path: Path) -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 0] = 255
    turned = PIL.fromarray(picture)
    note = turned.getexif()
    note[0x0112] = 6  # a quarter to the right
    turned.save(tmp_path / "turned.png", exif=note)
    assert np.array_equal(pixels_of(tmp_path / "turned.png"), np.rot90(picture, -1))


@given(
    parts=st.sampled_from(["whole", "rows", "patches"]),
    colour=st.booleans(),
    count=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_pixels_come_back(parts: Any, colour: bool, count: int, seed: int) -> None:
    """Whatever the steps: what is decoded is what was encoded, and a step is what it is said to be."""
    pictures = list(noise(count, 8, 8, 3, seed=seed) if colour else noise(count, 8, 8, seed=seed))
    codec = Image(ImageSettings(size=8, patch=4, parts=parts, colour=colour), [0.5], [0.5])
    xs = codec.encode(pictures)
    assert len(xs) == count
    again = codec.decode(xs)
    assert all(np.array_equal(a, b) for a, b in zip(again, pictures, strict=True))
    for picture, steps in zip(pictures, xs, strict=True):
        deep = picture if colour else picture[..., None]
        if parts == "rows":
            assert np.array_equal(steps[3].numpy(), deep[3].ravel())
        if parts == "patches":
            assert np.array_equal(steps[1].numpy(), deep[:4, 4:].ravel())
        if parts == "whole":
            assert np.array_equal(steps[0].permute(1, 2, 0).numpy(), deep)
        assert len(codec.names(picture)) == len(steps)


def test_a_film_is_read_as_pyav_and_pillow_read_it(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = np.stack([np.full((32, 48, 3), 20 * n, np.uint8) for n in range(6)])
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)  # loses nothing but the rounding of its colours
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        for one in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(one, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    codec = Video(VideoSettings(height=32, width=48, colour=True))
    film = codec.decode(codec.encode([path]))[0].astype(int)
    assert film.shape == (6, 32, 48, 3)
    assert np.abs(film - frames).max() <= 2
    grey_film = codec.encode([frames])
    assert np.array_equal(codec.decode(grey_film)[0], frames)
    pictures = [PIL.fromarray(one) for one in frames]
    pictures[0].save(tmp_path / "film.gif", save_all=True, append_images=pictures[1:], duration=50)
    again = codec.decode(codec.encode([tmp_path / "film.gif"]))[0]
    assert np.array_equal(again, frames)
    np.savez(tmp_path / "film.npz", frames=frames)
    assert np.array_equal(codec.decode(codec.encode([tmp_path / "film.npz"]))[0], frames)
    few = Video(VideoSettings(height=32, width=48, colour=True, frames=3))
    assert np.array_equal(few.decode(few.encode([frames]))[0], frames[[0, 2, 5]])


def test_brightness_is_that_of_numpy() -> None:
    pictures = list(noise(3, 8, 8, 3))
    codec = Image(ImageSettings(size=8)).fit(pictures)
    every = np.stack(pictures) / 255
    assert codec.mean == pytest.approx(every.mean((0, 1, 2)).tolist())
    assert codec.spread == pytest.approx(every.std((0, 1, 2)).tolist())
    numbers = codec.reader().pixels(codec.encode(pictures).values)
    assert torch.allclose(numbers.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(numbers.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)

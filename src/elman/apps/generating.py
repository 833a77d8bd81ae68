"""`elman generate`: texts or music by a model that writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from elman.apps import models
from elman.apps.messages import say
from elman.errors import SettingsError


def generate(run: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one text or several: as they are, or each as JSON on a line; or write each into a file.

    Args:
        run: the model's folder.
        given: the options by name, those alone that were given.
        as_json: one JSON object a line.

    Raises:
        SettingsError: the model does not write, or options that exclude each other.
    """
    decode = _decoding(given)
    model = models.opened(run)
    if not hasattr(model, "generations"):
        raise SettingsError(
            f"The model in {run} does not write texts: it is a {model.task}.",
            expected="a model of the task generator or composer",
            fix=f"elman predict {run} ...",
        )
    texts = model.generations(given.get("prompt", ""), given.get("length"), decode)
    for number, one in enumerate(texts):
        if "out" in given:
            path = Path(given["out"])
            path = path.with_stem(f"{path.stem}-{number + 1}") if len(texts) > 1 else path
            told = say("generate.written", path=one.save(path))
            typer.echo(told, err=as_json)
        if as_json:
            typer.echo(json.dumps(one.to_dict(), ensure_ascii=False))
        elif "out" not in given:
            typer.echo(("\n" if number and "\n" in one.text else "") + one.text)


def _decoding(given: Mapping[str, Any]) -> Any:
    """How symbols are chosen: by a beam, or by chance."""
    from elman.decoding.beam import Beam
    from elman.decoding.sample import Sample

    drawing = {"temperature", "top_k", "top_p", "seed", "samples"} & given.keys()
    if "beam_size" not in given:
        options: dict[str, Any] = {"temperature": 0.8} | {name: given[name] for name in drawing}
        return Sample(**options)
    if drawing:
        raise SettingsError(
            "A beam draws nothing by chance.",
            received=", ".join(f"--{name.replace('_', '-')}" for name in sorted(drawing)),
            fix="leave out --beam-size, or these options",
        )
    return Beam(beam_size=given["beam_size"])

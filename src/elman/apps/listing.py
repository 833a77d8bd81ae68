"""`elman list`: the members of the families, and what each says of itself."""

from __future__ import annotations

import inspect
import json
from typing import Any

import typer

from elman import registry
from elman.errors import UnknownNameError

FAMILIES = ("cells", "structures", "tasks", "datasets", "codecs", "decoding")


def show_families(family: str | None, *, as_json: bool) -> None:
    """Print one family, or all of them.

    Raises:
        UnknownNameError: no such family.
    """
    if family is not None and family not in FAMILIES:
        raise UnknownNameError.among("kind", family, FAMILIES)
    found = {name: members(name) for name in ([family] if family else FAMILIES)}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    from elman.apps import render

    for number, (name, rows) in enumerate(found.items()):
        if number:
            typer.echo()
        render.show(render.family(name, rows))


def members(family: str) -> list[dict[str, Any]]:
    """Each member with its name and one line about it; of a data set, its licence and parts as well.

    >>> members("cells")[0]["name"]
    'gru'
    """
    return [_described(family, name) for name in registry.names(family)]


def _described(family: str, name: str) -> dict[str, Any]:
    member = registry.get(family, name)
    if family != "datasets":
        return {"name": name, "description": (inspect.getdoc(member) or "").partition("\n")[0]}
    return {
        "name": name,
        "description": member.title,
        "task": member.task,
        "languages": list(member.languages),
        "splits": list(member.splits),
        "licence": member.licence,
        "homepage": member.homepage,
    }

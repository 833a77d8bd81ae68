"""A run's folder: what it takes to repeat the training, beside the model that came of it.

run.json            settings, seed, data with its checksum, versions, command: written first
metrics.jsonl       one line an epoch
checkpoints/        last and best, for going on after an interruption
config.json, ...    the saved model (see `storage`), written last
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from elman.atomic import is_temporary, write_bytes
from elman.errors import StorageError, TrainingError

VERSIONED = ("elman", "torch", "numpy", "tokenizers", "lightning-fabric")


def checksum(rows: Any) -> str:
    """The sha256 of data in memory, by its JSON.

    >>> checksum([["a text", "a label"]])[:8]
    '174e0db5'
    """
    text = json.dumps(rows, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _plain(one: Any) -> Any:
    """What JSON has no word for; an array by its bytes, for its numbers as text take minutes."""
    if isinstance(one, np.ndarray) and one.ndim and one.dtype != object:
        content = np.ascontiguousarray(one)
        return [str(one.dtype), list(one.shape), hashlib.sha256(content.data).hexdigest()]
    return getattr(one, "tolist", lambda: str(one))()


def begin(folder: Path, identity: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Take a folder for a run, or go on with the run that is there.

    `identity` decides whether it is the same run: estimator, settings and data. `about` is only told.
    A run that was ended before its first checkpoint has nothing to lose, and gives way.

    Raises:
        TrainingError: another run or model is in the folder; nothing of it is touched.
        StorageError: the folder cannot be written.
    """
    path = folder / "run.json"
    wanted = json.loads(json.dumps(identity, ensure_ascii=False))
    if path.exists():
        found = read(folder)["identity"]
        kept = any((folder / name).exists() for name in ("checkpoints", "config.json"))
        if kept and (different := sorted(name for name in wanted if found.get(name) != wanted[name])):
            name = different[0]
            raise TrainingError(
                f"{folder} holds another run: its {', '.join(different)} differ.",
                expected=f"{name} = {found.get(name)}",
                received=f"{name} = {wanted[name]}",
                fix="choose another folder for --out, or repeat the run's own command to go on with it",
            )
        if kept or found == wanted:
            return
    elif folder.is_dir() and any(not is_temporary(one) for one in folder.iterdir()):
        raise TrainingError(
            f"{folder} is not empty and holds no run.",
            received=sorted(one.name for one in folder.iterdir())[:8],
            fix="choose another folder for --out",
        )
    versions = {name: version(name) for name in VERSIONED} | {"python": platform.python_version()}
    record = {"identity": wanted, "about": dict(about), "versions": versions}
    write_bytes(path, pretty(record))


def read(folder: Path) -> dict[str, Any]:
    """What `run.json` says.

    Raises:
        StorageError: there is none, or it is not one that elman wrote.
    """
    path = folder / "run.json"
    try:
        record = json.loads(path.read_bytes())
        if not isinstance(record["identity"], dict) or not isinstance(record["about"], dict):
            raise ValueError("not a run")
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise StorageError(
            f"{path} does not describe a run.",
            received=str(cause),
            fix="give the folder of elman fit --out",
        ) from cause
    return record


def pretty(figures: Mapping[str, Any]) -> bytes:
    """Figures as the bytes of a JSON file.

    >>> print(pretty({"accuracy": 0.5}).decode())
    {
      "accuracy": 0.5
    }
    <BLANKLINE>
    """
    return (json.dumps(dict(figures), indent=2, ensure_ascii=False) + "\n").encode()


def card(
    title: str, facts: Mapping[str, Any], figures: Mapping[str, Any], about: Mapping[str, Any]
) -> str:
    """The model card: what it is, on which data, under which licence, how good, how to make it again."""
    lines = [f"# {title}", ""]
    lines += [f"* {name}: {value}" for name, value in facts.items()]
    lines += [
        f"* {name}: {value}" for name, value in about.items() if name != "command" and value is not None
    ]
    lines += ["", "## Figures", ""]
    lines += [f"* {name}: {value:.4f}" for name, value in figures.items() if isinstance(value, float)]
    if command := about.get("command"):
        lines += ["", "## Made by", "", f"    {command}"]
    lines += ["", "## Use", "", "    import elman", '    model = elman.load("this folder")', ""]
    return "\n".join(lines)

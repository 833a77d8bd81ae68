"""A saved model: a folder with `config.json`, `model.safetensors`, codec files; never a pickle.

    config.json         format version, task, structure, network, codecs, and each other file's sha256
    model.safetensors   the weights
    tokenizer.json      and the like: what the codecs keep
    metrics.json        the figures
    README.md           the model card

Nothing is renamed before everything is on the disk (see `atomic`), and the config is renamed last: a
folder is either the old model or the new one, or says what it lacks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from elman.atomic import pack, read_bytes, unpack, write_together
from elman.errors import StorageError

FORMAT = 1
"""The version of the folder's format. A newer elman reads every older one."""

WEIGHTS = "model.safetensors"


@dataclass
class Saved:
    """What a folder holds: the config, the weights, and the other files by name."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    files: dict[str, bytes] = field(default_factory=dict)


def save(folder: str | Path, saved: Saved) -> Path:
    """Write a model into a folder, which is made if it is missing; other files in it stay.

    Raises:
        StorageError: the folder cannot be written (no space, no permission, a file in its place).
    """
    folder = Path(folder)
    files = {
        **saved.files,
        WEIGHTS: pack(saved.tensors, {"format": "pt"}),
    }
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    config = {"format": FORMAT, **saved.config, "files": sums}
    files["config.json"] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    write_together({folder / name: content for name, content in files.items()})
    return folder


def load(folder: str | Path) -> Saved:
    """Read a model's folder, and check that every file is the one that was written.

    Raises:
        StorageError: no such folder, not a model, a newer format, or a file that is missing,
            truncated or was changed.
    """
    folder = Path(folder)
    config = _config(folder)
    contents = {}
    for name, wanted in config["files"].items():
        if Path(name).name != name:
            raise StorageError(
                f"{folder / 'config.json'} names a file outside of its folder.", received=name
            )
        contents[name] = read_bytes(folder / name)
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != wanted:
            raise StorageError(
                f"{folder / name} is not the file that was saved: it is truncated or was changed.",
                expected=f"sha256 {wanted}",
                received=f"sha256 {found}, {len(contents[name])} bytes",
                fix="copy the folder again, or finish the run that was writing it: elman fit --out FOLDER",
            )
    tensors = unpack(folder / WEIGHTS, contents.pop(WEIGHTS))
    return Saved(config, tensors, contents)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        there = sorted(one.name for one in folder.iterdir())[:8] if folder.is_dir() else "no such folder"
        raise StorageError(
            f"{folder} is not a model that elman saved.",
            expected="a folder with config.json and model.safetensors",
            received=there,
            fix="give the folder that was passed to save() or to elman fit --out",
        )
    try:
        config = json.loads(read_bytes(path))
        version, files = config["format"], config["files"]
        sound = (
            isinstance(version, int)
            and isinstance(files, dict)
            and (version > FORMAT or WEIGHTS in files)
        )
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise StorageError(f"{path} is not a config that elman wrote.", received=str(cause)) from cause
    if not sound:
        raise StorageError(f"{path} is not a config that elman wrote.", received=str(config)[:80])
    if version > FORMAT:
        raise StorageError(
            f"{folder} was saved by a newer elman.",
            expected=f"format {FORMAT} or older",
            received=f"format {version}",
            fix="pip install --upgrade elman",
        )
    return config

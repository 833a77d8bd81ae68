"""Files that are written in one piece, and tensors in files: no half-written file, no pickle.

A write goes to a temporary file beside the target, is flushed to the disk, and is then renamed: the
target holds the old content or the new one, whatever happens.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from elman.errors import StorageError

_MARK = ".tmp-"


def is_temporary(path: Path) -> bool:
    """Whether a file is what a write left behind that was killed before its end.

    >>> is_temporary(Path("runs/.run.json.tmp-1a2b3c"))
    True
    """
    return path.name.startswith(".") and _MARK in path.name


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece: it holds the old content or the new one, whatever happens."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files of which none is renamed before all are on the disk: where one does not fit, all stay old.

    Raises:
        StorageError: one of them cannot be written (no space, no permission, a file in the folder's place).
    """
    staged: list[tuple[str, Path]] = []
    path, content = Path(), b""
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}{_MARK}")
            staged.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
        for temporary, path in staged:
            os.replace(temporary, path)
    except OSError as cause:
        for temporary, _ in staged:
            Path(temporary).unlink(missing_ok=True)
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise StorageError(
            f"{path} could not be written: {cause.strerror or cause}.",
            received=f"{len(content)} bytes",
            fix="free some space, then resume" if full else "choose a folder that you may write to",
        ) from cause


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and their metadata as one safetensors file, in one piece."""
    write_bytes(path, pack(tensors, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        StorageError: the file is missing, truncated, or no safetensors file.
    """
    content = read_bytes(path)
    tensors = unpack(path, content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, header.get("__metadata__", {})


def pack(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Tensors and their metadata as the bytes of a safetensors file."""
    solid = {name: value.detach().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(solid, metadata or None)


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        StorageError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as cause:  # a ValueError: no system has such a name
        raise StorageError(
            f"{path} could not be read: {getattr(cause, 'strerror', None) or cause}.",
            fix="copy the whole folder again",
        ) from cause


def unpack(path: Path, content: bytes) -> dict[str, Tensor]:
    """The tensors in the bytes of a safetensors file; `path` is where they came from.

    Raises:
        StorageError: they are truncated, or no safetensors file.
    """
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as cause:
        raise StorageError(
            f"{path} is no sound safetensors file: {cause}.",
            received=f"{len(content)} bytes",
            fix="copy the file again from where it was written",
        ) from cause

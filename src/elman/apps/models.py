"""A model's folder, as the commands that ask it need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elman.errors import StorageError


def opened(run: str) -> Any:
    """The fitted model in a run's folder.

    Raises:
        StorageError: there is none; where a run was interrupted, the fix says how to go on with it.
    """
    from elman.tasks import load

    folder = Path(run)
    if (folder / "run.json").is_file() and not (folder / "config.json").is_file():
        raise StorageError(
            f"The run in {folder} is not finished, so there is no model in it yet.",
            fix=f"go on with it: elman fit --out {folder}",
        )
    return load(folder)

"""A folder whose folders are labels, and paths that are told from where they are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from elman.data.records import Records
from elman.errors import DataError
from elman.sound import SUFFIXES

MEDIA = {
    "audio": SUFFIXES,
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
    "video": (".mp4", ".mkv", ".avi", ".mov", ".webm", ".mpg", ".npz"),
}
"""What files are, by their suffixes: the name of the column that they stand in."""


def files_in(folder: Path, medium: str) -> list[str]:
    """The files of a medium in a folder, sorted; hidden ones are left out, and so are other files.

    >>> files_in(Path("."), "audio")
    []
    """
    found = (one for one in folder.iterdir() if one.is_file() and not one.name.startswith("."))
    return sorted(str(one) for one in found if one.suffix.lower() in MEDIA[medium])


def read_folder(folder: Path) -> Records | None:
    """The files in the folders of a folder: a column named after what they are, and the column `label`.

    The name of the inner folder is the label. None where no inner folder holds such files.

    Raises:
        DataError: files of more than one medium.
    """
    inner = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    found = {
        medium: [(file, one.name) for one in inner for file in files_in(one, medium)] for medium in MEDIA
    }
    media = [medium for medium, files in found.items() if files]
    if not media:
        return None
    if len(media) > 1:
        raise DataError.at(
            folder,
            f"the folder holds {' and '.join(media)}.",
            expected="files of one kind, in a folder for each label",
            received=", ".join(f"{len(found[one])} of {one}" for one in media),
            fix="take the others out",
        )
    files, labels = zip(*found[media[0]], strict=True)
    return Records({media[0]: list(files), "label": list(labels)}, str(folder))


def located(rows: Records, name: str) -> Records:
    """The rows with the paths of a column told from the folder of the file that they were read from.

    What is no string is left as it is.

    Raises:
        DataError: files that are not there, all counted and placed.
    """
    base = Path(rows.source).parent if os.path.isfile(rows.source) else Path()
    column = [_path(one, base) for one in rows.column(name)]
    missing = [i for i, one in enumerate(column) if isinstance(one, str) and not os.path.isfile(one)]
    rows.refuse(
        name,
        missing,
        "name a file that is not there",
        expected=f"paths as they are seen from {base}",
        fix="check them, or write them from there on",
    )
    return Records({**rows.columns, name: column}, rows.source, rows.lines, rows.rows)


def _path(one: Any, base: Path) -> Any:
    return os.path.abspath(base / os.path.expanduser(one)) if isinstance(one, str | os.PathLike) else one

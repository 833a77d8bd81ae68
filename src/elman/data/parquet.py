"""Parquet, read by polars."""

from __future__ import annotations

from pathlib import Path

from elman.data.frames import of_frame
from elman.data.records import Records
from elman.errors import DataError, MissingExtraError, SettingsError


def read_parquet(path: Path, encoding: str | None) -> Records:
    """The columns of a Parquet file.

    Raises:
        DataError: not a Parquet file, or a damaged one.
        SettingsError: an encoding was given, and this format has none.
        MissingExtraError: polars is not installed.
    """
    if encoding is not None:
        raise SettingsError(
            "A Parquet file has no text encoding.", received=f"encoding={encoding!r}", fix="leave it out"
        )
    try:
        import polars
    except ImportError:
        raise MissingExtraError.of("polars", "parquet", "Reading Parquet") from None
    try:
        # A pattern would be expanded otherwise, and brackets are legal in names of files.
        frame = polars.read_parquet(path, glob=False)
    except (polars.exceptions.PolarsError, OSError) as fault:
        reason = str(fault).partition("\n")[0]
        raise DataError.at(path, "this is not a sound Parquet file.", received=reason) from fault
    return of_frame(frame, source=str(path))

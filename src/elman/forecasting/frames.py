"""Tables of forecasts, in the kind of frame that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elman.data.panels import Columns
from elman.data.timeline import write_times
from elman.errors import MissingExtraError

NAME = "elman"
"""The column of forecasts; its intervals are `elman-lo-80` and `elman-hi-80`."""


def kind_of(source: Any) -> str:
    """`pandas`, `polars`, `pyarrow`, or `columns` for all else.

    >>> kind_of({"y": [1.0]})
    'columns'
    """
    name = type(source).__module__.partition(".")[0]
    return name if name in ("pandas", "polars", "pyarrow") else "columns"


def frame_of(columns: Mapping[str, Any], kind: str) -> Any:
    """Columns as a frame of a kind; `columns` gives a dict of lists.

    Raises:
        MissingExtraError: the library of that kind is not installed.
    """
    if kind == "columns":
        return {name: one if isinstance(one, list) else one.tolist() for name, one in columns.items()}
    try:
        if kind == "pandas":
            import pandas

            return pandas.DataFrame(dict(columns))
        if kind == "polars":
            import polars

            return polars.DataFrame(dict(columns))
        import pyarrow

        return pyarrow.table({name: pyarrow.array(one) for name, one in columns.items()})
    except ImportError as cause:
        raise MissingExtraError.of(kind, "parquet", f"A frame of {kind}") from cause


def label(bound: str, level: float) -> str:
    """The name of a column of bounds.

    >>> label("lo", 80.0)
    'elman-lo-80'
    """
    return f"{NAME}-{bound}-{level:g}"


def rows_of(
    columns: Columns, names: Sequence[Any], times: Sequence[np.ndarray], form: str
) -> dict[str, Any]:
    """The columns that say what a row is about: the series, if there are several, and the time."""
    flat = np.concatenate(times) if times else np.zeros(0, np.int64)
    found: dict[str, Any] = {}
    if columns.series is not None:
        found[columns.series] = [
            name for name, one in zip(names, times, strict=True) for _ in range(len(one))
        ]
    found[columns.time] = flat if form in ("number", "time") else write_times(flat, form)
    return found

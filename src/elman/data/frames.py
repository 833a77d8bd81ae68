"""Objects in memory: frames of pandas, polars and pyarrow, columns, and dicts.

None of those libraries is imported: an object is taken by the methods it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from elman.data.records import Records, check_names
from elman.errors import DataError


def of_object(source: Any) -> Records:
    """Records from a frame, a dict of columns or a list of dicts.

    Raises:
        DataError: another kind of object, or one with bad columns.

    >>> of_object({"text": ("hi", "bye")}).column("text")
    ['hi', 'bye']
    """
    if isinstance(source, Mapping):
        return Records({name: _values(name, values) for name, values in source.items()})
    lazy = hasattr(source, "collect")
    if not lazy and hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return of_frame(source)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        odd = next((i for i, row in enumerate(source) if not isinstance(row, Mapping)), None)
        if odd is None:
            return Records.of_rows(source)
        received = f"a {type(source).__name__} whose row {odd + 1} is a {type(source[odd]).__name__}"
    else:
        received = f"a {type(source).__module__}.{type(source).__name__}"
    raise DataError(
        "Records cannot be made of this object.",
        expected="a path, a dict of columns, a list of dicts, or a frame of pandas, polars or pyarrow",
        received=received,
        fix="call .collect() on it"
        if lazy
        else "name the columns in a dict: {'text': […], 'label': […]}",
    )


def of_frame(frame: Any, *, source: str = "python") -> Records:
    """Records from a frame of pandas, polars or pyarrow; a missing value is None in all of them."""
    # A pyarrow Table keeps the data under `columns` and the names under `column_names`.
    names = list(frame.column_names if hasattr(frame, "column_names") else frame.columns)
    check_names(source, names)
    return Records({name: _values(name, frame[name]) for name in names}, source)


def _values(name: object, column: Any) -> list[Any]:
    if hasattr(column, "isna"):
        return _of_pandas(column)
    for method in ("to_list", "tolist", "to_pylist"):
        if hasattr(column, method):
            values = getattr(column, method)()
            break
    else:
        # The characters of a text, or the keys of a dict, are never what was meant by a column.
        unordered = isinstance(column, str | bytes | Mapping | Set) or not isinstance(column, Iterable)
        values = None if unordered else list(column)
    if not isinstance(values, list):
        raise DataError(
            f"Column {name!r} is not a list of values.",
            expected="one value per row",
            received=f"a {type(column).__name__}",
            fix=f"pass a list: {{{name!r}: […]}}",
        )
    return values


def _of_pandas(series: Any) -> list[Any]:
    # pandas marks a missing value by NaN, NaT or NA according to the column; only in a column of
    # floats is NaN also a number, which is left for those who use it to judge.
    values = series.tolist()
    missing = series.isna().tolist()
    if any(missing):
        floats = series.dtype.kind == "f"
        values = [
            None if gone and not (floats and isinstance(value, float)) else value
            for value, gone in zip(values, missing, strict=True)
        ]
    if series.dtype == object:
        values = [value.tolist() if hasattr(value, "tolist") else value for value in values]
    return values

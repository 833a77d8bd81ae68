"""Records: named columns of one length, and where each row stands in its source."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elman.errors import DataError

_SHOWN = 5


@dataclass(frozen=True, repr=False)
class Records:
    """Rows as columns: what every reader returns and every codec is fitted on.

    Attributes:
        columns: name -> the values of that column, one per row.
        source: the path of the file, or `"python"` for objects in memory.
        lines: the 1-based line of the file on which each row starts; None where there are no lines.
        rows: the 1-based number of each row in its source; None while they are all there in order.
        channels: of sequences that were gathered (`readings`), what the numbers of a step are called.

    Raises:
        DataError: no column, a name that is not text or is empty, columns of unequal length.

    >>> records = Records({"text": ["hi", "bye"], "label": ["greet", "leave"]})
    >>> len(records), records.names, records.place(1)
    (2, ('text', 'label'), 'row 2')
    >>> records.select([1]).column("text")
    ['bye']
    """

    columns: Mapping[str, list[Any]]
    source: str = "python"
    lines: Sequence[int] | None = None
    rows: Sequence[int] | None = None
    channels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_names(self.source, list(self.columns))
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
            raise DataError.at(
                self.source,
                "the columns have different lengths.",
                expected="one value per row in every column",
                received=listed,
                fix="fill the shorter columns, or leave them out",
            )

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Mapping[str, Any]],
        *,
        source: str = "python",
        lines: Sequence[int] | None = None,
    ) -> Records:
        """Records from one mapping per row, every row with the keys of the first.

        Raises:
            DataError: some rows lack a key or have another one; all of them are counted.

        >>> Records.of_rows([{"x": 1}, {"x": 2}]).column("x")
        [1, 2]
        """
        if not rows:
            raise no_rows(source)
        keys = rows[0].keys()
        odd = [i for i, row in enumerate(rows) if row.keys() != keys]
        if odd:
            where = "row" if lines is None else "line"
            numbers = range(1, len(rows) + 1) if lines is None else lines
            raise bad_rows(
                source,
                f"{len(odd)} of {counted(len(rows), 'row')} have other keys than the first.",
                [(f"{where} {numbers[i]}", _difference(keys, rows[i].keys())) for i in odd],
                line=None if lines is None else lines[odd[0]],
                expected=f"the keys of {where} {numbers[0]}: {_listed(keys)}",
                fix="give every row the same keys, with null where a value is missing",
            )
        return cls({key: [row[key] for row in rows] for key in keys}, source, lines)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __repr__(self) -> str:
        return f"Records({counted(len(self), 'row')} of {_listed(self.names)} from {self.source})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(self.columns)

    def column(self, name: str, option: str | None = None) -> list[Any]:
        """The values of one column, one per row. With `option`, that would have named another one.

        Raises:
            DataError: there is no such column; lists those there are and offers the nearest.

        >>> Records({"text": ["hi"]}).column("text")
        ['hi']
        """
        if name in self.columns:
            return self.columns[name]
        near = _nearest(str(name), self.names)
        fix = f"did you mean {near!r}?" if near is not None else "name one of the columns listed"
        if option is not None:  # nobody wrote that name
            fix = f"say which of the columns listed it is: --{option} COLUMN"
        raise DataError.at(
            self.source,
            f"there is no column {name!r}.",
            expected=f"one of {_listed(self.names)}",
            received=repr(name),
            fix=fix,
        )

    def place(self, i: int) -> str:
        """Where row `i` (from 0) stands in its source, as error messages name it.

        >>> Records({"text": ["hi"]}, "utterances.csv", lines=[17]).place(0)
        'utterances.csv:17'
        """
        if self.lines is not None:
            return f"{self.source}:{self.lines[i]}"
        number = range(1, len(self) + 1)[i] if self.rows is None else self.rows[i]
        return f"row {number}" if self.source == "python" else f"{self.source}, row {number}"

    def refuse(
        self, name: str, wrong: Sequence[int], problem: str, *, expected: str | None = None, fix: str
    ) -> None:
        """Raise one error for the rows `wrong` (from 0) of a column, or none where there are none.

        Raises:
            DataError: all of them counted, the first ones shown with their place and value.

        >>> Records({"text": ["hi"]}).refuse("text", [], "are empty", fix="fill them")
        """
        if wrong:
            faults = [(self.place(i), shorten(str(self.columns[name][i]))) for i in wrong]
            problem = f"{len(wrong)} of {len(self)} rows {problem} in column {name!r}."
            line = None if self.lines is None else self.lines[wrong[0]]
            raise bad_rows(self.source, problem, faults, line=line, expected=expected, fix=fix)

    def select(self, indices: Iterable[int]) -> Records:
        """The rows at `indices` (from 0), in that order, each keeping its place in the source.

        Raises:
            IndexError: an index past the last row.

        >>> Records({"n": [10, 20, 30]}).select([2, 0]).place(0)
        'row 3'
        """
        picked = [operator.index(i) for i in indices]
        columns = {name: [values[i] for i in picked] for name, values in self.columns.items()}
        lines = None if self.lines is None else [self.lines[i] for i in picked]
        numbers = range(1, len(self) + 1) if self.rows is None else self.rows
        return Records(columns, self.source, lines, [numbers[i] for i in picked], self.channels)

    def head(self, n: int) -> Records:
        """The first `n` rows, or all of them where there are fewer.

        >>> Records({"n": [10, 20, 30]}).head(2).column("n")
        [10, 20]
        """
        return self.select(range(len(self))[: max(n, 0)])


def check_names(source: str, names: Sequence[object], *, line: int | None = None) -> None:
    """Raise DataError unless the names of columns are text, not empty and all different."""
    fault = _names_fault(names)
    if fault is not None:
        problem, fix = fault
        expected = "a different name for every column"
        raise DataError.at(
            source, problem, line=line, expected=expected, received=_listed(names) or "none", fix=fix
        )


def bad_rows(
    source: str,
    problem: str,
    faults: Sequence[tuple[str, str]],
    *,
    line: int | None = None,
    expected: str | None = None,
    fix: str | None = None,
) -> DataError:
    """One error for all bad rows of a source, each a `(place, what is wrong)`, the first few shown."""
    shown = [f"{place}: {text}" for place, text in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        shown.append(f"… and {len(faults) - _SHOWN} more")
    return DataError.at(
        source, problem, line=line, expected=expected, received="\n".join(shown), fix=fix
    )


def no_rows(source: str, received: str = "none") -> DataError:
    """The error for a source that has names at most."""
    return DataError.at(source, "there are no rows.", expected="at least one row", received=received)


def counted(number: int, noun: str) -> str:
    """The number and its noun: `1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shorten(text: str, width: int = 60) -> str:
    """The text in quotes and on one line, cut after `width` characters."""
    return repr(text) if len(text) <= width else f"{text[:width]!r}…"


def _names_fault(names: Sequence[object]) -> tuple[str, str] | None:
    """What is wrong with the names of columns, and the fix."""
    if not names:
        return "there is no column.", "give at least one column"
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not isinstance(name, str):
            return f"a column is named {name!r}, which is not text.", "name the columns by text"
        if not name.strip():
            fix = "name it, or leave it out: pandas writes no index with to_csv(…, index=False)"
            return f"column {i + 1} of {len(names)} has no name.", fix
        if name in seen:
            return f"two columns are named {name!r}.", "rename one of them"
        seen.add(name)
    return None


def _difference(expected: Iterable[str], received: Iterable[str]) -> str:
    missing = [key for key in expected if key not in received]
    extra = [key for key in received if key not in expected]
    parts = [f"{word} {_listed(keys)}" for word, keys in (("lacks", missing), ("adds", extra)) if keys]
    return ", ".join(parts)


def _listed(names: Iterable[object]) -> str:
    return ", ".join(repr(name) for name in names)


def _nearest(name: str, names: Sequence[str]) -> str | None:
    # Case and stray spaces are the commonest slips, and a ratio of letters misses them in short names.
    plain = {one.strip().casefold(): one for one in names}
    near = difflib.get_close_matches(name.strip().casefold(), plain, n=1)
    return plain[near[0]] if near else None

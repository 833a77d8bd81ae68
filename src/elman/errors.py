"""Every error that elman raises, and the one template that words them.

    ElmanError
    ├── ShapeError          sizes or lengths that do not fit            (also a ValueError, RuntimeError)
    ├── DataError           a file or a value that cannot be used       (also a ValueError)
    ├── SettingsError       an argument out of its range                (also a ValueError)
    │   └── SettingsTypeError    an argument of another type            (also a TypeError)
    ├── UnknownNameError    no cell, codec, dataset, ... of that name   (also a LookupError)
    ├── NotFittedError      asked before `fit`                          (also a ValueError, AttributeError)
    ├── TrainingError       the training cannot go on                   (also a RuntimeError)
    ├── BackendError        a scan that cannot run here                 (also a RuntimeError)
    ├── StorageError        a folder that cannot be read or written     (also an OSError)
    └── MissingExtraError   an optional package is not installed        (also an ImportError)

Each says what was wrong, what was expected, what was received and the fix:

    ShapeError: GRU(input_size=8) received steps with 6 features.
      expected  (steps, 8)
      received  (steps, 6), 3 sequences of lengths [5, 2, 9]
      fix       pass input_size=6, or project the input first
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ElmanError(Exception):
    """The root: `problem` in one sentence, then what was expected, what was received, and the fix.

    >>> raise_me = ElmanError("A sentence.", expected="this", received="that", fix="do so")
    >>> print(raise_me)
    A sentence.
      expected  this
      received  that
      fix       do so
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: object = None,
        received: object = None,
        fix: str | None = None,
    ) -> None:
        self.problem = problem
        self.expected = expected
        self.received = received
        self.fix = fix
        lines = [problem]
        for name, value in (("expected", expected), ("received", received), ("fix", fix)):
            if value is not None:
                body = str(value).replace("\n", "\n" + " " * 12)
                lines.append(f"  {name:<8}  {body}")
        super().__init__("\n".join(lines))

    def __str__(self) -> str:
        return str(self.args[0])


class ShapeError(ElmanError, ValueError, RuntimeError):
    """Sizes, lengths or number formats that do not fit together; torch has either built-in for them."""


class DataError(ElmanError, ValueError):
    """A file or a value that cannot be used; names the file, line and column where there is one."""

    @classmethod
    def at(
        cls,
        place: object,
        problem: str,
        *,
        line: int | None = None,
        column: str | int | None = None,
        **details: object,
    ) -> DataError:
        """The same error, led by the place: `file:line, column 'name': problem`.

        >>> print(DataError.at("rows.csv", "it is empty.", line=3))
        rows.csv:3: it is empty.
        >>> print(DataError.at("", "there is no such file."))
        '': there is no such file.
        """
        place = str(place) or repr("")
        where = place if line is None else f"{place}:{line}"
        if column is not None:
            where += f", column {column!r}"
        return cls(f"{where}: {problem}", **details)  # pyright: ignore[reportArgumentType]


class SettingsError(ElmanError, ValueError):
    """An argument out of its range, or two that contradict each other."""


class SettingsTypeError(SettingsError, TypeError):
    """An argument of another type than the one that is meant."""


class UnknownNameError(ElmanError, LookupError):
    """No member of that name in a family."""

    @classmethod
    def among(cls, kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
        """The error with the known names listed and the nearest one offered as the fix."""
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"choose one of the {kind}s listed"
        listed = ", ".join(names) or f"(there is no {kind})"
        return cls(f"There is no {kind} named {name!r}.", expected=listed, received=repr(name), fix=fix)


class NotFittedError(ElmanError, ValueError, AttributeError):
    """An estimator was asked before `fit` or `load`."""


class TrainingError(ElmanError, RuntimeError):
    """The training cannot go on: a loss that is not finite, a run that cannot be resumed."""


class BackendError(ElmanError, RuntimeError):
    """A backend of the scan that is not there, or cannot do what it is asked."""


class StorageError(ElmanError, OSError):
    """A folder or file of elman's own that cannot be read or written."""


class MissingExtraError(ElmanError, ImportError):
    """An optional package is not installed; the fix names the extra that brings it."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """The error for `package`, needed for `purpose` and brought by the extra `extra`."""
        return cls(
            f"{purpose} needs the package {package!r}, which is not installed.",
            fix=f'pip install "elman[{extra}]"',
        )

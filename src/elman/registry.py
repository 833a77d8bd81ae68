"""How the members of a plural folder are found: one file, one public class, no list to keep.

A file `cells/rnn_relu.py` holds one class, and its name in Python, on the command line and in a
saved model is the file's name with dashes: `rnn-relu`. Listing names imports nothing.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

from elman.errors import UnknownNameError


@cache
def names(family: str) -> tuple[str, ...]:
    """The names in a family (`"cells"`, `"datasets"`, ...), sorted, without importing any member.

    >>> "gru" in names("cells")
    True
    """
    package = importlib.import_module(f"elman.{family}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if name != "base"))


def get(family: str, name: str) -> Any:
    """The one public class of a member's file.

    Raises:
        UnknownNameError: no file of that name; lists those there are and offers the nearest.
    """
    key = str(name).lower().replace("_", "-")
    if key not in names(family):
        raise UnknownNameError.among(family.rstrip("s"), name, names(family))
    module = importlib.import_module(f"elman.{family}.{key.replace('-', '_')}")
    public = [
        value
        for attribute, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and not attribute.startswith("_")
    ]
    if len(public) > 1:
        # A member may bring its settings: the member is the one built on the family's base.
        bases = _bases(family)
        public = [one for one in public if issubclass(one, bases)]
    if len(public) != 1:
        found = ", ".join(one.__name__ for one in public) or "none"
        raise TypeError(f"{module.__file__}: expected one public class, found {found}")
    return public[0]


def _bases(family: str) -> tuple[type, ...]:
    module = importlib.import_module(f"elman.{family}.base")
    # Its own ones alone: a tuple is a Sequence, too, and that is abstract.
    return tuple(
        one
        for one in vars(module).values()
        if inspect.isabstract(one) and one.__module__ == module.__name__
    )

"""What the command line says, in the user's language.

The sentences stand in `english.py` and `chinese.py` under the same keys. `ELMAN_LANG` chooses, then
`LC_ALL`, `LC_MESSAGES` and `LANG`: Chinese where the first of them that is set begins with `zh`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import typer

from elman.apps import chinese, english

CATALOGUES: Mapping[str, Mapping[str, str]] = {"en": english.MESSAGES, "zh": chinese.MESSAGES}


def language() -> str:
    """`zh` or `en`, by the environment as it is now."""
    chosen = (os.environ.get(name) for name in ("ELMAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, chosen), "").lower().startswith("zh") else "en"


def say(key: str, **fields: Any) -> str:
    """The sentence of a key, filled in.

    >>> say("seconds", seconds=12) in ("12 s", "12 秒")
    True
    """
    return CATALOGUES[language()][key].format(**fields)


def tell(key: str, **fields: Any) -> None:
    """Print the sentence of a key; where several processes train together, only the first speaks."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        typer.echo(say(key, **fields))


def duration(seconds: float) -> str:
    """A time that people read: `0.4 s`, `12 s`, `3 min 20 s`.

    >>> duration(200) in ("3 min 20 s", "3 分 20 秒")
    True
    """
    whole = round(seconds)
    if whole < 100:
        return say("seconds", seconds=whole if whole >= 10 else f"{seconds:.1f}")
    return say("minutes", minutes=whole // 60, seconds=whole % 60)

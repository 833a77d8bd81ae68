"""One step of a recurrence, one cell a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman import registry

if TYPE_CHECKING:
    from elman.cells.base import Cell


def get(name: str) -> type[Cell]:
    """The cell of that name: `rnn`, `rnn-relu`, `lstm`, `gru`, ...

    >>> get("lstm").states
    ('h', 'c')
    """
    return registry.get("cells", name)

"""What the learning tests share: every cell, and how many layers it takes for a task that decides."""

from __future__ import annotations

import pytest

from elman import registry
from elman.cells.base import LinearCell

every_cell = pytest.mark.parametrize("cell", registry.names("cells"))


def layers(cell: str) -> int:
    """A linear recurrence mixes time in one layer, and decides by what it mixed in the next."""
    return 2 if issubclass(registry.get("cells", cell), LinearCell) else 1

"""Pictures and what was looked at in them, as characters of a terminal."""

from __future__ import annotations

import numpy as np
from rich.console import Console, RenderableType
from rich.text import Text

from elman.apps.messages import say
from elman.seen import Gaze

SHADES = " ░▒▓█"


def gazed(gaze: Gaze, width: int | None = None) -> list[RenderableType]:
    """The map of each word under the word, side by side, in blocks that fit."""
    room = (width or Console().width) - 2
    rows, columns = gaze.weights.shape[1:]
    heads = [Text(one) for one in gaze.tokens]
    wide = [max(2 * columns, one.cell_len) for one in heads]
    blocks: list[RenderableType] = []
    start = 0
    while start < len(heads):
        end, used = start + 1, wide[start]
        while end < len(heads) and used + 2 + wide[end] <= room:
            used, end = used + 2 + wide[end], end + 1
        lines = Text(no_wrap=True, overflow="ellipsis")
        for head, size in zip(heads[start:end], wide[start:end], strict=True):
            lines.append(head.plain, "bold").append(" " * (size - head.cell_len + 2))
        for row in range(rows):
            lines.append("\n")
            for size, one in zip(wide[start:end], gaze.weights[start:end], strict=True):
                lines.append(shades(one)[row].ljust(size + 2), "cyan")
        blocks += [lines, ""]
        start = end
    return [*blocks, Text(say(f"gaze.{gaze.way}"), "dim")]


def shades(weights: np.ndarray) -> list[str]:
    """A map as lines of squares, two characters each, the fullest where it is highest.

    >>> shades(np.array([[0.0, 1.0], [0.5, 0.0]]))
    ['  ██', '▒▒  ']
    """
    highest = max(float(weights.max()), 1e-12)
    levels = np.rint(weights / highest * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[one] * 2 for one in row) for row in levels]

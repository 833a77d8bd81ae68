"""Couplets of Tang regulated verse: a line, and the line that answers it."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from elman.datasets.tang_poems import TangPoems, side

MARKS = re.compile("[，。？！；、]")
LINE = re.compile("[\u4e00-\u9fff]+")
LINES = 8


class TangCouplets(TangPoems):
    """The two middle couplets of poems of eight lines of five or seven characters: they must be parallel.

    Beside each pair stands the character that ends the poem's second line, `rhyme`: the second line of every
    couplet is to rhyme with it. A pair that occurs twice counts once, where it comes first. The split is that
    of the poems (`tang-poems`), so that no poem is on both sides.

    >>> TangCouplets().fields["second"]
    'second'
    """

    name = "tang-couplets"
    title = "Parallel couplets of Tang regulated verse"
    task = "versifier"
    fields: ClassVar = {"first": "first", "second": "second", "rhyme": "rhyme"}
    settings: ClassVar = {"versifier": {"min_count": 2}}  # a line may hold a character that is new

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns first, second and rhyme."""
        rows: dict[tuple[str, str], str | None] = {}
        for couplets in self.poems:
            lines = regulated(couplets)
            if len(lines) == LINES:
                wanted = side(couplets) == split
                for n in (2, 4):
                    rows.setdefault((lines[n], lines[n + 1]), lines[1][-1] if wanted else None)
        kept = [(*pair, rhyme) for pair, rhyme in rows.items() if rhyme is not None]
        return {name: [row[n] for row in kept] for n, name in enumerate(self.fields)}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, which of the pairs they are."""
        return f"the pairs of {super().origin(split, language)}"


def regulated(couplets: list[str]) -> list[str]:
    """The lines of a poem all of whose lines have five or all seven characters, two to a couplet; or none.

    >>> regulated(["秦川雄帝宅，函谷壯皇居。"])
    ['秦川雄帝宅', '函谷壯皇居']
    >>> regulated(["美撥亂，陳王業也。"])
    []
    """
    lines = []
    for couplet in couplets:
        parts = [one for one in MARKS.split(couplet) if one]
        if len(parts) != 2:
            return []
        lines += parts
    sizes = {len(one) for one in lines}
    return lines if sizes in ({5}, {7}) and all(LINE.fullmatch(one) for one in lines) else []

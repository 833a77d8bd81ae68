"""CIDEr against its definition, written out over every n-gram there is."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import metrics

CAPTION = st.lists(st.sampled_from("abc"), max_size=6)


def by_definition(found: list[list[str]], references: list[list[list[str]]]) -> float:
    """Vectors over all n-grams of three letters, entry by entry."""
    total = 0.0
    for n in range(1, 5):
        grams = list(itertools.product("abc", repeat=n))

        def count(text: list[str], gram: tuple[str, ...], n: int = n) -> int:
            return sum(tuple(text[i : i + n]) == gram for i in range(len(text)))

        pictures = [sum(any(count(r, g) for r in several) for several in references) for g in grams]

        def vector(text: list[str], grams: list = grams, pictures: list = pictures) -> list[float]:
            rare = [math.log(len(references) / max(1, one)) for one in pictures]
            return [count(text, g) * idf for g, idf in zip(grams, rare, strict=True)]

        for one, several in zip(found, references, strict=True):
            a = vector(one)
            for r in several:
                b = vector(r)
                norm = math.hypot(*a) * math.hypot(*b)
                dot = sum(x * y for x, y in zip(a, b, strict=True))
                total += dot / norm / len(several) if norm else 0.0
    return 10 * total / 4 / len(found)


@given(
    st.lists(st.tuples(CAPTION, st.lists(CAPTION, min_size=1, max_size=3)), min_size=1, max_size=4),
)
def test_cider_is_its_definition(rows: list) -> None:
    found, references = [one for one, _ in rows], [several for _, several in rows]
    assert metrics.cider(found, references) == pytest.approx(by_definition(found, references), abs=1e-9)


def test_what_everybody_says_counts_for_nothing_and_what_is_exact_for_ten() -> None:
    texts = [["a", "b", "c", "d", "e"], ["f", "g", "h", "i"], ["k", "l", "m", "n", "o", "p"]]
    assert metrics.cider(texts, [[one] for one in texts]) == pytest.approx(10)
    assert metrics.cider([["the"]] * 2, [[["the", "cat"]], [["the", "dog"]]]) == 0
    assert metrics.cider([], []) == 0

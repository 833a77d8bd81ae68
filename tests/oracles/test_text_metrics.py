"""BLEU against sacrebleu, ROUGE and error rates against counting by hand."""

from __future__ import annotations

import itertools
import random

import pytest

from elman import metrics


def texts(draw: random.Random, count: int) -> list[str]:
    return [" ".join(draw.choices("abcdefg", k=draw.randint(1, 9))) for _ in range(count)]


def test_plain_bleu_is_sacrebleu_of_tokens() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    draw = random.Random(1)
    for count in (1, 2, 5, 20, 50):
        found, truth = texts(draw, count), texts(draw, count)
        expected = sacrebleu.corpus_bleu(found, [truth], tokenize="none", force=True).score
        assert metrics.plain_bleu(found, [[one] for one in truth]) == pytest.approx(expected)
    assert metrics.plain_bleu(truth, [[one] for one in truth]) == pytest.approx(100)
    assert metrics.plain_bleu([""], [["a b"]]) == 0


def test_bleu_takes_any_number_of_references() -> None:
    pytest.importorskip("sacrebleu")
    value, signature = metrics.bleu(
        ["我很好", "你好吗"], [["您好", "我很好"], ["你好吗"]], tokenize="zh"
    )
    assert value == pytest.approx(
        metrics.bleu(["我很好", "你好吗"], [["我很好"], ["你好吗"]], tokenize="zh")[0]
    )
    assert "nrefs:var" in signature
    assert metrics.bleu(["A b c d"], [["a b c d"]], lowercase=True)[0] == pytest.approx(100)


def longest(one: list[str], other: list[str]) -> int:
    """The longest common subsequence, by trying all."""
    for size in range(len(one), 0, -1):
        for places in itertools.combinations(one, size):
            rest = iter(other)
            if all(symbol in rest for symbol in places):
                return size
    return 0


def test_rouge_by_hand() -> None:
    draw = random.Random(2)
    for found, truth in zip(texts(draw, 40), texts(draw, 40), strict=True):
        a, b = found.split(), truth.split()
        got = metrics.rouge([found], [[truth]])
        assert got["rougeL"] == pytest.approx(2 * longest(a, b) / (len(a) + len(b)))
        for n in (1, 2):
            grams = [[tuple(each[k : k + n]) for k in range(len(each) - n + 1)] for each in (a, b)]
            shared = sum(min(grams[0].count(one), grams[1].count(one)) for one in set(grams[0]))
            total = len(grams[0]) + len(grams[1])
            assert got[f"rouge{n}"] == pytest.approx(2 * shared / total if total else 0)
    both = metrics.rouge(["A fast tool."], [["nothing like it", "a FAST tool"]])
    assert both == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}


def test_error_rates_and_edits() -> None:
    def distance(one: str, other: str) -> int:
        """By its definition: the last symbols agree, or one of three edits is made."""
        if not one or not other:
            return len(one) + len(other)
        return min(
            distance(one[:-1], other) + 1,
            distance(one, other[:-1]) + 1,
            distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
        )

    draw = random.Random(3)
    for _ in range(40):
        one, other = ("".join(draw.choices("ab", k=draw.randint(0, 6))) for _ in range(2))
        assert metrics.edits(one, other) == distance(one, other)
    rates = metrics.error_rates(["a b", "c", "d"], [["a b"], ["c d", "c e"], ["x", "d"]])
    assert rates == {"wer": pytest.approx(1 / 3), "per": pytest.approx(1 / 5)}

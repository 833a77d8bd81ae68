"""The versifier: lines of equal length always, rules that are kept, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import elman
from elman import prosody, registry
from elman.errors import DataError, SettingsError
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_n_writer import NToNWriter

pytest.importorskip("pypinyin")

COUPLETS = Path(__file__).parents[2] / "docs" / "examples" / "couplets.tsv"
QUICK = elman.Training(epochs=3, batch_size=4)


@pytest.fixture(scope="module")
def poet() -> elman.Versifier:
    return elman.Versifier(hidden_size=16, training=QUICK).fit(str(COUPLETS), dev=str(COUPLETS))


@pytest.mark.parametrize("cell", registry.names("cells"))
def test_step_by_step_as_at_once(cell: str) -> None:
    """What is written symbol by symbol has the answers that are given when all of it is known."""
    encoder = Recurrent(cell, 2, 3, bidirectional=True)
    recurrent = Recurrent(cell, 6 + 4, 5, num_layers=2)
    network = NToNWriter(nn.Identity(), encoder, nn.Embedding(7, 4), recurrent).double().eval()
    xs = Ragged.of([torch.randn(n, 2, dtype=torch.float64) for n in (4, 2, 1)])
    ys = xs.with_values(torch.randint(7, (7,)))
    at_once, state = network(xs, ys), network.start(xs)
    last = torch.zeros(3, dtype=torch.int64)
    for t in range(4):
        rows = torch.tensor([2, 0, 1])
        state = network.select(network.select(state, rows), torch.tensor([1, 2, 0]))
        answers, state = network.step(last, state)
        for number, one in enumerate(at_once):
            if t < len(one):
                torch.testing.assert_close(answers[number], one[t])
                last[number] = ys[number].values[t]


def test_the_length_is_right_and_rules_are_kept_whatever_was_learned(poet: elman.Versifier) -> None:
    """A model that has hardly learned: nothing but the rules makes its lines keep them."""
    lines = ["大漠孤煙直", "明月", "花", "竹喧歸浣女動下漁"]
    for decode in (None, elman.Greedy(), elman.Sample(seed=1)):
        free = poet.predict(lines, decode)
        assert [len(one.second) for one in free] == [5, 2, 1, 8]
        kept = poet.predict(lines, decode, tones=True)
        assert [one.tones for one in kept] == [1.0] * 4
        rhymed = poet.predict(lines, decode, rhyme=["樓", "多", "鄉", "鄉"])
        assert all(one.rhymes for one in rhymed)
        assert all(
            prosody.rhyme(one.second[-1]) == prosody.rhyme(end)
            for one, end in zip(rhymed, "樓多鄉鄉", strict=True)
        )
    alone = [poet.predict(one, tones=True).second for one in lines]
    assert alone == [one.second for one in poet.predict(lines, tones=True)]


def test_figures_and_keeping(poet: elman.Versifier, tmp_path: Path) -> None:
    report = poet.evaluate(str(COUPLETS))
    assert (report.count, report.equal_length, report.rhyme) == (10, 1.0, None)
    assert report.tones is not None
    assert poet.score(str(COUPLETS)) == -report.nats
    again = elman.load(poet.save(tmp_path / "poet"))
    assert again.predict("大漠孤煙直") == poet.predict("大漠孤煙直")
    assert [one.token for one in poet.inspect("明月").steps] == list(poet.predict("明月").second)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (["明月", "花"], ["清泉", "流水"], "1 of 2 rows have lines of unequal length"),
        (["明月", ""], ["清泉", "流"], "have no line"),
        (["明月", None], ["清泉", "流"], "have no line"),
    ],
)
def test_pairs_that_cannot_be_used(first: Any, second: Any, named: str) -> None:
    with pytest.raises(DataError, match=named):
        elman.Versifier(training=QUICK).fit(first, second)


def test_what_cannot_be_answered(poet: elman.Versifier) -> None:
    with pytest.raises(DataError, match="never seen"):
        poet.predict("hello")
    for rhyme in ("不了", "x"):
        with pytest.raises(SettingsError, match="Nothing rhymes"):
            poet.predict("明月", rhyme=rhyme)
    with pytest.raises(SettingsError, match="one rhyme for each"):
        poet.predict(["明月"], rhyme=["樓", "多"])


def test_sounds() -> None:
    told = {
        "東": ("level", "中东"),
        "月": ("oblique", "乜斜"),
        "不": ("oblique", "姑苏"),
        "a": (None, None),
    }
    assert {one: prosody.sound(one) for one in told} == told
    assert prosody.rhyme("流") == prosody.rhyme("樓") == "油求"
    assert prosody.places(7) == [1, 3, 5, 6]
    assert prosody.places(0) == []
    assert prosody.opposed("白日依山盡", "黃河入海流") == [True, True, True]

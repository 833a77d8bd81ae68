"""Decoding against brute force: exhaustive search, closed forms of what is drawn, and sentences alone."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman import Beam, Greedy, Sample
from elman.decoding.base import Decoding, Hypothesis
from elman.errors import SettingsError

END = 0


class Table:
    """Logits by chance for every prefix of every sentence: a state is the number of its prefix."""

    def __init__(self, vocabulary: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.vocabulary = vocabulary
        self.logits = 2 * torch.randn(4099, vocabulary, generator=generator, dtype=torch.float64)

    def start(self, batch: int) -> Tensor:
        return 17 * torch.arange(batch) + 1

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        after = (state * 31 + tokens + 1) % len(self.logits)
        return self.logits[after], after

    def select(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]

    def run(self, decoding: Decoding, batch: int = 1, **more: Any) -> list[list[Hypothesis]]:
        first = torch.full((batch,), self.vocabulary - 1)
        return decoding.run(self, self.start(batch), first, **({"end": END} | more))

    def every(self, sentence: int, most: int) -> list[tuple[list[int], float, bool]]:
        """All sequences of a sentence: those that end, and those cut off after `most` tokens."""
        found = []
        body = [one for one in range(self.vocabulary) if one != END]
        for length in range(most + 1):
            for tokens in itertools.product(body, repeat=length):
                state, last, total = self.start(sentence + 1)[-1:], self.vocabulary - 1, 0.0
                for token in [*tokens, *([END] if length < most else [])]:
                    logits, state = self.step(torch.tensor([last]), state)
                    total += float(logits.log_softmax(-1)[0, token])
                    last = token
                found.append((list(tokens), total, length < most))
        return found


def ranked(every: list[tuple[list[int], float, bool]], penalty: float) -> list[list[int]]:
    def key(one: tuple[list[int], float, bool]) -> tuple[bool, float]:
        tokens, total, finished = one
        return finished, total / ((5 + len(tokens) + finished) / 6) ** penalty

    return [one[0] for one in sorted(every, key=key, reverse=True)]


@given(
    vocabulary=st.integers(1, 3),
    most=st.integers(1, 4),
    penalty=st.sampled_from([-0.5, 0.0, 0.6, 1.0, 2.0]),
    seed=st.integers(0, 99),
)
def test_a_beam_of_unlimited_width_is_exhaustive_search(vocabulary, most, penalty, seed) -> None:
    """The best one alone, for which the search stops as soon as nothing can overtake it, and all of them."""
    table = Table(vocabulary, seed)
    best = Beam(beam_size=200, length_penalty=penalty, max_length=most)
    for sentence, (one,) in enumerate(table.run(best, batch=2)):
        assert one.tokens == ranked(table.every(sentence, most), penalty)[0]
    wide = Beam(beam_size=200, n_best=200, length_penalty=penalty, max_length=most)
    for sentence, found in enumerate(table.run(wide, batch=2)):
        every = table.every(sentence, most)
        assert [one.tokens for one in found] == ranked(every, penalty)
        totals = {tuple(tokens): total for tokens, total, _ in every}
        for one in found:
            assert one.log_probability == pytest.approx(totals[tuple(one.tokens)])
        assert math.fsum(math.exp(one.log_probability) for one in found) == pytest.approx(1.0)


@given(vocabulary=st.integers(1, 6), seed=st.integers(0, 99), ngram=st.integers(0, 3))
def test_a_beam_of_one_is_greedy(vocabulary, seed, ngram) -> None:
    table, shared = Table(vocabulary, seed), {"max_length": 9, "no_repeat_ngram_size": ngram}
    narrow, greedy = (table.run(one, batch=4) for one in (Beam(beam_size=1, **shared), Greedy(**shared)))
    for one, two in zip(narrow, greedy, strict=True):
        assert (one[0].tokens, one[0].finished) == (two[0].tokens, two[0].finished)
        assert one[0].log_probability == pytest.approx(two[0].log_probability)


def test_a_longer_one_may_overtake_what_is_finished() -> None:
    """At first the end is likelier, but all is certain after the other token: log 0.45 over a longer length."""

    class Fork(Table):
        def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            end, other = math.log(0.55), math.log(0.45)
            places = torch.tensor([[end, other], [-50.0, 0.0], [-50.0, 0.0], [0.0, -50.0]])
            return places[state].double(), state + 1

        def start(self, batch: int) -> Tensor:
            return torch.zeros(batch, dtype=torch.int64)

    found = Fork(2).run(Beam(beam_size=4, length_penalty=1.0, max_length=4))[0]
    assert found[0].tokens == [1, 1, 1]
    assert found[0].score == pytest.approx(math.log(0.45) / 1.5)


DECODINGS = [
    Greedy(max_length=7),
    Greedy(max_length=7, no_repeat_ngram_size=2),
    Beam(beam_size=3, n_best=3, length_penalty=0.6, max_length=7),
    Beam(beam_size=20, n_best=2, max_length=7, min_length=2),
    Sample(seed=5, samples=3, top_k=4, max_length=7),
    Sample(seed=5, top_p=0.7, temperature=0.8, max_length=7),
]
NAMES = ["greedy", "greedy-ngram", "beam", "beam-wide", "sample-k", "sample-p"]


@pytest.mark.parametrize("decoding", DECODINGS, ids=NAMES)
@settings(max_examples=10)
@given(seed=st.integers(0, 99), batch=st.integers(2, 6))
def test_batched_as_alone(decoding, seed, batch) -> None:
    """With bounds and a constraint of each sentence's own."""
    table = Table(5, seed)
    most = torch.arange(batch) % 4 + 2
    banned = torch.arange(batch) % 3 + 1

    def allowed_of(numbers: Tensor) -> Any:
        def allowed(prefixes: Tensor, sentences: Tensor) -> Tensor:
            return torch.arange(5) != banned[numbers[sentences]][:, None]

        return allowed

    decoding = decoding.model_copy(update={"max_length": None})
    every = torch.arange(batch)
    none = torch.zeros(batch, dtype=torch.int64)
    together = table.run(decoding, batch, lengths=(none, most), constraint=allowed_of(every))
    assert max(len(one.tokens) for found in together for one in found) <= int(most.max())
    for one in range(batch):
        state, first = table.start(batch)[one : one + 1], torch.tensor([4])
        alone = decoding.run(
            table,
            state,
            first,
            end=END,
            lengths=(none[:1], most[one : one + 1]),
            constraint=allowed_of(every[one : one + 1]),
        )
        assert alone[0] == together[one]
        assert not any(int(banned[one]) in each.tokens for each in together[one])


@pytest.mark.parametrize("decoding", DECODINGS, ids=NAMES)
def test_bounds_repeats_and_constraints(decoding) -> None:
    """What the rules forbid never comes, however likely it is."""
    for seed in range(20):
        table = Table(4, seed)
        strict = decoding.model_copy(
            update={
                "min_length": 3,
                "max_length": 6,
                "no_repeat_ngram_size": 2,
                "constraint": lambda prefixes, rows: torch.arange(4) != prefixes.shape[1] % 4,
            }
        )
        for found in table.run(strict, batch=3):
            assert found
            for one in found:
                tokens = one.tokens
                assert len(tokens) <= 6
                assert len(tokens) >= 3 or not one.finished
                assert len(set(itertools.pairwise(tokens))) == max(len(tokens) - 1, 0)
                assert all(token != place % 4 for place, token in enumerate(tokens))


@pytest.mark.parametrize("decoding", DECODINGS, ids=NAMES)
def test_where_nothing_is_allowed_it_is_cut_off(decoding) -> None:
    def allowed(prefixes: Tensor, sentences: Tensor) -> Tensor:
        return torch.ones(4, dtype=torch.bool) & (prefixes.shape[1] < 2) & (torch.arange(4) > 0)

    for found in Table(4).run(decoding.model_copy(update={"constraint": allowed}), batch=2):
        for one in found:
            assert (len(one.tokens), one.finished) == (2, False)


@pytest.mark.parametrize("decoding", DECODINGS, ids=NAMES)
def test_a_vocabulary_of_one_and_no_end(decoding) -> None:
    """One token alone: it ends at once, or it goes on to the greatest length."""
    for found in Table(1).run(decoding.model_copy(update={"min_length": 0}), batch=2):
        for one in found:
            assert (one.tokens, one.finished, one.log_probability) == ([], True, 0.0)
    free = decoding.model_copy(update={"no_repeat_ngram_size": 0})
    for found in Table(1).run(free, batch=2, end=None):
        for one in found:
            assert (one.tokens, one.finished, one.log_probability) == ([0] * 7, False, 0.0)
    assert Table(3).run(decoding, batch=0) == []


def test_a_beam_wider_than_the_vocabulary_gives_what_there_is() -> None:
    found = Table(2).run(Beam(beam_size=10, n_best=10, max_length=3))[0]
    assert sorted(one.tokens for one in found) == [[], [1], [1, 1], [1, 1, 1]]
    assert [one.finished for one in found] == [True, True, True, False]


class Fixed:
    """The same logits at every step."""

    def __init__(self, logits: list[float]) -> None:
        self.logits = torch.tensor(logits)

    def step(self, tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return self.logits.expand(len(tokens), -1), None

    def select(self, state: None, rows: Tensor) -> None:
        return None

    def counts(self, decoding: Sample) -> Tensor:
        found = decoding.run(self, None, torch.tensor([0]))[0]
        return torch.bincount(
            torch.tensor([one.tokens[0] for one in found]), minlength=len(self.logits)
        ).double()


LOGITS = [0.0, 1.5, -1.0, 0.7, 2.2, -3.0, 1.49]


def kept_by_hand(temperature: float, top_k: int, top_p: float) -> Tensor:
    """Token by token, as a reader would."""
    chances = [math.exp(one / temperature) for one in LOGITS]
    order = sorted(range(len(LOGITS)), key=lambda one: -chances[one])
    order = order[:top_k] if top_k else order
    whole = sum(chances[one] for one in order)
    kept, mass = [], 0.0
    for one in order:
        kept.append(one)
        mass += chances[one] / whole
        if mass >= top_p:
            break
    total = sum(chances[one] for one in kept)
    return torch.tensor(
        [chances[one] / total if one in kept else 0.0 for one in range(len(LOGITS))],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, 0, 1.0),
        (0.5, 0, 1.0),
        (2.0, 0, 1.0),
        (1.0, 3, 1.0),
        (1.0, 0, 0.6),
        (1.3, 5, 0.8),
        (1, 1, 1),
    ],
)
def test_tokens_come_as_often_as_they_are_likely(seed, temperature, top_k, top_p) -> None:
    """A chi-square test of 20,000 draws; what was cut off never comes."""
    count = 20_000
    drawn = Fixed(LOGITS).counts(
        Sample(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, samples=count, max_length=1)
    )
    expected = count * kept_by_hand(temperature, top_k, top_p)
    inside = expected > 0
    assert drawn[~inside].sum() == 0
    squares = float(((drawn - expected)[inside] ** 2 / expected[inside]).sum())
    free = int(inside.sum()) - 1
    assert squares < free + 5 * math.sqrt(2 * free) + 5


def test_a_seed_repeats_and_none_does_not() -> None:
    table = Table(6)
    shared: dict[str, Any] = {"samples": 40, "max_length": 8}
    first, again, other = (table.run(Sample(seed=one, **shared), 2) for one in (1, 1, 2))
    assert first == again != other
    assert table.run(Sample(**shared), 2) != table.run(Sample(**shared), 2)


def test_a_finite_length_and_settings_in_their_range() -> None:
    for decoding in (Greedy(), Beam(), Sample()):
        with pytest.raises(SettingsError, match="how long a sequence may become"):
            Table(3).run(decoding)
    for wrong in (
        lambda: Beam(beam_size=0),
        lambda: Sample(temperature=0),
        lambda: Sample(top_p=1.5),
        lambda: Greedy(max_length=0),
        lambda: Beam(width=3),
    ):
        with pytest.raises(SettingsError):
            wrong()
    kept = Beam(beam_size=3, max_length=9)
    assert Beam(**kept.model_dump()) == kept
    with pytest.raises(SettingsError, match="not saved"):
        Greedy(constraint=lambda prefixes, sentences: prefixes.new_ones(1)).model_dump()

"""Embeddings against the plainest way to say the same: word by word, letter by letter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from elman.errors import SettingsError
from elman.layers.embedding import UNKNOWN, CharacterNGrams, CharacterRecurrence, Embedding

LETTERS = st.integers(1, 20) | st.integers(1, 0x110000)
WORDS = st.lists(st.lists(LETTERS, min_size=1, max_size=8), min_size=1, max_size=6)


def rows_of(words: list[list[int]], width: int = 8) -> Tensor:
    return torch.tensor([[*word, *[0] * (width - len(word))] for word in words], dtype=torch.int32)


def bucket(gram: list[int], buckets: int) -> int:
    """The hash of an n-gram, in Python's whole numbers, wrapped to 64 bits as a machine does."""
    total = sum(letter * (1_000_003**k % 2**31) for k, letter in enumerate(gram))
    wrapped = (total * 2_654_435_761 + len(gram) + 2**63) % 2**64 - 2**63
    return (wrapped >> 7) % buckets


@given(WORDS, st.sampled_from([7, 20_000]))
def test_a_word_is_the_mean_of_its_ngrams(words: list[list[int]], buckets: int) -> None:
    layer = CharacterNGrams(3, buckets)
    expected = []
    for word in words:
        grams = [word[i : i + n] for n in range(1, 6) for i in range(len(word) - n + 1)]
        expected.append(
            torch.stack([layer.table.weight[bucket(gram, buckets)] for gram in grams]).mean(0)
        )
    torch.testing.assert_close(layer(rows_of(words)), torch.stack(expected), rtol=1e-5, atol=1e-6)


@settings(max_examples=10)
@given(WORDS, st.integers(0, 4))
def test_zeros_after_a_word_say_nothing(words: list[list[int]], more: int) -> None:
    longest = max(len(word) for word in words)
    words = [[1 + letter % 50 for letter in word] for word in words]
    for layer in (CharacterNGrams(3, 500), CharacterRecurrence(2, 60)):
        found, wider = layer(rows_of(words, longest)), layer(rows_of(words, longest + more))
        torch.testing.assert_close(found, wider)


def test_ngrams_spread_over_the_table() -> None:
    """Words of a language meet in a bucket about as seldom as chance has it."""
    words = [[2, *(ord(one) for one in f"{i:05d}"), 3] for i in range(300)]
    taken = {bucket(word[:5], 20_000) for word in words} | {bucket(word[2:7], 20_000) for word in words}
    grams = {tuple(word[:5]) for word in words} | {tuple(word[2:7]) for word in words}
    assert len(taken) > 0.95 * len(grams)


def test_a_recurrence_over_letters_is_torchs() -> None:
    layer = CharacterRecurrence(6, characters=30)
    words = [[2, 9, 3], [2, 3], [2, 11, 12, 13, 3]]
    peer = nn.GRU(32, 3, bidirectional=True, batch_first=True)
    peer.load_state_dict(layer.recurrent.state_dict())
    expected = []
    for word in words:
        _, final = peer(layer.table(torch.tensor([word])))
        expected.append(final[:, 0].flatten())
    torch.testing.assert_close(layer(rows_of(words)), torch.stack(expected), rtol=1e-5, atol=1e-6)
    with pytest.raises(SettingsError, match="two directions share"):
        CharacterRecurrence(5, 30)


@given(WORDS, st.data())
def test_a_token_is_its_row_and_its_letters(words: list[list[int]], data: st.DataObject) -> None:
    """Tokens that occur again and again are each what they would be alone; so are their gradients."""
    choice = data.draw(st.lists(st.sampled_from(range(len(words))), min_size=1, max_size=12))
    numbers = torch.tensor([one % 5 for one in choice], dtype=torch.int32)
    tokens = torch.cat([numbers[:, None], rows_of([words[one] for one in choice])], 1)
    layer = Embedding(5, 4, CharacterNGrams(3, 100))
    assert layer.characters is not None
    assert layer.output_size == 7
    plain = torch.cat([layer.words.weight[numbers.long()], layer.characters(tokens[:, 1:])], 1)
    found = layer(tokens)
    torch.testing.assert_close(found, plain)
    scale = torch.arange(1.0, found.numel() + 1).view_as(found)
    weights = list(layer.parameters())
    for ours, theirs in zip(
        torch.autograd.grad((found * scale).sum(), weights),
        torch.autograd.grad((plain * scale).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_no_token_is_no_row() -> None:
    layer = Embedding(5, 4, CharacterNGrams(3, 100))
    assert layer(torch.zeros(0, 9, dtype=torch.int32)).shape == (0, 7)
    assert Embedding(5, 4)(torch.zeros(0, 1, dtype=torch.int32)).shape == (0, 4)


def test_words_are_hidden_in_training_only() -> None:
    """With the chance asked for; the letters stay, and without letters nothing is hidden."""
    layer = Embedding(50, 4, CharacterNGrams(3, 100), word_dropout=0.3)
    tokens = torch.tensor([[7, 2, 9, 3]] * 4000, dtype=torch.int32)
    calm = layer.eval()(tokens)
    assert torch.equal(calm[0, :4], layer.words.weight[7])
    found = layer.train()(tokens)
    assert torch.equal(found[:, 4:], calm[:, 4:])
    hidden = (found[:, :4] == layer.words.weight[UNKNOWN]).all(1)
    kept = (found[:, :4] == layer.words.weight[7]).all(1)
    assert bool((hidden ^ kept).all())
    assert 0.27 < hidden.double().mean() < 0.33
    plain = Embedding(50, 4, word_dropout=0.9)
    assert torch.equal(plain.train()(tokens[:, :1]), plain.eval()(tokens[:, :1]))


def test_pretrained_rows_are_put_in_place() -> None:
    layer = Embedding(5, 2)
    before = layer.words.weight.detach().clone()
    layer.fill(torch.tensor([3, 1]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert layer.words.weight[[1, 3]].tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert torch.equal(layer.words.weight[[0, 2, 4]], before[[0, 2, 4]])
    with pytest.raises(SettingsError, match="embedding_size=3"):
        layer.fill(torch.tensor([0]), torch.zeros(1, 3))

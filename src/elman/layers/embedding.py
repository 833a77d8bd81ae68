"""Tokens to vectors: a table of words, and beside it what a word's characters say of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from elman.errors import SettingsError
from elman.layers.dropout import dropout
from elman.layers.lookup import distinct, lookup
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged, Shared, offsets_of

UNKNOWN = 1
"""The number of the unknown word and of the unknown character; 0 is padding."""


SHARED = 0.75
"""How many distinct rows there may be to a step, for sharing them to be quicker than reading each anew."""
FEW = 32
"""Steps of a batch below which nobody looks."""


def read(inputs: nn.Module, xs: Ragged) -> Ragged:
    """What a module makes of each step; a row of a table stands there once, however many steps read it.

    >>> xs = read(Table(10, 4), Ragged(torch.tensor([3, 7] * 20), torch.tensor([0, 25, 40])))
    >>> xs.distinct.shape, xs.values.shape
    (torch.Size([2, 4]), torch.Size([40, 4]))
    """
    looks = getattr(inputs, "looked_up", None)
    found = looks(xs.values) if looks is not None else None
    if found is not None:
        table, numbers = found
        if (rows := shared(numbers, table)) is not None:
            return Shared.like(xs, table(rows[0]), rows[1])
    return xs.with_values(inputs(xs.values))


def shared(numbers: Tensor, table: Table) -> tuple[Tensor, Tensor] | None:
    """The distinct rows of a table, and which of them each step reads, where they are few enough to be shared.

    >>> [one.tolist() for one in shared(torch.tensor([3, 7] * 16), Table(10, 4)) or ()][:1]
    [[3, 7]]
    """
    found = distinct(numbers, table.num_embeddings) if len(numbers) >= FEW else None
    return found if found is not None and len(found[0]) <= SHARED * len(numbers) else None


class Table(nn.Embedding):
    """A row for each number, which is only ever read by its number: nothing else is made of the weights.

    That is what lets `elman.optimizer` leave alone the rows that no batch has read: it sets `before_reading`,
    which brings rows up to date by their numbers just before training reads them.

    >>> Table(10, 4)(torch.tensor([3, 3])).shape
    torch.Size([2, 4])
    """

    before_reading: Callable[[Tensor], None] | None = None

    def forward(self, input: Tensor) -> Tensor:
        self.prepare(input)
        return lookup(self.weight, input) if self.plain and not self.sparse else super().forward(input)

    def prepare(self, numbers: Tensor) -> None:
        """What has to be done to these rows before they are read."""
        if self.training and self.before_reading is not None:
            self.before_reading(numbers)

    @property
    def plain(self) -> bool:
        """Whether its rows are looked up and no more, and their gradients are not scaled."""
        return self.padding_idx is None and self.max_norm is None and not self.scale_grad_by_freq

    def looked_up(self, input: Tensor) -> tuple[Table, Tensor] | None:
        """The table, and the numbers of its rows that `forward` gives, where it gives no more than that."""
        return None if self.scale_grad_by_freq else (self, input)


class Bag(nn.EmbeddingBag):
    """Sums or means of the rows of a table, which are only ever read by their numbers, as those of `Table`.

    >>> Bag(10, 4)(torch.tensor([3, 3, 5]), torch.tensor([0, 2])).shape
    torch.Size([2, 4])
    """


class Embedding(nn.Module):
    """A vector for each token: its row in a table, joined by a vector made from its characters.

        e = [ W[word] ; characters(c_1 … c_k) ]

    A word that training never saw has its characters still, and in training every word is hidden
    with the chance `word_dropout`, so that the characters learn to stand alone.

    Args:
        vocabulary: how many words the table has.
        size: features of a word's row.
        characters: what reads the characters (`CharacterNGrams`, `CharacterRecurrence`, `Spelling`), or
            None.
        word_dropout: chance that a word is replaced by the unknown one, in training.
        dropout: chance that a feature of the vector is dropped, in training.

    Shapes:
        tokens: `steps 1+characters`, integers: the word's number, then those of its characters, 0 after
        the last. Result: `steps output_size`.

    >>> embedding = Embedding(100, 16, CharacterNGrams(8, buckets=50))
    >>> embedding(torch.tensor([[7, 2, 5, 6, 3, 0]])).shape
    torch.Size([1, 24])
    """

    def __init__(
        self,
        vocabulary: int,
        size: int,
        characters: CharacterNGrams | CharacterRecurrence | Spelling | None = None,
        word_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = Table(vocabulary, size)
        nn.init.normal_(self.words.weight, std=0.1)
        self.characters = characters
        self.word_dropout, self.dropout = word_dropout, dropout
        self.output_size = size + (characters.output_size if characters is not None else 0)

    def forward(self, tokens: Tensor) -> Tensor:
        words = tokens[:, 0]
        if self.training and self.word_dropout and self.characters is not None:
            hidden = torch.rand(words.shape, device=words.device) < self.word_dropout
            words = words.masked_fill(hidden, UNKNOWN)
        rows = self.words(words)
        if self.characters is None:
            return dropout(rows, self.dropout, self.training)
        # A word that occurs twice in a batch is read once.
        unique, where = _distinct(tokens[:, 1:])
        vectors = torch.cat([rows, self.characters(unique).index_select(0, where)], -1)
        return dropout(vectors, self.dropout, self.training)

    def looked_up(self, tokens: Tensor) -> tuple[Table, Tensor] | None:
        """The table, and the numbers of its rows that `forward` gives, where it gives no more than that."""
        more = self.characters is not None or (self.training and self.dropout)
        if more or self._forward_hooks or self._forward_pre_hooks:
            return None
        return self.words, tokens[:, 0].long()  # codecs keep them in half the memory

    @torch.no_grad()
    def fill(self, rows: Tensor, vectors: Tensor) -> None:
        """Put pretrained vectors into the rows with these numbers."""
        if vectors.shape[1] != self.words.embedding_dim:
            raise SettingsError(
                "The pretrained vectors have another size than the embedding.",
                expected=f"{self.words.embedding_dim} numbers a word",
                received=f"{vectors.shape[1]}",
                fix=f"pass embedding_size={vectors.shape[1]}",
            )
        self.words.weight[rows] = vectors


class CharacterNGrams(nn.Module):
    """The mean of the vectors of a word's character n-grams, each found in a table by its hash.

    With `mode="sum"` their sum, in which one telling ending is not outvoted by all the others.
    Source: Bojanowski et al. 2017, arXiv 1607.04606.

    Shapes: characters `words width`, integers, 0 after the last. Result: `words size`.

    >>> layer = CharacterNGrams(4, buckets=10)
    >>> layer(torch.tensor([[2, 9, 3, 0], [2, 3, 0, 0]])).shape
    torch.Size([2, 4])
    """

    SIZES = (1, 2, 3, 4, 5)

    def __init__(self, size: int, buckets: int = 10_000, mode: str = "mean") -> None:
        super().__init__()
        self.table = Bag(buckets, size, mode=mode)
        nn.init.normal_(self.table.weight, std=0.1 if mode == "mean" else 0.05)
        self.buckets, self.output_size = buckets, size

    def forward(self, characters: Tensor) -> Tensor:
        characters = characters.to(torch.int64)
        grams, real = [], []
        for n in self.SIZES:
            if n > characters.shape[1]:
                break
            windows = characters.unfold(1, n, 1)
            weights = torch.tensor([1_000_003**k % 2**31 for k in range(n)], device=characters.device)
            hashed = (windows * weights).sum(-1) * 2_654_435_761 + n
            grams.append((hashed >> 7).remainder(self.buckets))
            real.append(windows[..., -1] != 0)
        found, mask = torch.cat(grams, 1), torch.cat(real, 1)
        return self.table(found[mask], offsets_of(mask.sum(1))[:-1])


class CharacterRecurrence(nn.Module):
    """The last states of a recurrence that reads a word's characters in both directions.

    Source: Ling et al. 2015, arXiv 1508.02096.

    Shapes: characters `words width`, integers, 0 after the last. Result: `words size`.

    >>> layer = CharacterRecurrence(6, characters=10)
    >>> layer(torch.tensor([[2, 9, 3, 0], [2, 3, 0, 0]])).shape
    torch.Size([2, 6])
    """

    def __init__(self, size: int, characters: int, cell: str = "gru") -> None:
        super().__init__()
        if size % 2:
            raise SettingsError(
                "The two directions share the size.", expected="an even size", received=size
            )
        self.table = nn.Embedding(characters, 32)
        self.recurrent = Recurrent(cell, 32, size // 2, bidirectional=True)
        self.output_size = size

    def forward(self, characters: Tensor) -> Tensor:
        lengths = (characters != 0).sum(1)
        xs = Ragged.from_padded(characters, lengths)
        final = self.recurrent(xs.with_values(self.table(xs.values))).final[0]
        return torch.cat([final[0], final[1]], -1)


class Spelling(nn.Module):
    """What n-grams say of a word, summed, beside what a recurrence makes of its characters.

    Shapes: characters `words width`, integers, 0 after the last. Result: `words 2*size`.

    >>> layer = Spelling(6, characters=10)
    >>> layer(torch.tensor([[2, 9, 3, 0], [2, 3, 0, 0]])).shape
    torch.Size([2, 12])
    """

    def __init__(self, size: int, characters: int, buckets: int = 30_000) -> None:
        super().__init__()
        self.grams = CharacterNGrams(size, buckets, mode="sum")
        self.recurrence = CharacterRecurrence(size, characters)
        self.output_size = 2 * size

    def forward(self, characters: Tensor) -> Tensor:
        return torch.cat([self.grams(characters), self.recurrence(characters)], -1)


def character_reader(
    kind: str | None, size: int, characters: int, *, buckets: int = 10_000, mode: str = "mean"
) -> CharacterNGrams | CharacterRecurrence | Spelling | None:
    """What reads a word's characters: `ngrams`, `recurrent`, `both`, or nothing where `kind` is None.

    >>> character_reader("ngrams", 4, characters=10, buckets=50).output_size
    4
    """
    if kind == "ngrams":
        return CharacterNGrams(size, buckets, mode)
    if kind == "both":
        return Spelling(size, characters)
    return None if kind is None else CharacterRecurrence(size, characters)


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of a matrix of integers, and for each row the number of its like.

    Rows are told apart by a hash, which is checked: `torch.unique(dim=0)` compares row by row, slowly.
    """
    # Weights that are no multiples of each other: with those, words of the same letters would be one.
    weights = torch.arange(1, rows.shape[1] + 1, device=rows.device) * -0x61C8864680B583EB
    weights = (weights ^ (weights >> 29)) * -0x40A7B892E31B1A47
    key = (rows.to(torch.int64) * (weights ^ (weights >> 32) | 1)).sum(-1)
    values, where = torch.unique(key, return_inverse=True)
    one = where.new_empty(values.shape[0]).scatter_(
        0, where, torch.arange(len(where), device=where.device)
    )
    unique = rows.index_select(0, one)
    if torch.equal(unique.index_select(0, where), rows):
        return unique, where
    return torch.unique(rows, dim=0, return_inverse=True)

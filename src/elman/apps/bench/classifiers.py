"""One classifier, written with elman and in plain PyTorch: what the whole step and the whole training compare.

e[t] = E[token[t]]        h = Bi-cell(e)        y = W·[h_T forwards ; h_1 backwards] + b
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from elman.apps.bench.torch_paths import PEERS, Gathered, turned
from elman.layers.embedding import Table
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_one import NToOne


@dataclass(frozen=True)
class Sizes:
    """What the networks have in common."""

    cell: str
    vocabulary: int
    features: int
    hidden: int
    labels: int


def ours(sizes: Sizes) -> NToOne:
    """The network as elman has it."""
    embedding = Table(sizes.vocabulary, sizes.features)
    nn.init.normal_(embedding.weight, std=0.1)
    recurrent = Recurrent(sizes.cell, sizes.features, sizes.hidden, bidirectional=True)
    return NToOne(embedding, recurrent, outputs=sizes.labels, pooling="last")


class Packed(nn.Module):
    """The network as a tutorial writes it: pad, embed, pack, and take the last states.

    Shapes: tokens `batch time`, lengths `batch`. Result: `batch labels`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.features)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.recurrent = PEERS[sizes.cell](
            sizes.features, sizes.hidden, bidirectional=True, batch_first=True
        )
        self.head = nn.Linear(2 * sizes.hidden, sizes.labels)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        final = self.recurrent(packed)[1]
        h = final[0] if isinstance(final, tuple) else final
        return self.head(torch.cat([h[0], h[1]], -1))


class Padded(nn.Module):
    """The same over padded rows, those of the other direction turned round within their lengths.

    Shapes: tokens, index `batch time`, lengths `batch`. Result: `batch labels`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.features)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.recurrent = Gathered(sizes.cell, sizes.features, sizes.hidden)
        self.head = nn.Linear(2 * sizes.hidden, sizes.labels)

    def forward(self, tokens: Tensor, lengths: Tensor, index: Tensor) -> Tensor:
        embedded, last = self.embedding(tokens), (lengths - 1)[:, None, None]
        ahead, _ = self.recurrent.forwards(embedded)
        turned_round = embedded.gather(1, index[..., None].expand_as(embedded))
        back, _ = self.recurrent.backwards(turned_round)
        ends = [one.gather(1, last.expand(-1, 1, one.shape[2])).squeeze(1) for one in (ahead, back)]
        return self.head(torch.cat(ends, -1))


def with_weights_of(network: NToOne, sizes: Sizes) -> tuple[Packed, Padded]:
    """Both of torch's networks, starting from the same numbers as elman's.

    >>> sizes = Sizes("gru", 10, 3, 4, 2)
    >>> network = ours(sizes)
    >>> packed, padded = with_weights_of(network, sizes)
    >>> xs = Ragged.of([torch.tensor([1, 2, 3]), torch.tensor([4])])
    >>> answers = network(xs), packed(xs.padded().long(), xs.lengths), padded(*padded_form(xs))
    >>> all(torch.allclose(answers[0], one, atol=1e-6) for one in answers)
    True
    """
    packed, padded = Packed(sizes), Padded(sizes)
    packed.recurrent.load_state_dict(network.recurrent.state_dict())
    padded.recurrent.load(packed.recurrent)
    for one in (packed, padded):
        one.embedding.load_state_dict(network.inputs.state_dict())
        one.head.load_state_dict(network.head.state_dict())
    return packed, padded


def padded_form(xs: Ragged) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of tokens as `Padded` wants it: the rows, their lengths, and the turned places."""
    return xs.padded().long(), xs.lengths, turned(xs)


def loss_of(network: nn.Module, *given: Any) -> Tensor:
    """The cross entropy, which is everybody's loss, of what a network reads and, at last, its labels."""
    return (
        network.loss(*given)
        if isinstance(network, NToOne)
        else F.cross_entropy(network(*given[:-1]), given[-1])
    )

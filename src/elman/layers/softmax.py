"""From features to the probabilities of many symbols: what stands at the end of a language model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Tied(nn.Module):
    """An output layer whose rows are those of the embedding: a symbol is expected by what it is read as.

        y = E·(W·h) + b            W only where the sizes differ

    Source: Press and Wolf 2017, arXiv 1608.05859; Inan et al. 2017, arXiv 1611.01462.

    Shapes: h `steps features`. Result: `steps symbols`.

    >>> table = nn.Embedding(10, 4)
    >>> Tied(8, table)(torch.zeros(3, 8)).shape
    torch.Size([3, 10])
    """

    def __init__(self, features: int, table: nn.Embedding) -> None:
        super().__init__()
        self._table = (table,)  # in a tuple, lest its weight be counted and saved twice
        same = features == table.embedding_dim
        self.project = nn.Identity() if same else nn.Linear(features, table.embedding_dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(table.num_embeddings))

    def forward(self, h: Tensor) -> Tensor:
        return F.linear(self.project(h), self._table[0].weight, self.bias)


class AdaptiveSoftmax(nn.Module):
    """A softmax in clusters: frequent symbols in a short list, rare ones behind a few doors.

    What a step costs grows with the short list and the clusters that its targets are in, instead of with all
    symbols; rare symbols have smaller features. The symbols are numbered by how often they occur, the
    commonest first. Source: Grave et al. 2017, arXiv 1609.04309, by `torch.nn.AdaptiveLogSoftmaxWithLoss`.

    Args:
        features: of a step.
        symbols: how many there are.
        cutoffs: the number of the first symbol of each cluster; of a vocabulary of 20,000 and more, 2,000 and
            10,000 if left out, and shares like these of a smaller one.

    Shapes: h `steps features`. Result: log-probabilities, `steps symbols`.

    >>> AdaptiveSoftmax(8, 100)(torch.zeros(3, 8)).exp().sum(-1)
    tensor([1.0000, 1.0000, 1.0000], grad_fn=<SumBackward1>)
    """

    def __init__(self, features: int, symbols: int, cutoffs: Sequence[int] | None = None) -> None:
        super().__init__()
        if cutoffs is None:
            cutoffs = (2_000, 10_000) if symbols >= 20_000 else (max(symbols // 10, 1), symbols // 2)
        kept = sorted({one for one in cutoffs if 0 < one < symbols})
        narrowing = min(4.0, 0.999 * features ** (1 / max(len(kept), 1)))  # the last keeps a feature
        self.clusters = nn.AdaptiveLogSoftmaxWithLoss(features, symbols, kept, div_value=narrowing)

    def forward(self, h: Tensor) -> Tensor:
        return self.clusters.log_prob(h)

    def surprise(self, h: Tensor, targets: Tensor) -> Tensor:
        """The negative log-probability of each target, without those of all other symbols: `steps`."""
        return -self.clusters(h, targets.long()).output if len(h) else h.sum(-1)


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """How unlike two sets of probabilities are, both ways, on average over the batch.

        D = ½·Σ_k (p_k - q_k)·(log p_k - log q_k)        p, q: the softmax of each

    Shapes: both `batch labels`. Result: a scalar, 0 for equal ones.

    >>> float(divergence(torch.zeros(1, 2), torch.zeros(1, 2)))
    0.0
    """
    p, q = logits.log_softmax(-1), others.log_softmax(-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2

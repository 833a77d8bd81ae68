"""What is written: tokens to vectors on the way in, features to logits on the way out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.layers.dropout import dropout
from elman.layers.embedding import UNKNOWN, Table
from elman.ragged import Ragged, offsets_of


class Lexicon(nn.Module):
    """A row for each token, by which it is read and, with `tied`, by which it is written too.

        e = E[y]        o = tanh(W·f + b)        logits = E·o + b_y        (or a matrix of its own)

    Source of the tying: Press and Wolf 2016, arXiv 1608.05859.

    Args:
        vocabulary: how many tokens there are.
        size: numbers of a row.
        features: numbers of `f`.
        tied: whether one matrix serves both.
        dropout: chance that a feature of `e` or of `o` is dropped, in training.

    Shapes: tokens `steps`, `read` gives `steps size`; features `steps features`, logits `steps vocabulary`.

    >>> lexicon = Lexicon(10, 4, features=6)
    >>> lexicon.read(torch.tensor([3, 12])).shape, lexicon(torch.zeros(2, 6)).shape
    (torch.Size([2, 4]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        vocabulary: int,
        size: int,
        features: int,
        *,
        tied: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.size, self.vocabulary, self.dropout = size, vocabulary, dropout
        self.rows = (nn.Embedding if tied else Table)(vocabulary, size)
        nn.init.normal_(self.rows.weight, std=0.1)
        self.join = nn.Linear(features, size)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.head = None if tied else nn.Linear(size, vocabulary, bias=False)

    def read(self, tokens: Tensor) -> Tensor:
        """The vectors of tokens; those past the vocabulary, which were copied, are unknown ones."""
        known = tokens.masked_fill(tokens >= self.vocabulary, UNKNOWN)
        return dropout(self.rows(known), self.dropout, self.training)

    def output(self, features: Tensor) -> Tensor:
        """What the logits are made of: `steps size`."""
        return torch.tanh(self.join(features))

    def logits(self, output: Tensor) -> Tensor:
        """A number for each token: `steps vocabulary`."""
        output = dropout(output, self.dropout, self.training)
        weight = self.rows.weight if self.head is None else self.head.weight
        return F.linear(output, weight, self.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.logits(self.output(features))


def likelihood(logits: Tensor, wanted: Tensor) -> Tensor:
    """The log-probability of each wanted token, and the mean of all tokens': `steps 2`.

    The second is what label smoothing asks of (Szegedy et al. 2015, arXiv 1512.00567). Its gradient has no
    gradient of its own.

    >>> likelihood(torch.zeros(1, 2), torch.tensor([1])).exp()
    tensor([[0.5000, 0.5000]])
    """
    return _Likelihood.apply(logits, wanted)  # pyright: ignore[reportReturnType]


class _Likelihood(torch.autograd.Function):
    """The gradient in one matrix `steps vocabulary`, which is most of what a small writer moves.

    With L = log softmax(logits), a and b the gradients of L[wanted] and of the mean of L over V tokens:

        ∂logits = b/V - (a + b)·exp(L)        and a more where the wanted token is
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, wanted: Tensor) -> Tensor:
        logs = logits.log_softmax(-1)
        ctx.save_for_backward(logs, wanted)
        ctx.type = logits.dtype
        return torch.stack([logs.gather(1, wanted[:, None])[:, 0], logs.mean(-1)], -1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("likelihood has no gradient of its gradient: take it of log_softmax")
        logs, wanted = ctx.saved_tensors
        own, mean = grad_outputs[0].split(1, -1)
        found = logs.exp().mul_(-own - mean).add_(mean / logs.shape[1])
        return found.scatter_add_(1, wanted[:, None], own).to(ctx.type), None


def forced(ys: Ragged, start: int, end: int) -> tuple[Ragged, Ragged]:
    """Teacher forcing: what each step is given (`start y[1] … y[n]`) and what is wanted of it (`… end`).

    Source: Williams and Zipser 1989.

    >>> given, wanted = forced(Ragged.of([torch.tensor([7, 8])]), 2, 3)
    >>> given.values.tolist(), wanted.values.tolist()
    ([2, 7, 8], [7, 8, 3])
    """
    offsets = offsets_of(ys.lengths + 1)
    own = torch.arange(len(ys.values), device=ys.offsets.device) + ys.rows
    steps = len(ys.values) + len(ys)
    given = ys.values.new_full((steps,), start).index_copy(0, own + 1, ys.values)
    wanted = ys.values.new_full((steps,), end).index_copy(0, own, ys.values)
    return Ragged(given, offsets), Ragged(wanted, offsets)

"""Attention: at each step of what is written, a look at every step of what was read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elman.errors import SettingsError, UnknownNameError
from elman.ragged import Ragged

ATTENTIONS = ("additive", "dot", "general")


@dataclass(frozen=True, eq=False)
class Memory:
    """What can be looked at, for each sentence of a batch.

    Shapes: values `batch time size`, keys `batch time features`; real `batch time`, false where a
    sentence has no step.
    """

    values: Tensor
    keys: Tensor
    real: Tensor

    def select(self, rows: Tensor) -> Memory:
        """The memory of these sentences, in this order."""
        return Memory(*(one.index_select(0, rows) for one in (self.values, self.keys, self.real)))


class Attention(nn.Module):
    """How much each step of a memory matters to a query, and their mean by it.

        a = softmax(score(q, m_1) … score(q, m_S))        c = Σ a_i·m_i

        additive    score = vᵀ·tanh(W_q·q + W_m·m + b)      Bahdanau et al. 2014, arXiv 1409.0473
        dot         score = qᵀ·m                            Luong et al. 2015, arXiv 1508.04025
        general     score = qᵀ·W·m                          the same

    With `coverage`, what was looked at before enters the score, and whoever trains can ask for little of
    it to be looked at again (See et al. 2017, arXiv 1704.04368):

        k[t] = Σ a[1] … a[t-1]        score = … + w_k·k[t]_i

    A memory of length 0 gives zeros. Steps that a sentence does not have can change nothing.

    Args:
        kind: `additive`, `dot` or `general`.
        query_size, memory_size: numbers of a query, and of a step of memory.
        coverage: whether the score knows what was looked at before; additive only.

    Raises:
        UnknownNameError: no such kind.
        SettingsError: `dot` between unequal sizes, or coverage in another kind than `additive`.

    >>> attention = Attention("general", 6, 4)
    >>> memory = attention.memory(Ragged.of([torch.randn(3, 4), torch.randn(1, 4)]))
    >>> context, weights, _ = attention(torch.randn(2, 5, 6), memory)
    >>> context.shape, weights[1, 0]
    (torch.Size([2, 5, 4]), tensor([1., 0., 0.], grad_fn=<SelectBackward0>))
    """

    def __init__(self, kind: str, query_size: int, memory_size: int, *, coverage: bool = False) -> None:
        super().__init__()
        if kind not in ATTENTIONS:
            raise UnknownNameError.among("attention", kind, ATTENTIONS)
        if kind == "dot" and query_size != memory_size:
            raise SettingsError(
                "The dot product needs a query and a memory of one size.",
                received=f"query_size={query_size}, memory_size={memory_size}",
                fix='use "general", which has a matrix between them',
            )
        if coverage and kind != "additive":
            raise SettingsError(
                "Only additive attention has a place for coverage.",
                expected="additive",
                received=kind,
                fix='attention="additive", or coverage=False',
            )
        self.kind, self.coverage = kind, coverage
        if kind == "general":
            self.key = nn.Linear(memory_size, query_size, bias=False)
        if kind == "additive":
            self.key = nn.Linear(memory_size, query_size)
            self.query = nn.Linear(query_size, query_size, bias=False)
            self.score = nn.Linear(query_size, 1, bias=False)
        if coverage:
            self.covered = nn.Linear(1, query_size, bias=False)

    def memory(self, xs: Ragged) -> Memory:
        """The memory of what was read, `steps memory_size`, with what every query needs of it."""
        values = xs.padded()
        time = torch.arange(values.shape[1], device=values.device)
        keys = values if self.kind == "dot" else self.key(values)
        return Memory(values, keys, time < xs.lengths[:, None])

    def forward(
        self, queries: Tensor, memory: Memory, covered: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Contexts `batch steps memory_size`, weights `batch steps time`, and what is covered after them.

        Shapes: queries `batch steps query_size`; covered `batch time`, zeros if None.
        """
        if covered is None:
            covered = memory.values.new_zeros(memory.real.shape)
        if self.coverage:
            parts: list[Tensor] = []
            for query in queries.unbind(1):  # each step's weights are the next one's input
                parts.append(self._weights(query[:, None], memory, covered))
                covered = covered + parts[-1][:, 0]
            weights = torch.cat(parts, 1) if parts else covered.new_zeros(len(covered), 0, 0)
        else:
            weights = self._weights(queries, memory, None)
        return weights @ memory.values, weights, covered

    def _weights(self, queries: Tensor, memory: Memory, covered: Tensor | None) -> Tensor:
        if self.kind == "additive":
            hidden = self.query(queries)[:, :, None] + memory.keys[:, None]
            if covered is not None:
                hidden = hidden + self.covered(covered[..., None])[:, None]
            scores = self.score(torch.tanh(hidden))[..., 0]
        else:
            scores = queries @ memory.keys.transpose(1, 2)
        real = memory.real[:, None]
        # The lowest number and not minus infinity: a sentence without steps would have no softmax.
        scores = scores.masked_fill(~real, torch.finfo(scores.dtype).min)
        return scores.softmax(-1) * real

"""N-to-N that writes: as many symbols as were read, each in view of the input at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.dropout import dropout
from elman.layers.embedding import read
from elman.layers.recurrent import Recurrent
from elman.layers.softmax import Tied
from elman.ragged import Ragged
from elman.scan import Scan


class _Place(NamedTuple):
    """Where a writing stands: the encoded inputs `batch time features`, the next place, the recurrence."""

    memory: Tensor
    at: int
    state: State


class NToNWriter(nn.Module):
    """Each step writes a symbol from the encoded input at its own place and the symbol written before.

        e = encoder(x[1] … x[T])
        h[t] = cell(h[t-1], [e[t], E·w[t-1]])        y[t] = E·(W_y·[h[t], e[t]]) + b_y

    w[t] is the symbol chosen by y[t], and w[0] a mark. There are as many answers as inputs, whatever is
    chosen: the length of what is written is that of what was read.

    Args:
        inputs: a module from steps to features, step by step (an `Embedding`; `nn.Linear`).
        encoder: what reads the inputs, in one direction or both.
        written: the vectors of symbols, read and expected; number 0 is the mark.
        recurrent: what writes; its input is as wide as an encoded step and a symbol's vector together.
        dropout: chance that a feature is dropped: of encoded steps and before the output layer.

    Shapes: xs `steps features`, ys `steps`, integers. Result: `steps symbols`.

    >>> encoder, written = Recurrent("gru", 3, 4, bidirectional=True), nn.Embedding(9, 5)
    >>> network = NToNWriter(nn.Identity(), encoder, written, Recurrent("gru", 8 + 5, 6))
    >>> xs = Ragged.of([torch.randn(5, 3), torch.randn(2, 3)])
    >>> network(xs, xs.with_values(torch.ones(7, dtype=torch.int64)))
    Ragged(lengths=[5, 2], features=(9,), torch.float32)
    """

    forwards: ClassVar[tuple[str, ...]] = ()
    """Methods that train as `forward` does: what spreads a model over devices has to know of them."""

    def __init__(
        self,
        inputs: nn.Module,
        encoder: Recurrent,
        written: nn.Embedding,
        recurrent: Recurrent,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if recurrent.bidirectional:
            raise SettingsError(
                "What writes cannot have read what comes.", fix="use bidirectional=False"
            )
        self.inputs, self.encoder, self.written, self.recurrent = inputs, encoder, written, recurrent
        self.head = Tied(recurrent.output_size + encoder.output_size, written)
        self.dropout = dropout

    def forward(self, xs: Ragged, ys: Ragged) -> Ragged:
        """The answers where what is written is given: each step sees the symbol before its own."""
        memory = self.encoded(xs)
        scan = self.run(memory, ys)
        return xs.with_values(self._answer(scan.outputs.values, memory.values))

    def run(self, memory: Ragged, ys: Ragged, record: Sequence[str] = ()) -> Scan:
        """The writing of what is given, in view of encoded inputs; `record` keeps gates and states."""
        before = ys.values.new_zeros(len(ys.values))
        inner = (ys.positions > 0).nonzero()[:, 0]
        before[inner] = ys.values[inner - 1]
        steps = torch.cat([memory.values, self.written(before)], -1)
        return self.recurrent(memory.with_values(steps), record=record)

    def encoded(self, xs: Ragged) -> Ragged:
        """What is seen of each input, in view of all of them."""
        outputs = self.encoder(read(self.inputs, xs)).outputs
        return outputs.with_values(dropout(outputs.values, self.dropout, self.training))

    def start(self, xs: Any) -> _Place:
        """The state before the first symbol, of sequences that were read.

        Raises:
            SettingsError: a number of sequences instead of the sequences.
        """
        if not isinstance(xs, Ragged):
            raise SettingsError(
                "A writer cannot go step by step without what it answers.",
                expected="the sequences that are answered",
                received=repr(xs),
            )
        return _Place(self.encoded(xs).padded(), 0, self.recurrent.start(len(xs)))

    def step(self, tokens: Tensor, state: _Place) -> tuple[Tensor, _Place]:
        """From the symbol written last (0 before the first), `batch`, to the answer of the next place."""
        memory = state.memory[:, min(state.at, state.memory.shape[1] - 1)]
        features = torch.cat([memory, self.written(tokens)], -1)
        h, after = self.recurrent.step(features, state.state)
        return self._answer(h, memory), _Place(state.memory, state.at + 1, after)

    def select(self, state: _Place, rows: Tensor) -> _Place:
        """The state of these sequences, in this order: what a decoding keeps."""
        return _Place(state.memory[rows], state.at, self.recurrent.select(state.state, rows))

    def _answer(self, h: Tensor, memory: Tensor) -> Tensor:
        return self.head(dropout(torch.cat([h, memory], -1), self.dropout, self.training))

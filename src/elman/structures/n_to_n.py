"""N-to-N: every step is answered, aligned with the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.crf import CRF
from elman.layers.dropout import dropout
from elman.layers.embedding import read
from elman.layers.entropy import cross_entropy
from elman.layers.pooling import Pooling
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import Scan


class NToN(nn.Module):
    """The output layer applied to the hidden state of every step.

        h[t] = cell(h[t-1], x[t])        y[t] = W_y·h[t] + b_y

    With `labels`, the same reading also answers the whole sequence as N-to-1 does, and that answer acts
    on every step's (a request to play music has no place for a restaurant's name):

        z = W_z·pool(h[1] … h[T]) + b_z        y[t] = W_y·h[t] + W_c·z + b_y

    Args:
        inputs: a module from steps to features, step by step (an `Embedding`; `nn.Identity`).
        recurrent: the stack of recurrences; with one direction no answer depends on what follows.
        outputs: how many numbers each answer has (a logit a tag).
        labels: how many numbers the answer to the whole sequence has; 0 for none.
        crf: what chooses the tags of a sequence together, for whoever reads the answers.
        head: an output layer of another kind than `nn.Linear`, such as those of `layers.softmax`.
        dropout: chance that a feature is dropped before an output layer.

    Shapes: xs `steps features`. Result: `steps outputs`, and from `joint` also `batch labels`.

    >>> import torch
    >>> network = NToN(nn.Identity(), Recurrent("gru", 3, 8), outputs=4)
    >>> network(Ragged.of([torch.randn(5, 3), torch.randn(2, 3)]))
    Ragged(lengths=[5, 2], features=(4,), torch.float32)
    """

    forwards: ClassVar[tuple[str, ...]] = ("joint", "loss", "surprise")
    """Methods that train as `forward` does: what spreads a model over devices has to know of them."""

    def __init__(
        self,
        inputs: nn.Module,
        recurrent: Recurrent,
        *,
        outputs: int,
        labels: int = 0,
        crf: CRF | None = None,
        head: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.recurrent, self.dropout = inputs, recurrent, dropout
        self.head: Any = nn.Linear(recurrent.output_size, outputs) if head is None else head
        self.crf, self.labels = crf, labels
        if labels:
            self.pooling = Pooling("attention", recurrent.output_size)
            self.whole = nn.Linear(self.pooling.output_size, labels)
            self.context = nn.Linear(labels, outputs, bias=False)

    def forward(self, xs: Ragged) -> Ragged:
        return self.joint(xs)[0]

    def joint(self, xs: Ragged) -> tuple[Ragged, Tensor]:
        """The answers to the steps, and to the whole: `batch labels`."""
        return self.answer(self.run(xs))

    def surprise(self, xs: Ragged, targets: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """How unexpected each step's target is, and the state after the last step, to be carried on.

            s[t] = -log softmax(y[t])[target[t]]        in nats

        Shapes: xs `steps features`, targets `steps`, integers. Result: `steps`, and a state.
        """
        scan = self.run(xs, state=state)
        h = dropout(scan.outputs.values, self.dropout, self.training)
        if hasattr(self.head, "surprise"):
            return self.head.surprise(h, targets), scan.final
        return F.cross_entropy(self.head(h), targets.long(), reduction="none"), scan.final

    def loss(
        self, xs: Ragged, targets: Tensor, state: State | None = None, smoothing: float = 0.0
    ) -> tuple[Tensor, State]:
        """The mean of `surprise`, or beside targets that are smoothed, and the state after the last step.

        `smoothing` is the share of a target that all outputs have part of (see `elman.layers.entropy`).
        """
        if hasattr(self.head, "surprise"):
            found, after = self.surprise(xs, targets, state)
            return found.mean(), after
        scan = self.run(xs, state=state)
        h = dropout(scan.outputs.values, self.dropout, self.training)
        return cross_entropy(self.head, h, targets.long(), smoothing), scan.final

    def run(self, xs: Ragged, record: Sequence[str] = (), state: State | None = None) -> Scan:
        """The recurrence over the whole of each sequence; `record` keeps gates and states.

        `state` is the one before the first step, where the sequences go on from others; zeros if None.
        """
        return self.recurrent(read(self.inputs, xs), state, record)

    def answer(self, scan: Scan) -> tuple[Ragged, Tensor]:
        """The answers to the steps and to the whole of each sequence, from its scan."""
        outputs = scan.outputs
        steps = self.head(dropout(outputs.values, self.dropout, self.training))
        if not self.labels:
            return outputs.with_values(steps), steps.new_zeros(len(outputs), 0)
        last = self.recurrent.last(scan)
        pooled = dropout(self.pooling(outputs, last), self.dropout, self.training)
        whole = self.whole(pooled)
        return outputs.with_values(steps + self.context(whole)[outputs.rows]), whole

    def start(self, batch: int) -> State:
        """The state before the first step, of sequences given step by step."""
        return self.recurrent.start(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One more step of each sequence: its answer `batch outputs`, and the state after it.

        Raises:
            SettingsError: an answer depends on what follows: the recurrence is bidirectional, or the
                answer to the whole acts on every step.
        """
        if self.labels:
            raise SettingsError(
                "A network that answers the whole sequence as well cannot go step by step: every "
                "step's answer needs the end.",
                fix="train without labels of whole sequences, or give the whole sequence",
            )
        h, state = self.recurrent.step(self.inputs(x), state)
        return self.head(h), state

    def select(self, state: State, rows: Tensor) -> State:
        """The state of these sequences, in this order: what a decoding keeps."""
        return self.recurrent.select(state, rows)

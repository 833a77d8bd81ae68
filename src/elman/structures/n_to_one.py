"""N-to-1: a whole sequence goes in, one answer comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from elman.cells.base import State
from elman.layers.dropout import dropout
from elman.layers.embedding import read
from elman.layers.entropy import cross_entropy
from elman.layers.pooling import Pooling
from elman.layers.recurrent import Recurrent
from elman.layers.whole import Parts, whole_gradients, whole_loss
from elman.ragged import Ragged
from elman.scan import Scan
from elman.weights import Gradients

StepState = tuple[State, tuple[Tensor, ...]]


class NToOne(nn.Module):
    """The output layer applied to what the recurrence has made of the whole sequence.

        h[t] = cell(h[t-1], x[t])        y = W_y·pool(h[1] … h[T]) + b_y

    With `pooling="last"` and one direction, `pool` is `h[T]`: the tokens `What time is it ?` go in
    one by one, each step using the one before, and the fifth output names the intent.

    Args:
        inputs: a module from steps to features, step by step (an `Embedding`; `nn.Identity`).
        recurrent: the stack of recurrences.
        pooling: `last`, `max`, `mean` or `attention`.
        outputs: how many numbers the answer has (a logit a class).
        dropout: chance that a feature is dropped before the output layer.

    Shapes: xs `steps features`. Result: `batch outputs`.

    >>> import torch
    >>> network = NToOne(nn.Identity(), Recurrent("gru", 3, 8), outputs=4)
    >>> network(Ragged.of([torch.randn(5, 3), torch.randn(2, 3)])).shape
    torch.Size([2, 4])
    """

    forwards: ClassVar[tuple[str, ...]] = ("loss",)

    def __init__(
        self,
        inputs: nn.Module,
        recurrent: Recurrent,
        *,
        outputs: int,
        pooling: str = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.recurrent, self.dropout = inputs, recurrent, dropout
        self.pooling = Pooling(pooling, recurrent.output_size)
        self.head = nn.Linear(self.pooling.output_size, outputs)

    def forward(self, xs: Ragged) -> Tensor:
        return self.answer(self.run(xs))

    def run(self, xs: Ragged, record: Sequence[str] = ()) -> Scan:
        """The recurrence over the whole of each sequence; `record` keeps gates and states."""
        return self.recurrent(read(self.inputs, xs), record=record)

    def answer(self, scan: Scan) -> Tensor:
        """The answer to each sequence, from its scan: `batch outputs`."""
        return self.head(self._pooled(scan))

    def loss(self, xs: Ragged, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """The mean cross entropy of the answers beside the numbers of the right ones: `batch`, integers.

        `smoothing` is the share of a target that all answers have part of (see `elman.layers.entropy`).
        """
        whole = whole_loss(self._parts, xs, targets, smoothing) if self._ends_plainly else None
        if whole is not None:
            return whole
        scan = self.run(xs)
        # Last states that nothing is done to need not be joined.
        pooled = self.recurrent.ends(scan) if self._ends_plainly else self._pooled(scan)
        return cross_entropy(self.head, pooled, targets, smoothing)

    def gradients(self, xs: Ragged, targets: Tensor, smoothing: float = 0.0) -> Gradients | None:
        """The loss and its gradients, found together; None where they are not one compiled call.

        What `loss(…).backward()` would add to `grad`, for an optimizer that takes it as it is.
        """
        return whole_gradients(self._parts, xs, targets, smoothing) if self._ends_plainly else None

    @property
    def _parts(self) -> Parts:
        return Parts(self.inputs, self.recurrent, self.head)

    @property
    def _ends_plainly(self) -> bool:
        """Whether the output layer reads the last states and no more."""
        return self.pooling.kind == "last" and not (self.training and self.dropout)

    def _pooled(self, scan: Scan) -> Tensor:
        pooled = self.pooling(scan.outputs, self.recurrent.last(scan))
        return dropout(pooled, self.dropout, self.training)

    def start(self, batch: int) -> StepState:
        """The state before the first step, of sequences given step by step."""
        state = self.recurrent.start(batch)
        return state, self.pooling.start(state[0][-1])

    def step(self, x: Tensor, state: StepState) -> tuple[Tensor, StepState]:
        """One more step of each sequence: the answer had it ended here, and the state after it.

        Raises:
            SettingsError: the recurrence is bidirectional.
        """
        h, recurrent = self.recurrent.step(self.inputs(x), state[0])
        pooled, summary = self.pooling.step(h, state[1])
        return self.head(pooled), (recurrent, summary)

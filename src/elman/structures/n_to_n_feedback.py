"""N-to-N whose output feeds the next step: forecasts point by point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.dropout import dropout
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import Scan

Fed = tuple[State, Tensor]
Feed = Callable[[Tensor, Tensor], Tensor]


class NToNFeedback(nn.Module):
    """Every step is answered, and reads the answer to the step before beside its input.

        h[t] = cell(h[t-1], [x[t], v[t]])        y[t] = W_y·h[t] + b_y        v[t+1] = feed(y[t], v[t])

    Where the true values are known they take the place of `v` (`taught`; Williams and Zipser 1989): all
    steps are then computed at once, which is how it is trained and how it reads what has happened.
    Nothing is read before its time, so the recurrence has one direction.

    Args:
        inputs: a module from steps to features, which gets `x` and `v` side by side.
        recurrent: the stack of recurrences.
        outputs: how many numbers each answer has.
        fed: how many numbers are fed to the next step.
        feed: from an answer and what was fed before it to what is fed after it: `batch fed`. The first `fed`
            numbers of the answer, if it is not given.
        dropout: chance that a feature is dropped before the output layer.

    Shapes: xs `steps features` (of 0 features, where there are no inputs). Result: `steps outputs`.

    >>> network = NToNFeedback(nn.Identity(), Recurrent("gru", 4, 8), outputs=1)
    >>> network(Ragged.of([torch.randn(5, 3), torch.randn(2, 3)]))
    Ragged(lengths=[5, 2], features=(1,), torch.float32)
    """

    forwards: ClassVar[tuple[str, ...]] = ("taught",)
    """Methods that train as `forward` does: what spreads a model over devices has to know of them."""

    def __init__(
        self,
        inputs: nn.Module,
        recurrent: Recurrent,
        *,
        outputs: int,
        fed: int = 1,
        feed: Feed | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.recurrent, self.dropout = inputs, recurrent, dropout
        self.head = nn.Linear(recurrent.output_size, outputs)
        self.fed, self.feed = fed, feed or (lambda answer, before: answer[:, :fed])

    def forward(self, xs: Ragged) -> Ragged:
        """The answers where nothing but the inputs is known: each is fed to the next step."""
        self._check()
        state, answers = self.start(len(xs)), []
        for x in xs.padded().unbind(1):
            answer, state = self.step(x, state)
            answers.append(answer)
        if not answers:  # none, and still of these weights
            return xs.with_values(self.head(xs.values.new_zeros(0, self.head.in_features)))
        return Ragged.from_padded(torch.stack(answers, 1), xs.lengths)

    def taught(self, xs: Ragged, values: Tensor) -> Ragged:
        """The answers where the value fed to each step is given: `steps fed`."""
        return self.answer(self.run(xs, values))

    def run(self, xs: Ragged, values: Tensor, record: Sequence[str] = ()) -> Scan:
        """The recurrence over the whole of each sequence; `record` keeps gates and states."""
        self._check()
        steps = self.inputs(torch.cat([xs.values, values], -1))
        return self.recurrent(xs.with_values(steps), record=record)

    def answer(self, scan: Scan) -> Ragged:
        """The answers to the steps, from their scan."""
        dropped = dropout(scan.outputs.values, self.dropout, self.training)
        return scan.outputs.with_values(self.head(dropped))

    def start(self, batch: int) -> Fed:
        """The state before the first step: zeros, and zeros fed."""
        like = self.head.weight
        return self.recurrent.start(batch), like.new_zeros(batch, self.fed)

    def step(self, x: Tensor, state: Fed) -> tuple[Tensor, Fed]:
        """One more step of each sequence: its answer `batch outputs`, and the state after it.

        The state's second part is what is fed to this step; put a true value there where there is one.

        Raises:
            SettingsError: the recurrence is bidirectional.
        """
        recurrent, value = state
        h, recurrent = self.recurrent.step(self.inputs(torch.cat([x, value], -1)), recurrent)
        answer = self.head(dropout(h, self.dropout, self.training))
        return answer, (recurrent, self.feed(answer, value))

    def _check(self) -> None:
        if self.recurrent.bidirectional:
            raise SettingsError(
                "A network whose output feeds the next step cannot go step by step backwards.",
                fix="use bidirectional=False",
            )

"""1-to-N: one vector goes in, a sequence comes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.lexicon import Lexicon, likelihood
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

ACTS = ("input", "state", "both")


class OneToN(nn.Module):
    """The one input acts on every output step, not on the first alone.

        z = inputs(x)        h[t] = cell(h[t-1], [e(y[t-1]) ; z])        p(y[t]) = softmax(lexicon([h[t] ; z]))

    A token of the vocabulary is the end of a sequence: how long it becomes is learned.

    Args:
        inputs: a module from the vector to features: `batch features`.
        lexicon: the tokens that are written; its features are those of a state and of `z`.
        recurrent: the stack of recurrences, one direction.
        features: how many numbers `z` has.
        acts: `input`: on every step, as above; `state`: it makes the first state, tanh(W·z + b), and no
            more; or `both`. Only with `state` does the recurrence read `e` alone, and the lexicon `h`.

    Raises:
        SettingsError: sizes that do not fit, or a recurrence that reads backwards.

    >>> network = OneToN(nn.Linear(5, 3), Lexicon(9, 4, features=11), Recurrent("gru", 7, 8), features=3)
    >>> given, wanted = Ragged.of([torch.tensor([2, 7])]), Ragged.of([torch.tensor([7, 3])])
    >>> network(torch.randn(1, 5), given, wanted).values.shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        inputs: nn.Module,
        lexicon: Lexicon,
        recurrent: Recurrent,
        *,
        features: int,
        acts: str = "input",
    ) -> None:
        super().__init__()
        if acts not in ACTS:
            raise SettingsError("The input cannot act like that.", expected=ACTS, received=acts)
        more = 0 if acts == "state" else features
        sizes = recurrent.input_size, lexicon.join.in_features
        if recurrent.bidirectional or sizes != (lexicon.size + more, recurrent.hidden_size + more):
            raise SettingsError(
                "This recurrence or lexicon cannot write.",
                expected=f"one direction, input_size={lexicon.size + more}, "
                f"features={recurrent.hidden_size + more}",
                received=f"bidirectional={recurrent.bidirectional}, input_size={sizes[0]}, "
                f"features={sizes[1]}",
            )
        self.inputs, self.lexicon, self.recurrent, self.acts = inputs, lexicon, recurrent, acts
        self.initial = None if acts == "input" else nn.Linear(features, recurrent.state_size)

    def forward(self, x: Tensor, given: Ragged, wanted: Ragged) -> Ragged:
        """How likely each wanted token is, all that came before being given.

        Shapes: x `batch …`; given, wanted `steps`. Result: `steps 2`: the log-probability of the wanted
        token, and the mean of those of all tokens.
        """
        state, z = self.start(x)
        e, every = self.lexicon.read(given.values), z[given.rows]
        outputs = self.recurrent(given.with_values(torch.cat([e, every], -1)), state).outputs
        logits = self.lexicon(torch.cat([outputs.values, every], -1))
        return given.with_values(likelihood(logits, wanted.values))

    def start(self, x: Tensor) -> tuple[State, Tensor]:
        """The state before the first step: that of the recurrence, and what acts on every step."""
        z = self.inputs(x)
        if self.initial is None:
            return self.recurrent.start(len(z)), z
        state = self.recurrent.divided(torch.tanh(self.initial(z)))
        return state, z[:, :0] if self.acts == "state" else z

    def step(self, tokens: Tensor, state: tuple[State, Tensor]) -> tuple[Tensor, tuple[State, Tensor]]:
        """The logits of the next token of each row, `rows vocabulary`, and the state after it."""
        recurrent, z = state
        x = torch.cat([self.lexicon.read(tokens), z], -1)
        h, recurrent = self.recurrent.step(x, recurrent)
        return self.lexicon(torch.cat([h, z], -1)), (recurrent, z)

    def select(self, state: tuple[State, Tensor], rows: Tensor) -> tuple[State, Tensor]:
        """The state of these rows, in this order."""
        return self.recurrent.select(state[0], rows), state[1].index_select(0, rows)

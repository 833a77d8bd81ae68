"""The ways in which torch carries a recurrent layer along sequences of unequal length.

packed      a `PackedSequence`: no wasted steps, but its backward pass is slow
dense       a padded tensor: fast kernels, wasted steps; backwards it reads the padding first
gathered    a padded tensor, and for the other direction one whose rows are turned round within their
            lengths by a gather: what `dense` computes, made right
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from elman.ragged import Ragged

PEERS: dict[str, Any] = {
    "rnn": nn.RNN,
    "rnn-relu": lambda *args, **kwargs: nn.RNN(*args, nonlinearity="relu", **kwargs),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}
"""torch's module for each of the standard cells."""


def turned(xs: Ragged) -> Tensor:
    """For each place of a padded batch the step that stands there when every row is turned round.

    >>> turned(Ragged.of([torch.zeros(3, 1), torch.zeros(1, 1)])).tolist()
    [[2, 1, 0], [0, 1, 2]]
    """
    lengths, time = xs.lengths[:, None], int(xs.lengths.max())
    places = torch.arange(time)
    return torch.where(places < lengths, lengths - 1 - places, places)


class Gathered(nn.Module):
    """Two layers that read forwards, the second one over rows that are turned round and turned back.

    Shapes: x `batch time features`, index `batch time` of `turned`. Result: `batch time 2*hidden`.
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.forwards = PEERS[cell](input_size, hidden_size, batch_first=True)
        self.backwards = PEERS[cell](input_size, hidden_size, batch_first=True)

    def load(self, both: nn.Module) -> None:
        """Take the weights of a bidirectional layer."""
        weights = both.state_dict()
        self.forwards.load_state_dict({k: v for k, v in weights.items() if not k.endswith("_reverse")})
        self.backwards.load_state_dict(
            {k.removesuffix("_reverse"): v for k, v in weights.items() if k.endswith("_reverse")}
        )

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        ahead, _ = self.forwards(x)
        back, _ = self.backwards(x.gather(1, index[..., None].expand_as(x)))
        return torch.cat([ahead, back.gather(1, index[..., None].expand_as(back))], -1)

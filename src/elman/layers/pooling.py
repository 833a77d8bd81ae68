"""From one vector a step to one vector a sequence, all at once or step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.errors import UnknownNameError
from elman.layers.attentive import attentive, score_of
from elman.ragged import Ragged

POOLINGS = ("attention", "last", "max", "mean")


class Pooling(nn.Module):
    """One vector a sequence: the last state, joined (but for `last`) by a summary of every output.

        last        p = h_T                      both directions' last states
        mean        p = [h_T ; Σ h_t / T]
        max         p = [h_T ; max_t h_t]
        attention   p = [h_T ; Σ a_t·h_t]        a = softmax(vᵀ·tanh(W·h_t + b))

    The sequence of length 0 has the summary 0. `start` and `step` give the same answer step by step.
    Source of the attention: Yang et al. 2016, "Hierarchical attention networks".

    Shapes: outputs `steps size`, last `batch size`. Result: `batch output_size`.

    >>> pooling = Pooling("max", 4)
    >>> pooling(Ragged.of([torch.randn(3, 4), torch.randn(1, 4)]), torch.randn(2, 4)).shape
    torch.Size([2, 8])
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise UnknownNameError.among("pooling", kind, POOLINGS)
        self.kind = kind
        self.output_size = size if kind == "last" else 2 * size
        if kind == "attention":
            self.key = nn.Linear(size, size)
            self.query = nn.Linear(size, 1, bias=False)

    def forward(self, outputs: Ragged, last: Tensor) -> Tensor:
        if self.kind == "last":
            return last
        if self.kind == "attention":
            return attentive(outputs, last, self.key, self.query)
        h, rows = outputs.values, outputs.rows
        summary = torch.zeros_like(last)
        if self.kind == "max":
            where = rows[:, None].expand_as(h)
            summary = summary.scatter_reduce(0, where, h, "amax", include_self=False)
        else:
            counts = outputs.lengths.clamp(min=1)[:, None]
            summary = summary.index_add(0, rows, h) / counts
        return torch.cat([last, summary], -1)

    def start(self, like: Tensor) -> tuple[Tensor, ...]:
        """The running summary before the first step, for outputs like `like`: `batch size`."""
        zero, lowest = torch.zeros_like(like), torch.full_like(like, -torch.inf)
        return {
            "last": (),
            "max": (lowest,),
            "mean": (zero, zero[:, :1]),
            "attention": (zero, zero[:, :1], lowest[:, :1]),
        }[self.kind]

    def step(self, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The vector of the sequence so far, and the running summary after one more output."""
        if self.kind == "last":
            return h, state
        if self.kind == "max":
            summary = torch.maximum(state[0], h)
            return torch.cat([h, summary], -1), (summary,)
        if self.kind == "mean":
            total, count = state[0] + h, state[1] + 1
            return torch.cat([h, total / count], -1), (total, count)
        score = score_of(h, self.key, self.query)[:, None]
        highest = torch.maximum(state[2], score)
        shrink, weight = (state[2] - highest).exp(), (score - highest).exp()
        total, count = state[0] * shrink + h * weight, state[1] * shrink + weight
        return torch.cat([h, total / count], -1), (total, count, highest)

"""A session that reads step by step in constant memory: it owns its state, the model stays pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from elman.ragged import Ragged

Answer = TypeVar("Answer")


class Stepwise(Protocol):
    """Whatever runs forward in time."""

    def start(self, batch: int) -> Any:
        """The state before the first step."""
        ...

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The outputs of one step, and the state after it."""
        ...


class Stream(Generic[Answer]):
    """One sequence, given piece by piece; `push` answers as if the sequence ended there.

    Any cutting of a sequence into pieces gives the answers of the whole. Memory does not grow.

    Args:
        network: has `start` and `step`.
        encode: from one raw piece to its steps.
        decode: from the outputs `1 outputs` to an answer.
    """

    def __init__(
        self,
        network: Stepwise,
        encode: Callable[[Any], Ragged],
        decode: Callable[[Tensor], Answer],
    ) -> None:
        self.network, self._encode, self._decode = network, encode, decode
        self.state = network.start(1)
        self.answer: Answer | None = None

    @torch.inference_mode()
    def push(self, piece: Any) -> Answer | None:
        """Read one more piece, of any number of steps; the answer so far (None before the first step)."""
        outputs = None
        for x in self._encode(piece).values[:, None]:
            outputs, self.state = self.network.step(x, self.state)
        if outputs is not None:
            self.answer = self._decode(outputs)
        return self.answer

    def reset(self) -> None:
        """Forget what was read."""
        self.state, self.answer = self.network.start(1), None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.reset()


class Begun:
    """A network that has read one step before all others, such as the mark before a text.

    Args:
        network: has `start` and `step`.
        first: what it has read, without the batch.
    """

    def __init__(self, network: Stepwise, first: Tensor) -> None:
        self.network, self.first = network, first

    def start(self, batch: int) -> Any:
        """The state after that step."""
        return self.network.step(self.first.expand(batch, *self.first.shape), self.network.start(batch))[
            1
        ]

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step more."""
        return self.network.step(x, state)

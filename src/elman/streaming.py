"""A session that reads step by step in constant memory: it owns its state, the model stays pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from elman.codecs.base import Pieces
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
        encode: from one raw piece to its steps; `Pieces` where these depend on what came before.
        decode: from the outputs `1 outputs` to an answer.
    """

    def __init__(
        self,
        network: Stepwise,
        encode: Callable[[Any], Ragged],
        decode: Callable[[Tensor], Answer],
    ) -> None:
        self.network, self._decode = network, decode
        self._pieces = encode if isinstance(encode, Pieces) else Pieces(encode)
        self.state = network.start(1)
        self.answer: Answer | None = None

    @torch.inference_mode()
    def push(self, piece: Any) -> Answer | None:
        """Read one more piece, of any number of steps; the answer so far (None before the first step)."""
        return self._ended(self._read(self._pieces(piece)))

    @torch.inference_mode()
    def push_each(self, piece: Any) -> list[Answer]:
        """Read one more piece; the answer after each of its steps."""
        answers = [self._decode(outputs) for outputs in self._read(self._pieces(piece))]
        self.answer = answers[-1] if answers else self.answer
        return answers

    @torch.inference_mode()
    def finish(self) -> Answer | None:
        """Say that no piece comes any more; the answer to the whole.

        It is the one of the last push, but where pieces are held back: sound on its way to another rate is.
        """
        rest = self._pieces.finish()
        return self.answer if rest is None else self._ended(self._read(rest))

    def _ended(self, steps: Iterator[Tensor]) -> Answer | None:
        """The answer after all of these steps; the one before where there is none."""
        last = deque(steps, maxlen=1)
        if last:
            self.answer = self._decode(last[0])
        return self.answer

    def _read(self, xs: Ragged) -> Iterator[Tensor]:
        for x in xs.values[:, None]:
            outputs, self.state = self.network.step(x, self.state)
            yield outputs

    def reset(self) -> None:
        """Forget what was read."""
        self._pieces.reset()
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

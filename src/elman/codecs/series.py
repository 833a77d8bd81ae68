"""Sequences of numbers to standardised steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import torch

from elman.codecs.base import Pieces, Reader
from elman.errors import DataError
from elman.ragged import Ragged


class Series(Reader):
    """Numbers, one or several a step, each feature brought to mean 0 and spread 1.

        x' = (x - mean) / spread        mean and spread over all steps of the training set

    A feature that never changes is only centred. A sequence is a list of numbers, a list of lists, or
    an array `time` or `time features`.

    >>> codec = Series().fit([[1.0, 3.0], [5.0]])
    >>> [round(x, 4) for x in codec.encode([[3.0, 5.0]]).values.flatten().tolist()]
    [0.0, 1.2247]
    """

    name: ClassVar[str] = "series"

    def __init__(self, mean: Sequence[float] = (), spread: Sequence[float] = ()) -> None:
        self.mean, self.spread = np.asarray(mean, np.float64), np.asarray(spread, np.float64)

    @property
    def features(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The numbers in a step."""
        return len(self.mean)

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn each feature's mean and spread.

        Raises:
            DataError: no step at all, NaN or infinite numbers, or sequences with unequal features.
        """
        arrays = self._arrays(raw, None)
        steps = np.concatenate(arrays) if arrays else np.zeros((0, 1))
        if not len(steps):
            raise DataError(
                "There is no step to learn from.", expected="at least one number", received=raw
            )
        self.mean = steps.mean(0)
        spread = steps.std(0)
        self.spread = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(self.mean)), spread, 1.0)
        return self

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """Standardised steps: `steps features`, float32."""
        arrays = [(one - self.mean) / self.spread for one in self._arrays(raw, self.features)]
        return Ragged.of([torch.from_numpy(one).to(torch.float32) for one in arrays])

    def is_one(self, source: Any) -> bool:
        return len(source) > 0 and isinstance(source[0], Real)

    def names(self, one: Any) -> list[str]:
        return [str(step) for step in np.asarray(one).tolist()]

    def pieces(self) -> Pieces:
        return Pieces(self._piece)

    def config(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "spread": self.spread.tolist()}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(config["mean"], config["spread"])

    def _piece(self, piece: Any) -> Ragged:
        """One step or several, of a sequence that goes on."""
        steps = np.asarray(piece)
        if steps.ndim < 2 and steps.size % self.features == 0:
            steps = steps.reshape(-1, self.features)
        return self.encode([steps])

    def _arrays(self, raw: Sequence[Any], features: int | None) -> list[np.ndarray]:
        found = [_steps(one, number) for number, one in enumerate(raw, 1)]
        wanted = features or next((one.shape[1] for one in found if one.size), 1)
        arrays = []
        for number, array in enumerate(found, 1):
            if not array.size:
                array = array.reshape(0, wanted)
            if array.shape[1] != wanted:
                raise DataError(
                    f"Sequence {number} has {array.shape[1]} numbers a step.",
                    expected=f"{wanted}, as in training"
                    if features
                    else f"{wanted}, as in the first sequence",
                    received=f"an array of shape {array.shape}",
                    fix="give every sequence the same columns",
                )
            if not np.isfinite(array).all():
                step, feature = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise DataError(
                    f"Sequence {number} is not finite at step {step + 1}, feature {feature + 1}.",
                    expected="finite numbers",
                    received=_named(array[step, feature]),
                    fix="fill the gap (with the value before, say) or take the sequence out",
                )
            arrays.append(array)
        return arrays


def _steps(one: Any, number: int) -> np.ndarray:
    try:
        array = np.asarray(one, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise DataError(
            f"Sequence {number} is not made of numbers, or its steps have unequal features.",
            expected="a list of numbers, or a list of equally long lists of numbers",
            received=str(one)[:80],
        ) from cause
    if array.ndim not in (1, 2):
        raise DataError(
            f"Sequence {number} has {array.ndim} dimensions.",
            expected="time, or time × features",
            received=f"shape {array.shape}",
        )
    return array[:, None] if array.ndim == 1 else array


def _named(value: float) -> str:
    return "NaN" if math.isnan(value) else "an infinite number"

"""Class labels to numbers and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from elman.codecs.base import Codec
from elman.errors import DataError


class Label(Codec):
    """The distinct labels of a training set, sorted; a label's number is its place.

    Labels are strings, integers or booleans; what went in comes out.

    >>> codec = Label().fit(["yes", "no", "yes"])
    >>> codec.encode(["yes", "no"]), codec.decode([1])
    (tensor([1, 0]), ['yes'])
    """

    name: ClassVar[str] = "label"

    def __init__(self, labels: Sequence[Hashable] = ()) -> None:
        self.labels = list(labels)
        self.numbers = {label: number for number, label in enumerate(self.labels)}

    def fit(self, raw: Sequence[Any]) -> Self:
        """Learn the labels.

        Raises:
            DataError: fewer than two distinct labels, a missing one, or labels of mixed types.
        """
        plain = [_plain(one) for one in raw]
        if missing := [i for i, one in enumerate(plain) if one is None or one != one or one == ""]:
            raise DataError(
                f"{len(missing)} rows have no label.",
                expected="a label in every row",
                received=f"none in rows {[i + 1 for i in missing[:8]]}",
                fix="label these rows or take them out",
            )
        kinds = {type(one) for one in plain}
        if kinds - {str, int, bool} or len(kinds) > 1:
            raise DataError(
                "The labels must all be strings, or all integers.",
                received=", ".join(sorted(kind.__name__ for kind in kinds)),
                fix="make them strings",
            )
        if len(set(plain)) < 2:
            raise DataError(
                "There is nothing to tell apart.",
                expected="at least two distinct labels",
                received=f"{len(plain)} rows, labels {sorted(set(plain))}",
                fix="check which column was taken for the label",
            )
        self.__init__(sorted(set(plain)))
        return self

    def encode(self, raw: Sequence[Any]) -> Tensor:
        """The numbers of labels: `batch`, int64.

        Raises:
            DataError: a label that `fit` did not see.
        """
        plain = [_plain(one) for one in raw]
        if unknown := sorted({str(one) for one in plain if one not in self.numbers}):
            raise DataError(
                f"{len(unknown)} labels were never seen in training: {', '.join(map(repr, unknown[:5]))}.",
                expected=f"one of {len(self.labels)}: {', '.join(map(str, self.labels[:8]))}, ...",
                fix="correct the labels, or train with rows that have them",
            )
        return torch.tensor([self.numbers[one] for one in plain], dtype=torch.int64)

    def knows(self, label: Any) -> bool:
        """Whether `fit` saw this label."""
        return _plain(label) in self.numbers

    def decode(self, numbers: Sequence[int] | Tensor) -> list[Any]:
        """The labels with these numbers."""
        return [self.labels[int(number)] for number in numbers]

    def config(self) -> dict[str, Any]:
        return {"labels": self.labels}

    @classmethod
    def restore(cls, config: dict[str, Any], files: dict[str, bytes]) -> Self:
        return cls(config["labels"])


def _plain(label: Any) -> Any:
    """A numpy scalar as the Python value that it stands for."""
    return label.item() if hasattr(label, "item") else label

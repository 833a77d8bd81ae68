"""One number for a whole sequence: a quantity that is read off a course of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.codecs.series import Series
from elman.data import Batches, Records, labelled
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_one import NToOne
from elman.tasks.base import Estimator
from elman.training import Problem, Training


class Regressor(Estimator):
    """Answers a sequence of numbers with one number.

        h[t] = cell(h[t-1], x[t])        y = W_y·pool(h[1] … h[T]) + b_y

    The loss is the mean of (y - target)², both standardised by the training set.

    Args:
        cell, hidden_size, bidirectional, pooling, training: as for `Classifier`.

    Attributes after `fit`:
        network_: the `NToOne`. input_, target_: the codecs. history_: the figures of each epoch.

    >>> xs = [[1.0, 2.0], [3.0], [2.0, 5.0, 1.0], [4.0, 4.0]] * 8
    >>> model = Regressor(hidden_size=8, training=Training(epochs=2)).fit(xs, [max(x) for x in xs])
    >>> model.predict([[1.0, 2.0], [3.0]]).shape
    (2,)
    """

    task: ClassVar[str] = "regressor"
    kind: ClassVar[str] = "regressor"
    structure: ClassVar[str] = "n-to-one"
    roles: ClassVar[Mapping[str, str]] = {"text": "text", "label": "label"}
    codecs: ClassVar[tuple[str, ...]] = ("input", "target")

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 64,
        *,
        bidirectional: bool = False,
        pooling: str = "mean",
        training: Training = Training(dropout=0.0),  # noqa: B008 - frozen
    ) -> None:
        self.cell, self.hidden_size, self.bidirectional = cell, hidden_size, bidirectional
        self.pooling, self.training = pooling, training

    def fit(
        self,
        source: Any,
        y: Sequence[float] | None = None,
        *,
        text: str = "text",
        label: str = "label",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on sequences, in the column `text`, and their numbers, in the column `label`.

        Raises:
            DataError: not one target a sequence, or something that is no finite number.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        given = source if y is None else (source, y)
        return self._fit(given, {"text": text, "label": label}, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        return labelled(source, y, **self.columns_)

    def _learn_codecs(self, rows: Records) -> None:
        self.input_ = Series().fit(rows.column(self.columns_["text"]))
        self.target_ = Series().fit([[float(one) for one in rows.column(self.columns_["label"])]])

    def _encoded(self, rows: Records) -> tuple[Ragged, Tensor]:
        numbers = [float(one) for one in rows.column(self.columns_["label"])]
        xs = self.input_.encode(rows.column(self.columns_["text"]))
        return xs, self.target_.encode([numbers]).values

    def _network(self) -> NToOne:
        size = (self.input_.features, self.hidden_size)
        recurrent = Recurrent(self.cell, *size, bidirectional=self.bidirectional)
        dropout = self.training.dropout
        return NToOne(nn.Identity(), recurrent, outputs=1, pooling=self.pooling, dropout=dropout)

    def _problem(self, train: tuple[Ragged, Tensor], dev: tuple[Ragged, Tensor]) -> Problem:
        (xs, ys), (held, truth) = train, dev

        def loss(model: nn.Module, batch: tuple[Ragged, Tensor]) -> Tensor:
            return F.mse_loss(model(batch[0]), batch[1])

        def evaluate(_: nn.Module) -> dict[str, float]:
            return {"r2": _r2(truth, self._answers(held))}

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (xs[chosen], ys[chosen]),
            loss=loss,
            evaluate=evaluate if len(held) else None,
            monitor="r2",
        )

    def predict(self, sequences: Sequence[Any]) -> np.ndarray:
        """The number for each sequence: `batch`."""
        self._check_fitted()
        answers = self._answers(self.input_.encode(list(sequences))).numpy()
        return (answers * self.target_.spread + self.target_.mean).flatten()

    def score(self, sequences: Sequence[Any], y: Sequence[float]) -> float:
        """The share of the variance of `y` that the answers explain: 1 is perfect, 0 is the mean."""
        return _r2(torch.tensor(list(y)), torch.from_numpy(self.predict(sequences)))

    @torch.inference_mode()
    def _answers(self, xs: Ragged) -> Tensor:
        answers = torch.zeros(len(xs), 1)
        for batch in Batches(xs.lengths.numpy(), batch_size=256, max_steps=200_000).ordered():
            answers[torch.from_numpy(batch)] = self.network_(xs[batch.tolist()])
        return answers

    def _facts(self) -> dict[str, Any]:
        return {"Network": f"{self.cell}, hidden size {self.hidden_size}, pooling {self.pooling}"}


def _r2(truth: Tensor, answers: Tensor) -> float:
    spread = (truth - truth.mean()).square().sum()
    return float(1 - (truth - answers).square().sum() / spread) if spread else 0.0

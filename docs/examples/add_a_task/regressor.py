"""One number for a whole sequence: a quantity that is read off a course of measurements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import runs
from elman.codecs.series import Series
from elman.data import Batches, holdout
from elman.errors import DataError
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.storage import Saved
from elman.structures.n_to_one import NToOne
from elman.tasks.base import Estimator
from elman.training import Problem, Training, fit, seeded


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
        self, sequences: Sequence[Any], y: Sequence[float], *, out: str | Path | None = None
    ) -> Self:
        """Train; a tenth of the sequences is set aside to choose the best epoch on.

        With `out`, a folder, a run that was interrupted there goes on to the same result.

        Raises:
            DataError: not one target a sequence, or something that is no finite number.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        raw, targets = list(sequences), [float(one) for one in y]
        if len(raw) != len(targets):
            raise DataError(
                "There must be one target for each sequence.", expected=len(raw), received=len(targets)
            )
        folder = None if out is None else Path(out)
        if folder is not None:
            identity = {"task": self.task, **self._config(), "data": runs.checksum([raw, targets])}
            runs.begin(folder, identity, {})
        with seeded(self.training.seed):
            self._learn(raw, targets, folder)
        if folder is not None:
            self.save(folder)
        return self

    def _learn(self, raw: list[Any], targets: list[float], folder: Path | None) -> None:
        self.input_, self.target_ = Series().fit(raw), Series().fit([targets])
        self.network_ = self._network()
        xs, ys = self.input_.encode(raw), self.target_.encode([targets]).values
        train, dev = holdout([None] * len(raw), seed=self.training.seed)
        held, truth = xs[dev.tolist()], ys[dev]

        def loss(model: nn.Module, batch: tuple[Ragged, Tensor]) -> Tensor:
            return F.mse_loss(model(batch[0]), batch[1])

        def evaluate(_: nn.Module) -> dict[str, float]:
            return {"r2": _r2(truth, self._answers(held))}

        problem = Problem(
            lengths=xs.lengths[train].tolist(),
            batch=lambda chosen: (xs[train[chosen].tolist()], ys[train[chosen]]),
            loss=loss,
            evaluate=evaluate if len(dev) else None,
            monitor="r2",
        )
        place = fit(self.network_, problem, self.training, folder)
        self.history_ = place.history
        self.figures_ = {"epochs": place.epoch, "best_epoch": place.best_epoch}
        self.figures_ |= {"dev_r2": place.best} if len(dev) else {}

    def predict(self, sequences: Sequence[Any]) -> np.ndarray:
        """The number for each sequence: `batch`."""
        self._check_fitted()
        answers = self._answers(self.input_.encode(list(sequences))).numpy()
        return (answers * self.target_.spread + self.target_.mean).flatten()

    def score(self, sequences: Sequence[Any], y: Sequence[float]) -> float:
        """The share of the variance of `y` that the answers explain: 1 is perfect, 0 is the mean."""
        return _r2(torch.tensor(list(y)), torch.from_numpy(self.predict(sequences)))

    def _network(self) -> NToOne:
        size = (self.input_.features, self.hidden_size)
        recurrent = Recurrent(self.cell, *size, bidirectional=self.bidirectional)
        dropout = self.training.dropout
        return NToOne(nn.Identity(), recurrent, outputs=1, pooling=self.pooling, dropout=dropout)

    @torch.inference_mode()
    def _answers(self, xs: Ragged) -> Tensor:
        answers = torch.zeros(len(xs), 1)
        for batch in Batches(xs.lengths.numpy(), batch_size=256, max_steps=200_000).ordered():
            answers[torch.from_numpy(batch)] = self.network_(xs[batch.tolist()])
        return answers

    def _config(self) -> dict[str, Any]:
        return self.get_params() | {"training": self.training.model_dump()}

    def _saved(self) -> Saved:
        config = {
            "task": self.task,
            "structure": "n-to-one",
            "estimator": self._config(),
            "codecs": {"input": self.input_.config(), "target": self.target_.config()},
        }
        facts = {"Network": f"{self.cell}, hidden size {self.hidden_size}", "Seed": self.training.seed}
        card = runs.card("A regressor made with elman", facts, self.figures_, {})
        files = {"metrics.json": runs.pretty(self.figures_), "README.md": card.encode()}
        return Saved(config, self.network_.state_dict(), files)

    @classmethod
    def restore(cls, saved: Saved) -> Self:
        settings = saved.config["estimator"]
        self = cls(**settings | {"training": Training(**settings["training"])})
        codecs = saved.config["codecs"]
        self.input_ = Series.restore(codecs["input"], {})
        self.target_ = Series.restore(codecs["target"], {})
        self.figures_, self.history_ = json.loads(saved.files["metrics.json"]), []
        self.network_ = self._network()
        self.network_.load_state_dict(saved.tensors)
        self.network_.eval()
        return self


def _r2(truth: Tensor, answers: Tensor) -> float:
    spread = (truth - truth.mean()).square().sum()
    return float(1 - (truth - answers).square().sum() / spread) if spread else 0.0

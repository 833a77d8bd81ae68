"""What every estimator is: scikit-learn's conventions, and a folder to be saved in."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from elman import storage
from elman.errors import NotFittedError, SettingsError
from elman.storage import Saved


@dataclass(frozen=True)
class Prediction:
    """An answer: every label with its probability, the likeliest first."""

    ranking: list[tuple[Any, float]]

    @property
    def label(self) -> Any:
        """The likeliest label."""
        return self.ranking[0][0]

    @property
    def score(self) -> float:
        """Its probability."""
        return self.ranking[0][1]

    def __repr__(self) -> str:
        return f"Prediction(label={self.label!r}, score={self.score:.2f})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data, with the `top` likeliest labels."""
        ranking = [{"label": label, "probability": p} for label, p in self.ranking[:top]]
        return {"label": self.label, "score": self.score, "top": ranking}


class Predictions(list[Prediction]):
    """Answers in the order of the questions; as an array, their labels."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001 - numpy's
        return np.array([one.label for one in self], dtype=dtype)


@dataclass
class Report:
    """How good a classifier is on labelled sequences.

    Attributes:
        count: the number of sequences.
        accuracy: the share answered with their own label.
        macro_f1: the mean F1 of the labels.
        unseen: how many had a label that training never saw; they count as errors.
        out_of_scope: for input that belongs to no label, `count`, `auroc` (the chance that an input in
            scope scores higher) and `recall_at_95` (the share refused when 95 % of the others pass).
    """

    count: int
    accuracy: float
    macro_f1: float
    unseen: int = 0
    out_of_scope: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return asdict(self)


class Estimator(ABC):
    """The base of all tasks: parameters that can be read and set, `save`, and `restore`.

    A constructor only stores its arguments, under their own names; whatever `fit` learns has a name
    that ends in `_`. That is what `sklearn.base.clone` and `GridSearchCV` rely on.
    """

    task: ClassVar[str]
    kind: ClassVar[str]

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - scikit-learn's signature
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments; `training__epochs=3` changes one field of a settings object.

        Raises:
            SettingsError: no argument of that name.
        """
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if outer not in self._names():
                raise SettingsError(
                    f"{type(self).__name__} has no parameter {outer!r}.",
                    expected=", ".join(self._names()),
                    received=name,
                )
            if inner:
                now = getattr(self, outer)
                value = type(now)(**now.model_dump(exclude_unset=True) | {inner: value})
            setattr(self, outer, value)
        return self

    def save(self, folder: str | Path) -> Path:
        """Save the fitted model as a folder that `elman.load` reads; it holds no pickle.

        Raises:
            NotFittedError: before `fit`.
            StorageError: the folder cannot be written.
        """
        self._check_fitted()
        return storage.save(folder, self._saved())

    @abstractmethod
    def _saved(self) -> Saved:
        """The config, weights and files that `restore` needs."""

    @classmethod
    @abstractmethod
    def restore(cls, saved: Saved) -> Self:
        """The estimator that was saved."""

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"This {type(self).__name__} has not been fitted.",
                fix="call fit(...) first, or elman.load(folder)",
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator; called by scikit-learn only."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type=self.kind,  # pyright: ignore[reportArgumentType]
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if self.kind == "classifier" else None,
            regressor_tags=RegressorTags() if self.kind == "regressor" else None,
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def __repr__(self) -> str:
        defaults = {
            name: one.default for name, one in inspect.signature(type(self).__init__).parameters.items()
        }
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value != defaults.get(name)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

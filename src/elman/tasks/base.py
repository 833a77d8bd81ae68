"""What every estimator is: scikit-learn's conventions, and a folder to be saved in."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from elman import storage
from elman.errors import NotFittedError, SettingsError
from elman.settings import Settings
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

    @classmethod
    def of(cls, chances: Any, labels: Sequence[Any]) -> Prediction:
        """From the probability of each label, a vector, in their order."""
        best, order = chances.sort(descending=True)
        return cls([(labels[n], p) for n, p in zip(order.tolist(), best.tolist(), strict=True)])

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


@dataclass(frozen=True)
class Tagged:
    """A sequence with a tag for each token, what the tags mark, and the label of the whole if there is one.

    Attributes:
        tokens: what was read.
        tags: a tag for each.
        scores: the probability of each of these tags.
        spans: what the tags mark, where they are written in a scheme such as BIO: `start`, `end` (the last
            token not included) and `label`.
        label: the answer to the whole sequence, or None.
    """

    tokens: list[str]
    tags: list[str]
    scores: list[float]
    spans: list[Any]
    label: Prediction | None = None

    def text(self, span: Any) -> str:
        """The tokens of a span, with spaces between them."""
        return " ".join(self.tokens[span.start : span.end])

    def __repr__(self) -> str:
        pairs = " ".join(f"{token}/{tag}" for token, tag in zip(self.tokens, self.tags, strict=True))
        return f"Tagged({pairs!r}{'' if self.label is None else f', {self.label!r}'})"

    def to_dict(self, top: int = 1) -> dict[str, Any]:
        """The answer as JSON data."""
        spans = [{**span._asdict(), "text": self.text(span)} for span in self.spans]
        found = {"tokens": self.tokens, "tags": self.tags, "scores": self.scores, "spans": spans}
        return found | ({} if self.label is None else self.label.to_dict(top))


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


@dataclass
class TagReport:
    """How good a tagger is on tagged sequences.

    Attributes:
        count: the number of sequences.
        tokens: the number of tokens.
        accuracy: the share of tokens with their own tag.
        spans: precision, recall and F1 of what the tags mark, where they are written in a scheme.
        label_accuracy: the share of sequences with their own label, where the tagger labels them too.
        unseen: how many tokens had a tag that training never saw; they count as errors.
    """

    count: int
    tokens: int
    accuracy: float
    spans: dict[str, float] | None = None
    label_accuracy: float | None = None
    unseen: int = 0

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

    def _config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON."""
        return {
            name: value.model_dump() if isinstance(value, Settings) else value
            for name, value in self.get_params().items()
        }

    @classmethod
    def _of_config(cls, config: dict[str, Any]) -> Self:
        """The estimator, not fitted, with the arguments that `_config` gave."""
        arguments = inspect.signature(cls.__init__).parameters
        kinds = {name: type(one.default) for name, one in arguments.items()}
        return cls(
            **{
                name: kinds[name](**value) if issubclass(kinds[name], Settings) else value
                for name, value in config.items()
            }
        )

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

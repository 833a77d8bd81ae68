"""An estimator's arguments, as scikit-learn has them: looked at, changed by name, and kept as JSON."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

from elman import registry
from elman.decoding.base import Decoding
from elman.errors import SettingsError
from elman.settings import Settings


class Parameters:
    """What an estimator is made of: the arguments of its constructor, which stores them under their names.

    That is what `sklearn.base.clone` and `GridSearchCV` rely on. Some are settings objects, each field of
    which is a parameter of its own: `training__epochs`.
    """

    kind: ClassVar[str]

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    @classmethod
    def settings(cls) -> dict[str, Settings]:
        """The arguments that are settings objects, with the defaults that this task has for them."""
        defaults = {
            name: one.default for name, one in inspect.signature(cls.__init__).parameters.items()
        }
        return {name: one for name, one in defaults.items() if isinstance(one, Settings)}

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
        kinds = {name: type(one) for name, one in cls.settings().items()}
        found = dict(config)
        for name in kinds.keys() & config.keys():
            kind, value = kinds[name], config[name]
            if issubclass(kind, Decoding):  # of any kind, whatever the default is
                kind = registry.get("decoding", value["method"])
            found[name] = kind(**value)
        return cls(**found)

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

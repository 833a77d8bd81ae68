"""What is rarely touched, as typed and frozen values that say what is wrong with them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from elman.errors import SettingsError, UnknownNameError


class Settings(BaseModel):
    """The base of settings objects: frozen, every field with a default, wrong ones refused.

    Raises:
        SettingsError: a value out of its range or of another type, or no field of that name.

    >>> class Oven(Settings):
    ...     degrees: int = 180
    >>> Oven(degrees="hot")
    Traceback (most recent call last):
        ...
    elman.errors.SettingsError: The setting degrees of Oven cannot have this value.
      expected  a valid integer, unable to parse string as an integer
      received  'hot'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        if unknown := values.keys() - type(self).model_fields.keys():
            near = UnknownNameError.among("setting", min(unknown), type(self).model_fields)
            raise SettingsError(
                f"{type(self).__name__} has no setting {min(unknown)!r}.",
                expected=near.expected,
                fix=near.fix,
            )
        try:
            super().__init__(**values)
        except ValidationError as cause:
            fault = cause.errors()[0]
            raise SettingsError(
                f"The setting {fault['loc'][0]} of {type(self).__name__} cannot have this value.",
                expected=fault["msg"].removeprefix("Input should be "),
                received=repr(fault["input"]),
            ) from cause

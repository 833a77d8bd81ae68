"""Turns the recurrent modules of a torch model into elman's, where they stand."""

from __future__ import annotations

import inspect
import logging
from typing import Any, TypeVar

from torch import nn

from elman.nn import sequences, steps

FACES: dict[type[nn.Module], type[nn.Module]] = {
    nn.RNN: sequences.RNN,
    nn.LSTM: sequences.LSTM,
    nn.GRU: sequences.GRU,
    nn.RNNCell: steps.RNNCell,
    nn.LSTMCell: steps.LSTMCell,
    nn.GRUCell: steps.GRUCell,
}
"""torch's classes, and what takes their place."""

CACHES = ("_flat_weights", "_flat_weight_refs", "_flat_weights_names", "_all_weights")
"""What torch keeps on its modules beside the parameters, and elman has no use for."""

Model = TypeVar("Model", bound=nn.Module)
logger = logging.getLogger("elman.nn")


def accelerate(model: Model) -> Model:
    """Turn every recurrent module of a torch model into elman's of the same name, in place.

    The modules stay the objects they were, and only their class is another: parameters, buffers, hooks,
    mode, device and number format are untouched, so an optimizer that holds the parameters goes on
    working, and so does whatever else refers to a module, or to the model if it is recurrent itself.
    Nothing is changed if any of them cannot be.

    A subclass is left alone, because it may count on what torch does inside: one of the user's own, or
    one that `torch.nn.utils.parametrize` made. So is a module with a `forward` of its own.

    Returns:
        The same model. How many were turned, which were left alone and why is logged on `elman.nn`: as
        information, and as a warning if there was nothing to turn or if any was left.

    Raises:
        SettingsError: a module whose settings elman does not have.

    >>> import torch
    >>> model = nn.Sequential(nn.Embedding(50, 8), nn.LSTM(8, 16, batch_first=True))
    >>> before = list(model.parameters())
    >>> accelerate(model)[1]
    LSTM(8, 16, batch_first=True)
    >>> type(model[1]).__module__, all(a is b for a, b in zip(before, model.parameters()))
    ('elman.nn.sequences', True)
    """
    found = {name: one for name, one in model.named_modules() if isinstance(one, tuple(FACES))}
    left = {name: _obstacle(one) for name, one in found.items() if _obstacle(one)}
    ready = {name: _twin(one) for name, one in found.items() if name not in left}
    for name, twin in ready.items():
        state = vars(found[name])
        for cache in CACHES:
            state.pop(cache, None)
        for key, value in vars(twin).items():
            state.setdefault(key, value)
        found[name].__class__ = type(twin)
    logger.log(
        logging.WARNING if left or not ready else logging.INFO,
        "%d recurrent modules run on elman%s%s",
        len(ready),
        "".join(f", {name or 'the model'}" for name in ready),
        "".join(f"; {name or 'the model'} was left alone: {why}" for name, why in left.items()),
    )
    return model


def _obstacle(module: nn.Module) -> str | None:
    if type(module) not in FACES:
        return f"{type(module).__name__} is a subclass"
    return "its forward is its own" if "forward" in vars(module) else None


def _twin(module: nn.Module) -> Any:
    """elman's module of the same settings, without memory for its weights."""
    face = FACES[type(module)]
    # A chance of dropout is not asked for here: it is kept as it is, and would warn a second time.
    names = set(inspect.signature(face).parameters) - {"device", "dtype", "dropout"}
    return face(**{name: getattr(module, name) for name in names}, device="meta")

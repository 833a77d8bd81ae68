"""The compiled scan: finding it, and calling its C functions.

The library is plain C over pointers: it knows neither torch nor Python, and one build serves every version
of both. It is opened after torch, so that the two share one OpenMP runtime and one team of threads.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch  # first: it opens the OpenMP runtime that the library is to share
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from elman.errors import BackendError

ABI = 17
_PLAIN = {Tensor, nn.Parameter}
_transformed: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)
_FAULTS = {
    1: "an argument is missing or out of range",
    2: "the offsets do not describe the rows",
    3: "there is not enough memory",
}


class Direction(Structure):
    """`elman_direction` of `native/elman.h`."""

    _fields_ = [
        ("reverse", c_int32),
        ("weight_ih", c_void_p),
        ("weight_hh", c_void_p),
        ("bias_ih", c_void_p),
        ("bias_hh", c_void_p),
        ("gates", c_void_p),
        ("outputs", c_void_p),
        ("cells", c_void_p),
        ("candidates", c_void_p),
        ("initial", c_void_p * 2),
        ("final", c_void_p * 2),
        ("grad_outputs", c_void_p),
        ("grad_final", c_void_p * 2),
        ("grad_gates", c_void_p),
        ("grad_initial", c_void_p * 2),
        ("grad_weight_ih", c_void_p),
        ("grad_weight_hh", c_void_p),
        ("grad_bias_ih", c_void_p),
        ("grad_bias_hh", c_void_p),
    ]


class Call(Structure):
    """`elman_scan` of `native/elman.h`."""

    _fields_ = [
        ("cell", c_int32),
        ("type", c_int32),
        ("directions", c_int32),
        ("threads", c_int32),
        ("keep", c_int32),
        ("need_initial", c_int32),
        ("batch", c_int64),
        ("rows", c_int64),
        ("input", c_int64),
        ("hidden", c_int64),
        ("output_stride", c_int64),
        ("grad_stride", c_int64),
        ("offsets", c_void_p),
        ("reads", c_void_p),
        ("inputs", c_int64),
        ("x", c_void_p),
        ("grad_x", c_void_p),
        ("direction", Direction * 2),
    ]


class Linear(Structure):
    """`elman_linear` of `native/elman.h`."""

    _fields_ = [
        ("type", c_int32),
        ("threads", c_int32),
        ("reverse", c_int32),
        ("batch", c_int64),
        ("rows", c_int64),
        ("width", c_int64),
        ("offsets", c_void_p),
        ("a", c_void_p),
        ("b", c_void_p),
        ("initial", c_void_p),
        ("outputs", c_void_p),
        ("final", c_void_p),
        ("grad_outputs", c_void_p),
        ("grad_a", c_void_p),
        ("grad_b", c_void_p),
        ("grad_initial", c_void_p),
    ]


class StepLayer(Structure):
    """`elman_step_layer` of `native/elman.h`."""

    _fields_ = [
        ("input", c_int64),
        ("weight_ih", c_void_p),
        ("weight_hh", c_void_p),
        ("scale_ih", c_void_p),
        ("scale_hh", c_void_p),
        ("bias_ih", c_void_p),
        ("bias_hh", c_void_p),
    ]


class Steps(Structure):
    """`elman_stepper` of `native/elman.h`."""

    _fields_ = [
        ("cell", c_int32),
        ("weights", c_int32),
        ("layers", c_int32),
        ("panels", c_int32),
        ("threads", c_int32),
        ("batch", c_int64),
        ("hidden", c_int64),
        ("layer", POINTER(StepLayer)),
        ("h", c_void_p),
        ("c", c_void_p),
        ("scratch", c_void_p),
    ]


class Rows(Structure):
    """`elman_rows` of `native/elman.h`."""

    _fields_ = [
        ("threads", c_int32),
        ("count", c_int64),
        ("width", c_int64),
        ("table", c_int64),
        ("step", c_int64),
        ("rows", c_void_p),
        ("grads", c_void_p),
        ("weight", c_void_p),
        ("m", c_void_p),
        ("v", c_void_p),
        ("moved", c_void_p),
        ("reach", c_void_p),
        ("decay", c_void_p),
        ("beta1", c_double),
        ("beta2", c_double),
        ("kept", c_double),
        ("size", c_double),
        ("eps", c_double),
        ("scale", c_double),
    ]


class Weights(Structure):
    """`elman_weights` of `native/elman.h`."""

    _fields_ = [
        ("count", c_int64),
        ("grad", c_void_p),
        ("weight", c_void_p),
        ("m", c_void_p),
        ("v", c_void_p),
        ("step", c_void_p),
        ("rate", c_double),
        ("decay", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("eps", c_double),
    ]


class Moved(Structure):
    """`elman_adamw` of `native/elman.h`."""

    _fields_ = [
        ("threads", c_int32),
        ("tensors", c_int64),
        ("tensor", POINTER(Weights)),
        ("scale", c_double),
    ]


class CrossEntropy(Structure):
    """`elman_cross_entropy` of `native/elman.h`."""

    _fields_ = [
        ("threads", c_int32),
        ("rows", c_int64),
        ("input", c_int64),
        ("outputs", c_int64),
        ("parts", c_int64),
        ("x", c_void_p),
        ("weight", c_void_p),
        ("bias", c_void_p),
        ("targets", c_void_p),
        ("smoothing", c_double),
        ("grad_x", c_void_p),
        ("grad_weight", c_void_p),
        ("grad_bias", c_void_p),
    ]


class Pooling(Structure):
    """`elman_pooling` of `native/elman.h`."""

    _fields_ = [
        ("threads", c_int32),
        ("batch", c_int64),
        ("rows", c_int64),
        ("width", c_int64),
        ("offsets", c_void_p),
        ("h", c_void_p),
        ("last", c_void_p),
        ("key", c_void_p),
        ("bias", c_void_p),
        ("query", c_void_p),
        ("keys", c_void_p),
        ("shares", c_void_p),
        ("pooled", c_void_p),
        ("grad", c_void_p),
        ("grad_h", c_void_p),
        ("grad_key", c_void_p),
        ("grad_bias", c_void_p),
        ("grad_query", c_void_p),
    ]


class Classifier(Structure):
    """`elman_classifier` of `native/elman.h`."""

    _fields_ = [
        ("cell", c_int32),
        ("layers", c_int32),
        ("directions", c_int32),
        ("biased", c_int32),
        ("threads", c_int32),
        ("batch", c_int64),
        ("steps", c_int64),
        ("table", c_int64),
        ("input", c_int64),
        ("hidden", c_int64),
        ("outputs", c_int64),
        ("offsets", c_void_p),
        ("words", c_void_p),
        ("targets", c_void_p),
        ("smoothing", c_double),
        ("shared", c_double),
        ("rows", c_void_p),
        ("weights", POINTER(c_void_p)),
        ("head", c_void_p),
        ("head_bias", c_void_p),
        ("grads", c_void_p),
        ("read", c_void_p),
        ("reads", POINTER(c_int64)),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built."""
    path = Path(__file__).with_name("libelman.so")
    if not path.exists():
        return None
    found = ctypes.CDLL(str(path))
    if found.elman_abi() != ABI:  # of another version: it may lack what is named below
        return None
    # A child of fork has none of its parent's OpenMP threads, and torch's own products wait for them.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
    found.elman_instructions.restype = c_char_p
    found.elman_use.argtypes = [c_char_p]
    for name in ("elman_forward", "elman_backward"):
        getattr(found, name).argtypes = [POINTER(Call)]
    for name in ("elman_linear_forward", "elman_linear_backward"):
        getattr(found, name).argtypes = [POINTER(Linear)]
    found.elman_move_rows.argtypes = [POINTER(Rows)]
    found.elman_norm.argtypes = [POINTER(Moved), POINTER(c_double)]
    found.elman_move_weights.argtypes = [POINTER(Moved)]
    found.elman_mean_cross_entropy.argtypes = [POINTER(CrossEntropy), POINTER(c_double)]
    found.elman_pool.argtypes = [POINTER(Pooling)]
    found.elman_classify.argtypes = [POINTER(Classifier), POINTER(c_double)]
    found.elman_distinct.argtypes = [c_int64, c_int64, *[c_void_p] * 3]
    found.elman_distinct.restype = c_int64
    found.elman_sum_rows.argtypes = [c_int64, c_int64, c_int64, *[c_void_p] * 4]
    found.elman_sum_rows.restype = c_int64
    found.elman_add_rows.argtypes = [c_int32, c_int64, c_int64, c_int64, *[c_void_p] * 3]
    found.elman_starts.argtypes = [c_int64, c_void_p, c_int64, c_void_p, c_void_p]
    found.elman_starts.restype = c_int64
    found.elman_pick.argtypes = [c_void_p, c_int64, c_void_p, c_int64, *[c_void_p] * 3]
    found.elman_step_check.argtypes = [POINTER(Steps)]
    found.elman_step.argtypes = [c_void_p, c_void_p]  # addresses: it is called once a step
    return found


@torch.compiler.assume_constant_result
def available() -> bool:
    """Whether there is a compiled library."""
    return library() is not None


def run(name: str, call: Structure, *more: Any) -> None:
    """One call of the library, with what else it takes.

    Raises:
        BackendError: it was not built, or refuses the arguments.
    """
    found = library()
    if found is None:
        raise BackendError(
            "The native scan was not built.",
            fix="install elman where a C++17 compiler is found, or use the reference backend",
        )
    if status := getattr(found, name)(byref(call), *more):
        raise BackendError(f"The native scan refused the call: {_FAULTS.get(status, status)}.")


def check_step(call: Steps) -> None:
    """Whether a step can be made, looked at once and not at every step.

    Raises:
        BackendError: it was not built, or an argument is missing.
    """
    run("elman_step_check", call)


def step_function() -> Any:
    """The library's own step, of the address of a `Steps` and that of the input: it checks nothing."""
    found = library()
    return None if found is None else found.elman_step


def instructions() -> str | None:
    """The instruction set in use (`amx`, `avx512`, `avx2`, `baseline`), or None where nothing was built."""
    found = library()
    return None if found is None else found.elman_instructions().decode()


def use_instructions(name: str) -> None:
    """Use another instruction set that this machine has: for tests and comparisons.

    Raises:
        BackendError: this machine does not have it.
    """
    found = library()
    if found is None or found.elman_use(name.encode()):
        raise BackendError(
            f"The instruction set {name!r} cannot be used here.",
            received=instructions() or "no native scan",
        )


def unwatched(tensors: Sequence[Tensor]) -> bool:
    """Whether these are tensors and no more, and nothing has to see what is done to them.

    >>> unwatched([torch.zeros(2)])
    True
    """
    return (
        not torch.compiler.is_compiling()
        and not torch._C._is_tracing()
        and not is_in_torch_dispatch_mode()
        and not _transformed()
        and {type(one) for one in tensors} <= _PLAIN
    )

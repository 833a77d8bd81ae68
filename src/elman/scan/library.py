"""The compiled scan: finding it, and calling its C functions.

The library is plain C over pointers: it knows neither torch nor Python, and one build serves every version
of both. It is opened after torch, so that the two share one OpenMP runtime and one team of threads.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch  # noqa: F401 - opens the OpenMP runtime that the library is to share

from elman.errors import BackendError

ABI = 1
_FAULTS = {
    1: "an argument is missing or out of range",
    2: "the offsets do not describe the rows",
    3: "there is not enough memory",
}


class Direction(Structure):
    """`elman_direction` of `native/elman.h`."""

    _fields_ = [
        ("reverse", c_int32),
        ("weight", c_void_p),
        ("bias", c_void_p),
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
        ("grad_bias", c_void_p),
    ]


class Call(Structure):
    """`elman_scan` of `native/elman.h`."""

    _fields_ = [
        ("cell", c_int32),
        ("type", c_int32),
        ("directions", c_int32),
        ("threads", c_int32),
        ("keep", c_int32),
        ("batch", c_int64),
        ("rows", c_int64),
        ("hidden", c_int64),
        ("output_stride", c_int64),
        ("grad_stride", c_int64),
        ("offsets", c_void_p),
        ("direction", Direction * 2),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library, or None where it was not built."""
    path = Path(__file__).with_name("libelman.so")
    if not path.exists():
        return None
    found = ctypes.CDLL(str(path))
    found.elman_instructions.restype = c_char_p
    found.elman_use.argtypes = [c_char_p]
    for name in ("elman_forward", "elman_backward"):
        getattr(found, name).argtypes = [POINTER(Call)]
    return found if found.elman_abi() == ABI else None


def run(name: str, call: Call) -> None:
    """One call of the library.

    Raises:
        BackendError: it was not built, or refuses the arguments.
    """
    found = library()
    if found is None:
        raise BackendError(
            "The native scan was not built.",
            fix="install elman where a C++17 compiler is found, or use the reference backend",
        )
    if status := getattr(found, name)(byref(call)):
        raise BackendError(f"The native scan refused the call: {_FAULTS.get(status, status)}.")


def instructions() -> str | None:
    """The instruction set in use (`avx512`, `avx2`, `baseline`), or None where nothing was built."""
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

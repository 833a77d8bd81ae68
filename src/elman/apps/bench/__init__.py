"""The measurements of `elman bench`: the same work by elman and by others, by turns, in one process.

    layers    a recurrent layer: training and forward only, over torch packed and padded
    step      a whole training step of a classifier, over the same network in plain PyTorch
    stream    one step of a stack at batch 1, over torch's cells and onnxruntime
    train     fitting clinc150 to a dev accuracy, over plain PyTorch and Keras 3
    growth    what length, width, batch, vocabulary and threads cost; sequences of 100,000 steps

What counts is the ratio of two times from the same turn. `measure` gives rows for `--json`.
"""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

from elman.errors import UnknownNameError

KINDS = ("layers", "step", "stream", "train", "growth")

Row = dict[str, Any]
Tell = Callable[[Row], None]
"""What is given everything found so far, the newest row last, as soon as a row is measured."""


def measure(kind: str, *, quick: bool, only: Sequence[str] = (), tell: Tell = lambda _: None) -> Row:
    """One kind of measurement: its summary, its rows, and the machine it ran on.

    Args:
        kind: one of `KINDS`.
        quick: a few small cases, in about a minute, instead of all.
        only: the cases whose name has all of these in it.
        tell: is given what was found so far after each row, which comes last.

    Raises:
        UnknownNameError: no such kind.
        MissingExtraError: what is compared with is not installed.

    >>> sorted(measure("stream", quick=True, only=["rnn 64"])["machine"])[:2]
    ['elman', 'instructions']
    """
    if kind not in KINDS:
        raise UnknownNameError.among("benchmark", kind, KINDS)
    module = importlib.import_module(f"elman.apps.bench.{kind}")
    rows: list[Row] = []
    found: Row = {"kind": kind, "quick": quick, "machine": machine(), "summary": {}, "rows": rows}
    for row in module.rows(quick=quick, only=only):
        rows.append(row)
        found["summary"] = module.summary(rows)
        tell(found)
    return found


def machine() -> Row:
    """What the figures were measured on.

    >>> machine()["threads"] >= 1
    True
    """
    import torch

    from elman import __version__, library

    return {
        "elman": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "instructions": library.instructions(),
        "threads": torch.get_num_threads(),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
    }

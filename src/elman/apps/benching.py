"""`elman bench`: the measurements of `elman.apps.bench`, one line a case, then what they come to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elman.apps.messages import say, tell
from elman.errors import BackendError


def bench(
    kind: str, *, quick: bool, only: Sequence[str], file: str | None, instructions: str | None
) -> None:
    """Measure, print, and write the figures to a file.

    Raises:
        UnknownNameError: no such kind.
        BackendError: this machine does not have the instruction set.
        MissingExtraError: what is compared with is not installed.
        StorageError: the file cannot be written.
    """
    if instructions is not None:
        # Said before torch is loaded, or its own kernels would use what the machine has.
        names = {"avx512": "AVX512_CORE", "amx": "AVX512_CORE_AMX"}
        os.environ["ONEDNN_MAX_CPU_ISA"] = names.get(instructions, instructions.upper())
    from elman import library
    from elman.apps import bench
    from elman.apps.render import columns, show
    from elman.atomic import write_bytes

    if instructions is not None:
        library.use_instructions(instructions)
    if library.library() is None:
        raise BackendError(
            "There is nothing to measure: the native scan was not built.",
            fix="install elman where a C++17 compiler is found",
        )
    tell("bench.start", kind=kind, **bench.machine())

    def told(found: dict[str, Any]) -> None:
        _show(found["rows"][-1])
        if file is not None:  # after every case: a measurement that is stopped has its figures so far
            text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
            write_bytes(Path(file), text.encode())

    found = bench.measure(kind, quick=quick, only=only, tell=told)
    heads, figures = [say("bench.figure"), say("bench.value")], found["summary"].items()
    if figures:  # a quick run may have too few cases for any
        show("", columns(heads, [[say(f"bench.{key}"), f"{value:.2f}"] for key, value in figures]))
    if file is not None and found["rows"]:
        tell("bench.written", path=file)


def _show(row: dict[str, Any]) -> None:
    """A line for each thing that was measured of a case."""
    case = row["case"]
    for what in ("training", "forward", "step"):
        if what in row:
            over = row[what]["over"].items()
            others = ",  ".join(
                f"{name} {one['ratio']:.2f}× ({one['low']:.2f} … {one['high']:.2f})"
                for name, one in over
            )
            tell(
                "bench.times", case=case, what=what, ms=f"{row[what]['ms']['elman']:.3g}", others=others
            )
    if "kilobytes" in row:
        tell("bench.long", case=case, seconds=row["seconds"], megabytes=row["kilobytes"] / 1e3)
    for who, curve in row.get("curves", {}).items():
        seconds = say("seconds", seconds=f"{row['seconds'][who]:.1f}")
        accuracy = max(one for _, one in curve)
        tell("bench.fit", case=case, who=who, seconds=seconds, target=row["target"], accuracy=accuracy)
    for who, why in row.get("left_out", {}).items():
        tell("bench.left_out", case=case, who=who, why=why)

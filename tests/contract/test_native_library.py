"""The compiled library holds what no answer shows."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from elman import library


@cache
def prefetches() -> dict[str, int]:
    """By function, how often it asks for memory ahead."""
    path = Path(library.__file__).with_name("libelman.so")
    listing = subprocess.run(
        ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    functions = re.split(r"^[0-9a-f]+ <(.*)>:$", listing, flags=re.MULTILINE)[1:]
    return {
        name: text.count("\tprefetch")
        for name, text in zip(functions[::2], functions[1::2], strict=True)
    }


@pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")
@pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("objdump") is None, reason="needs objdump on x86_64"
)
@pytest.mark.parametrize("instructions", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("cell", ["Rnn<float, false>", "Rnn<float, true>", "Lstm<float>", "Gru<float>"])
def test_the_walk_asks_for_what_it_will_need(instructions: str, cell: str) -> None:
    """A compiler that takes a function which only prefetches for one that does nothing leaves out its calls."""
    walker = re.escape(f"{instructions}::Walker<float, {instructions}::{cell} >")
    if not prefetches():
        pytest.skip("the names of the library's functions were stripped")
    walkers = {name: count for name, count in prefetches().items() if re.search(walker, name)}
    for way in ("forward", "backward"):
        assert sum(count for name, count in walkers.items() if f"::{way}" in name) >= 5, (way, walkers)

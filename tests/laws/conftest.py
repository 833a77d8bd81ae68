"""What several laws are held with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elman import library
from elman.errors import BackendError


@pytest.fixture(params=["baseline", "avx2", "avx512", "amx"])
def every_instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of the instruction sets that this machine has, in use."""
    before = library.instructions()
    try:
        library.use_instructions(request.param)
    except BackendError:
        pytest.skip(f"this machine has no {request.param}")
    yield request.param
    library.use_instructions(str(before))

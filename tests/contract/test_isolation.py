"""The promises of tests/conftest.py, without which other tests could pass by chance."""

from __future__ import annotations

import random
import socket

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(3),
        lambda: torch.empty_like(torch.ones(3, dtype=torch.float64)),
        lambda: torch.ones(2).new_empty(3),
        lambda: torch.empty_strided((3,), (1,)),
        lambda: torch.ones(0).resize_(3),
    ],
)
def test_memory_that_nobody_wrote_to_is_nan(make) -> None:
    assert make().isnan().all()


SEEN: list[tuple[float, float, float]] = []


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_starts_from_the_same_numbers(turn: int) -> None:
    SEEN.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
    assert SEEN[0] == SEEN[-1], f"test {turn} drew other numbers than the first"


DRAWN: set[float] = set()


@hypothesis.given(st.integers())
def test_every_example_starts_from_the_same_numbers(example: int) -> None:
    DRAWN.add(float(torch.rand(())))
    assert len(DRAWN) == 1, f"example {example} drew other numbers than the first"


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80), ("2001:db8::1", 80)])
def test_the_network_is_out_of_reach(address: tuple[str, int]) -> None:
    with pytest.raises(RuntimeError, match="tests use no network"):
        socket.create_connection(address, timeout=1)


def test_this_machine_is_within_reach() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
    ):
        pass


def test_threads_are_few() -> None:
    assert torch.get_num_threads() <= 2

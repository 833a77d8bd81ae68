"""What holds under every test: fixed seeds, poisoned memory, few threads and no network."""

from __future__ import annotations

import ipaddress
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch

SEED = 20250101
THREADS = 2

hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)


class TorchRandom:
    """torch's generator as hypothesis wants it, so that each example starts from the same numbers."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


TORCH_RANDOM = TorchRandom()  # hypothesis keeps a weak reference only


def is_local(host: object) -> bool:
    """Whether a host, as a socket gets it, is this machine; what names no host (a Unix socket) is."""
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def stay_local(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook that lets no socket of this process leave the machine, whoever opens it."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not is_local(host):
        raise RuntimeError(
            f"A test reached for {host!r}: tests use no network. Serve it from 127.0.0.1."
        )


def pytest_configure() -> None:
    """What is set once, for the doctests of src as well."""
    torch.set_num_threads(min(THREADS, torch.get_num_threads()))
    hypothesis.register_random(TORCH_RANDOM)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "quick")
    sys.addaudithook(stay_local)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random numbers, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """However many threads a test asks for, the next one has as many as before."""
    before = torch.get_num_threads()
    yield
    if torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Memory that nobody wrote to holds NaN (the largest integer, True), so reading it shows.

    torch fills it in deterministic mode only. That mode sits below Python, so `empty`, `empty_like`,
    `new_empty`, `resize_` and a kernel's own allocations are all covered, at a few per cent of the time.
    """
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    mode = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = True
    yield
    memory.fill_uninitialized_memory = fill
    torch.use_deterministic_algorithms(mode, warn_only=warns)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of downloaded data that ELMAN_MIRROR names."""
    named = os.environ.get("ELMAN_MIRROR")
    if not named:
        pytest.skip("ELMAN_MIRROR is not set: this test reads real data from the folder that it names")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"ELMAN_MIRROR={named} is no folder")
    return folder

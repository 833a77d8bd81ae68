"""The compiled scan on shapes, lengths and arguments that chance makes: right, or refused, never a crash."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman import library
from elman.errors import BackendError, ElmanError
from elman.layers.recurrent import Recurrent
from elman.layers.stepper import Stepper
from elman.ragged import Ragged
from elman.scan import backend

from .cases import biased

pytestmark = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")

STANDARD = ("rnn", "rnn-relu", "lstm", "gru")
lengths = st.lists(st.integers(0, 9), max_size=12)


def results(layer: Recurrent, values: Tensor, offsets: Tensor, state: Any) -> list[Tensor]:
    """Outputs, finals, and the gradients of input, states and weights."""
    leaves = [one.clone().requires_grad_() for one in (values, *state)]
    found = layer(Ragged(leaves[0], offsets), tuple(leaves[1:]))
    every = [found.outputs.values, *found.final]
    total = sum((one * torch.linspace(-1, 1, one.numel()).view_as(one)).sum() for one in every)
    # Without a step no weight plays a part.
    wanted = [*leaves, *layer.parameters()]
    grads = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)  # pyright: ignore
    return [*every, *grads]


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from((*STANDARD, "mingru", "minlstm")),
    lengths=lengths,
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    layers=st.integers(1, 2),
    both=st.booleans(),
    bias=st.booleans(),
    threads=st.integers(1, 2),
)
def test_any_shape_is_the_references(
    cell: str,
    lengths: list[int],
    sizes: tuple[int, int],
    layers: int,
    both: bool,
    bias: bool,
    threads: int,
) -> None:
    """In float64, where the two differ by nothing but the order of sums."""
    layer = biased(Recurrent(cell, *sizes, layers, bidirectional=both, bias=bias, dtype=torch.float64))
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    values = torch.randn(sum(lengths), sizes[0], dtype=torch.float64)
    state = [torch.randn_like(one) for one in layer.start(len(lengths))]
    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with backend("native"):
            found = results(layer, values, offsets, state)
    finally:
        torch.set_num_threads(own)
    with backend("reference"):
        wanted = results(layer, values, offsets, state)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from((*STANDARD, "mingru", "minlstm")),
    sizes=st.tuples(st.integers(1, 130), st.integers(1, 130)),
    layers=st.integers(1, 3),
    batch=st.integers(1, 3),
    bias=st.booleans(),
    weights=st.sampled_from([None, "bfloat16", "int8"]),
)
def test_a_step_of_any_shape_is_the_equations(
    cell: str, sizes: tuple[int, int], layers: int, batch: int, bias: bool, weights: str | None
) -> None:
    """Of the numbers that the stored weights stand for: the cells' own step, by hand."""
    stepper = Stepper(biased(Recurrent(cell, *sizes, layers, bias=bias)), batch, weights)
    other = Stepper(Recurrent(cell, *sizes, layers, bias=bias), batch)
    other._cells = stepper._cells
    for x in torch.randn(3, batch, sizes[0]):
        other._by_hand(x)
        torch.testing.assert_close(stepper.push(x), other._output, rtol=1e-4, atol=1e-4)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), cell=st.sampled_from(STANDARD))
def test_arguments_that_do_not_fit_raise(data: Any, cell: str) -> None:
    """One argument of the operator is replaced by a tensor of any other shape or type."""
    layer, xs = Recurrent(cell, 3, 4), Ragged.of([torch.randn(n, 3) for n in (2, 0, 5)])
    given_ = [xs.values, xs.offsets, *(one.detach() for one in layer.parameters()), *layer.start(3)]
    place = data.draw(st.integers(0, len(given_) - 1))
    shape = tuple(data.draw(st.lists(st.integers(0, 6), max_size=3)))
    kind = data.draw(st.sampled_from([torch.float32, torch.float64, torch.int64]))
    if shape == given_[place].shape and kind == given_[place].dtype:
        return
    given_[place] = torch.ones(shape, dtype=kind)
    try:
        torch.ops.elman.recurrent(given_[0], given_[1], given_[2:6], given_[6:], cell, True, False, True)
    except (ElmanError, IndexError):
        return
    # What remains is another batch or input that is as good as the one before.
    assert place == 1
    assert given_[1].tolist() in ([0], [0, 7])


@settings(max_examples=60, deadline=None)
@given(offsets=st.lists(st.integers(-3, 9), min_size=1, max_size=6))
def test_offsets_that_do_not_describe_the_rows_raise(offsets: list[int]) -> None:
    sound = offsets[0] == 0 and offsets[-1] == 7 and offsets == sorted(offsets)
    layer, batch = Recurrent("gru", 3, 4), len(offsets) - 1
    given_ = (torch.ones(7, 3), torch.tensor(offsets), [*layer.parameters()], [*layer.start(batch)])
    with torch.no_grad():
        if sound:
            torch.ops.elman.recurrent(*given_, "gru", True, False, True)
        else:
            with pytest.raises(BackendError):
                torch.ops.elman.recurrent(*given_, "gru", True, False, True)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["elman_forward", "elman_backward"]))
def test_the_library_refuses_a_call_with_anything_missing(data: Any, name: str) -> None:
    """Sizes that make sense, and pointers that are null: the C functions look before they read."""
    call = library.Call()
    offsets = (ctypes.c_int64 * 3)(0, 2, 5)
    call.cell, call.type, call.directions = data.draw(st.tuples(*[st.integers(-1, 4)] * 3))
    call.threads, call.keep = data.draw(st.tuples(*[st.integers(-1, 2)] * 2))
    call.batch, call.rows = data.draw(st.sampled_from([(2, 5), (-1, 5), (2, -5), (2, 4), (1, 2)]))
    call.input, call.hidden, call.output_stride = data.draw(st.tuples(*[st.integers(-1, 5)] * 3))
    call.offsets = data.draw(st.sampled_from([None, ctypes.addressof(offsets)]))
    with pytest.raises(BackendError, match="refused"):
        library.run(name, call)


LONG = """
    import re, torch
    from elman.layers.recurrent import Recurrent
    from elman.ragged import Ragged
    torch.set_num_threads(1)
    layer = Recurrent("{name}", 8, 8)
    layer(Ragged.of([torch.randn({steps}, 8)])).outputs.values.square().mean().backward()
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("name", ["lstm", "mingru"])
def test_the_memory_of_a_long_sequence_grows_as_the_sequence(name: str) -> None:
    """300,000 steps more take what 300,000 more did before: nothing is quadratic."""
    # Each in a process of its own, where what is freed goes back at once: the peak is then what was needed, and
    # not what was at hand.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    peaks = []
    for steps in (400_000, 700_000, 1_000_000):
        code = textwrap.dedent(LONG).replace("{name}", name).replace("{steps}", str(steps))
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    first, second = peaks[1] - peaks[0], peaks[2] - peaks[1]
    assert 0 < second < 1.1 * first


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_weights_beyond_the_near_caches_change_nothing(name: str, threads: int) -> None:
    """The panels of a step are asked for ahead there: sizes that no vector divides, few sequences and many."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for lengths in ((9,), (7, 12, 1, 0, 5, 9, 3, 3, 8, 2, 11, 6)):
            layer = Recurrent(name, 3, 701 if name != "rnn" else 1_601)
            xs = Ragged.of([torch.randn(one, 3) for one in lengths])
            found = []
            for kind in ("native", "reference"):
                with backend(kind):
                    outputs = layer(xs).outputs.values
                    grads = torch.autograd.grad(outputs.square().mean(), list(layer.parameters()))
                found.append([outputs.detach(), *grads])
            for ours, theirs in zip(*found, strict=True):
                scale = float(theirs.abs().max())
                torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * scale)
    finally:
        torch.set_num_threads(before)

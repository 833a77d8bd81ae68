"""What the compiled scan owes beyond its numbers: to torch's tools, processes, threads, bad input."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elman import cells, library, registry
from elman.errors import BackendError, ShapeError
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import backend, linear, native, scan

from .cases import Case, biased, made, numbers_of, weights_of

CELLS = registry.names("cells")
STANDARD = ("rnn", "rnn-relu", "lstm", "gru")
LINEAR = tuple(name for name in CELLS if name not in STANDARD)
every_cell = pytest.mark.parametrize("name", CELLS)
pytestmark = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")

LENGTHS = (7, 0, 1, 12, 5)


def batch_of(width: int, dtype: torch.dtype = torch.float32) -> Ragged:
    return Ragged.of([torch.randn(length, width, dtype=dtype) for length in LENGTHS])


def results(layer: Recurrent, xs: Ragged) -> list[Tensor]:
    """Outputs, finals, and the gradient of everything."""
    values = xs.values.detach().clone().requires_grad_()
    found = layer(xs.with_values(values))
    total = sum((one * one.detach().cos()).sum() for one in (found.outputs.values, *found.final))
    grads = torch.autograd.grad(total, [values, *layer.parameters()])  # pyright: ignore
    return [found.outputs.values.detach(), *(one.detach() for one in found.final), *grads]


# --- sums ---


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("width", [3, 1200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_over_many_steps(name: str, width: int, dtype: torch.dtype) -> None:
    """More steps than a product sums at once, and inputs too wide for the cache, which halve that."""
    torch.manual_seed(0)
    layer = biased(Recurrent(name, width, 21, bidirectional=True)).double()
    xs = Ragged.of([torch.randn(length, width, dtype=torch.float64) for length in (290, 1, 300)])
    with backend("reference"):
        wanted = results(layer, xs)
    with backend("native"):
        found = results(layer.to(dtype), xs.with_values(xs.values.to(dtype)))
    for one, other in zip(wanted, found, strict=True):
        error = (one - other).abs().max() / one.abs().max()
        assert error < (1e-4 if dtype is torch.float32 else 1e-12)


# --- gradients of gradients ---


@every_cell
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_gradients(name: str, reverse: bool) -> None:
    """Every second derivative by finite differences, as torch checks them."""
    cell_type, case = cells.get(name), Case((2, 0, 1), 1, 2, seed=1, reverse=reverse)
    _, xs, state = made(cell_type, case)
    weights = weights_of(cell_type, case, numbers_of(case))

    def run(values: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        cell = cell_type(**dict(zip(weights, given[len(state) :], strict=True)))
        with backend("native"):
            result = scan(cell, xs.with_values(values), given[: len(state)], reverse=reverse)
        return (result.outputs.values, *result.final)

    leaves = [one.requires_grad_() for one in (xs.values, *state, *weights.values())]
    assert torch.autograd.gradgradcheck(run, leaves)


@every_cell
@pytest.mark.parametrize("hidden", [1, 17, 40])
def test_no_state_is_a_state_of_zeros(name: str, hidden: int) -> None:
    """To the bit, with all gradients, and those of gradients; what is not multiplied is nothing."""
    torch.manual_seed(0)
    layer, xs = biased(Recurrent(name, 3, hidden, bidirectional=True)), batch_of(3)
    scales = [torch.randn(len(xs.values), 2 * hidden), torch.randn(2, len(xs), hidden)]
    leaves = [xs.values.requires_grad_(), *layer.parameters()]

    def run(state: Any) -> list[Tensor]:
        found = layer(xs, state)
        results = [found.outputs.values, *found.final]
        total = sum((one * scales[n > 0]).sum() for n, one in enumerate(results))
        plain = torch.autograd.grad(total, leaves, retain_graph=True)  # pyright: ignore[reportArgumentType]
        first = torch.autograd.grad(total, leaves, create_graph=True)  # pyright: ignore[reportArgumentType]
        second = torch.autograd.grad(sum(one.square().sum() for one in first), leaves)  # pyright: ignore[reportArgumentType]
        return [*results, *plain, *second]

    for ours, theirs in zip(run(None), run(layer.start(len(xs))), strict=True):
        assert torch.equal(ours, theirs)


@every_cell
def test_a_graph_that_is_kept_works_twice(name: str) -> None:
    layer, xs = Recurrent(name, 3, 4, bidirectional=True), batch_of(3)
    total = layer(xs).outputs.values.square().sum()
    first = torch.autograd.grad(total, list(layer.parameters()), retain_graph=True)
    second = torch.autograd.grad(total, list(layer.parameters()))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


# --- torch's tools ---


def arguments(name: str, **changes: Any) -> list[Any]:
    """What `elman::recurrent` takes."""
    torch.manual_seed(0)
    layer, xs = Recurrent(name, 3, 4), batch_of(3)
    weights = [one.detach().requires_grad_() for one in layer.parameters()]
    state = [torch.randn(1, len(xs), 4).requires_grad_() for _ in layer.cell_type.states]
    given = {
        "x": xs.values.requires_grad_(),
        "offsets": xs.offsets,
        "weights": weights,
        "initial": state,
    }
    return [*(given | changes).values(), name, True, False, True]


@pytest.mark.parametrize("name", STANDARD)
def test_the_operator_keeps_torchs_contract(name: str) -> None:
    torch.library.opcheck(torch.ops.elman.recurrent.default, arguments(name))
    torch.library.opcheck(torch.ops.elman.recurrent.default, arguments(name, initial=[]))


@pytest.mark.parametrize("reverse", [False, True])
def test_the_linear_operator_keeps_torchs_contract(reverse: bool) -> None:
    xs = batch_of(3)
    a, b, h = (
        torch.randn(*shape).requires_grad_() for shape in (xs.values.shape, xs.values.shape, (5, 3))
    )
    torch.library.opcheck(torch.ops.elman.linear_recurrence.default, (a, b, xs.offsets, h, reverse))


class Whole(nn.Module):
    """A stack from plain tensors to plain tensors."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.layer = Recurrent(name, 3, 4, num_layers=2, bidirectional=True)

    def forward(self, values: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        result = self.layer(Ragged(values, offsets))
        return result.outputs.values, result.final[0]


@every_cell
def test_it_is_compiled_without_a_break(name: str) -> None:
    whole, xs = Whole(name), batch_of(3)
    compiled = torch.compile(whole, backend="aot_eager", fullgraph=True)
    for ours, theirs in zip(compiled(xs.values, xs.offsets), whole(xs.values, xs.offsets), strict=True):
        torch.testing.assert_close(ours, theirs)
    grads = []
    for module in (whole, compiled):
        whole.zero_grad()
        module(xs.values, xs.offsets)[0].square().sum().backward()
        grads.append([one.grad.clone() for one in whole.parameters() if one.grad is not None])
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)


@every_cell
def test_it_is_exported_for_any_length(name: str) -> None:
    whole, xs = Whole(name).eval(), batch_of(3)
    steps, batch = torch.export.Dim("steps", min=2), torch.export.Dim("batch", min=3)
    exported = torch.export.export(
        whole, (xs.values, xs.offsets), dynamic_shapes=({0: steps}, {0: batch})
    )
    other = Ragged.of([torch.randn(n, 3) for n in (3, 9, 0, 2, 2, 6, 1)])
    for given in (xs, other):
        ours, theirs = exported.module()(given.values, given.offsets), whole(given.values, given.offsets)
        for one, two in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, two)


# --- instruction sets and accuracy ---


@every_cell
@pytest.mark.parametrize("instructions", ["baseline", "avx2", "avx512", "amx"])
def test_every_instruction_set_agrees(name: str, instructions: str) -> None:
    layer, xs = biased(Recurrent(name, 5, 37, bidirectional=True)), batch_of(5)
    before, wanted = library.instructions(), results(layer, xs)
    try:
        library.use_instructions(instructions)
    except BackendError:
        pytest.skip(f"this machine has no {instructions}")
    try:
        found = results(layer, xs)
    finally:
        library.use_instructions(str(before))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("hidden", [1, 17, 64])
def test_no_error_is_three_times_torchs_own(name: str, hidden: int) -> None:
    """Of each result in float32, against float64: the mean square over ten draws, torch's and ours."""
    peer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[name]

    def run(module: Any, x: Any) -> list[Tensor]:
        outputs = module(x)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs.outputs.values[:, None]
        scale = torch.linspace(-1, 1, outputs.numel()).view_as(outputs).to(outputs.dtype)
        grads = torch.autograd.grad((outputs * scale).sum(), list(module.parameters()))
        return [outputs.detach(), *grads]

    errors: list[list[Tensor]] = [[], []]
    for seed in range(10):
        torch.manual_seed(seed)
        values = torch.randn(60, 1, 8)
        single = peer(8, hidden, bidirectional=True)
        double = peer(8, hidden, bidirectional=True).double()
        ours = Recurrent(name, 8, hidden, bidirectional=True)
        for one in (double, ours):
            one.load_state_dict(single.state_dict())
        exact = run(double, values.double())
        with backend("native"):
            found = run(ours, Ragged.of([values[:, 0]]))
        for kept, results_ in zip(errors, (run(single, values), found), strict=True):
            pairs = zip(results_, exact, strict=True)
            kept.append(torch.stack([(one - true).square().mean() for one, true in pairs]))
    theirs, own = (torch.stack(one).mean(0).sqrt() for one in errors)
    assert bool((own <= 3 * theirs).all()), own / theirs


# --- processes, threads, memory ---


@every_cell
def test_it_repeats_itself_to_the_bit_and_under_many_threads(name: str) -> None:
    layer, xs = Recurrent(name, 5, 20, num_layers=2, bidirectional=True), batch_of(5)
    wanted = results(layer, xs)

    def again(_: int) -> bool:
        found = results(layer, xs)
        return all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(16)))


IN_A_CHILD = """
    import os, torch
    from elman.layers.recurrent import Recurrent
    from elman.ragged import Ragged
    torch.set_num_threads(2)
    layer = Recurrent("{name}", 60, 40)  # large enough for a matrix unit
    xs = Ragged.of([torch.randn(n, 60) for n in (9, 4, 30) * 8])
    wanted = layer(xs).outputs.values.detach()
    class Scans(torch.utils.data.Dataset):
        def __len__(self): return 4
        def __getitem__(self, number):
            with torch.no_grad(): return layer(xs).outputs.values
    child = os.fork()
    if not child:
        with torch.no_grad():
            os._exit(0 if torch.allclose(layer(xs).outputs.values, wanted, atol=1e-6) else 1)
    assert os.waitpid(child, 0)[1] == 0
    for one in torch.utils.data.DataLoader(Scans(), batch_size=None, num_workers=2):
        assert torch.allclose(one, wanted, atol=1e-6)
    assert torch.allclose(layer(xs).outputs.values, wanted, atol=1e-6)
"""


@pytest.mark.parametrize("name", ["lstm", "mingru"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_it_works_after_fork_and_in_workers(name: str) -> None:
    code = textwrap.dedent(IN_A_CHILD).replace("{name}", name)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["gru", "mingru"])
def test_ten_thousand_steps_leak_nothing(name: str) -> None:
    layer, xs = Recurrent(name, 3, 16), batch_of(3)

    def train(steps: int) -> int:
        for _ in range(steps):
            layer(xs).outputs.values.sum().backward()
            layer.zero_grad()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = train(500)
    assert train(9_500) - before < 8_000, "kilobytes more at the peak"


# --- what does not fit ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"x": torch.randn(25, 2)}, ShapeError),
        ({"x": torch.randn(24, 3)}, BackendError),
        ({"offsets": torch.tensor([0, 9, 7, 8, 20, 25])}, BackendError),
        ({"offsets": torch.tensor([0, 25])}, ShapeError),
        ({"offsets": torch.tensor([0.0, 25.0])}, ShapeError),
        ({"initial": [torch.randn(1, 5, 3)]}, ShapeError),
        ({"initial": [torch.randn(1, 5, 4)] * 2}, ShapeError),
        ({"initial": [torch.randn(1, 5, 4, dtype=torch.float64)]}, ShapeError),
        ({"weights": []}, ShapeError),
        (
            {"weights": [torch.randn(12, 3), torch.randn(12, 4), torch.randn(12), torch.randn(11)]},
            ShapeError,
        ),
        (
            {"weights": [torch.randn(12, 3), torch.randn(12, 5), torch.randn(12), torch.randn(12)]},
            ShapeError,
        ),
    ],
)
def test_malformed_calls_raise(changes: dict[str, Any], error: type[Exception]) -> None:
    """Whoever calls the operator directly gets an error, and never a crash."""
    with torch.no_grad(), pytest.raises(error):
        torch.ops.elman.recurrent(*arguments("gru", **changes))


@pytest.mark.parametrize(
    ("a", "b", "initial"), [((4, 3), (4, 2), (1, 3)), ((4, 3), (4, 3), (2, 3)), ((5, 3), (4, 3), (1, 3))]
)
def test_malformed_linear_calls_raise(a: Any, b: Any, initial: Any) -> None:
    with pytest.raises(ShapeError):
        torch.ops.elman.linear_recurrence(
            torch.ones(a), torch.ones(b), torch.tensor([0, 4]), torch.ones(initial), False
        )


def test_the_library_refuses_what_it_is_not_given() -> None:
    """The C functions look at their arguments too."""
    for name, call in (
        ("elman_forward", library.Call()),
        ("elman_backward", library.Call()),
        ("elman_linear_forward", library.Linear()),
        ("elman_linear_backward", library.Linear()),
        ("elman_step_check", library.Steps()),
    ):
        with pytest.raises(BackendError, match="refused"):
            library.run(name, call)


def test_a_library_of_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lack functions that are called here: nothing but its version is asked for."""
    other = types.SimpleNamespace(elman_abi=lambda: library.ABI - 1)
    monkeypatch.setattr(library.ctypes, "CDLL", lambda _: other)
    assert library.library.__wrapped__() is None


def test_what_is_asked_for_and_absent_raises() -> None:
    layer, xs = Recurrent("lstm", 3, 4).to(torch.bfloat16), batch_of(3)
    with backend("native"), pytest.raises(BackendError, match="float32 and float64 only"):
        layer(xs)
    with backend("torch"), pytest.raises(BackendError, match="no gates to record"):
        Recurrent("lstm", 3, 4)(xs, record=["i"])
    with backend("torch"), pytest.raises(BackendError, match="no kernel for the cell MinGRU"):
        Recurrent("mingru", 3, 4)(xs)
    assert native.obstacle(layer.step_cells(), xs)
    assert linear.run is not None


@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_torchs_kernels_agree(name: str, bidirectional: bool) -> None:
    layer, xs = Recurrent(name, 3, 4, num_layers=2, bidirectional=bidirectional), batch_of(3)
    with backend("reference"):
        wanted = results(layer, xs)
    with backend("torch"):
        found = results(layer, xs)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)

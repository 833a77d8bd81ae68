"""torch's own modules beside `elman.nn`: same inputs, same weights, outputs, states and all gradients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import elman
from elman.ragged import Ragged

KINDS: dict[str, dict[str, Any]] = {
    "RNN": {},
    "RNN relu": {"nonlinearity": "relu"},
    "LSTM": {},
    "LSTM projected": {"proj_size": 2},
    "GRU": {},
}
FORMS = ("time first", "batch first", "single", "sorted", "unsorted")
LENGTHS = {"sorted": [4, 3, 1], "unsorted": [1, 4, 3]}
INPUT, HIDDEN, TIME, BATCH = 2, 4, 4, 3

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch, of its own speed
every_kind = pytest.mark.parametrize("kind", KINDS)


def pair_of(kind: str, *sizes: int, dtype: torch.dtype = torch.float64, **options: Any) -> list[Any]:
    """torch's module and elman's, with the same weights."""
    name, options = kind.split()[0], KINDS[kind] | options | {"dtype": dtype}
    pair = [getattr(home, name)(*(sizes or (INPUT, HIDDEN)), **options) for home in (nn, elman.nn)]
    pair[1].load_state_dict(pair[0].state_dict())
    return pair


def input_of(form: str, values: Tensor) -> Any:
    """Numbers `batch time features` in one of the forms."""
    if form in LENGTHS:
        lengths = torch.tensor(LENGTHS[form])
        return pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=form == "sorted")
    return {"time first": values.transpose(0, 1), "batch first": values, "single": values[0]}[form]


def state_of(module: Any, form: str) -> list[Tensor]:
    """Random initial states, as torch wants them for this form."""
    layers = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or module.hidden_size]
    widths += [module.hidden_size] if isinstance(module, nn.LSTM) else []
    dtype = module.weight_ih_l0.dtype
    return [
        torch.randn((layers, width) if form == "single" else (layers, BATCH, width), dtype=dtype)
        for width in widths
    ]


def flat(result: Any) -> list[Tensor]:
    """The tensors in what a module returns: the values of the outputs, then each state."""
    outputs, final = result
    values = outputs.data if isinstance(outputs, PackedSequence) else outputs
    return [values, *(final if isinstance(final, tuple) else [final])]


def everything(module: Any, form: str, values: Tensor, start: Sequence[Tensor]) -> dict[str, Tensor]:
    """Outputs, final states, and the gradients of the inputs, the initial states and all parameters."""
    leaves = [one.clone().requires_grad_() for one in (values, *start)]
    hx = tuple(leaves[1:]) if len(leaves) > 2 else leaves[1] if start else None
    found = flat(module(input_of(form, leaves[0]), hx))
    loss = sum((one * torch.linspace(-1, 2, one.numel()).view(one.shape)).sum() for one in found)
    weights = dict(module.named_parameters())
    wanted = [*leaves, *weights.values()]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    names = ["inputs", *(f"start {i}" for i in range(len(start))), *weights]
    named = {"outputs": found[0]} | {f"final {i}": one for i, one in enumerate(found[1:])}
    return named | {f"gradient of {one}": g for one, g in zip(names, gradients, strict=True)}


def alike(theirs: dict[str, Tensor], ours: dict[str, Tensor], tolerance: float) -> None:
    assert list(theirs) == list(ours)
    for what, one in theirs.items():
        torch.testing.assert_close(
            ours[what],
            one,
            rtol=tolerance,
            atol=tolerance,
            msg=lambda text, what=what: f"{what}: {text}",
        )


# --- values and gradients ---


@every_kind
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_values_and_gradients(kind: str, form: str, bidirectional: bool, num_layers: int) -> None:
    options = {"bidirectional": bidirectional, "num_layers": num_layers}
    for bias, given in itertools.product([True, False], [True, False]):
        theirs, ours = pair_of(kind, bias=bias, batch_first=form == "batch first", **options)
        values = torch.randn(BATCH, TIME, INPUT, dtype=torch.float64)
        start = state_of(theirs, form) if given else []
        found = [everything(module, form, values, start) for module in (theirs, ours)]
        alike(*found, 1e-10)


@every_kind
@pytest.mark.parametrize("form", FORMS)
def test_single_precision(kind: str, form: str) -> None:
    options = {"bidirectional": True, "num_layers": 2, "batch_first": form == "batch first"}
    theirs, ours = pair_of(kind, dtype=torch.float32, **options)
    values, start = torch.randn(BATCH, TIME, INPUT), state_of(theirs, form)
    alike(*(everything(module, form, values, start) for module in (theirs, ours)), 1e-5)


@every_kind
def test_ragged_in_ragged_out(kind: str) -> None:
    """The same numbers as packed; and an empty sequence leaves its state as it was."""
    theirs, ours = pair_of(kind, num_layers=2, bidirectional=True)
    values = torch.randn(BATCH, TIME, INPUT, dtype=torch.float64)
    start = state_of(theirs, "unsorted")
    hx = tuple(start) if len(start) > 1 else start[0]
    packed = input_of("unsorted", values)
    outputs, final = theirs(packed, hx)
    found, end = ours(Ragged.from_packed(packed), hx)
    assert type(found) is Ragged
    assert found.lengths.tolist() == LENGTHS["unsorted"]
    torch.testing.assert_close(found.values, Ragged.from_packed(outputs).values, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(end, final, rtol=1e-10, atol=1e-10)
    empty = Ragged.of([values[0, :0]] * BATCH)
    found, end = ours(empty, hx)
    assert found.values.shape == (0, 2 * (ours.proj_size or HIDDEN))
    assert all(map(torch.equal, end if isinstance(end, tuple) else [end], start))


@every_kind
def test_types_and_shapes_are_torchs(kind: str) -> None:
    """Of every form, down to the indices of what was packed, and memory that can be viewed."""
    for form, bidirectional in itertools.product(FORMS, [False, True]):
        options = {"batch_first": form == "batch first", "bidirectional": bidirectional}
        theirs, ours = pair_of(kind, **options)
        values = input_of(form, torch.randn(BATCH, TIME, INPUT, dtype=torch.float64))
        (outputs, final), (found, end) = theirs(values), ours(values)
        assert type(outputs) is type(found)
        assert type(final) is type(end)
        assert [one.shape for one in flat((outputs, final))] == [one.shape for one in flat((found, end))]
        assert all(one.is_contiguous() for one in flat((found, end)))
        if isinstance(found, PackedSequence):
            assert torch.equal(found.batch_sizes, values.batch_sizes)
            for index in ("sorted_indices", "unsorted_indices"):
                told, kept = getattr(outputs, index), getattr(found, index)
                assert (told is None) == (kept is None)
                assert told is None or torch.equal(told, kept)


@every_kind
def test_any_order_of_equally_long_sequences(kind: str) -> None:
    """Which of them comes first in the packed numbers is told by the indices alone."""
    theirs, ours = pair_of(kind, bidirectional=True)
    values = torch.randn(BATCH, TIME, INPUT, dtype=torch.float64)
    start = state_of(theirs, "unsorted")
    hx = tuple(start) if len(start) > 1 else start[0]
    for order in ([2, 0, 1], [2, 1, 0]):
        chosen = torch.tensor(order)
        data, sizes, _, _ = pack_padded_sequence(
            values[chosen], torch.tensor([4, 2, 2]), batch_first=True
        )
        packed = PackedSequence(data, sizes, chosen)
        for one, other in zip(flat(theirs(packed, hx)), flat(ours(packed, hx)), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)


@every_kind
def test_a_batch_of_nothing(kind: str) -> None:
    theirs, ours = pair_of(kind, bidirectional=True, num_layers=2)
    values = torch.zeros(TIME, 0, INPUT, dtype=torch.float64)
    for one, other in zip(flat(theirs(values)), flat(ours(values)), strict=True):
        assert one.shape == other.shape


# --- parameters ---


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_seed_draws_the_same_weights(kind: str, bidirectional: bool, dtype: Any) -> None:
    """In the same order, leaving the generator at the same place; and again by `reset_parameters`."""
    name, drawn = kind.split()[0], []
    options = KINDS[kind] | {"num_layers": 2, "bidirectional": bidirectional, "dtype": dtype}
    for home in (nn, elman.nn):
        torch.manual_seed(5)
        module = getattr(home, name)(3, 5, **options)
        first = [one.detach().clone() for one in module.parameters()]
        module.reset_parameters()
        drawn.append([*first, *module.parameters(), torch.rand(3)])
    assert all(map(torch.equal, *drawn))


@every_kind
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_are_torchs(kind: str, bias: bool) -> None:
    theirs, ours = pair_of(kind, num_layers=2, bidirectional=True, bias=bias, batch_first=True)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    names = [{id(one): name for name, one in module.named_parameters()} for module in (theirs, ours)]
    listed = [
        [[known[id(one)] for one in layer] for layer in module.all_weights]
        for module, known in zip((theirs, ours), names, strict=True)
    ]
    assert listed[0] == listed[1]
    assert repr(theirs) == repr(ours)
    for name in ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "mode"):
        assert getattr(theirs, name) == getattr(ours, name)
    assert (theirs.bidirectional, theirs.proj_size) == (ours.bidirectional, ours.proj_size)
    assert ours.flatten_parameters() is None


@every_kind
def test_dropout_is_torchs(kind: str) -> None:
    """On one sequence the numbers fall on the same places, so the same seed drops the same features."""
    theirs, ours = pair_of(kind, num_layers=3, bidirectional=True, dropout=0.4)
    values = torch.randn(TIME, INPUT, dtype=torch.float64)
    found = []
    for module in (theirs, ours):
        torch.manual_seed(3)
        found.append(module(values)[0])
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)
    assert not torch.equal(ours(values)[0], found[1])
    theirs.eval()
    torch.testing.assert_close(ours.eval()(values), theirs(values), rtol=1e-10, atol=1e-10)
    theirs, ours = pair_of(kind, num_layers=2, dropout=1.0)
    torch.testing.assert_close(ours(values), theirs(values), rtol=1e-10, atol=1e-10)


# --- one step ---


CELLS: dict[str, dict[str, Any]] = {
    "RNNCell": {},
    "RNNCell relu": {"nonlinearity": "relu"},
    "LSTMCell": {},
    "GRUCell": {},
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(), (3,), (0,)])
def test_cells(kind: str, bias: bool, lead: tuple[int, ...]) -> None:
    name, options = kind.split()[0], CELLS[kind] | {"bias": bias, "dtype": torch.float64}
    pair = []
    for home in (nn, elman.nn):
        torch.manual_seed(7)
        pair.append(getattr(home, name)(INPUT, HIDDEN, **options))
    assert repr(pair[0]) == repr(pair[1])
    assert list(pair[0].state_dict()) == list(pair[1].state_dict())
    assert (pair[0].bias_hh is None) == (pair[1].bias_hh is None) == (not bias)
    assert all(map(torch.equal, pair[0].parameters(), pair[1].parameters()))
    x = torch.randn(*lead, INPUT, dtype=torch.float64)
    start = [torch.randn(*lead, HIDDEN, dtype=torch.float64) for _ in range(2 if "LSTM" in name else 1)]
    for given in (True, False):
        found: list[dict[str, Tensor]] = []
        for cell in pair:
            leaves = [one.clone().requires_grad_() for one in (x, *start)]
            hx: Any = tuple(leaves[1:]) if len(leaves) > 2 else leaves[1]
            after = cell(leaves[0], hx) if given else cell(leaves[0])
            after = after if isinstance(after, tuple) else (after,)
            loss = sum((one * torch.linspace(1, 2, one.numel()).view(one.shape)).sum() for one in after)
            wanted = [*leaves, *cell.parameters()]
            gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
            found.append({str(i): one for i, one in enumerate([*after, *gradients])})
        alike(*found, 1e-10)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_cell_of_no_size(name: str) -> None:
    """torch allows it."""
    for home in (nn, elman.nn):
        cell = getattr(home, name)(10, 0)
        after = cell(torch.randn(3, 10))
        assert (after[0] if isinstance(after, tuple) else after).shape == (3, 0)

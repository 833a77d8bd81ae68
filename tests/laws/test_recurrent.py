"""A stack of recurrences, of every cell: what it is made of, step by step, cut in pieces, with dropout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from elman import cells, registry
from elman.errors import SettingsError, ShapeError
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import scan

from .cases import same

CELLS = registry.names("cells")
LENGTHS = st.lists(st.integers(0, 6), max_size=5)
every_cell = pytest.mark.parametrize("name", CELLS)


def layer_of(name: str, *sizes: int, **options: Any) -> Recurrent:
    """A layer in float64 with no weight at zero."""
    layer = Recurrent(name, *sizes, **options).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_(std=0.4)
    return layer


def batch_of(lengths: list[int], features: int = 3) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(torch.randn(int(offsets[-1]), features, dtype=torch.float64), offsets)


def state_of(layer: Recurrent, batch: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn_like(one) for one in layer.start(batch))


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@given(lengths=LENGTHS, num_layers=st.integers(1, 3), bias=st.booleans())
def test_a_stack_is_its_scans(name, bidirectional, lengths, num_layers, bias) -> None:
    """Layer on layer, direction beside direction, the weights taken by their names."""
    layer = layer_of(name, 3, 2, num_layers, bidirectional=bidirectional, bias=bias)
    xs = batch_of(lengths)
    state = state_of(layer, len(xs))
    result = layer(xs, state, record=("h",))
    weights, finals = dict(layer.named_parameters()), []
    for number in range(num_layers):
        outputs = []
        for suffix in ("", "_reverse")[: 1 + bidirectional]:
            ending = f"_l{number}{suffix}"
            own = {one.removesuffix(ending): w for one, w in weights.items() if one.endswith(ending)}
            before = tuple(one[len(finals)] for one in state)
            one = scan(layer.cell_type(**own), xs, before, reverse=bool(suffix))
            same(result.trace[f"h{ending}"].values, one.outputs.values, f"h{ending}")
            outputs.append(one.outputs.values)
            finals.append(one.final)
        xs = xs.with_values(torch.cat(outputs, -1))
    same(result.outputs.values, xs.values, "outputs")
    for ours, theirs in zip(result.final, zip(*finals, strict=True), strict=True):
        same(ours, torch.stack(theirs), "final state")
    assert layer.output_size == xs.values.shape[-1]


@every_cell
@given(time=st.integers(1, 6), batch=st.integers(1, 3), num_layers=st.integers(1, 3))
def test_steps_equal_the_whole(name, time, batch, num_layers) -> None:
    layer = layer_of(name, 3, 2, num_layers).eval()
    xs = batch_of([time] * batch)
    state = state_of(layer, batch)
    whole = layer(xs, state)
    steps = []
    for x in xs.padded().unbind(1):
        h, state = layer.step(x, state)
        steps.append(h)
    same(torch.stack(steps, 1), whole.outputs.padded(), "outputs")
    for ours, theirs in zip(state, whole.final, strict=True):
        same(ours, theirs, "state")


@every_cell
@given(lengths=LENGTHS, num_layers=st.integers(1, 3), data=st.data())
def test_pieces_equal_the_whole(name, lengths, num_layers, data) -> None:
    layer = layer_of(name, 3, 2, num_layers)
    xs = batch_of(lengths)
    cuts = [data.draw(st.integers(0, length)) for length in lengths]
    whole, state = layer(xs), None
    found = [[xs.values[:0]] for _ in lengths]
    for part in (
        [one[:cut] for one, cut in zip(xs, cuts, strict=True)],
        [one[cut:] for one, cut in zip(xs, cuts, strict=True)],
    ):
        if part:
            result = layer(Ragged.of(part), state)
            state = result.final
            for pieces, one in zip(found, result.outputs, strict=True):
                pieces.append(F.pad(one, (0, 1)))
    for pieces, one in zip(found, whole.outputs, strict=True):
        same(torch.cat(pieces)[:, :2], one, "outputs")


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(max_examples=10)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_mates_and_order_never_matter(name, bidirectional, lengths, seed) -> None:
    layer = layer_of(name, 3, 2, 2, bidirectional=bidirectional)
    xs = batch_of(lengths)
    order = torch.randperm(len(xs), generator=torch.Generator().manual_seed(seed)).numpy()
    whole, moved = layer(xs), layer(xs[order])
    same(moved.outputs.values, whole.outputs[order].values, "outputs")
    for number in range(len(xs)):
        alone = layer(xs[number])
        same(alone.outputs.values, whole.outputs[number].values, "outputs")
        for ours, theirs in zip(alone.final, whole.final, strict=True):
            same(ours[:, 0], theirs[:, number], "final state")


# --- dropout ---


def used_weights(layer: Recurrent, xs: Ragged, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The recurrent weights that each step of a pass has used."""
    seen: list[Tensor] = []

    class Spy(layer.cell_type):
        def step(self, projected, state):
            seen.append(self.weight_hh.detach().clone())
            return super().step(projected, state)

    with monkeypatch.context() as patch:
        patch.setattr(layer, "cell_type", Spy)
        layer(xs)
    return seen


@every_cell
def test_recurrent_dropout_has_one_mask_a_pass(name, monkeypatch) -> None:
    if "weight_hh" not in cells.get(name).shapes(1, 1):
        with pytest.raises(SettingsError, match="no recurrent weights"):
            layer_of(name, 3, 6, recurrent_dropout=0.5)
        return
    layer = layer_of(name, 3, 6, recurrent_dropout=0.5)
    xs, full = batch_of([5, 2]), layer.get_parameter("weight_hh_l0").detach()
    first, second = (used_weights(layer, xs, monkeypatch) for _ in range(2))
    assert len(first) == 5
    for one in first:
        assert torch.equal(one, first[0]), "the mask changed between two steps"
    assert not torch.equal(first[0], second[0]), "the mask did not change between two passes"
    kept = first[0] != 0
    assert 0.25 < kept.double().mean() < 0.75
    torch.testing.assert_close(first[0][kept], 2 * full[kept])
    layer.eval()
    assert all(torch.equal(one, full) for one in used_weights(layer, xs, monkeypatch))


def test_the_mask_can_be_told_from_the_outputs_alone() -> None:
    """W_hh is solved for from what the network did: one matrix explains all steps, and half of it is 0."""
    layer = layer_of("rnn", 2, 4, recurrent_dropout=0.5)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(0.7)
    xs = Ragged.of([torch.randn(40, 2, dtype=torch.float64)])
    h = layer(xs).outputs.values.detach()
    weights = {name: one.detach() for name, one in layer.named_parameters()}
    driven = xs.values @ weights["weight_ih_l0"].T + weights["bias_ih_l0"] + weights["bias_hh_l0"]
    recurrent = (torch.atanh(h) - driven)[1:]
    found = torch.linalg.lstsq(h[:-1], recurrent).solution
    same(h[:-1] @ found, recurrent, "one matrix for all steps")
    dropped, full = found.T.abs() < 1e-8, weights["weight_hh_l0"]
    assert 0 < int(dropped.sum()) < 16
    torch.testing.assert_close(found.T[~dropped], 2 * full[~dropped], rtol=1e-6, atol=1e-6)


@every_cell
def test_dropout_lies_between_layers_only(name) -> None:
    xs = batch_of([6, 3])
    single = layer_of(name, 3, 8, dropout=0.5)
    assert torch.equal(single(xs).outputs.values, single.eval()(xs).outputs.values)
    double = layer_of(name, 3, 8, 2, dropout=0.5)
    trained = double(xs, record=("h",))
    again = double(xs)
    calm = double.eval()(xs, record=("h",))
    assert torch.equal(trained.trace["h_l0"].values, calm.trace["h_l0"].values)
    assert not torch.equal(trained.outputs.values, calm.outputs.values)
    assert not torch.equal(trained.outputs.values, again.outputs.values)
    assert torch.equal(calm.outputs.values, double(xs).outputs.values)


# --- what it refuses ---


@every_cell
def test_every_weight_gets_a_first_value(name) -> None:
    layer = Recurrent(name, 3, 4, 2, bidirectional=True)
    for parameter, weight in layer.named_parameters():
        assert bool(weight.isfinite().all()), parameter
    torch.manual_seed(1)
    layer.reset_parameters()
    first = [one.clone() for one in layer.parameters()]
    torch.manual_seed(1)
    layer.reset_parameters()
    assert all(torch.equal(*pair) for pair in zip(first, layer.parameters(), strict=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_size": 0},
        {"hidden_size": 0},
        {"num_layers": 0},
        {"dropout": 1.0},
        {"recurrent_dropout": -0.1},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    given = {"cell": "gru", "input_size": 3, "hidden_size": 4} | wrong
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Recurrent(**given)


@every_cell
def test_what_does_not_fit_is_named(name) -> None:
    layer = layer_of(name, 3, 4, 2, bidirectional=True)
    with pytest.raises(ShapeError, match="received steps with 2 features"):
        layer(batch_of([3], features=2))
    with pytest.raises(ShapeError, match="a state that does not fit") as error:
        layer(batch_of([3, 1]), layer.start(1))
    assert "(4, 2, 4)" in str(error.value.expected)
    with pytest.raises(SettingsError, match="bidirectional layer cannot go step by step"):
        layer.step(torch.zeros(1, 3, dtype=torch.float64), layer.start(1))

"""The large products of the compiled scan, by every instruction set that this machine has: as exact as torch's.

The sizes are such that a matrix unit, where there is one, is put to work; with remainders in every direction.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from elman import library
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.scan import backend

pytestmark = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")

PEERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
# Input and hidden units, and the length of six sequences: rests of one, of most of a tile, longer than a block.
SIZES = ((129, 65, 11), (300, 47, 21), (64, 130, 60))


def torchs(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs, one row for each step of each sequence, and the gradient of everything."""
    x = x.detach().requires_grad_()
    outputs = module(x)[0].flatten(0, 1)
    return [outputs.detach(), *gradients(outputs, [x, *module.parameters()])]


def ours(layer: Recurrent, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    outputs = layer(Ragged.of(list(x.unbind(0)))).outputs.values
    return [outputs.detach(), *gradients(outputs, [x, *layer.parameters()])]


def gradients(outputs: Tensor, of: list[Tensor]) -> tuple[Tensor, ...]:
    weight = (
        torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs).to(outputs.dtype)
    )
    return torch.autograd.grad((outputs * weight).sum(), of)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(("width", "hidden", "length"), SIZES)
def test_no_error_is_three_times_torchs_own(
    name: str, width: int, hidden: int, length: int, every_instruction_set: str
) -> None:
    """Of each result in float32, against float64: the mean square over three draws, torch's and ours."""
    errors: list[list[Tensor]] = [[], []]
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.randn(6, length, width)
        single, double = (PEERS[name](width, hidden, bidirectional=True, batch_first=True) for _ in "12")
        layer = Recurrent(name, width, hidden, bidirectional=True)
        for one in (double, layer):
            one.load_state_dict(single.state_dict())
        exact = torchs(double.double(), x.double())
        with backend("native"):
            found = ours(layer, x)
        for kept, results in zip(errors, (torchs(single, x), found), strict=True):
            pairs = zip(results, exact, strict=True)
            kept.append(torch.stack([(one - true).square().mean() for one, true in pairs]))
    theirs, own = (torch.stack(one).mean(0).sqrt() for one in errors)
    assert bool((own <= 3 * theirs).all()), (every_instruction_set, own / theirs)


@pytest.mark.parametrize("power", [-60, 30, 60])
def test_products_keep_every_magnitude(power: int, every_instruction_set: str) -> None:
    """A power of two only moves the point: what is multiplied by one is multiplied by it to the bit."""
    torch.manual_seed(0)
    layer = Recurrent("rnn-relu", 200, 50, bias=False)
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0").zero_()
    x = torch.randn(3, 40, 200)
    with backend("native"), torch.no_grad():
        plain, moved = (layer(Ragged.of(list(one))).outputs.values for one in (x, x * 2.0**power))
    assert bool((plain > 0).any())
    assert torch.equal(plain * 2.0**power, moved), every_instruction_set


@pytest.mark.parametrize("name", PEERS)
def test_what_is_no_number_stays_with_its_sequence(name: str, every_instruction_set: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 150, 60, bidirectional=True)
    x = torch.randn(3, 40, 150)
    with backend("native"), torch.no_grad():
        wanted = layer(Ragged.of(list(x))).outputs.values.view(3, 40, -1)
        x[1, 20, 149] = float("nan")
        found = layer(Ragged.of(list(x))).outputs.values.view(3, 40, -1)
    assert bool(found[1, 20].isnan().all()), every_instruction_set
    for n in (0, 2):
        assert torch.equal(found[n], wanted[n]), every_instruction_set


def test_threads_of_python_do_not_disturb_each_other(every_instruction_set: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent("lstm", 150, 60, bidirectional=True)
    batches = [torch.randn(3, 30 + n, 150) for n in range(4)]
    with backend("native"):
        wanted = [ours(layer, x) for x in batches]

        def again(n: int) -> bool:
            pairs = zip(ours(layer, batches[n % 4]), wanted[n % 4], strict=True)
            return all(torch.equal(one, other) for one, other in pairs)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(again, range(16))), every_instruction_set

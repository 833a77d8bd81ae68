"""torch's own networks, with the same weights: outputs, final states and all gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from elman import registry
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

from ..laws.torch_parity import PEERS, equals_torch, ours_like, peer_of  # noqa: TID252 - tests

every_peer = pytest.mark.parametrize("name", PEERS)


def test_every_classic_cell_has_a_peer() -> None:
    assert set(PEERS) <= set(registry.names("cells"))


@every_peer
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(name: str, num_layers: int, bidirectional: bool, bias: bool) -> None:
    equals_torch(name, num_layers=num_layers, bidirectional=bidirectional, bias=bias)


@every_peer
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_names_and_shapes(name: str, num_layers: int, bidirectional: bool, bias: bool) -> None:
    """The same state_dict, in the same order, both ways."""
    options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    peer, ours = peer_of(name, 3, 5, **options), Recurrent(name, 3, 5, **options).double()
    theirs, own = peer.state_dict(), ours.state_dict()
    assert list(own) == list(theirs)
    assert [one.shape for one in own.values()] == [one.shape for one in theirs.values()]
    peer.load_state_dict(own)
    xs = torch.randn(1, 4, 3, dtype=torch.float64)
    outputs = peer(xs.transpose(0, 1))[0].transpose(0, 1)
    torch.testing.assert_close(
        ours(Ragged.of([xs[0]])).outputs.values, outputs[0], rtol=1e-10, atol=1e-10
    )


@every_peer
def test_single_precision(name: str) -> None:
    peer = peer_of(name, 3, 8, num_layers=2, bidirectional=True)
    ours = ours_like(name, peer, 3, 8, num_layers=2, bidirectional=True).float()
    xs = torch.randn(9, 1, 3)
    theirs = peer.float()(xs)[0]
    torch.testing.assert_close(
        ours(Ragged.of([xs[:, 0]])).outputs.values, theirs[:, 0], rtol=1e-5, atol=1e-6
    )


@every_peer
def test_one_step(name: str) -> None:
    """torch's cell classes are an oracle for `step`."""
    cells = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
    if name == "rnn-relu":
        cell: nn.Module = nn.RNNCell(3, 4, nonlinearity="relu")
    else:
        cell = cells[name](3, 4)
    layer = Recurrent(name, 3, 4)
    layer.load_state_dict({f"{one}_l0": weight for one, weight in cell.state_dict().items()})
    x, state = torch.randn(2, 3), tuple(torch.randn(1, 2, 4) for _ in layer.start(2))
    before = tuple(one[0] for one in state)
    theirs = cell(x, before if len(before) > 1 else before[0])
    h, after = layer.step(x, state)
    for ours, one in zip(after, theirs if isinstance(theirs, tuple) else (theirs,), strict=True):
        torch.testing.assert_close(ours[0], one, rtol=1e-5, atol=1e-6)
    assert torch.equal(h, after[0][-1])

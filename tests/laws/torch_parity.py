"""The law of parity: the same weights give what torch's own network gives, gradients included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman.cells.base import Cell
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

PEERS: dict[str, Any] = {
    "rnn": nn.RNN,
    "rnn-relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}
"""torch's network of the same equations, by the name of the cell."""

LENGTHS = (5, 1, 3, 3, 7)


def peer_of(name: str, *sizes: int, **options: Any) -> nn.RNNBase:
    return PEERS[name](*sizes, **options).double()


def ours_like(name: str, peer: nn.RNNBase, *sizes: int, **options: Any) -> Recurrent:
    """elman's layer with torch's weights, loaded as they are."""
    layer = Recurrent(name, *sizes, **options).double()
    layer.load_state_dict(peer.state_dict())
    return layer


def equals_torch(
    name: str,
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    bias: bool = True,
    cell_type: type[Cell] | None = None,
) -> None:
    """Outputs, final states, and the gradients of inputs, initial states and all weights."""
    torch.manual_seed(11)
    sizes, options = (3, 4), {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    peer = peer_of(name, *sizes, **options)
    ours = ours_like(name, peer, *sizes, **options)
    if cell_type is not None:
        ours.cell_type = cell_type
    padded = torch.randn(len(LENGTHS), max(LENGTHS), 3, dtype=torch.float64)
    shape = (num_layers * (2 if bidirectional else 1), len(LENGTHS), 4)
    start = [torch.randn(shape, dtype=torch.float64) for _ in range(2 if name == "lstm" else 1)]

    found = []
    for network, read in ((peer, _by_torch), (ours, _by_elman)):
        leaves = [padded.clone().requires_grad_(), *(one.clone().requires_grad_() for one in start)]
        weights = dict(network.named_parameters())
        outputs, final = read(network, leaves[0], leaves[1:])
        weighted = [
            (one * torch.linspace(-1, 2, one.numel()).view_as(one)).sum() for one in (outputs, *final)
        ]
        gradients = torch.autograd.grad(
            torch.stack(weighted).sum(),
            [*leaves, *weights.values()],
            allow_unused=True,
            materialize_grads=True,
        )
        named = {"outputs": outputs, **{f"final {i}": one for i, one in enumerate(final)}}
        sources = ["inputs", *(f"start {i}" for i in range(len(start))), *weights]
        found.append(
            named | dict(zip((f"gradient of {one}" for one in sources), gradients, strict=True))
        )
    assert found[0].keys() == found[1].keys()
    for what, theirs in found[0].items():
        torch.testing.assert_close(
            found[1][what],
            theirs,
            rtol=1e-10,
            atol=1e-10,
            msg=lambda text, what=what: f"{name}, {what}: {text}",
        )


def _by_torch(network: nn.RNNBase, padded: Tensor, start: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    packed = pack_padded_sequence(padded, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    outputs, final = network(packed, tuple(start) if len(start) > 1 else start[0])
    assert isinstance(outputs, PackedSequence)
    return Ragged.from_packed(outputs).values, list(final) if isinstance(final, tuple) else [final]


def _by_elman(layer: Recurrent, padded: Tensor, start: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    result = layer(Ragged.from_padded(padded, LENGTHS), tuple(start))
    return result.outputs.values, list(result.final)

"""How unexpected every step of long sequences was, in as little memory as is wanted."""

from __future__ import annotations

import torch
from torch import Tensor

from elman.data.batching import Batches
from elman.ragged import Ragged
from elman.structures.n_to_n import NToN

AT_ONCE = 20_000
"""Steps that a network is asked about at once."""


@torch.inference_mode()
def surprises(network: NToN, inputs: Ragged, targets: Tensor) -> Ragged:
    """The negative log-probability of each step's target, in nats and float64.

    Sequences go side by side, and one that is long goes in spans, the states being carried on: each is read
    once from its beginning, however long it is.

    Shapes: inputs `steps features`, targets `steps *…`. Result: `steps`.
    """
    network = network.eval()
    device = next(network.parameters()).device
    answers = inputs.with_values(targets)
    found = torch.zeros(len(targets), dtype=torch.float64)
    where = inputs.with_values(torch.arange(len(targets)))
    for batch in Batches(inputs.lengths.numpy(), batch_size=256, max_steps=AT_ONCE).ordered():
        read, wanted, places = inputs[batch], answers[batch], where[batch]
        span = max(AT_ONCE // len(batch), 1)
        state = None
        for start in range(0, int(read.lengths.max()), span):
            piece = [
                Ragged.of([one[start : start + span] for one in each]) for each in (read, wanted, places)
            ]
            nats, state = network.surprise(piece[0].to(device), piece[1].values.to(device), state)
            found[piece[2].values] = nats.double().cpu()
    return inputs.with_values(found)

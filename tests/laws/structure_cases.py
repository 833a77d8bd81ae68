"""Small networks of every structure, and how each is asked: what the laws of structures are tried on.

A new structure enters its variants here; until it does, `test_structures.py` names it and fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from elman.layers.attention import Attention
from elman.layers.convolution import Frames
from elman.layers.frames import NADE
from elman.layers.lexicon import Lexicon, forced
from elman.layers.pooling import POOLINGS
from elman.layers.recurrent import Recurrent
from elman.layers.softmax import AdaptiveSoftmax
from elman.ragged import Ragged
from elman.structures.n_to_m import NToM
from elman.structures.n_to_n import NToN
from elman.structures.n_to_n_feedback import NToNFeedback
from elman.structures.n_to_n_frames import NToNFrames
from elman.structures.n_to_n_writer import NToNWriter
from elman.structures.n_to_one import NToOne
from elman.structures.one_to_n import OneToN

Build = Callable[..., Any]


def _recurrent(cell: str, **options: Any) -> Recurrent:
    return Recurrent(cell, 3, 4, **options)


def _n_to_one(pooling: str) -> Build:
    def build(cell: str, **options: Any) -> nn.Module:
        return NToOne(
            nn.Linear(2, 3), _recurrent(cell, **options), outputs=3, pooling=pooling, dropout=0.5
        )

    return build


def _n_to_n(labels: int) -> Build:
    def build(cell: str, **options: Any) -> nn.Module:
        return NToN(nn.Linear(2, 3), _recurrent(cell, **options), outputs=3, labels=labels, dropout=0.5)

    return build


def _n_to_m(
    kind: str | None, *, coverage: bool = False, feeding: bool = False, copy: bool = False
) -> Build:
    def build(cell: str, bidirectional: bool = False, num_layers: int = 1) -> nn.Module:
        encoder = _recurrent(cell, bidirectional=bidirectional, num_layers=num_layers)
        attention = None if kind is None else Attention(kind, 4, 4, coverage=coverage)
        decoder = Recurrent(cell, 3 + (4 if kind is None else 3 * feeding), 4, num_layers)
        lexicon = Lexicon(VOCABULARY, 3, features=8, tied=not feeding, dropout=0.5)
        return NToM(
            nn.Linear(2, 3), encoder, lexicon, decoder, attention=attention, feeding=feeding, copy=copy
        )

    return build


def _one_to_n(acts: str) -> Build:
    def build(cell: str, bidirectional: bool = False, num_layers: int = 1) -> nn.Module:
        more = 0 if acts == "state" else 2
        lexicon = Lexicon(VOCABULARY, 3, features=4 + more, dropout=0.5)
        recurrent = Recurrent(cell, 3 + more, 4, num_layers)
        return OneToN(nn.Linear(2, 2), lexicon, recurrent, features=2, acts=acts)

    return build


def written(xs: Ragged) -> tuple[Ragged, Ragged, Ragged]:
    """What is to be written of sequences, by some rule: given, wanted, and the numbers to copy by."""
    copies = xs.with_values((xs.values[:, 0] * 1000).long() % (VOCABULARY - 4 + 2) + 4)
    ys = Ragged.of([one[::2] for one in copies] or [copies.values])
    ys = ys if len(xs) else copies
    return *forced(ys, 2, 3), copies


def context_of(network: Any, xs: Ragged) -> Any:
    """What `start` takes: sequences, or for one vector each the sum of a sequence."""
    if isinstance(network, NToM):
        return xs
    return torch.zeros(len(xs), 2, dtype=xs.values.dtype).index_add(0, xs.rows, xs.values)


def _likelihoods(network: Any, xs: Ragged) -> list[Tensor]:
    given, wanted, copies = written(xs)
    if isinstance(network, OneToN) or network.gate is None:
        known = wanted.values.masked_fill(wanted.values >= VOCABULARY, 1)
        wanted = wanted.with_values(known)
    more = () if isinstance(network, OneToN) else (copies,)
    return network(context_of(network, xs), given, wanted, *more).unbind()


def _feedback(cell: str, **options: Any) -> nn.Module:
    return NToNFeedback(nn.Linear(3, 3), _recurrent(cell, **options), outputs=3, dropout=0.5)


def _writer(cell: str, bidirectional: bool = False, num_layers: int = 1) -> nn.Module:
    encoder = _recurrent(cell, bidirectional=bidirectional, num_layers=num_layers)
    recurrent = Recurrent(cell, encoder.output_size + 3, 4, num_layers)
    return NToNWriter(nn.Linear(2, 3), encoder, nn.Embedding(4, 3), recurrent, dropout=0.5)


class _Screen(NToNFrames):
    """Steps of two numbers as frames of two pixels, whose change does not begin as 0."""

    def __init__(self, cell: str, **options: Any) -> None:
        frames = Frames((1, 1, 2), 4, hidden=4)
        nn.init.normal_(frames.change.weight)
        super().__init__(frames, Recurrent(cell, 8, 4, **options), dropout=0.5)

    def forward(self, xs: Ragged) -> Ragged:
        found = super().forward(xs.with_values(xs.values.view(-1, 1, 1, 2)))
        return found.with_values(found.values.flatten(1))

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        found, state = super().step(x.view(-1, 1, 1, 2), state)
        return found.flatten(1), state


def _heads(cell: str, **options: Any) -> nn.Module:
    head = AdaptiveSoftmax(_recurrent(cell, **options).output_size, 5, cutoffs=[2, 3])
    return NToN(nn.Linear(2, 3), _recurrent(cell, **options), outputs=5, head=head, dropout=0.5)


def _chords(cell: str, **options: Any) -> nn.Module:
    head = NADE(_recurrent(cell, **options).output_size, 5, hidden_size=3)
    return NToN(nn.Linear(2, 3), _recurrent(cell, **options), outputs=5, head=head, dropout=0.5)


def symbols_for(xs: Ragged) -> Ragged:
    """What is written where a network writes as much as it reads: some symbol for each step."""
    return xs.with_values((xs.values[:, 0] * 1000).long() % 4)


def _written(network: Any, xs: Ragged) -> list[Tensor]:
    return network(xs, symbols_for(xs)).unbind()


def _wholes(network: Any, xs: Ragged) -> list[Tensor]:
    return list(network(xs)[:, None])


def _steps(network: Any, xs: Ragged) -> list[Tensor]:
    return network(xs).unbind()


def _both(network: Any, xs: Ragged) -> list[Tensor]:
    """Each step's answer, and the answer to the whole below it."""
    steps, whole = network.joint(xs)
    return [torch.cat([one, end[None, [0, 1, 1]]]) for one, end in zip(steps, whole, strict=True)]


VOCABULARY = 8

# By structure and variant: the network of a cell, its answers sequence by sequence (rows of numbers),
# and whether it can go step by step.
VARIANTS: dict[str, tuple[Build, Callable[[Any, Ragged], list[Tensor]], bool]] = {
    **{f"n-to-one {pooling}": (_n_to_one(pooling), _wholes, True) for pooling in POOLINGS},
    "n-to-n": (_n_to_n(0), _steps, True),
    "n-to-n joint": (_n_to_n(2), _both, False),
    "n-to-n-feedback": (_feedback, _steps, True),
    "n-to-n-frames": (_Screen, _steps, True),
    "n-to-n clusters": (_heads, _steps, True),
    "n-to-n chords": (_chords, _steps, True),
    "n-to-n-writer": (_writer, _written, False),
}
WRITERS: dict[str, Build] = {
    "n-to-m": _n_to_m(None),
    "n-to-m additive": _n_to_m("additive"),
    "n-to-m dot": _n_to_m("dot"),
    "n-to-m general": _n_to_m("general"),
    "n-to-m fed": _n_to_m("additive", feeding=True),
    "n-to-m copy": _n_to_m("general", copy=True),
    "n-to-m covered": _n_to_m("additive", copy=True, coverage=True),
    "n-to-m covered fed": _n_to_m("additive", copy=True, coverage=True, feeding=True),
    **{f"one-to-n {acts}": _one_to_n(acts) for acts in ("input", "state", "both")},
}
"""Those that write: their steps are what they write, and `test_writers.py` has laws of its own for them."""
VARIANTS |= {name: (build, _likelihoods, False) for name, build in WRITERS.items()}
CAUSAL = {"n-to-n-feedback", "n-to-n-frames"}
"""Those that foresee, so that nothing can be read backwards."""


def network_of(variant: str, cell: str, **options: Any) -> Any:
    """The network in double precision, in evaluation mode."""
    return VARIANTS[variant][0](cell, **options).double().eval()


def answers_of(variant: str, network: Any, xs: Ragged) -> list[Tensor]:
    """The answers to each sequence: `rows numbers`, one row for a whole."""
    return VARIANTS[variant][1](network, xs)


def batch_of(lengths: list[int]) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(torch.randn(int(offsets[-1]), 2, dtype=torch.float64), offsets)


def gradients(network: nn.Module, answers: Tensor) -> dict[str, Tensor]:
    """The gradient of each weight, of a sum in which every answer has its own share."""
    weights = dict(network.named_parameters())
    scale = torch.linspace(-1, 1, answers.numel(), dtype=torch.float64).view_as(answers)
    found = torch.autograd.grad(
        (answers * scale).sum(), list(weights.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))

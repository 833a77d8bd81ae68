"""`elman bench layers`: one recurrent layer over a ragged batch, by elman and by each of torch's ways.

Every contestant has the batch in the form it likes best, the same weights, and the same gradient of its
outputs; training asks for the gradients of the input and of all weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.apps.bench.timing import (
    Work,
    best,
    by_turns,
    compared,
    geometric_mean,
    milliseconds,
    ratio,
    wanted,
)
from elman.apps.bench.torch_paths import PEERS, Gathered, turned
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

GATES = {"rnn": 1, "rnn-relu": 1, "lstm": 4, "gru": 3}
WIDE, LARGE = 256, 1536
"""Hidden units from which a layer is held against a product of large square matrices, and their size."""

POOL = 50
"""A bucketed batch is cut from so many, sorted by length, as training cuts them."""


@dataclass(frozen=True)
class Case:
    """One layer over one batch; `hidden` is its input size as well."""

    cell: str
    hidden: int
    batch: int
    mean: int
    bidirectional: bool
    bucketed: bool = False

    def __str__(self) -> str:
        ways = "both ways" if self.bidirectional else "one way"
        end = ", bucketed" if self.bucketed else ""
        return f"{self.cell} {self.hidden}, batch {self.batch}, mean {self.mean}, {ways}{end}"


def cases(*, quick: bool) -> list[Case]:
    """The grid of the table, or a few of it.

    >>> len(cases(quick=True)) < len(cases(quick=False))
    True
    """
    if quick:
        few = [Case(cell, 128, 32, 30, True) for cell in ("rnn", "lstm", "gru")]
        return [*few, Case("gru", 128, 32, 200, False), Case("lstm", 128, 32, 30, True, bucketed=True)]
    grid = product(("rnn", "rnn-relu", "lstm", "gru"), (64, 128, 256, 512), (32, 64), (30, 200))
    found = [
        # A second nonlinearity costs what the first one does: the corners of its grid are enough.
        Case(cell, hidden, batch, mean, both)
        for cell, hidden, batch, mean in grid
        for both in (False, True)
        if cell != "rnn-relu" or (hidden in (64, 512) and batch == 32)
    ]
    bucketed = product(("rnn", "lstm", "gru"), (128, 256), (30, 200), (False, True))
    return found + [
        Case(cell, hidden, 32, mean, both, bucketed=True) for cell, hidden, mean, both in bucketed
    ]


def lengths_of(mean: int, batch: int, *, bucketed: bool = False, seed: int = 0) -> list[int]:
    """Lognormal lengths (σ = 0.6) of this mean, at least 1; bucketed: of a batch that is cut from many.

    >>> sum(lengths_of(30, 1000)) // 1000 in range(27, 34)
    True
    """
    rng = np.random.default_rng(seed)
    count = batch * POOL if bucketed else batch
    drawn = rng.lognormal(np.log(mean) - 0.18, 0.6, count).round().clip(1).astype(int)
    if bucketed:
        # The batch whose lengths are nearest to the mean.
        pool = np.sort(drawn).reshape(POOL, batch)
        drawn = pool[np.abs(pool.mean(1) - mean).argmin()]
    return drawn.tolist()


class Contest:
    """The contestants over one case: for each a function from its input to its outputs, and both."""

    def __init__(self, case: Case) -> None:
        torch.manual_seed(0)
        width = case.hidden
        ways = 2 if case.bidirectional else 1
        lengths = lengths_of(case.mean, case.batch, bucketed=case.bucketed)
        self.xs = Ragged.of([torch.randn(one, width) for one in lengths])
        grad = self.xs.with_values(torch.randn(len(self.xs.values), ways * width))
        peer = PEERS[case.cell](width, width, bidirectional=case.bidirectional, batch_first=True)
        ours = Recurrent(case.cell, width, width, bidirectional=case.bidirectional)
        ours.load_state_dict(peer.state_dict())
        packed, padded = self.xs.packed(), self.xs.padded()

        def pack(values: Tensor) -> Tensor:
            return peer(PackedSequence(values, *packed[1:]))[0].data

        self.ways: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor], Tensor, Tensor]] = {
            "elman": (
                ours,
                lambda x: ours(self.xs.with_values(x)).outputs.values,
                self.xs.values,
                grad.values,
            ),
            "packed": (peer, pack, packed.data, grad.packed().data),
            "dense": (peer, lambda x: peer(x)[0], padded, grad.padded()),
        }
        if case.bidirectional:
            gathered, index = Gathered(case.cell, width, width), turned(self.xs)
            gathered.load(peer)
            self.ways["gathered"] = (gathered, lambda x: gathered(x, index), padded, grad.padded())

    def training(self) -> dict[str, Work]:
        """Forwards and backwards, to the gradients of the input and of every weight."""
        return {name: self._trained(*way) for name, way in self.ways.items()}

    def forward(self) -> dict[str, Work]:
        """Forwards alone, where no gradient is wanted."""

        def of(run: Callable[[Tensor], Tensor], x: Tensor) -> Work:
            def work() -> Tensor:
                with torch.no_grad():
                    return run(x)

            return work

        return {name: of(run, x) for name, (_, run, x, _) in self.ways.items()}

    def _trained(
        self, module: nn.Module, run: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor
    ) -> Work:
        leaf, weights = x.clone().requires_grad_(), list(module.parameters())

        def work() -> tuple[Tensor, ...]:
            return torch.autograd.grad(run(leaf), [leaf, *weights], grad)

        return work


def rows(*, quick: bool, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a case: training and forward only."""
    seconds = 0.5 if quick else 1.0
    for case in cases(quick=quick):
        if not wanted(str(case), only):
            continue
        contest = Contest(case)
        row: dict[str, Any] = {"case": str(case), **vars(case)}
        times = by_turns(contest.training() | large_product(case), seconds=seconds)
        product = times.pop("product", None)
        row["training"] = compared(times)
        row["forward"] = compared(by_turns(contest.forward(), seconds=seconds / 3))
        flops = (
            12 * GATES[case.cell] * case.hidden**2 * len(contest.xs.values) * (1 + case.bidirectional)
        )
        row["gflops"] = round(flops / row["training"]["ms"]["elman"] / 1e6)
        if product is not None:
            row["ceiling"] = round(2 * LARGE**3 / milliseconds(product) / 1e6)
            spent = ratio(product, times["elman"])["ratio"]
            row["of_ceiling"] = round(spent * flops / (2 * LARGE**3), 3)
        yield row


def large_product(case: Case) -> dict[str, Work]:
    """What a wide layer is held against, in the same rounds: a clock that changes, changes for both."""
    if case.hidden < WIDE:
        return {}
    a, b = torch.randn(LARGE, LARGE), torch.randn(LARGE, LARGE)
    return {"product": lambda: a @ b}


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the table: geometric means over the best of torch's ways, and the worst case."""
    found: dict[str, float] = {}
    ragged = [row for row in rows if not row["bucketed"]]
    for what in ("training", "forward") if ragged else ():
        over = [best(row[what])["ratio"] for row in ragged]
        packed = [row[what]["over"]["packed"]["ratio"] for row in ragged]
        found |= {f"{what}.best": geometric_mean(over), f"{what}.worst": min(over)}
        found[f"{what}.packed"] = geometric_mean(packed)
    for cell in ("rnn", "lstm", "gru"):
        bucketed = [row for row in rows if row["bucketed"] and row["cell"] == cell]
        if bucketed:
            over = (best(row["training"])["ratio"] for row in bucketed)
            found[f"bucketed.{cell}"] = geometric_mean(over)
    if wide := [row["of_ceiling"] for row in ragged if row["hidden"] >= WIDE]:
        found["ceiling"] = sum(wide) / len(wide)
    return found

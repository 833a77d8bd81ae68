"""`elman bench step`: a whole training step of a small classifier, over the same in plain PyTorch.

From tokens to new weights: embedding, one layer in both directions, the output layer, the loss, all
gradients, and one step of Adam: torch's, fused into one kernel, and elman's own, which moves the rows of a
large table when they are read, to the same weights. Batches of unequal length, each in the form its reader
wants, come round; a turn is one round, because a step of training follows one of the same network, whose
weights are in the cache. Words are drawn evenly, so that hardly any comes twice in a batch, and in cases of
their own as often as in a language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from elman.apps.bench import classifiers
from elman.apps.bench.classifiers import Sizes
from elman.apps.bench.layers import lengths_of
from elman.apps.bench.timing import Work, best, by_turns, compared, geometric_mean, wanted
from elman.optimizer import LazyAdamW
from elman.ragged import Ragged

BATCHES = 8
"""How many batches come round: the shapes change from step to step, as they do in training."""

Inputs = tuple[Any, ...]


def cases(*, quick: bool) -> list[tuple[Sizes, int, int, str]]:
    """The sizes, the batch, the mean length and the words of each case."""
    found = [(Sizes(cell, 10_000, 128, 128, 150), 32, 12, "even") for cell in ("lstm", "gru")]
    if quick:
        return found
    found += [(Sizes(cell, 10_000, 128, 128, 150), 64, 30, "even") for cell in ("lstm", "gru")]
    found += [(Sizes(cell, 10_000, 128, 128, 150), 32, 12, "language") for cell in ("lstm", "gru")]
    return [*found, (Sizes("gru", 100_000, 128, 128, 150), 32, 12, "even")]


def rows(*, quick: bool, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a case."""
    for sizes, batch, mean, words in cases(quick=quick):
        name = f"bi-{sizes.cell} {sizes.hidden}, batch {batch}, mean {mean}, {sizes.vocabulary} words"
        name += " of a language" if words == "language" else ""
        if not wanted(name, only):
            continue
        row: dict[str, Any] = {"case": name, **vars(sizes), "batch": batch, "mean": mean, "words": words}
        work = contestants(sizes, batches(sizes, batch, mean, words))
        rounds = by_turns(work, seconds=2.0 if quick else 6.0, least=9, most=400)
        row["training"] = compared({one: [t / BATCHES for t in many] for one, many in rounds.items()})
        yield row


def batches(sizes: Sizes, batch: int, mean: int, words: str = "even") -> list[tuple[Ragged, Tensor]]:
    """Batches of tokens and labels, drawn at random: `even`, or by Zipf's law as in a `language`."""
    torch.manual_seed(0)
    found = []
    for number in range(BATCHES):
        lengths = lengths_of(mean, batch, seed=number)
        tokens = [torch.randint(1, sizes.vocabulary, (one,)) for one in lengths]
        if words == "language":  # the n-th most frequent word comes 1/n times as often as the first
            tokens = [(sizes.vocabulary ** torch.rand(len(one))).long() for one in tokens]
        found.append((Ragged.of(tokens), torch.randint(sizes.labels, (batch,))))
    return found


def contestants(sizes: Sizes, given: Sequence[tuple[Ragged, Tensor]]) -> dict[str, Work]:
    """Each with a network and an optimizer of its own, starting from the same weights."""
    network = classifiers.ours(sizes)
    packed, padded = classifiers.with_weights_of(network, sizes)
    padded_forms = [(classifiers.padded_form(xs), labels) for xs, labels in given]
    forms: dict[str, tuple[nn.Module, list[tuple[Inputs, Tensor]]]] = {
        "elman": (network, [((xs,), labels) for xs, labels in given]),
        "packed": (packed, [(form[:2], labels) for form, labels in padded_forms]),
        "padded": (padded, [(form, labels) for form, labels in padded_forms]),
    }
    return {name: _step(*form, lazy=name == "elman") for name, form in forms.items()}


def _step(network: nn.Module, given: list[tuple[Inputs, Tensor]], *, lazy: bool) -> Work:
    optimizer = (
        LazyAdamW(network, lr=1e-3, weight_decay=0.0)
        if lazy
        else torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    )

    def work() -> None:
        for inputs, labels in given:
            optimizer.zero_grad(set_to_none=True)
            classifiers.loss_of(network, *inputs, labels).backward()
            optimizer.step()

    return work


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the table: over packed and over the better of torch's two, 10,000 words."""
    found: dict[str, float] = {}
    for words, name in (("even", "step"), ("language", "step.language")):
        small = [r["training"] for r in rows if (r["vocabulary"], r["words"]) == (10_000, words)]
        if small:
            found[f"{name}.packed"] = geometric_mean(one["over"]["packed"]["ratio"] for one in small)
            found[f"{name}.best"] = geometric_mean(best(one)["ratio"] for one in small)
    return found

"""`elman bench train`: fitting a classifier to a dev accuracy, over plain PyTorch and Keras 3.

The same network, the same examples in the same batches in the same order, Adam with the gradient clipped,
and the dev set read after every epoch. What counts is the wall clock until a dev accuracy is reached: the
highest that all of them reach, in whole percent. The order is drawn twice: at random, as a plain loader
shuffles, and by length, as elman draws it for itself, which spares the others their padding too; each of
them with three seeds.
elman goes through its own training loop, PyTorch through a plain one, Keras through `fit`: each in a process of
its own, and they take turns, an epoch each.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from elman.apps.bench import classifiers
from elman.apps.bench.classifiers import Sizes
from elman.apps.bench.relay import Stint, relay
from elman.apps.bench.timing import geometric_mean, wanted
from elman.data.batching import Batches
from elman.ragged import Ragged
from elman.training import Problem, Training, fit, seeded

BATCH, RATE, CLIP = 64, 2e-3, 1.0
SEEDS = (0, 1, 2)
"""Of the first weights and the order: whether an epoch more or less is needed is chance."""


@dataclass(frozen=True)
class Task:
    """Sentences as numbers of words, their labels, and those of the dev set."""

    name: str
    train: tuple[Ragged, Tensor]
    dev: tuple[Ragged, Tensor]
    sizes: Sizes
    epochs: int
    order: str = "bucketed"
    seed: int = 0

    @property
    def batches(self) -> Batches:
        """The order of the examples: `bucketed` by length, or `shuffled`."""
        lengths = self.train[0].lengths.numpy()
        alike = lengths if self.order == "bucketed" else np.ones_like(lengths)
        return Batches(alike, batch_size=BATCH, seed=self.seed)


Curve = list[tuple[float, float]]
"""For each epoch the seconds since the beginning, and the dev accuracy."""


def rows(*, quick: bool, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a cell, order and seed: the curve of each contestant."""
    kinds = (
        [("gru", "bucketed", 0)] if quick else product(("lstm", "gru"), ("shuffled", "bucketed"), SEEDS)
    )
    for cell, order, seed in kinds:
        task = replace(made_up(cell) if quick else clinc150(cell), order=order, seed=seed)
        name = f"{task.name}, bi-{cell} {task.sizes.hidden}, {order}, seed {seed}"
        if not wanted(name, only):
            continue
        row: dict[str, Any] = {"case": name, "cell": cell, "order": order, "seed": seed}
        row |= {"curves": {}, "left_out": {}}
        for contestant, curve in (absent() | relay(contestants(task))).items():
            row["left_out" if isinstance(curve, str) else "curves"][contestant] = curve
        row["target"] = common(row["curves"].values())
        times = {one: until(curve, row["target"]) for one, curve in row["curves"].items()}
        row["seconds"] = times
        row["over"] = {
            one: round(spent / times["elman"], 2) for one, spent in times.items() if one != "elman"
        }
        yield row


def common(curves: Iterable[Curve]) -> float:
    """The highest dev accuracy that every curve reaches, in whole percent.

    >>> common([[(2.0, 0.5), (4.0, 0.887)], [(3.0, 0.893)]])
    0.88
    """
    return math.floor(100 * min(max(accuracy for _, accuracy in curve) for curve in curves)) / 100


def until(curve: Curve, target: float) -> float:
    """The seconds until a dev accuracy was reached.

    >>> until([(2.0, 0.5), (4.0, 0.9)], 0.8)
    4.0
    """
    return next(seconds for seconds, accuracy in curve if accuracy >= target)


KERAS = {f"keras, {backend}": backend for backend in ("jax", "torch")}


def contestants(task: Task) -> Mapping[str, Callable[[Stint], Curve | str]]:
    """What each of them does: a curve, or a sentence why there is none."""
    found = {one: partial(_torch, one, task) for one in ("elman", "packed", "padded")}
    return found | {one: partial(_keras, KERAS[one], task) for one in KERAS if one not in absent()}


def absent() -> dict[str, str]:
    """Why some of Keras's versions are left out."""
    return {
        name: f"{package} is not installed"
        for name, backend in KERAS.items()
        for package in (backend, "keras")
        if importlib.util.find_spec(package) is None
    }


# --- the data ---


def made_up(cell: str) -> Task:
    """Words drawn at random, one of which names the label: for a quick look, without a download."""
    rng = np.random.default_rng(0)
    sizes = Sizes(cell, 2_000, 64, 64, 20)

    def drawn(count: int) -> tuple[Ragged, Tensor]:
        lengths = rng.lognormal(2.3, 0.5, count).round().clip(1, 60).astype(int)
        labels = rng.integers(0, sizes.labels, count)
        texts = [rng.integers(100, sizes.vocabulary, one) for one in lengths]
        for text, label in zip(texts, labels, strict=True):
            text[rng.integers(len(text))] = 1 + label
        return Ragged.of([torch.from_numpy(one) for one in texts]), torch.from_numpy(labels)

    return Task("made up", drawn(3_000), drawn(500), sizes, epochs=6)


def clinc150(cell: str) -> Task:
    """The intents of clinc150 in scope; a word that occurs once in training is the unknown one."""
    from collections import Counter

    from elman import datasets

    parts = {split: datasets.get("clinc150").load(split) for split in ("train", "dev")}
    texts = {split: [one.lower().split() for one in part["text"]] for split, part in parts.items()}
    counts = Counter(word for text in texts["train"] for word in text)
    words = {w: n for n, w in enumerate(sorted(w for w, c in counts.items() if c > 1), 2)}
    labels = {label: n for n, label in enumerate(sorted(set(parts["train"]["label"])))}

    def numbers(split: str) -> tuple[Ragged, Tensor]:
        found = [torch.tensor([words.get(word, 1) for word in text]) for text in texts[split]]
        return Ragged.of(found), torch.tensor([labels[one] for one in parts[split]["label"]])

    sizes = Sizes(cell, len(words) + 2, 128, 128, len(labels))
    return Task("clinc150", numbers("train"), numbers("dev"), sizes, epochs=6)


def epochs_of(task: Task) -> list[list[np.ndarray]]:
    """The batches of every epoch."""
    return [task.batches.epoch(number) for number in range(task.epochs)]


# --- the contestants ---


def _torch(name: str, task: Task, stint: Stint) -> Curve:
    """elman, or one of PyTorch's: all from the same weights."""
    torch.manual_seed(task.seed)
    network = classifiers.ours(task.sizes)
    packed, padded = classifiers.with_weights_of(network, task.sizes)
    if name == "elman":
        return _elman(network, task, stint)
    if name == "packed":
        return _plain(packed, task, lambda xs: classifiers.padded_form(xs)[:2], stint)
    return _plain(padded, task, classifiers.padded_form, stint)


def _elman(network: nn.Module, task: Task, stint: Stint) -> Curve:
    importlib.import_module("lightning_fabric")  # imports are left out of every contestant's time
    xs, labels = task.train
    held, curve = _chunks(task.dev), []
    began = stint.seconds

    def evaluate(model: nn.Module) -> dict[str, float]:
        found = [(model(one).argmax(-1) == truth).float() for one, truth in held]
        accuracy = float(torch.cat(found).mean())
        curve.append((stint.seconds - began, accuracy))
        stint.rest()
        return {"accuracy": accuracy}

    problem = Problem(
        lengths=xs.lengths.tolist(),
        order=task.batches,
        batch=lambda chosen: (xs[chosen], labels[torch.from_numpy(chosen)]),
        loss=lambda model, batch: cast(Any, model).loss(*batch),
        gradients=lambda model, batch: cast(Any, model).gradients(*batch),
        evaluate=evaluate,
    )
    settings = Training(
        epochs=task.epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        warmup=0.0,
        schedule="constant",
        weight_decay=0.0,
        gradient_clip=CLIP,
        patience=task.epochs,
    )
    with seeded(task.seed):
        fit(network, problem, settings)
    return curve


def _plain(
    network: nn.Module, task: Task, form: Callable[[Ragged], tuple[Any, ...]], stint: Stint
) -> Curve:
    xs, labels = task.train
    held, curve = [(form(one), truth) for one, truth in _chunks(task.dev)], []
    texts = xs.unbind()
    began = stint.seconds
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for epoch in epochs_of(task):
        network.train()
        for chosen in epoch:
            # Batches are put together as they come, as everybody does.
            batch = form(Ragged.of([texts[number] for number in chosen]))
            optimizer.zero_grad(set_to_none=True)
            classifiers.loss_of(network, *batch, labels[torch.from_numpy(chosen)]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            found = [(network(*one).argmax(-1) == truth).float() for one, truth in held]
        curve.append((stint.seconds - began, float(torch.cat(found).mean())))
        stint.rest()
    return curve


def _chunks(part: tuple[Ragged, Tensor], size: int = 256) -> list[tuple[Ragged, Tensor]]:
    """A dev set in batches, longest first."""
    by_length = torch.argsort(part[0].lengths, descending=True, stable=True)
    return [(part[0][some.numpy()], part[1][some]) for some in by_length.split(size)]


def _keras(backend: str, task: Task, stint: Stint) -> Curve | str:
    # Keras reads it when it is imported, which is here for the first time.
    os.environ["KERAS_BACKEND"] = backend
    data: dict[str, np.ndarray] = {}
    for name, (xs, labels) in (("train", task.train), ("dev", task.dev)):
        data |= {f"{name}.x": xs.padded().long().numpy(), f"{name}.lengths": xs.lengths.numpy()}
        data[f"{name}.y"] = labels.numpy()
    settings = {**asdict(task.sizes), "batch": BATCH, "rate": RATE, "clip": CLIP}
    try:
        from elman.apps.bench import keras_training

        return keras_training.train(data, epochs_of(task), settings, stint)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the table: over the fastest of PyTorch's and Keras's versions."""
    found = {}
    for order in ("shuffled", "bucketed"):
        over = [min(row["over"].values()) for row in rows if row["order"] == order]
        if over:
            found[f"train.{order}"] = geometric_mean(over)
    return found

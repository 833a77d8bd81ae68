"""The training loop on problems so small that what it must do is known beforehand."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elman.errors import SettingsError, TrainingError
from elman.training import Problem, Training, fit, seeded
from elman.weights import Gradients

LENGTHS = [3, 1, 2, 4, 2, 5, 1, 3]
PLAIN = Training(epochs=4, batch_size=2, warmup=0.0, schedule="constant", dropout=0.0)
Weights = dict[str, Tensor]


def network() -> nn.Module:
    with seeded(5):
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


def weights_of(model: nn.Module) -> Weights:
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def same(left: Weights, right: Weights) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def problem_of(
    watch: Callable[[nn.Module], Any] = lambda _: None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> Problem:
    """To tell the parity of an example's number from three features; `watch` sees every step."""
    xs = torch.randn(len(LENGTHS), 3, generator=torch.Generator().manual_seed(1))
    ys = torch.arange(len(LENGTHS)) % 2

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        watch(model)
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    return Problem(LENGTHS, lambda chosen: (xs[chosen], ys[chosen]), loss, evaluate)


def trained(problem: Problem, settings: Training, folder: Path | None = None) -> tuple[nn.Module, Any]:
    model = network()
    with seeded(settings.seed):
        place = fit(model, problem, settings, folder)
    return model, place


# --- the same again, and nothing else ---


def test_the_seed_decides() -> None:
    first, second, other = (
        weights_of(trained(problem_of(), PLAIN.model_copy(update={"seed": s}))[0]) for s in (0, 0, 1)
    )
    assert same(first, second)
    assert not same(first, other)


def test_nobody_elses_random_numbers_are_touched() -> None:
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())  # pyright: ignore
    trained(problem_of(), PLAIN)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # pyright: ignore
    with pytest.raises(TrainingError), seeded(3):
        trained(problem_of(lambda _: torch.rand(1)), PLAIN.model_copy(update={"learning_rate": 1e38}))
    assert torch.equal(torch.get_rng_state(), before[0])


def test_every_epoch_sees_every_example_once() -> None:
    seen: list[list[int]] = []
    plain = problem_of()

    def batch(chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        seen.append(chosen.tolist())
        return plain.batch(chosen)

    trained(Problem(LENGTHS, batch, plain.loss), PLAIN)
    assert len(seen) == 16
    epochs = [list(chain.from_iterable(seen[start : start + 4])) for start in range(0, 16, 4)]
    assert all(sorted(one) == list(range(8)) for one in epochs)
    assert len({tuple(one) for one in epochs}) > 1, "each epoch in its own order"


# --- gradients that are found with the loss ---


def found_of(problem: Problem, seen: list[float], share: float = 1.0) -> Problem:
    """The same problem, whose gradients are found with its loss, if the share of steps is not used up."""

    def gradients(model: nn.Module, batch: Any) -> Gradients | None:
        if len(seen) >= share * 16:
            return None
        weights, loss = list(model.parameters()), problem.loss(model, batch)
        parts = [one.flatten() for one in torch.autograd.grad(loss, weights)]
        seen.append(loss.item())
        return Gradients(loss.item(), weights, torch.cat(parts), [len(one) for one in parts], None)

    return replace(problem, gradients=gradients)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_gradients_found_with_the_loss_train_to_the_same_weights(share: float) -> None:
    seen: list[float] = []
    one, place = trained(found_of(problem_of(), seen, share), PLAIN)
    other, wanted = trained(problem_of(), PLAIN)
    assert len(seen) == 16 * share
    assert same(weights_of(one), weights_of(other))
    assert place.history == wanted.history


def test_where_fabric_has_to_see_gradients_they_are_not_found_beforehand() -> None:
    seen: list[float] = []
    trained(found_of(problem_of(), seen), PLAIN.model_copy(update={"precision": "bf16-mixed"}))
    assert not seen


def test_a_loss_that_is_not_finite_moves_nothing() -> None:
    model = network()
    before = weights_of(model)

    def gradients(model: nn.Module, _: Any) -> Gradients:
        weights = list(model.parameters())
        return Gradients(math.nan, weights, torch.ones(26), [one.numel() for one in weights], None)

    with pytest.raises(TrainingError, match="nan"):
        fit(model, replace(problem_of(), gradients=gradients), PLAIN)
    assert same(weights_of(model), before)


# --- the optimiser ---


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_matrices_decay_by_the_schedule_and_biases_do_not(schedule: Any, warmup: float) -> None:
    """Without a gradient only decay moves a weight: w·Π(1 - rate·decay), in closed form."""
    settings = Training(
        epochs=4, batch_size=2, schedule=schedule, warmup=warmup, weight_decay=0.5, learning_rate=0.01
    )
    problem = problem_of()
    still = Problem(
        LENGTHS, problem.batch, lambda model, _: 0.0 * sum(p.sum() for p in model.parameters())
    )
    model, place = trained(still, settings)
    factor, rates = 1.0, []
    for step in range(16):
        done = step / 16
        rest = (done - warmup) / (1 - warmup)
        falling = {"constant": 1.0, "linear": 1 - rest, "cosine": (1 + math.cos(math.pi * rest)) / 2}
        rate = 0.01 * (max(done / warmup, 1e-3) if done < warmup else falling[schedule])
        factor *= 1 - rate * 0.5
        rates.append(rate)
    for name, before in weights_of(network()).items():
        expected = before * factor if before.dim() > 1 else before
        torch.testing.assert_close(model.state_dict()[name], expected, rtol=1e-5, atol=1e-7)
    assert [line["learning_rate"] for line in place.history] == pytest.approx(rates[3::4])


def test_gradients_are_clipped() -> None:
    """The same direction, a thousand times longer: clipped to the same length, the same training."""
    found = []
    for factor in (1.0, 1000.0):
        plain = problem_of()
        problem = Problem(LENGTHS, plain.batch, lambda m, b, f=factor, p=plain: f * p.loss(m, b))  # pyright: ignore
        model, _ = trained(problem, PLAIN.model_copy(update={"gradient_clip": 1e-3}))
        found.append(weights_of(model))
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-3, atol=1e-4)


def test_averaging_is_the_running_mean_of_the_weights() -> None:
    """By hand, from the weights of the same training without it; and the mean is what dev judges."""
    path: list[Weights] = []
    model, _ = trained(problem_of(lambda m: path.append(weights_of(m))), PLAIN)
    path.append(weights_of(model))
    mean = path[0]
    means = []
    for step, now in enumerate(path[1:]):
        decay = min(0.8, (1 + step) / (10 + step))
        mean = {name: decay * mean[name] + (1 - decay) * now[name] for name in mean}
        means.append(mean)
    judged: list[Weights] = []

    def evaluate(one: nn.Module) -> dict[str, float]:
        judged.append(weights_of(one))
        return {"accuracy": float(len(judged))}

    averaged, _ = trained(problem_of(evaluate=evaluate), PLAIN.model_copy(update={"averaging": 0.8}))
    for found, expected in zip([*judged, weights_of(averaged)], [*means[3::4], means[-1]], strict=True):
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-6)


# --- when to stop, and what to keep ---


def scripted(
    figures: list[float], kept: list[Weights] | None = None
) -> Callable[[nn.Module], dict[str, float]]:
    """Dev figures told in advance; the weights that each was given to are noted."""
    coming = iter(figures)

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert not model.training
        if kept is not None:
            kept.append(weights_of(model))
        return {"accuracy": next(coming), "dev_loss": 1.0}

    return evaluate


@pytest.mark.parametrize(
    ("figures", "patience", "epochs", "best"),
    [
        ([0.1, 0.5, 0.4, 0.3, 0.2, 0.9], 3, 5, 2),
        ([0.1, 0.5, 0.4, 0.6, 0.2, 0.1], 3, 6, 4),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 2, 3, 3),
        ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 9, 6, 6),
        ([0.1, 0.5, 0.5, 0.4, 0.4, 0.9], 3, 5, 3),  # of equals the later one; patience counts on
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
    ],
)
@pytest.mark.parametrize("averaging", [None, 0.5])
def test_patience_ends_it_and_the_best_epoch_is_kept(figures, patience, epochs, best, averaging) -> None:
    kept: list[Weights] = []
    settings = PLAIN.model_copy(update={"epochs": 6, "patience": patience, "averaging": averaging})
    model, place = trained(problem_of(evaluate=scripted(figures, kept)), settings)
    assert place.epoch == len(place.history) == len(kept) == epochs
    assert place.best_epoch == best
    assert [line["accuracy"] for line in place.history] == figures[:epochs]
    assert same(weights_of(model), kept[best - 1])
    assert not model.training


def test_without_dev_figures_the_last_epoch_is_kept() -> None:
    path: list[Weights] = []
    model, place = trained(problem_of(lambda m: path.append(weights_of(m))), PLAIN)
    assert place.best_epoch == place.epoch == 4
    assert not same(weights_of(model), path[-1]), "the last step counts"
    assert "accuracy" not in place.history[0]


def test_what_is_told_of_each_epoch(tmp_path: Path) -> None:
    _, place = trained(problem_of(evaluate=scripted([0.1, 0.3, 0.2, 0.4])), PLAIN, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == place.history
    assert [one["epoch"] for one in lines] == [1, 2, 3, 4]
    assert [one["step"] for one in lines] == [4, 8, 12, 16]
    assert all(math.isfinite(one["loss"]) and one["dev_loss"] == 1.0 for one in lines)


# --- when it cannot go on ---


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_it(bad: float, tmp_path: Path) -> None:
    """Before the weights are touched, and the place is named."""
    plain, steps, before = problem_of(), [], []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        steps.append(1)
        before.append(weights_of(model))
        return plain.loss(model, batch) * (bad if len(steps) == 6 else 1.0)

    model = network()
    with pytest.raises(TrainingError, match=r"in epoch 2, step 6") as error:
        fit(model, Problem(LENGTHS, plain.batch, loss), PLAIN, tmp_path)
    assert error.value.fix is not None
    assert same(weights_of(model), before[-1])


def test_nothing_to_train_on() -> None:
    with pytest.raises(TrainingError, match="no example"):
        fit(network(), Problem([], lambda _: None, lambda model, _: torch.zeros(())), PLAIN)


@pytest.mark.parametrize(
    "wrong", [{"accelerator": "abacus"}, {"strategy": "magic"}, {"precision": "3-half"}]
)
def test_devices_that_are_not_there_are_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="does not accept"):
        fit(network(), problem_of(), PLAIN.model_copy(update=wrong))


@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "learning_rate", "dropout", "patience", "averaging"]
)
def test_settings_out_of_range_are_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"setting {name} of Training"):
        Training(**{name: -1})


def test_a_setting_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'epochs'"):
        Training(epoch=3)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    trained(problem_of(), PLAIN, tmp_path)
    last = tmp_path / "checkpoints" / "last.safetensors"
    before = last.read_bytes()
    with pytest.raises(TrainingError, match="checkpoint of another model"):
        fit(nn.Linear(3, 2), problem_of(), PLAIN, tmp_path)
    assert last.read_bytes() == before

"""The training loop, and the only file that knows the trainer (Lightning Fabric).

The loop knows nothing of the model: a `Problem` says what a batch is, what its loss is and how well
the model does. A run can be killed at any moment and goes on from its last checkpoint to the same
result, bit for bit on one machine.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from elman.atomic import read_tensors, write_bytes, write_tensors
from elman.data.batching import Batches
from elman.errors import SettingsError, TrainingError
from elman.optimizer import LazyAdamW
from elman.problem import Problem
from elman.processes import settled
from elman.progress import Progress, tensorboard
from elman.settings import Settings
from elman.weights import Gradients

SPACING = 1_000_003
"""Between the seeds of an ensemble's members, so that runs with seeds side by side share none."""


class Training(Settings):
    """How a model is trained. What is not named keeps a default that suits small data.

    Without `epochs` there are 20, or more on small data: as many as make 2,000 steps, 200 at most.
    Without `patience` it is a quarter of them, or 10 if that is more.
    `learning_rate` rises over the first `warmup` of all steps and then falls by `schedule`. Training
    stops after `patience` epochs without a better dev figure. `consistency` is the weight of the divergence
    between two passes over each batch, which dropout makes differ (R-Drop; Liang et al. 2021, arXiv
    2106.14448). `averaging` is the decay of a running mean of the weights, which is then what is evaluated
    and kept. `ensemble` networks are trained, each from its own seed and on a core of its own, and answer
    together (`elman.ensemble`). `devices`, `num_nodes`, `strategy`, `accelerator` and `precision` are
    Lightning Fabric's.

    >>> Training(epochs=3, seed=7).batch_size
    64
    """

    epochs: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=64, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup: float = Field(default=0.05, ge=0, le=1)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(default=0.01, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    patience: int | None = Field(default=None, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    recurrent_dropout: float = Field(default=0.0, ge=0, lt=1)
    word_dropout: float = Field(default=0.2, ge=0, lt=1)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    consistency: float = Field(default=0.0, ge=0)
    averaging: float | None = Field(default=None, gt=0, lt=1)
    ensemble: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    checkpoint_seconds: float = Field(default=30.0, ge=0)
    tensorboard: bool = False
    accelerator: str = "cpu"
    devices: int | str | list[int] = 1
    num_nodes: int = Field(default=1, ge=1)
    strategy: str = "auto"
    precision: str = "32-true"

    def of_member(self, number: int) -> Training:
        """The settings of one network of an ensemble, with a seed of its own; the first has this one's.

        >>> Training(seed=7).of_member(0).seed
        7
        """
        return self.model_copy(update={"seed": self.seed + number * SPACING})


@dataclass
class Place:
    """Where a run stands; with the tensors of a checkpoint, all that resuming needs."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    stale: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's random numbers from a seed, inside the block; the caller's own are put back after it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def fit(model: nn.Module, problem: Problem, settings: Training, folder: Path | None = None) -> Place:
    """Train the model and leave the best epoch's weights in it.

    With a folder, `checkpoints/last.safetensors`, `checkpoints/best.safetensors` and `metrics.jsonl`
    are kept there, and a run that is found there goes on from its last checkpoint.

    Raises:
        TrainingError: the loss is no longer finite, or the checkpoint is of another model.
        SettingsError: Fabric does not accept the devices, strategy or precision.
    """
    return _Run(model, problem, settings, folder).go()


class _Run:
    def __init__(
        self, model: nn.Module, problem: Problem, settings: Training, folder: Path | None
    ) -> None:
        from lightning_fabric import Fabric

        self.problem, self.settings, self.folder = problem, settings, folder
        self.place = Place()
        if settings.tensorboard and folder is None:
            raise SettingsError("TensorBoard's files need a folder.", fix="pass out=folder to fit")
        self.batches = problem.order or Batches(
            problem.lengths,
            batch_size=settings.batch_size,
            max_steps=settings.max_steps,
            seed=settings.seed,
        )
        steps = len(self.batches.epoch(0))
        self.epochs = settings.epochs or min(200, max(20, math.ceil(2_000 / max(steps, 1))))
        self.patience = settings.patience or max(10, self.epochs // 4)
        try:
            self.fabric = Fabric(
                accelerator=settings.accelerator,
                devices=settings.devices,
                num_nodes=settings.num_nodes,
                strategy=settings.strategy,
                precision=settings.precision,  # pyright: ignore[reportArgumentType]
            )
        except (ValueError, RuntimeError) as cause:
            raise SettingsError(
                "Lightning Fabric does not accept these devices.",
                received=str(cause).split("\n")[0],
                fix="see accelerator, devices, strategy and precision of Training",
            ) from cause
        self.fabric.launch()
        self.bare = model
        # Processes that share gradients clip them by their strategy, and need all weights, as does their mean.
        self.alone = self.fabric.world_size == 1 and settings.accelerator == "cpu"
        self.adam = LazyAdamW(
            model,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            max_norm=settings.gradient_clip if self.alone else None,
            lazy=self.alone and settings.averaging is None,
        )
        self.model: Any = model
        self.optimizer: Any = self.adam
        # Alone, and in plain numbers, Fabric has nothing to do around a step.
        self.plain = self.alone and settings.precision == "32-true"
        if not self.plain:
            self.model, self.optimizer = self.fabric.setup(model, self.adam)
            for method in getattr(model, "forwards", ()):
                self.model.mark_forward_method(method)
        self.average = _cloned(model.state_dict()) if settings.averaging else None
        self.best: dict[str, Tensor] | None = None
        self.board: Any = None

    # --- the loop ---

    def go(self) -> Place:
        """Run every epoch that is left, then put the best weights into the model."""
        self._resume()
        place = self.place
        self.started = self.saved = time.monotonic() - place.seconds
        try:
            with settled(), Progress(self.epochs, self.problem.monitor) as self.bar:
                while place.epoch < self.epochs and not place.finished:
                    self._epoch()
        finally:
            self.adam.close()
            if self.board is not None:
                self.board.close()
        kept = self.average if self.best is None else self.best
        if kept is not None:
            self.bare.load_state_dict(kept)
        self.bare.to("cpu").eval()
        return place

    def _epoch(self) -> None:
        place, fabric = self.place, self.fabric
        batches = self.batches.epoch(place.epoch, rank=fabric.global_rank, world_size=fabric.world_size)
        if not batches:
            raise TrainingError("There is no example to train on.", fix="check the training data")
        self.model.train()
        if not place.batch:
            self.problem.carried.clear()
        for number in range(place.batch, len(batches)):
            rate = self._learning_rate((place.epoch + number / len(batches)) / self.epochs)
            batch = self.problem.batch(batches[number])
            if not self.plain:
                batch = tuple(one.to(fabric.device) for one in batch)
            loss = self._step(batch, rate)
            place.batch, place.step, place.loss_sum = number + 1, place.step + 1, place.loss_sum + loss
            self.bar.step(place.epoch, place.batch, len(batches), place.loss_sum / place.batch)
            if self.folder and time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                self._checkpoint()
        self._end_epoch(len(batches))

    def _step(self, batch: Any, rate: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        found = self._found(batch)
        value = found.loss if isinstance(found, Gradients) else found.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss is {value} in epoch {self.place.epoch + 1}, step {self.place.step + 1}.",
                expected="a finite loss",
                received=f"learning rate {rate:.2g}, gradient clip {self.settings.gradient_clip}",
                fix="lower learning_rate or gradient_clip, or look for extreme values in the data",
            )
        self._descend(found)
        if self.average is not None:
            # Early weights are worth little: the mean reaches back over a tenth of the steps so far.
            decay = min(self.settings.averaging or 0.0, (1 + self.place.step) / (10 + self.place.step))
            for name, value_now in self.bare.state_dict().items():
                self.average[name].lerp_(value_now.to(self.average[name].dtype), 1 - decay)
        return value

    def _found(self, batch: Any) -> Gradients | Tensor:
        """The loss, with its gradients where they are found together."""
        gradients = self.problem.gradients if self.plain else None
        found = None if gradients is None else gradients(self.model, batch)
        if found is None:
            self.optimizer.zero_grad()
        return self.problem.loss(self.model, batch) if found is None else found

    def _descend(self, found: Gradients | Tensor) -> None:
        if isinstance(found, Gradients):
            self.adam.step(gradients=found)
            return
        found.backward() if self.plain else self.fabric.backward(found)
        if not self.alone:
            self.fabric.clip_gradients(
                self.model,
                self.optimizer,
                max_norm=self.settings.gradient_clip,
                error_if_nonfinite=False,
            )
        self.optimizer.step()

    def _end_epoch(self, batches: int) -> None:
        place = self.place
        self.adam.flush()
        figures = self._evaluate()
        rate = self._learning_rate((place.epoch + (batches - 1) / batches) / self.epochs)
        place.epoch, place.batch = place.epoch + 1, 0
        line = {
            "epoch": place.epoch,
            "step": place.step,
            "loss": place.loss_sum / batches,
            "learning_rate": rate,
            **figures,
        }
        place.loss_sum, score = 0.0, figures.get(self.problem.monitor, float(place.epoch))
        place.stale = 0 if score > place.best else place.stale + 1
        if score >= place.best:  # of equals the later one, which has seen more
            place.best, place.best_epoch = score, place.epoch
            self.best = _cloned(self.average or self.bare.state_dict())
            self._write("best", self.best, {})
        place.finished = place.epoch >= self.epochs or place.stale >= self.patience
        place.history.append(line)
        self._log(line)
        self._checkpoint()
        self.bar.epoch(place.epoch, line, place.best)

    def _evaluate(self) -> dict[str, float]:
        if self.problem.evaluate is None:
            return {}
        self.model.eval()
        with torch.inference_mode(), self._averaged():
            return self.problem.evaluate(self.bare)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        if self.average is None:
            yield
            return
        own = _cloned(self.bare.state_dict())
        self.bare.load_state_dict(self.average)
        yield
        self.bare.load_state_dict(own)

    def _learning_rate(self, done: float) -> float:
        settings = self.settings
        if done < settings.warmup:
            return settings.learning_rate * max(done / settings.warmup, 1e-3)
        rest = (done - settings.warmup) / max(1.0 - settings.warmup, 1e-9)
        factor = {"cosine": 0.5 * (1 + math.cos(math.pi * rest)), "linear": 1 - rest, "constant": 1.0}
        return settings.learning_rate * factor[settings.schedule]

    # --- keeping ---

    def _checkpoint(self) -> None:
        """Everything that the next step depends on, in one file that is replaced in one piece."""
        self.place.seconds = time.monotonic() - self.started
        self.saved = time.monotonic()
        if self.folder is None:
            return
        tensors = {f"model.{name}": value for name, value in _cloned(self.bare.state_dict()).items()}
        tensors |= {f"average.{name}": value for name, value in (self.average or {}).items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        tensors |= {f"carried.{name}": value for name, value in self.problem.carried.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        place = asdict(self.place) | {"best": None if self.place.best == -math.inf else self.place.best}
        self._write("last", tensors, {"place": json.dumps(place)})

    def _resume(self) -> None:
        last = None if self.folder is None else self.folder / "checkpoints" / "last.safetensors"
        if last is None or not last.exists():
            return
        tensors, metadata = read_tensors(last)
        groups: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            group, rest = name.split(".", 1)
            groups.setdefault(group, {})[rest] = value
        try:
            self.bare.load_state_dict(groups["model"])
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in groups.get("optimizer", {}).items():
                number, key = name.split(".", 1)
                state.setdefault(int(number), {})[key] = value
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
            place = json.loads(metadata["place"])
            self.place = Place(**place | {"best": -math.inf if place["best"] is None else place["best"]})
        except (KeyError, RuntimeError, TypeError, ValueError) as cause:
            raise TrainingError(
                f"{last} is a checkpoint of another model or training.",
                received=str(cause).split("\n")[0],
                fix="resume with the settings of the run, or train into another folder",
            ) from cause
        self.problem.carried.update(groups.get("carried", {}))
        if self.average is not None:
            self.average = groups["average"]
        torch.set_rng_state(groups["random"]["cpu"])
        if "cuda" in groups["random"]:
            torch.cuda.set_rng_state(groups["random"]["cuda"])
        if self.place.best_epoch:
            self.best = read_tensors(last.with_name("best.safetensors"))[0]

    def _write(self, name: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        if self.folder is not None and self.fabric.is_global_zero:
            write_tensors(self.folder / "checkpoints" / f"{name}.safetensors", tensors, metadata)

    def _log(self, line: dict[str, float]) -> None:
        if self.folder is None or not self.fabric.is_global_zero:
            return
        lines = "".join(json.dumps(one) + "\n" for one in self.place.history)
        write_bytes(self.folder / "metrics.jsonl", lines.encode())
        if self.settings.tensorboard:
            self.board = self.board or tensorboard(self.folder)
            for name in line.keys() - {"epoch", "step"}:
                self.board.add_scalar(name, line[name], int(line["step"]))
            self.board.flush()


def _cloned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}

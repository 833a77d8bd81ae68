"""How far a training is: one line in a terminal, nothing elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Self

from elman.errors import MissingExtraError


class Progress:
    """A progress bar with the loss, the best dev figure, steps a second and the time left.

    It shows itself on standard error, where that is a terminal, and is silent elsewhere.
    """

    def __init__(self, epochs: int, monitor: str) -> None:
        self.epochs, self.monitor = epochs, monitor
        self.bar = self._drawn() if sys.stderr.isatty() else None
        self.task = (
            None if self.bar is None else self.bar.add_task("", total=epochs, loss="", dev="", speed="")
        )
        self.steps = 0

    def _drawn(self):  # noqa: ANN202 - rich is imported only where it is shown
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        return RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[loss]}  {task.fields[dev]}  {task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            refresh_per_second=5,
        )

    def step(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """One more step: `batch` of `batches` in this epoch, and the mean loss so far in it."""
        if self.bar is None or self.task is None:
            return
        self.steps += 1
        elapsed = self.bar.tasks[self.task].elapsed or 0.0
        speed = f"{self.steps / elapsed:.0f} steps/s" if elapsed > 0.2 else ""
        self.bar.update(
            self.task,
            completed=epoch + batch / batches,
            description=f"epoch {epoch + 1}/{self.epochs}",
            loss=f"loss {loss:.3f}",
            speed=speed,
        )

    def epoch(self, epoch: int, line: dict[str, float], best: float) -> None:
        """One more epoch, with its dev figures."""
        if self.bar is not None and self.task is not None and self.monitor in line:
            dev = f"dev {line[self.monitor]:.4f} (best {best:.4f})"
            self.bar.update(self.task, completed=epoch, dev=dev)

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *fault: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def tensorboard(folder: Path) -> Any:
    """What writes figures for TensorBoard into a run's folder.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as cause:
        raise MissingExtraError.of("tensorboard", "tensorboard", "tensorboard=True") from cause
    return SummaryWriter(os.fspath(folder / "tensorboard"))

"""What comes next in a film: frames after frames, each beside the last one copied."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from elman.codecs.video import Video, VideoSettings
from elman.data import Batches, Records, read
from elman.errors import DataError, SettingsError
from elman.layers.convolution import Frames
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged, offsets_of
from elman.seen import Film, FrameReport, Screening
from elman.structures.n_to_n_frames import NToNFrames
from elman.tasks.base import Estimator
from elman.training import Problem, Training

TINY = 1e-5
"""The least squared error of copying that a film is measured by: one may stand still."""


class FrameForecaster(Estimator):
    """Foresees the frames of a film: one recurrence at each place of the picture.

        y[t] = x[t] + draw(h[t], x[t])        loss = mean (y[t] - x[t+1])² / mean (x[t] - x[t+1])²

    The mean below is that of the whole film, so that one with little motion counts as much as any other.
    The network is `NToNFrames`. Untrained, it copies the last frame, which is what it has to beat. Further
    frames are foreseen by reading what it foresaw. Brightness is from 0 to 1.

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units at each place.
        num_layers: layers of recurrence.
        window: frames of a film that are read in one piece in training; pieces overlap by half.
        horizon: frames that `predict` foresees, unless it is told otherwise.
        video: how films are read.
        training: how the network is trained, with the seed; label smoothing plays no part.

    Attributes after `fit`:
        network_: the `NToNFrames`. input_: the codec. history_: the figures of each epoch.

    >>> films = [np.eye(8)[(np.arange(6) + shift) % 8][:, None].repeat(8, 1) for shift in range(4)]
    >>> small = VideoSettings(height=8, width=8, channels=4)
    >>> model = FrameForecaster(hidden_size=8, video=small, training=Training(epochs=2, batch_size=2))
    >>> model.fit({"video": films}, dev={"video": films}).predict(films[0], horizon=3).frames.shape
    (3, 8, 8)
    """

    task: ClassVar[str] = "frame-forecaster"
    kind: ClassVar[str] = "regressor"
    structure: ClassVar[str] = "n-to-n-frames"
    roles: ClassVar[Mapping[str, str]] = {"video": "video"}
    senses: ClassVar[tuple[str, ...]] = ("video",)
    codecs: ClassVar[tuple[str, ...]] = ("input",)

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 32,
        num_layers: int = 1,
        *,
        window: int = 16,
        horizon: int = 8,
        video: VideoSettings = VideoSettings(),  # noqa: B008 - frozen
        training: Training = Training(dropout=0.0, batch_size=8, learning_rate=3e-3),  # noqa: B008
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.window, self.horizon, self.video, self.training = window, horizon, video, training

    # --- learning ---

    def fit(
        self,
        source: Any,
        *,
        video: str = "video",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on films.

        Args:
            source: a file (CSV, JSONL, ...) with paths of films, which may be relative to its folder; a
                data frame or dict of columns; or a list of films: paths or arrays.
            video: the column of films.
            dev: what the best epoch is chosen on: like `source`. A tenth is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a film that cannot be used, or one of fewer than two frames.
            TrainingError: the loss is not finite, or the folder holds another run.

        Warns:
            UserWarning: on dev it is not better than copying the last frame.
        """
        if self.window < 2:
            raise SettingsError("A window has a frame and the next.", expected="2", received=self.window)
        self._fit(source, {"video": video}, dev=dev, out=out, about=about)
        saved = self.figures_.get("dev_saved", 1.0)
        if saved <= 0:
            warnings.warn("On dev this is NOT better than copying the last frame.", stacklevel=2)
        return self

    def _examples(self, source: Any, y: Any = None) -> Records:
        if isinstance(source, list) and not (source and isinstance(source[0], dict)):
            source = {self.columns_["video"]: source}
        rows = read(source)
        column = self.columns_["video"]
        wrong = [i for i, one in enumerate(rows.column(column)) if one is None or isinstance(one, float)]
        rows.refuse(column, wrong, "have no film", fix="fill these rows or take them out")
        return rows

    def _learn_codecs(self, rows: Records) -> None:
        self.input_ = Video(self.video).fit(self.asked(rows))

    def _encoded(self, rows: Records) -> Ragged:
        xs = self.input_.encode(self.asked(rows))
        short = torch.nonzero(xs.lengths < 2).flatten().tolist()
        column = self.columns_["video"]
        rows.refuse(column, short, "have fewer than two frames", fix="take these rows out")
        return xs

    def _network(self) -> NToNFrames:
        shape = (self.input_.colours, self.video.height, self.video.width)
        frames = Frames(shape, self.video.channels, hidden=self.hidden_size)
        training = self.training
        recurrent = Recurrent(
            self.cell,
            frames.features,
            self.hidden_size,
            self.num_layers,
            dropout=training.dropout if self.num_layers > 1 else 0.0,
            recurrent_dropout=training.recurrent_dropout,
        )
        return NToNFrames(frames, recurrent, dropout=training.dropout)

    def _problem(self, train: Ragged, dev: Ragged) -> Problem:
        xs, weights = _windows(train, self.window)

        def loss(model: nn.Module, batch: tuple[Ragged, Tensor]) -> Tensor:
            films, weight = batch
            if self.video.flip:
                side = (torch.rand(len(films), device=weight.device) < 0.5)[films.rows]
                turned = torch.where(side[:, None, None, None], films.values.flip(-1), films.values)
                films = films.with_values(turned)
            found = model(_floats(_but_last(films))).values
            later = films.positions > 0
            apart = (found - _floats(films).values[later]).square().mean((1, 2, 3))
            return (apart * weight[films.rows[later]]).mean()

        return Problem(
            lengths=xs.lengths.tolist(),
            batch=lambda chosen: (xs[chosen], weights[torch.from_numpy(chosen)]),
            loss=loss,
            evaluate=(lambda _: self._figures(dev)) if len(dev) else None,
            monitor="score",
        )

    def _figures(self, xs: Ragged) -> dict[str, float]:
        errors = self._errors(xs)
        own, copied = (float(np.concatenate(one).mean()) for one in zip(*errors, strict=True))
        score = -float(np.mean([one.mean() / max(other.mean(), TINY) for one, other in errors]))
        saved = 1 - own / max(copied, 1e-12)
        return {"score": score, "frame_mse": own, "copy_mse": copied, "saved": saved}

    # --- asking ---

    def predict(self, source: Any, horizon: int | None = None) -> Any:
        """The frames that come after a film, or after each in a list: a `Film`, or a list of them.

        Args:
            source: a path, an array, or a list of such.
            horizon: how many frames; that of the constructor if None.
        """
        self._check_fitted()
        horizon = self.horizon if horizon is None else horizon
        if horizon < 1:
            raise SettingsError("A horizon has a frame at least.", expected="1", received=horizon)
        single = self.input_.is_one(source)
        if not single and not hasattr(source, "__len__"):
            raise DataError("This is no film, and no list of them.", received=repr(source)[:80])
        xs = self.input_.encode([source] if single else list(source))
        found = [Film(self._foreseen(one, horizon)) for one in xs.unbind()]
        return found[0] if single else found

    @torch.inference_mode()
    def _foreseen(self, film: Tensor, horizon: int) -> np.ndarray:
        if not len(film):
            raise DataError("A film without a frame does not go on.", expected="1 frame", received="0")
        network = self.network_.eval()
        state = network.start(1)
        frames, x = [], film[:1].float() / 255
        for step in range(len(film) + horizon - 1):
            x = film[step : step + 1].float() / 255 if step < len(film) else x
            x, state = network.step(x, state)
            x = x.clamp(0, 1)
            if step >= len(film) - 1:
                frames.append(x)
        shades = (255 * torch.cat(frames)).round().to(torch.uint8)
        return self.input_.decode(Ragged(shades, torch.tensor([0, len(shades)])))[0]

    def score(self, source: Any, y: Any = None) -> float:
        """The share of the squared error of copying the last frame that is saved."""
        return self.evaluate(source).saved

    def evaluate(self, source: Any, y: Any = None) -> FrameReport:
        """How well each next frame is foreseen, all before it being known, beside the last one copied."""
        self._check_fitted()
        errors = self._errors(self._encoded(self._examples(source)))
        own, copied = (float(np.concatenate(one).mean()) for one in zip(*errors, strict=True))
        each = [(float(one.mean()), float(other.mean())) for one, other in errors]
        return FrameReport(
            count=len(errors),
            frames=sum(len(one) for one, _ in errors),
            mse=own,
            copied=copied,
            saved=1 - own / max(copied, 1e-12),
            better=sum(one < other for one, other in each),
            each=each,
        )

    def inspect(self, film: Any, top: int = 1) -> Screening:
        """What was foreseen before each frame of a film, and how far from it that was."""
        self._check_fitted()
        xs = self.input_.encode([film])
        if len(xs.values) < 2:
            raise SettingsError(
                "There is no next frame to look at.", received=f"{len(xs.values)} frames"
            )
        own, copied = self._errors(xs)[0]
        with torch.inference_mode():
            found = self.network_.eval()(_floats(_but_last(xs)))
        shades = found.with_values((255 * found.values.clamp(0, 1)).round().to(torch.uint8))
        return Screening(
            self.input_.decode(xs)[0], self.input_.decode(shades)[0], own.tolist(), copied.tolist()
        )

    @torch.inference_mode()
    def _errors(self, xs: Ragged) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each film the squared error of each frame after the first: foreseen, and copied."""
        network = self.network_.eval()
        device = next(network.parameters()).device
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for batch in Batches(xs.lengths.numpy(), batch_size=16, max_steps=1_000).ordered():
            films = xs[batch].to(device)
            known = _floats(_but_last(films))
            truth = _floats(films).values[films.positions > 0]
            answers = network(known).values.clamp(0, 1)
            errors = [(one - truth).square().mean((1, 2, 3)).cpu() for one in (answers, known.values)]
            sizes = known.lengths.tolist()
            pairs = zip(*(one.split(sizes) for one in errors), strict=True)
            for number, (own, copied) in zip(batch.tolist(), pairs, strict=True):
                found[number] = own.numpy(), copied.numpy()
        return [found[number] for number in range(len(xs))]

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size} at each place, {self.num_layers} "
            f"layer(s), frames of {self.video.height} × {self.video.width} pixels",
        }


def _floats(xs: Ragged) -> Ragged:
    return xs.with_values(xs.values.float() / 255)


def _but_last(xs: Ragged) -> Ragged:
    """All frames of each film but the last one."""
    kept = xs.positions < xs.lengths[xs.rows] - 1
    return Ragged(xs.values[kept], offsets_of(xs.lengths - 1))


def _windows(xs: Ragged, size: int) -> tuple[Ragged, Tensor]:
    """Pieces of at most so many frames, that overlap by half, and the weight of each piece.

    The last piece of a film ends where it ends; the weight is one over what copying costs in its film.
    """
    pieces: list[Tensor] = []
    weights: list[float] = []
    for film in xs.unbind():
        shares = film.float() / 255
        weight = 1 / max(float((shares[1:] - shares[:-1]).square().mean()), TINY)
        last = max(len(film) - size, 0)
        starts = sorted({*range(0, last, max(size // 2, 1)), last})
        pieces += [film[start : start + size] for start in starts]
        weights += [weight] * len(starts)
    return Ragged.of(pieces), torch.tensor(weights)

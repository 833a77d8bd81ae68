"""Frames that come next: beside the last one copied, read from files, fed back, written to files."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.errors import DataError, SettingsError

SMALL = elman.VideoSettings(height=8, width=12, channels=4)
QUICK = elman.Training(epochs=1, batch_size=2, dropout=0.0)


def films(count: int = 6, time: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, time, 8, 12), dtype=np.uint8))


@pytest.fixture(scope="module")
def model() -> elman.FrameForecaster:
    made = elman.FrameForecaster(hidden_size=8, window=3, video=SMALL, training=QUICK)
    return made.fit(films(), dev=films(2))


def test_errors_are_those_by_hand(model: elman.FrameForecaster) -> None:
    """Frame by frame, fed what was, and the frame before beside it."""
    shown = films(3, 4)
    report = model.evaluate(shown)
    own, copied = [], []
    for film in shown:
        state = model.network_.start(1)
        for before, after in itertools.pairwise(film):
            x = torch.from_numpy(before).view(1, 1, 8, 12).float() / 255
            with torch.no_grad():
                found, state = model.network_.step(x, state)
            truth = after / 255
            own.append(((found.clamp(0, 1).numpy() - truth) ** 2).mean())
            copied.append(((x.numpy() - truth) ** 2).mean())
    assert report.mse == pytest.approx(np.mean(own), rel=1e-4)
    assert report.copied == pytest.approx(np.mean(copied), rel=1e-4)
    assert report.saved == pytest.approx(1 - np.mean(own) / np.mean(copied), abs=1e-4)
    assert (report.count, report.frames) == (3, 9)
    assert report.better == sum(one < other for one, other in report.each)
    screening = model.inspect(shown[0])
    assert screening.errors == pytest.approx([float(one) for one in own[:3]], rel=1e-4)
    assert screening.truth.shape == (4, 8, 12)
    assert screening.foreseen.shape == (3, 8, 12)


def test_an_untrained_network_copies() -> None:
    still = elman.Training(epochs=1, learning_rate=1e-12)
    made = elman.FrameForecaster(hidden_size=8, video=SMALL, training=still)
    with pytest.warns(UserWarning, match="NOT better") as warned:
        made.fit(films(), dev=films(2))
    assert len(warned) == 1
    assert made.evaluate(films(2)).saved == pytest.approx(0, abs=1e-6)
    film = films(1)[0]
    assert all(np.array_equal(one, film[-1]) for one in made.predict(film, horizon=3).frames)


def test_alone_as_in_a_list_and_as_restored(model: elman.FrameForecaster, tmp_path: Path) -> None:
    shown = [*films(2), *films(1, 2)]
    answers = model.predict(shown, horizon=4)
    again = elman.load(model.save(tmp_path / "model"))
    for film, answer in zip(shown, answers, strict=True):
        assert answer.frames.shape == (4, 8, 12)
        assert answer.frames.dtype == np.uint8
        for asked in (model, again):
            assert np.array_equal(asked.predict(film, horizon=4).frames, answer.frames)
    assert np.array_equal(model.predict(shown[0], horizon=2).frames, answers[0].frames[:2])
    assert model.evaluate(shown).each[2] == pytest.approx(model.evaluate(shown[2:]).each[0])


def test_what_is_no_film_is_refused(model: elman.FrameForecaster) -> None:
    with pytest.raises(DataError, match="fewer than two frames"):
        model.evaluate(films(2, 1))
    with pytest.raises(SettingsError, match="no next frame"):
        model.inspect(films(1, 1)[0])
    with pytest.raises(SettingsError, match="a frame at least"):
        model.predict(films(1)[0], horizon=0)
    with pytest.raises(DataError, match="does not go on"):
        model.predict([np.zeros((0, 8, 12))])
    with pytest.raises(DataError, match="no film"):
        model.predict(3)
    with pytest.raises(SettingsError, match="a frame and the next"):
        elman.FrameForecaster(window=1).fit(films())


def test_from_files_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pil = pytest.importorskip("PIL.Image")
    from PIL import ImageSequence

    monkeypatch.chdir(tmp_path)
    with open("films.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path"])
        for number, film in enumerate(films()):
            np.savez(f"{number}.npz", frames=film)
            writer.writerow([f"{number}.npz"])
    runner = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"})

    def run(*words: str) -> str:
        result = runner.invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.stdout

    small = ["--set", "height=8", "--set", "width=12", "--set", "channels=4", "--epochs", "1"]
    said = run("fit", "films.csv", "--video", "path", *small, "--hidden-size", "4", "--out", "run")
    assert "opying the last frame" in said
    assert "elman inspect run 0.npz" in said
    report = json.loads(run("evaluate", "run", "films.csv", "--json"))["report"]
    assert report["frames"] == 24
    assert len(report["each"]) == 6
    assert "copying the last frame" in run("evaluate", "run", "films.csv")
    for suffix in ("gif", "png", "npz"):
        said = run("predict", "run", "0.npz", "--horizon", "3", "--out", f"next.{suffix}")
        assert f"3 frames written to next.{suffix}" in said
    assert np.load("next.npz", allow_pickle=False)["frames"].shape == (3, 8, 12)
    with pil.open("next.gif") as gif:  # frames that are alike are shown once, for longer
        assert sum(one.info["duration"] for one in ImageSequence.Iterator(gif)) == 300
    assert pil.open("next.png").size == (3 * 12 + 2, 8)
    assert "of the last frame" in run("inspect", "run", "0.npz")
    assert len(json.loads(run("inspect", "run", "0.npz", "--json"))["steps"]) == 4
    pytest.importorskip("matplotlib")
    run("inspect", "run", "0.npz", "--out", "film.png")
    assert np.asarray(pil.open("film.png")).std() > 10
    for words in (["predict", "run", "0.npz", "--out", "a.txt"], ["predict", "run"], ["inspect", "run"]):
        assert runner.invoke(app, words).exit_code == 2

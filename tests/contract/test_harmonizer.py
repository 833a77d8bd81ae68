"""The harmonizer: voices below a given one, their figures, what is refused, and the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.codecs.music import below_highest, highest
from elman.errors import DataError, SettingsError
from elman.music.answers import voice_accuracy
from elman.music.files import open_piece, save_piece

pytest.importorskip("symusic")

TUNE = [60, 62, 64, 65, 67, 65, 64, 62]
THIRDS = [[pitch - 16, pitch - 4, pitch] for pitch in TUNE]
STAY = elman.MusicSettings(transpose=0, embedding_size=32)
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "music": STAY,
    "training": elman.Training(epochs=60, batch_size=2, learning_rate=1e-2, dropout=0.0),
}


@pytest.fixture(scope="module")
def model() -> elman.Harmonizer:
    return elman.Harmonizer(**SMALL).fit([THIRDS] * 8)


def keys_of(model: elman.Harmonizer, piece: Any) -> list[list[int]]:
    return [
        (np.flatnonzero(frame) + 21).tolist() for frame in model.input_.encode([piece]).values.numpy()
    ]


def test_it_writes_what_it_was_shown_below_what_is_given(
    model: elman.Harmonizer, tmp_path: Path
) -> None:
    voice = [[pitch] for pitch in TUNE]
    found = model.predict(voice)
    assert keys_of(model, found.piece) == THIRDS
    # Of what is given the top voice counts alone, and it stays as it was.
    assert model.predict([[40, pitch] for pitch in TUNE]) == found
    again = elman.load(model.save(tmp_path / "run"))
    assert again.predict([voice, voice]) == [found, found]
    report = model.evaluate([THIRDS])
    assert report.voices == {"second": 1.0, "third": 1.0}
    assert report.nats_per_frame * 8 == pytest.approx(-found.log_probability, rel=1e-4)
    assert sum(model.inspect(THIRDS).nats) == pytest.approx(-found.log_probability, rel=1e-4)


def test_nothing_is_written_above_the_top_voice_or_in_silence(model: elman.Harmonizer) -> None:
    given = [[60], [], [21], [108], [64]]
    for one in model.generations(given, decode=elman.Sample(temperature=50.0, seed=1, samples=3)):
        frames = keys_of(model, one.piece)
        assert [frame[-1:] for frame in frames] == given
        assert len(frames[3]) > 3
    assert torch.equal(below_highest(torch.zeros(2, 88)), torch.zeros(2, 88).bool())
    assert highest(torch.ones(1, 4)).tolist() == [[0, 0, 0, 1]]


def test_a_chord_depends_on_what_follows_only_if_it_is_read_backwards() -> None:
    voice, other = [[60], [62], [64]], [[60], [62], [67]]
    for bidirectional in (False, True):
        made = elman.Harmonizer(bidirectional=bidirectional, **SMALL)
        made.set_params(training__epochs=1)
        made.fit([THIRDS] * 8)
        first, second = (made.inspect(one).chances[:2] for one in (voice, other))
        assert np.array_equal(first, second) != bidirectional


def test_voices_are_counted_from_the_highest() -> None:
    wanted = np.zeros((4, 88), int)
    wanted[0, [10, 20, 30]] = wanted[1, [10, 20]] = wanted[2, [5]] = 1
    written = np.zeros_like(wanted)
    written[0, [10, 21, 30]] = written[1, [20]] = written[3, [7]] = 1
    assert voice_accuracy(written, wanted) == {"second": 2 / 3, "third": 0.0, "fourth": 1.0}
    assert voice_accuracy(written, np.zeros_like(wanted)) == {}


def test_what_it_refuses(model: elman.Harmonizer) -> None:
    with pytest.raises(SettingsError, match="the length of the top voice"):
        model.generate()
    with pytest.raises(SettingsError, match="the length of the top voice"):
        model.generate(THIRDS, length=3)
    with pytest.raises(SettingsError, match="in view of the whole tune"):
        model.stream()
    with pytest.raises(DataError, match="nothing to harmonise"):
        model.predict(np.zeros((0, 88)))
    with pytest.raises(DataError, match="no piece, and no list"):
        model.predict(3)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_LANG", "en")
    folder, run = tmp_path / "tunes", str(tmp_path / "run")
    model = elman.Harmonizer(**SMALL)
    model.input_ = elman.Composer().fit([THIRDS] * 4).input_
    for number in range(3):
        save_piece(model.input_.decode(model.input_.encode([THIRDS]).values), folder / f"{number}.mid")
    cli = CliRunner()

    def said(*words: str) -> str:
        result = cli.invoke(app, list(words))
        assert result.exit_code == 0, result.output
        return result.stdout

    settings = ("--epochs", "2", "--hidden-size", "8", "--set", "transpose=0")
    told = said("fit", str(folder), "--task", "harmonizer", *settings, "--out", run)
    assert "reading in both directions" in told
    assert "elman generate" not in told
    assert "notes of the second voice" in said("evaluate", run, str(folder))
    voice, four = str(folder / "0.mid"), tmp_path / "four.mid"
    assert said("predict", run, voice).startswith("X:1\n")
    said("generate", run, "--prompt", voice, "--seed", "3", "--out", str(four))
    assert open_piece(four).length == 8
    assert json.loads(said("inspect", run, voice, "--json"))["steps"][0]["sounds"] == ["G#2", "G#3"]

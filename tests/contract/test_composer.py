"""The composer: what it hears and writes, what it refuses, and that it is the same after saving."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.data import read
from elman.errors import DataError, NotFittedError, SettingsError, StorageError
from elman.music.files import open_piece, save_piece
from elman.music.midi import read_midi, write_midi
from elman.music.piece import Note
from elman.optimizer import LazyAdamW

pytest.importorskip("symusic")

QUICK = elman.Training(epochs=6, batch_size=4, learning_rate=1e-2, dropout=0.0)
SMALL: dict[str, Any] = {"hidden_size": 12, "training": QUICK}
SCALE = [[60], [62, 65], [64, 67], [], [65, 69, 72]] * 3
PIECES = [SCALE, SCALE[2:], SCALE[::-1], SCALE[1:9]] * 4


@pytest.fixture(scope="module")
def model() -> elman.Composer:
    return elman.Composer(**SMALL).fit(PIECES)


@pytest.fixture
def tunes(tmp_path: Path) -> Path:
    """A folder with two tunes in MIDI, one of them in a folder, a book of two in ABC, and a letter."""
    folder = tmp_path / "tunes"
    for name, pitch in (("a.mid", 60), ("more/b.MID", 62)):
        notes = tuple(Note(Fraction(n), Fraction(1), pitch + n) for n in range(8))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(write_midi(elman.Piece(notes)))
    (folder / "c.abc").write_text("X:1\nL:1/4\nK:C\nCDEF|\n\nX:2\nL:1/4\nK:G\nGABc|\n")
    (folder / "letter.txt").write_text("no tune")
    return folder


# --- what it does ---


@pytest.mark.parametrize("head", ["independent", "nade"])
def test_what_is_written(head: Any) -> None:
    model = elman.Composer(head=head, **SMALL).fit(PIECES)
    decode = elman.Sample(temperature=0.9, seed=7)
    piece = model.generate(SCALE, length=6, decode=decode)
    assert piece.length == len(SCALE) + 6
    assert piece == model.generate(SCALE, length=6, decode=decode)
    assert piece != model.generate(SCALE, length=6, decode=elman.Sample(seed=8))
    begun = model.input_.encode([piece]).values[: len(SCALE)]
    assert torch.equal(begun, model.input_.encode([SCALE]).values)
    assert model.generate().length == 64
    assert model.generate(length=9, decode=elman.Greedy(max_length=4)).length == 4
    many = model.generations(length=5, decode=elman.Sample(seed=1, samples=3))
    assert len({one.text for one in many}) == 3
    assert all(one.given == 0 and one.log_probability < 0 for one in many)


@pytest.mark.parametrize("head", ["independent", "nade"])
def test_its_probability_is_the_one_that_evaluate_counts(head: Any) -> None:
    model = elman.Composer(head=head, **SMALL).fit(PIECES)
    for one in model.generations(length=7, decode=elman.Sample(seed=3, samples=4)):
        report = model.evaluate([one.piece])
        assert report.frames == 7
        assert report.nats_with_first * 7 == pytest.approx(-one.log_probability, rel=1e-4)
        assert sum(model.inspect(one.piece).nats) == pytest.approx(-one.log_probability, rel=1e-4)


def test_figures_are_means_over_the_frames_that_the_report_names(model: elman.Composer) -> None:
    report = model.evaluate([SCALE, SCALE[1:9]])
    rolls = [model.inspect(one).nats for one in (SCALE, SCALE[1:9])]
    assert (report.count, report.frames) == (2, 23)
    assert report.nats_with_first == pytest.approx(np.mean([*rolls[0], *rolls[1]]), rel=1e-5)
    assert report.nats_per_frame == pytest.approx(np.mean(rolls[0][1:] + rolls[1][1:]), rel=1e-5)
    assert model.score([SCALE, SCALE[1:9]]) == -report.nats_per_frame
    alone = model.evaluate([[[60]]])
    assert alone.nats_per_frame == alone.nats_with_first


def test_a_piece_is_the_same_in_every_form(model: elman.Composer, tmp_path: Path) -> None:
    piece = model.input_.decode(model.input_.encode([SCALE]).values)
    roll = model.input_.encode([SCALE]).values.numpy()
    files = [save_piece(piece, tmp_path / name) for name in ("a.mid", "a.abc")]
    expected = model.evaluate([SCALE])
    for form in (piece, roll, files[0], str(files[1]), write_midi(piece)):
        assert model.evaluate([form]) == expected
        assert model.predict(form) == model.predict(SCALE)
    assert model.predict([SCALE, piece]) == [model.predict(SCALE)] * 2


def test_what_comes_next_is_told_step_by_step_as_at_once(model: elman.Composer) -> None:
    with model.stream() as stream:
        for number in range(len(SCALE)):
            answer = stream.push([SCALE[number]])
            whole = model.predict(SCALE[: number + 1])
            assert answer is not None
            assert dict(answer.ranking) == pytest.approx(dict(whole.ranking), abs=1e-5)
    assert set(dict(model.predict("").ranking)) == set(model.input_.names)


def test_the_same_after_saving(model: elman.Composer, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    again = elman.load(tmp_path / "run")
    decode = elman.Sample(seed=5)
    assert again.generate(SCALE, 9, decode) == model.generate(SCALE, 9, decode)
    assert again.evaluate(PIECES) == model.evaluate(PIECES)
    assert again.get_params() == model.get_params()


@pytest.mark.parametrize("window", [4, 256])
def test_interrupted_and_resumed(window: int, tmp_path: Path, monkeypatch: Any) -> None:
    """Pieces read whole, and as one stream whose states and keys are carried: the same weights."""
    training = QUICK.model_copy(update={"epochs": 2, "dropout": 0.3, "checkpoint_seconds": 0.0})
    made = elman.Composer(hidden_size=6, window=window, training=training)
    whole = made.fit(PIECES, out=tmp_path / "whole").network_.state_dict()
    calls = []
    step = LazyAdamW.step

    def stopped(self: Any, *given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    monkeypatch.setattr(LazyAdamW, "step", stopped)
    other = elman.Composer(hidden_size=6, window=window, training=training)
    with pytest.raises(KeyboardInterrupt):
        other.fit(PIECES, out=tmp_path / "cut")
    monkeypatch.undo()
    again = other.fit(PIECES, out=tmp_path / "cut").network_.state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_long_pieces_go_in_windows_and_are_measured_whole() -> None:
    whole = elman.Composer(window=8, **SMALL).fit(PIECES)
    assert len(whole.history_) == 6
    assert whole.evaluate(PIECES).nats_per_frame < 20
    fine = elman.Composer(music=elman.MusicSettings(grid=4), **SMALL).fit(PIECES)
    assert fine.generate(length=8).length == 2


def test_published_figures_stand_beside_those_of_the_test_split(
    model: elman.Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman.datasets.jsb_chorales import JsbChorales

    monkeypatch.setattr(JsbChorales, "read", lambda self, split, language: {"piece": PIECES})
    monkeypatch.setenv("ELMAN_LANG", "en")
    asked = ["evaluate", str(model.save(tmp_path / "run")), "--dataset", "jsb-chorales", "--split"]
    for split in ("dev", "test"):
        told = CliRunner().invoke(app, [*asked, split]).stdout
        assert "nats per frame" in told
        assert ("RNN-NADE 5.56" in told) == (split == "test")


# --- what it refuses ---


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "this is no MIDI file"),
        (b"just some words, and no music at all", "this is no MIDI file"),
        (write_midi(elman.Piece((Note(Fraction(0), Fraction(1), 60),)))[:-9], "cut off in track 1 of 1"),
        (b"MThd\0\0\0\6\0\1\0\2\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "cut off in track 2 of 2"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "no notes in this MIDI file"),
    ],
)
def test_files_that_are_no_midi(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "tune.mid").write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        elman.Composer(**SMALL).fit(tmp_path / "tune.mid")
    assert "tune.mid" in str(raised.value)


def test_all_bad_files_of_a_folder_are_named_at_once(tunes: Path) -> None:
    (tunes / "bad.mid").write_bytes(b"nothing")
    (tunes / "worse.abc").write_text("X:1\nK:C\nC ? D")
    with pytest.raises(DataError, match="2 of 5 files") as raised:
        read(tunes)
    told = str(raised.value)
    assert "bad.mid: this is no MIDI file" in told
    assert "this sign is not known" in told
    (tunes / "empty").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        read(tunes / "empty")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X:1\nK:H\nC", "there is no such key"),
        ("X:1\nK:C\nC [CE", "this chord has no end"),
        ("X:1\nK:C\nC]", "a chord ends that did not begin"),
        ("X:1\nK:C\n>C", "nothing stands before a broken rhythm"),
        ("X:1\nL:0/1\nK:C\nC0", "a note has a length"),
        ("X:1\nK:C\nC/0", "this is no length"),
        ("X:1\nK:C\nV:2\nC", "there are several voices"),
        ("C D E", "the tune begins before its key"),
        ("X:1\nM:so\nK:C\nC", "the field M: cannot be read"),
        ("X:1\nK:C\nz4|]", "no notes in this ABC text"),
        ("X:1\nK:C\nc''''''''''", "beyond MIDI's numbers"),
    ],
)
def test_text_that_is_no_abc(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "tune.abc").write_text(text)
    with pytest.raises(DataError, match=told):
        open_piece(tmp_path / "tune.abc")


def test_overlapping_notes_are_one_and_drums_are_none(model: elman.Composer) -> None:
    notes = tuple(Note(Fraction(start), Fraction(2), 60) for start in (0, 1, 1))
    found = model.input_.encode([elman.Piece(notes)]).values[:, 60 - 21]
    assert found.tolist() == [1, 1, 1]
    again = read_midi(write_midi(elman.Piece(notes)))
    assert model.input_.encode([again]).values[:, 60 - 21].tolist() == [1, 1, 1]


def test_what_is_no_piece(model: elman.Composer, tmp_path: Path) -> None:
    low = elman.Piece((Note(Fraction(0), Fraction(1), 12),))
    with pytest.raises(DataError, match="1 of 1 notes are beyond the keys"):
        model.evaluate([low])
    for wrong in ([[60], 61], [[60, 200]], ["C4"], np.full((3, 88), 2), np.zeros((3, 12))):
        with pytest.raises(DataError, match=r"Piece 1|is no piano roll"):
            model.evaluate([wrong])
    with pytest.raises(DataError, match="have no piece"):
        model.evaluate([SCALE, []])
    with pytest.raises(DataError, match="no piece, and no list"):
        model.predict(7)
    with pytest.raises(DataError, match="cannot be read"):
        model.predict("nowhere.mid")
    with pytest.raises(DataError, match="shorter than a frame"):
        model.evaluate([elman.Piece((Note(Fraction(0), Fraction(1, 24), 60),))])
    with pytest.raises(DataError, match="cannot be played"):
        elman.Piece((Note(Fraction(0), Fraction(0), 60),))
    with pytest.raises(SettingsError, match="The suffix does not say"):
        save_piece(low, tmp_path / "tune.mp3")
    with pytest.raises(StorageError):
        save_piece(low, "/proc/nowhere/tune.mid")
    with pytest.raises(NotFittedError):
        elman.Composer().generate()


def test_what_frames_are_not_decoded_by(model: elman.Composer) -> None:
    with pytest.raises(SettingsError, match="drawn, or chosen"):
        model.generate(decode=elman.Beam(beam_size=2))
    with pytest.raises(SettingsError, match="by a temperature alone"):
        model.generate(decode=elman.Sample(top_k=3))


# --- commands ---


def test_the_commands(tunes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_LANG", "en")
    run, written = str(tmp_path / "run"), tmp_path / "tune.mid"
    cli = CliRunner()

    def said(*words: str) -> str:
        result = cli.invoke(app, list(words))
        assert result.exit_code == 0, result.output
        return result.stdout

    told = said("fit", str(tunes), "--epochs", "2", "--hidden-size", "8", "--out", run)
    assert "log-likelihood of a frame" in told
    assert f"elman generate {run}" in told
    report = json.loads(said("evaluate", run, str(tunes), "--json"))["report"]
    assert report["count"] == 4
    assert said("generate", run, "--seed", "1", "--steps", "6").startswith("X:1\n")
    opening = str(tunes / "a.mid")
    asked = ("--prompt", opening, "--steps", "4", "--temperature", "0.9", "--seed", "7")
    assert "Written to" in said("generate", run, *asked, "--out", str(written))
    assert open_piece(written).length == 12
    assert open_piece(written).notes[0] == open_piece(opening).notes[0]
    said("generate", run, "--samples", "2", "--out", str(tmp_path / "many.wav"))
    assert (tmp_path / "many-1.wav").read_bytes()[:4] == (tmp_path / "many-2.wav").read_bytes()[:4]
    assert "%" in said("predict", run, opening)
    assert len(said("predict", run, str(tunes)).splitlines()) == 4
    assert json.loads(said("predict", run, opening, "--json"))["label"]
    assert "C4 │" in said("inspect", run, opening)
    found = json.loads(said("inspect", run, opening, "--json"))
    assert found["steps"][0]["sounds"] == ["C4"]
    pytest.importorskip("matplotlib")
    said("inspect", run, opening, "--out", str(tmp_path / "roll.png"))
    assert (tmp_path / "roll.png").read_bytes()[:4] == b"\x89PNG"
    failed = cli.invoke(app, ["generate", run, "--prompt", str(tunes / "letter.txt")])
    assert failed.exit_code == 2
    assert "the suffix names no notation" in failed.stderr

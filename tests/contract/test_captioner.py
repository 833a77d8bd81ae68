"""A captioner: every source and both ways of looking, saved and restored, alone as in a list."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.errors import DataError, SettingsError

PIL = pytest.importorskip("PIL.Image")
SMALL = elman.ImageSettings(size=16, channels=4)
QUICK = elman.Training(epochs=2, batch_size=4, dropout=0.1)
TEXTS = ["a red square", "一个绿色的方块", "blue !"]


def pictures(count: int = 12) -> list[np.ndarray]:
    colours = 255 * np.eye(3, dtype=np.uint8)
    return [np.broadcast_to(colours[n % 3], (16, 16, 3)).copy() for n in range(count)]


def rows(count: int = 12) -> dict[str, list[Any]]:
    return {"image": pictures(count), "text": [TEXTS[n % 3] for n in range(count)]}


@pytest.fixture(scope="module", params=[None, "additive"])
def model(request: pytest.FixtureRequest) -> elman.Captioner:
    made = elman.Captioner(hidden_size=8, attention=request.param, image=SMALL, training=QUICK)
    return made.fit(rows(), dev=rows(3))


def test_alone_as_in_a_list_and_as_restored(model: elman.Captioner, tmp_path: Path) -> None:
    seen = [np.random.default_rng(n).integers(0, 256, (16, 16, 3), dtype=np.uint8) for n in range(4)]
    answers = model.predict(seen)
    again = elman.load(model.save(tmp_path / "model"))
    for one, answer in zip(seen, answers, strict=True):
        for asked in (model, again):
            found = asked.predict(one)
            assert found.text == answer.text
            assert found.score == pytest.approx(answer.score, abs=1e-5)
    assert [one.text for one in model.predict(seen[::-1])] == [one.text for one in answers[::-1]]
    best = model.predict(seen[0], decode=elman.Beam(beam_size=3, n_best=3))
    assert len(best.ranking) == 3
    assert best.to_dict(2)["top"][0] == {"text": best.text, "score": best.score}
    assert model.predict([]) == []


def test_figures_are_counted_picture_by_picture(model: elman.Captioner) -> None:
    twice = rows(3)
    twice = {name: values * 2 for name, values in twice.items()}
    twice["text"][3:] = ["never said", "never said", "never said"]
    report = model.evaluate(twice)
    assert (report.count, report.references) == (3, 6)
    told = [one.text for one in model.predict(pictures(3))]
    known = model.evaluate({"image": pictures(3), "text": told})
    assert known.figures["exact"] == 1.0
    assert set(known.figures) == {"exact", "bleu", "cider"}


def test_a_gaze_is_a_map_for_each_word(model: elman.Captioner) -> None:
    gaze = model.inspect(pictures(1)[0])
    assert gaze.picture.shape == (16, 16, 3)
    assert len(gaze.tokens) == len(gaze.weights)
    assert gaze.weights.sum((1, 2)) == pytest.approx(np.ones(len(gaze.tokens)), abs=1e-5)
    assert (gaze.weights >= 0).all()
    assert gaze.way == ("occlusion" if model.attention is None else "attention")
    json.dumps(gaze.to_dict())


def test_every_kind_of_picture_is_one(model: elman.Captioner, tmp_path: Path) -> None:
    picture = pictures(2)[1]
    PIL.fromarray(picture).save(tmp_path / "one.png")
    answer = model.predict(picture)
    for same in (tmp_path / "one.png", str(tmp_path / "one.png"), PIL.fromarray(picture), picture / 255):
        assert model.predict(same).text == answer.text
    assert [one.text for one in model.predict([picture, tmp_path / "one.png"])] == [answer.text] * 2
    with pytest.raises(DataError, match="no picture"):
        model.predict(5)


def test_features_made_elsewhere() -> None:
    made = elman.Captioner(hidden_size=8, training=QUICK)
    made.fit([[0.0, 1.0], [1.0, 0.0]] * 6, ["north", "east"] * 6)
    assert made.predict([0.0, 1.0]).text in ("north", "east")
    assert len(made.predict([[0.0, 1.0], [1.0, 0.0]])) == 2
    with pytest.raises(SettingsError, match="no place"):
        made.inspect([0.0, 1.0])
    with pytest.raises(SettingsError, match="no regions"):
        elman.Captioner(attention="dot", training=QUICK).fit([[0.0, 1.0]] * 20, ["north"] * 20)


def test_what_cannot_be_learned_from_is_refused() -> None:
    made = elman.Captioner(image=SMALL, training=QUICK)
    with pytest.raises(DataError, match="1 of 2 rows have no caption"):
        made.fit({"image": pictures(2), "text": ["a", "  "]})
    with pytest.raises(DataError, match="there is no column 'image'"):
        made.fit({"picture": pictures(2), "text": ["a", "b"]})
    with pytest.raises(SettingsError, match="no such attention"):
        elman.Captioner(attention="some").fit(rows())
    with pytest.raises(SettingsError, match="cannot act"):
        elman.Captioner(acts="never").fit(rows())
    with pytest.raises(SettingsError, match="sees pictures whole"):
        elman.Captioner(image=elman.ImageSettings(parts="rows")).fit(rows())


def test_pictures_change_in_training_alone_and_by_torchs_numbers() -> None:
    made = elman.Captioner(image=SMALL, hidden_size=8, training=QUICK).fit(rows(), dev=rows(3))
    eye = made.network_.inputs[0]
    x = torch.from_numpy(np.stack(pictures(3))).permute(0, 3, 1, 2)
    assert torch.equal(eye(x), eye(x))
    eye.train()
    torch.manual_seed(1)
    first, second = eye(x), eye(x)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(eye(x), first)


def test_from_files_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths beside the table, whatever folder one is in; and every command that answers."""
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for number, (picture, text) in enumerate(zip(*rows().values(), strict=True)):
            PIL.fromarray(picture).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", text])
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"})

    def run(*words: str) -> str:
        result = runner.invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.stdout

    given = ["--image", "path", "--text", "caption", "--epochs", "2", "--hidden-size", "8"]
    small = ["--set", "size=16", "--set", "channels=4", "--out", "run"]
    said = run("fit", "data/captions.csv", *given, *small)
    assert "captions that are exact" in said
    assert "elman inspect run data/0.png" in said
    assert run("predict", "run", "data/0.png").startswith("data/0.png\n  →")
    lines = run("predict", "run", "data/captions.csv").splitlines()
    assert len(lines) == 12
    assert lines[0].startswith(f"{tmp_path}/data/0.png\t")
    told = json.loads(run("predict", "run", "data/0.png", "--json", "--top", "2"))
    assert told["caption"] == told["top"][0]["text"]
    report = json.loads(run("evaluate", "run", "data/captions.csv", "--json"))["report"]
    assert report["count"] == 12
    assert "CIDEr" in run("evaluate", "run", "data/captions.csv")
    said = run("inspect", "run", "data/0.png")
    assert "█" in said
    assert json.loads(run("inspect", "run", "data/0.png", "--json"))["way"] == "occlusion"
    pytest.importorskip("matplotlib")
    assert "Drawn: out/gaze.png" in run("inspect", "run", "data/0.png", "--out", "out/gaze.png")
    assert np.asarray(PIL.open("out/gaze.png")).std() > 10
    wrong = runner.invoke(app, ["inspect", "run", "data/0.png", "--out", "gaze.txt"])
    assert wrong.exit_code == 2
    assert "no format of drawings" in wrong.output
    bad = runner.invoke(app, ["predict", "run", "data/captions.png"])
    assert bad.exit_code == 2
    assert "there is no such file" in bad.output

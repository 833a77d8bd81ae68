"""What `--json` prints of pictures, films, recordings and readings is as docs/guide/json.md shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app

from .test_docs import blocks
from .test_docs_json import PAGE, shape

PIL = pytest.importorskip("PIL.Image")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("kaldi_native_fbank")

QUICK = elman.Training(epochs=1, batch_size=4, dropout=0.0)
DRAW = np.random.default_rng(0)


def captioner(folder: Path) -> elman.Captioner:
    for number in range(6):
        frame = DRAW.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        PIL.fromarray(frame).save(folder / f"{number}.png")
    rows = [f"{number}.png,a cat number {number % 2}" for number in range(6)]
    (folder / "rows.csv").write_text("\n".join(["image,text", *rows]))
    settings = elman.ImageSettings(size=16, channels=4)
    return elman.Captioner(hidden_size=4, attention="additive", image=settings, training=QUICK)


def films(folder: Path) -> elman.FrameForecaster:
    for number in range(4):
        np.savez(folder / f"{number}.npz", frames=DRAW.integers(0, 256, (5, 8, 8), dtype=np.uint8))
    (folder / "rows.csv").write_text("\n".join(["video", *(f"{n}.npz" for n in range(4))]))
    settings = elman.VideoSettings(height=8, width=8, channels=4)
    return elman.FrameForecaster(hidden_size=4, window=3, video=settings, training=QUICK)


def transcriber(folder: Path) -> elman.Transcriber:
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", DRAW.normal(0, 0.1, 3_200), 8_000)
    rows = [f"{number}.wav,{('one', 'two')[number % 2]} three" for number in range(6)]
    (folder / "rows.csv").write_text("\n".join(["audio,text", *rows]))
    return elman.Transcriber(hidden_size=4, audio=elman.AudioSettings(n_mels=8), training=QUICK)


def tagger(folder: Path) -> elman.Tagger:
    rows = [
        f"s{n},{t / 10},{DRAW.normal():.3f},{('walk', 'rest')[t % 2]}"
        for n in range(6)
        for t in range(4)
    ]
    (folder / "rows.csv").write_text("\n".join(["id,seconds,x,doing", *rows]))
    return elman.Tagger("gru", 4, 1, training=QUICK)


MADE: dict[str, tuple[Any, dict[str, str], str]] = {
    "captioner": (captioner, {}, "0.png"),
    "frame-forecaster": (films, {}, "0.npz"),
    "transcriber": (transcriber, {"audio": "audio", "target": "text"}, "0.wav"),
    "tagger": (tagger, {"series": "id", "time": "seconds", "tags": "doing"}, "rows.csv"),
}
PREDICTED = {
    "captioner": "caption",
    "frame-forecaster": "shape",
    "transcriber": "times",
    "tagger": "tag",
}
INSPECTED = {"captioner": "way", "frame-forecaster": "frame"}
REPORTED = {"captioner": "cider", "frame-forecaster": "saved", "tagger": "tokens"}


@pytest.fixture(scope="module", params=MADE)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A task, and a folder with its model, `run`, and what it was trained on."""
    make, columns, _ = MADE[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    make(folder).fit(folder / "rows.csv", **columns).save(folder / "run")
    return request.param, folder


def told(*keys: str) -> Any:
    """The one object of the page with all of these keys, at any depth."""
    found = [
        json.loads(one.content)
        for one in blocks(PAGE)
        if one.language == "json" and all(f'"{key}"' in one.content for key in keys)
    ]
    assert len(found) == 1, f"{PAGE} has {len(found)} objects with {keys}"
    return found[0]


def printed(folder: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    done = CliRunner(env={"ELMAN_LANG": "en"}).invoke(app, [*words.split(), "--json"])
    assert done.exit_code == 0, done.output
    return done.stdout


def alike(found: Any, said: Any) -> None:
    """Same fields of the same kinds; what the page shows may be null where it says so."""
    one, other = shape(found), shape(said)
    if isinstance(one, dict) and one.get("times") == "NoneType":
        other["times"] = "NoneType"
    assert one == other


def test_predict(run: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    task, folder = run
    asked = MADE[task][2]
    out = " --out next.gif" if task == "frame-forecaster" else ""
    lines = printed(folder, f"predict run {asked}{out}", monkeypatch).splitlines()
    found = json.loads(lines[0])
    pages = [json.loads(one.content) for one in blocks(PAGE) if one.language == "json"]
    said = [one for one in pages if PREDICTED[task] in one and not {"steps", "prediction"} & set(one)]
    assert len(said) == 1
    alike(found, said[0])
    assert len(lines) == (24 if task == "tagger" else 1)
    if task in ("captioner", "transcriber"):
        assert found["text"] == asked


def test_evaluate(run: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    task, folder = run
    found = json.loads(printed(folder, "evaluate run rows.csv", monkeypatch))["report"]
    if task == "transcriber":  # in words: the same as a captioner's, with other figures
        assert found.keys() == told("cider").keys()
        assert set(found["figures"]) == {"wer", "cer"}
        assert found["signature"] is None
        return
    alike(found, told(REPORTED[task], "count"))


def test_inspect(run: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    task, folder = run
    found = json.loads(printed(folder, f"inspect run {MADE[task][2]} --top 1", monkeypatch))
    if task in INSPECTED:
        alike(found, told(INSPECTED[task], "film" if task == "frame-forecaster" else "prediction"))
        return
    steps = told("beliefs", "prediction")["steps"]
    assert shape(found["steps"]) == shape(steps[:1])
    times = [float(step["token"].split()[0]) for step in found["steps"]]
    assert times == sorted(times)


def test_a_classifier_names_the_sequences_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other field is as of what has no name."""
    rows = [
        f"s{n},{t / 10},{DRAW.normal():.3f},{DRAW.normal():.3f},{('walk', 'rest')[n % 2]}"
        for n in range(6)
        for t in range(4)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["id,seconds,x,y,doing", *rows]))
    model = elman.Classifier("gru", 4, training=QUICK)
    model.fit(tmp_path / "rows.csv", series="id", time="seconds", label="doing").save(tmp_path / "run")
    found = [
        json.loads(one) for one in printed(tmp_path, "predict run rows.csv", monkeypatch).splitlines()
    ]
    alike(found[0], told("id", "text", "top"))
    assert [one.pop("id") for one in found] == [f"s{n}" for n in range(6)]
    plain = [json.dumps({"text": one["text"], "label": one["label"]}) for one in found]
    (tmp_path / "plain.jsonl").write_text("\n".join(plain))
    again = printed(tmp_path, "predict run plain.jsonl", monkeypatch).splitlines()
    assert [json.loads(one) for one in again] == [{"row": n, **one} for n, one in enumerate(found, 1)]

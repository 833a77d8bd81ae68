"""Recordings that are given by mistake are refused in words; odd ones are read as documented."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import elman
from elman.codecs.audio import Audio
from elman.errors import DataError, ElmanError, SettingsError
from elman.sound import read_recording

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("kaldi_native_fbank")

RATE = 8_000
ONCE = elman.Training(epochs=1, batch_size=4)
SMALL = elman.AudioSettings(n_mels=8)


def tone(hertz: float, seconds: float = 0.2, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def files(folder: Path, *, suffix: str = "wav") -> Path:
    """Six recordings of each of two labels, in a folder of its own."""
    for label, hertz in (("low", 300), ("high", 2000)):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            soundfile.write(folder / label / f"{number}.{suffix}", tone(hertz + 10 * number), RATE)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(tmp_path_factory.mktemp("sound") / "words")


@pytest.fixture(scope="module")
def model(folder: Path) -> elman.Classifier:
    return small().fit(folder)


def small(**options: Any) -> elman.Classifier:
    return elman.Classifier(**({"hidden_size": 4, "training": ONCE, "audio": SMALL} | options))


# --- what is no recording ---


def damaged(folder: Path) -> dict[str, Path]:
    """Files that are none, by what is wrong with them."""
    found = {}
    for suffix in ("wav", "flac", "ogg", "aiff"):
        whole = folder / f"whole.{suffix}"
        soundfile.write(whole, np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32), RATE)
        content = whole.read_bytes()
        found[f"cut.{suffix}"] = content[: len(content) // 2]
        found[f"head.{suffix}"] = content[:20]
    soundfile.write(folder / "fast.wav", tone(300), 100_000_000)
    found["fast.wav"] = (folder / "fast.wav").read_bytes()
    soundfile.write(folder / "nan.wav", np.array([0, np.nan, 1], np.float32), RATE, subtype="FLOAT")
    found["nan.wav"] = (folder / "nan.wav").read_bytes()
    found["text.wav"], found["empty.wav"] = b"zero one two\n" * 40, b""
    for name, content in found.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in found}


@pytest.mark.parametrize(
    ("name", "problem", "received"),
    [
        ("cut.wav", "cut off in the middle", "of 16000 bytes of sound"),
        ("cut.aiff", "cut off in the middle", "bytes of sound"),
        ("cut.ogg", "cut off in the middle", ""),
        ("cut.flac", "no recording that can be read", "bytes"),
        ("head.wav", "no recording that can be read", "20 bytes"),
        ("head.ogg", "no recording that can be read", "20 bytes"),
        ("text.wav", "no recording that can be read", "text: 'zero one two"),
        ("empty.wav", "no recording that can be read", "an empty file"),
        ("fast.wav", "cannot have this rate", "100000000"),
        ("nan.wav", "not finite at 0.000 s", "nan"),
    ],
)
def test_a_file_says_what_is_wrong_with_it(
    tmp_path: Path, model: elman.Classifier, name: str, problem: str, received: str
) -> None:
    path = damaged(tmp_path)[name]
    with pytest.raises(DataError, match=problem) as raised:
        read_recording(path)
    assert received in str(raised.value.received)
    assert str(path) in str(raised.value)
    with pytest.raises(DataError, match=problem):
        model.predict(str(path))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("nowhere.wav", "there is no such file"),
        (".", "this is a folder"),
        (np.zeros(800), "no recording"),
        ((np.zeros((2, 8_000)), RATE), "would have 8000 channels"),
        ((np.zeros(80), 0), "cannot have this rate"),
        ((np.zeros(80), 8_000.5), "cannot have this rate"),
        ((np.zeros(80), float("nan")), "cannot have this rate"),
        ((np.array(["a", "b"]), RATE), "must be numbers"),
        ((np.zeros(80, complex), RATE), "must be numbers"),
        ((np.array([0.0, np.inf]), RATE), "not finite"),
        (7, "no recording"),
    ],
)
def test_a_value_says_what_is_wrong_with_it(raw: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_recording(raw)


def test_bad_recordings_are_told_together(tmp_path: Path) -> None:
    root = files(tmp_path / "words")
    for number in range(3):
        (root / "low" / f"{number}.wav").write_text("no sound at all")
    with pytest.raises(DataError, match=r"3 of 1\d recordings cannot be used") as raised:
        small().fit(root)
    assert str(raised.value.received).count("no recording that can be read") == 3


def test_a_table_names_the_line_of_a_missing_file(folder: Path) -> None:
    rows = [f"{label}/{n}.wav,{label}" for label in ("low", "high") for n in range(6)]
    table = folder / "table.csv"
    table.write_text("\n".join(["path,word", *rows, "low/77.wav,low"]) + "\n")
    with pytest.raises(DataError, match="name a file that is not there") as raised:
        small().fit(table, audio="path", label="word")
    assert "table.csv:14" in str(raised.value)
    table.write_text("\n".join(["path,word", *rows]) + "\n")
    found = small().fit(table, audio="path", label="word")  # wherever the program was started
    assert found.reads_files
    assert found.evaluate(table).count == 12


def test_a_folder_of_other_files_is_none_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "low").mkdir()
    (tmp_path / "low" / "a.txt").write_text("text")
    with pytest.raises(DataError, match="this is a folder"):
        small().fit(tmp_path)


def test_rows_without_a_frame_are_refused_in_training() -> None:
    raw = [(tone(300), RATE), (tone(2000), RATE)] * 6
    with pytest.raises(DataError, match="1 of 13 rows have nothing to read"):
        small().fit(
            [*raw, (np.zeros(1), RATE)], ["low", "high"] * 6 + ["low"], dev=(raw, ["low", "high"] * 6)
        )
    with pytest.raises(DataError, match="No recording is as long as a frame"):
        small().fit([(np.zeros(n), RATE) for n in range(12)], ["low", "high"] * 6)


# --- what is odd, and read as documented ---


def test_silence_and_one_sample_have_an_answer(model: elman.Classifier) -> None:
    for samples in (np.zeros(8_000), np.zeros(1), np.zeros(0)):
        answer = model.predict((samples, RATE))
        assert 0 < answer.score <= 1


def test_a_recording_is_the_same_however_it_is_kept(tmp_path: Path, model: elman.Classifier) -> None:
    """Stereo, eight bits, floats, another format or rate, a path or an array: one answer."""
    samples = tone(1000, 0.5)
    wanted = model.predict((samples, RATE))
    kept: dict[str, tuple[np.ndarray, int, dict]] = {
        "stereo.wav": (np.stack([samples, samples], 1), RATE, {}),
        "eight.wav": (samples, RATE, {"subtype": "PCM_U8"}),
        "float.wav": (samples, RATE, {"subtype": "FLOAT"}),
        "flac.flac": (samples, RATE, {}),
        "rate.wav": (tone(1000, 0.5, 44_100), 44_100, {}),
    }
    for name, (array, rate, options) in kept.items():
        soundfile.write(tmp_path / name, array, rate, **options)
        for one in (str(tmp_path / name), tmp_path / name):
            answer = model.predict(one)
            assert answer.label == wanted.label
            assert answer.score == pytest.approx(wanted.score, abs=0.02), name


def test_the_rate_is_that_which_all_recordings_have() -> None:
    fast, slow = (tone(300, rate=44_100), 44_100), (tone(300, rate=11_025), 11_025)
    assert Audio(SMALL).fit([fast, fast]).rate == 16_000
    assert Audio(SMALL).fit([fast, slow]).rate == 8_000
    assert Audio(elman.AudioSettings(rate=22_050)).fit([slow]).rate == 22_050


# --- the classifier ---


def test_a_model_answers_the_same_after_it_was_kept(
    tmp_path: Path, model: elman.Classifier, folder: Path
) -> None:
    paths = sorted(map(str, folder.glob("*/*.wav")))
    again = elman.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict_proba(paths), model.predict_proba(paths))
    assert again.input_.config() == model.input_.config()


@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_what_streams_answers_as_the_whole_does(folder: Path, stack: int, rate: int) -> None:
    model = small(audio=elman.AudioSettings(n_mels=8, stack=stack)).fit(folder)
    samples = tone(700, 0.3, rate)
    trace = model.inspect((samples, rate), top=2)
    with model.stream() as stream:
        answers = []
        for piece in np.array_split(samples, 23):
            answers += stream.push_each((piece, rate))
        last = stream.finish()
    assert last is not None
    assert last.score == pytest.approx(model.predict((samples, rate)).score, abs=1e-5)
    for answer, step in zip(answers, trace.steps, strict=False):
        assert answer.ranking == [(label, pytest.approx(p, abs=1e-5)) for label, p in step.beliefs]
    late = 0 if rate == RATE else 12 // stack  # on its way to another rate, sound is held back a little
    assert len(trace.steps) - late <= len(answers) <= len(trace.steps)
    assert [step.token for step in trace.steps[:2]] == [
        f"{0.015 + 0.01 * stack * n:.3f} s" for n in (1, 2)
    ]


def test_what_cannot_stream_says_why(folder: Path) -> None:
    both = small(bidirectional=True).fit(folder)
    assert not both.input_.causal
    with pytest.raises(SettingsError, match="bidirectional"):
        both.stream()
    whole = small(audio=elman.AudioSettings(n_mels=8, causal=False)).fit(folder)
    with pytest.raises(SettingsError, match="whole of it"):
        whole.stream()
    with small().fit(folder).stream() as stream:
        stream.push((tone(300), 16_000))
        with pytest.raises(DataError, match="rate changed"):
            stream.push((tone(300), 8_000))


def test_a_run_that_was_interrupted_hears_the_same_changes(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn at random in training is a part of the checkpoint."""
    from elman import training

    settings = elman.Training(epochs=3, batch_size=4, checkpoint_seconds=0.0)
    loud = elman.AudioSettings(n_mels=8, speed=0.2, noise=10.0)
    whole = small(training=settings, audio=loud).fit(folder)
    step, count = training._Run._step, 0

    def interrupted(self: Any, batch: Any, rate: float) -> float:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        return step(self, batch, rate)

    monkeypatch.setattr(training._Run, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(training=settings, audio=loud).fit(folder, out=tmp_path / "run")
    resumed = small(training=settings, audio=loud).fit(folder, out=tmp_path / "run")
    for name, value in whole.network_.state_dict().items():
        assert torch.equal(value, resumed.network_.state_dict()[name]), name


# --- the transcriber ---


def strings() -> dict[str, list[Any]]:
    pairs = {"low": 300, "high": 2000}
    texts = ["low high", "high", "low", "high low high", "low low"] * 3
    sounds = [[tone(pairs[one]) for one in text.split()] for text in texts]
    return {"audio": [(np.concatenate(one), RATE) for one in sounds], "text": texts}


@pytest.fixture(scope="module")
def writer() -> elman.Transcriber:
    return transcriber().fit(strings())


def transcriber(**options: Any) -> elman.Transcriber:
    usual = {"audio": elman.AudioSettings(n_mels=8, stack=2), "training": ONCE}
    return elman.Transcriber(**({"hidden_size": 4, "num_layers": 1} | usual | options))


def test_a_transcriber_answers_streams_and_is_kept(tmp_path: Path, writer: elman.Transcriber) -> None:
    rows = strings()
    found = writer.predict(rows["audio"])
    assert [one.text for one in elman.load(writer.save(tmp_path / "model")).predict(rows["audio"])] == [
        one.text for one in found
    ]
    assert all(one.ranking == sorted(one.ranking, key=lambda pair: -pair[1]) for one in found)
    greedy = transcriber(beam_size=1, bidirectional=False).fit(rows)
    samples, rate = rows["audio"][3]
    with greedy.stream() as stream:
        for piece in np.array_split(samples, 7):
            stream.push((piece, rate))
        last = stream.finish()
    whole = greedy.predict((samples, rate))
    assert last is not None
    assert (last.text, last.times) == (whole.text, whole.times)
    with pytest.raises(SettingsError, match="bidirectional"):
        writer.stream()


def test_a_transcriber_says_what_it_cannot_learn(writer: elman.Transcriber) -> None:
    rows = {"audio": [(tone(300), RATE)] * 12, "text": ["low"] * 11 + ["low " * 12]}
    with pytest.raises(DataError, match="more words than their recordings have steps"):
        transcriber().fit(rows, dev=({"audio": rows["audio"][:2], "text": ["low", "low"]}))
    with pytest.raises(DataError, match="words that training did not see"):
        transcriber().fit(strings_of("low"), dev=strings_of("loud"))
    with pytest.raises(ElmanError, match="unit"):
        transcriber(units="syllables").fit(strings_of("low"))


def strings_of(text: str) -> dict[str, list[Any]]:
    return {"audio": [(tone(300), RATE)] * 12, "text": [text] * 12}


def test_a_picture_is_drawn(tmp_path: Path, model: elman.Classifier, writer: elman.Transcriber) -> None:
    pytest.importorskip("matplotlib")
    from elman.inspection.picture import draw

    for number, one in enumerate((model, writer)):
        path = draw(one.inspect((tone(400), RATE), 9), "a tone", 2, tmp_path / f"{number}.png")
        assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SettingsError, match="picture of this kind"):
        draw(model.inspect((tone(400), RATE), 9), "a tone", 2, tmp_path / "a.tune")
    shutil.rmtree(tmp_path)

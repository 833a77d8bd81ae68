"""The public names are a contract, and what the guide shows runs as it is written."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

import elman
from elman import registry

NAMES = [
    *("Alignment", "AudioSettings", "Beam", "Caption", "Captioner", "Classifier"),
    *("Composed", "Composer", "Film", "ForecastReport", "Forecaster", "FrameForecaster"),
    *("FrameReport", "Gaze", "Generated", "Generator", "Greedy", "Harmonizer"),
    *("HarmonyReport", "ImageSettings", "LikelihoodReport", "MusicReport", "MusicSettings", "Piece"),
    *("Prediction", "Ragged", "Report", "Sample", "Screening", "SeriesSettings"),
    *("TagReport", "Tagged", "Tagger", "TextReport", "TextSettings", "Training"),
    *("Transcriber", "Transcript", "Translation", "Translator", "Verse", "VerseReport"),
    *("Versifier", "VideoSettings", "load"),
]
MODULES = {"nn": ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell", "accelerate"]}


def test_the_public_names() -> None:
    """A name that joins or leaves is a decision: change this list with it."""
    assert elman.__all__ == [*NAMES, *MODULES] == sorted([*NAMES, *MODULES])
    assert dir(elman) == sorted([*NAMES, *MODULES, "__version__"])
    homes = [(elman, name) for name in NAMES]
    for module, names in MODULES.items():
        home = getattr(elman, module)
        assert home.__name__ == f"elman.{module}"
        assert sorted(home.__all__) == names
        homes += [(home, name) for name in names]
    for home, name in homes:
        value = getattr(home, name)
        assert value.__name__ == name
        assert value.__module__.startswith("elman.")
        assert value.__doc__
    assert elman.Classifier is elman.Classifier
    with pytest.raises(AttributeError, match="no attribute 'Classifer'"):
        elman.Classifer  # noqa: B018  # pyright: ignore
    scope: dict = {}
    exec("from elman import *", scope)
    assert {*NAMES, *MODULES} <= set(scope)


def test_the_members_of_each_family() -> None:
    """Listed without being imported; at least these are there."""
    least = {
        "cells": {"gru", "lstm", "mingru", "minlstm", "rnn", "rnn-relu"},
        "codecs": {"asked", "label", "music", "panel", "series", "symbols", "tags", "text", "tokens"},
        "decoding": {"beam", "greedy", "sample"},
        "structures": {"n-to-m", "n-to-n", "n-to-n-feedback", "n-to-n-writer", "n-to-one", "one-to-n"},
        "tasks": {
            "classifier",
            "composer",
            "forecaster",
            "generator",
            "harmonizer",
            "tagger",
            "translator",
            "versifier",
        },
    }
    for family, members in least.items():
        assert members <= set(registry.names(family))
        assert list(registry.names(family)) == sorted(registry.names(family))
        for name in registry.names(family):
            assert isinstance(registry.get(family, name), type)
            assert registry.get(family, name.upper().replace("-", "_")) is registry.get(family, name)


def test_names_are_loaded_when_they_are_used() -> None:
    script = (
        "import sys, elman\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "from elman import registry\n"
        "registry.names('cells'), dir(elman)\n"
        "assert 'torch' not in sys.modules and 'elman.cells.gru' not in sys.modules\n"
        "elman.Ragged\n"
        "assert 'torch' in sys.modules and 'elman.tasks.classifier' not in sys.modules\n"
        "assert 'elman.nn' not in sys.modules and elman.nn.LSTM is sys.modules['elman.nn'].LSTM\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def rows(path: Path, count: int) -> None:
    texts = {
        "HassGetCurrentTime": [
            "What time is it ?",
            "tell me the time",
            "how late is it ?",
            "the time please",
        ],
        "HassTurnOn": ["turn on the lamp", "lamp on please", "switch the fan on", "turn the heating on"],
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance", "intent"])
        writer.writerows([(text, intent) for intent, many in texts.items() for text in many] * count)


def test_how_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows(tmp_path / "utterances.csv", 12)
    rows(tmp_path / "held_out.csv", 1)
    quick = elman.Training(epochs=6, learning_rate=1e-2)

    clf = elman.Classifier(cell="gru", hidden_size=128, bidirectional=True)
    clf.set_params(training=quick)
    clf.fit("utterances.csv", text="utterance", label="intent")
    answer = clf.predict("What time is it ?")
    report = clf.evaluate("held_out.csv")
    trace = clf.inspect("What time is it ?")
    clf.save("intents.elman")

    assert answer.label == "HassGetCurrentTime"
    assert repr(answer) == f"Prediction(label='HassGetCurrentTime', score={answer.score:.2f})"
    assert report.accuracy == report.macro_f1 == 1.0
    assert [one.token for one in trace.steps] == ["what", "time", "is", "it", "?"]
    assert elman.load("intents.elman").predict("What time is it ?") == answer
    assert elman.load("intents.elman").evaluate("held_out.csv") == report

    clf = elman.Classifier(training=quick).fit("utterances.csv", text="utterance", label="intent")
    clf.save("intents.elman")
    words = ["What", "time", "is", "it", "?"]

    with elman.load("intents.elman").stream() as stream:
        for word in words:
            stream.push(word)
        answer = stream.answer

    assert answer.label == clf.predict(" ".join(words)).label == "HassGetCurrentTime"
    assert answer.score == pytest.approx(clf.predict(" ".join(words)).score, abs=1e-6)

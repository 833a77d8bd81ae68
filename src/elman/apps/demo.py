"""`elman demo`: one small model, trained and looked into in about a minute, without a network."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from elman.apps.messages import duration, say, tell
from elman.errors import TrainingError

# What the demonstration is made of; it should take less than three minutes on two cores.
DATASET, OUT = "home-assistant", Path("runs/demo")
NETWORK: dict[str, Any] = {"cell": "gru", "hidden_size": 128, "bidirectional": True}
TRAINING: dict[str, Any] = {"epochs": 4, "batch_size": 64, "seed": 0}
WALKS = ("What time is it ?", "现在几点了")


def run() -> None:
    """Train, or take the model of a run that is finished; then measure it and walk through two sentences.

    Raises:
        TrainingError: runs/demo holds something else.
    """
    from elman import datasets
    from elman.apps import fitting
    from elman.data import read
    from elman.tasks.classifier import Classifier
    from elman.training import Training

    began = time.monotonic()
    dataset = datasets.get(DATASET)
    tell("demo.expanding")
    train, dev = (read(dataset.load(split)) for split in ("train", "dev"))
    tell(
        "demo.start",
        cell=NETWORK["cell"].upper(),
        rows=len(train),
        labels=len(set(train.column("label"))),
    )
    model = Classifier(**NETWORK, training=Training(**TRAINING))
    about = {
        "dataset": dataset.name,
        "licence": dataset.licence,
        "source": dataset.homepage,
        "command": "elman demo",
    }
    data = fitting.Data(DATASET, train, dev, {"text": "text", "label": "label"}, about)
    if not (OUT / "config.json").is_file():
        tell("demo.training")
    try:
        fitting.learn(model, data, OUT, stopped=say("demo.stopped"))
    except TrainingError as error:
        raise TrainingError(
            error.problem,
            expected=error.expected,
            received=error.received,
            fix=f"delete the folder {OUT}, then: elman demo",
        ) from error
    figures = model.figures_
    tell("demo.trained", time=duration(60 * figures["minutes"]), accuracy=figures["dev_accuracy"])
    _measure(model, dataset)
    _walk(model)
    tell("demo.next", time=duration(time.monotonic() - began), out=OUT)
    for line in (
        f"elman predict {OUT} {shlex.quote(say('demo.example.predict'))}",
        f"elman inspect {OUT} {shlex.quote(say('demo.example.inspect'))}",
        "elman fit intents.csv --text utterance --label intent --out runs/mine",
    ):
        tell("command", line=line)


def _measure(model: Any, dataset: Any) -> None:
    """The accuracy on the test sentences of each language, saying what these are."""
    from elman.apps.render import columns, show

    rows = []
    for language in dataset.languages:
        report = model.evaluate(dataset.load("test", language))
        rows.append([language, dataset.origin("test", language), f"{report.accuracy:.4f}"])
    heads = [say(f"demo.{name}") for name in ("language", "sentences")]
    show("", columns([*heads, say("report.accuracy")], rows), "")


def _walk(model: Any) -> None:
    from elman.apps.render import legend, show, walk

    tell("demo.walk")
    traces = [model.inspect(text, top=2) for text in WALKS]
    for text, trace in zip(WALKS, traces, strict=True):
        show("", walk(text, model.predict(text), trace))
    show("", legend(traces[-1]), "")

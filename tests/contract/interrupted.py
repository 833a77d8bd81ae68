"""A training that is killed, in processes of their own; `test_resume.py` runs this file.

Nothing but a rename changes what a run's folder holds. So a training that is killed just before each
of its renames, one after the other, has been killed at every moment there is. Each trial is a forked
child, killed by SIGKILL; a second child goes on in the same folder, undisturbed.

    python interrupted.py FOLDER VARIANT    prints {trial: what the folder holds at the end} as JSON
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning_fabric  # noqa: F401 - once, here: every forked child would import it anew, for seconds
import torch

import elman
import elman.tasks.classifier
import elman.tasks.generator
from elman.optimizer import LazyAdamW

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "light"] * 3
LINES = ["so it goes, and so it goes; on it goes, " * 3]
NUMBERS = [[1.0, 2.0, 0.5], [-1.0], [0.5, 0.1], [-2.0, -3.0]] * 3

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"epochs": 2, "batch_size": 5, "checkpoint_seconds": 0.0},
    "averaged": {
        **{"epochs": 2, "batch_size": 6, "checkpoint_seconds": 0.0},
        **{"averaging": 0.9, "recurrent_dropout": 0.3, "patience": 1},
    },
    "seldom": {"epochs": 2, "batch_size": 4, "checkpoint_seconds": 1e9},
    "carried": {"epochs": 2, "batch_size": 2, "checkpoint_seconds": 0.0, "dropout": 0.3},
}


def train(folder: Path, variant: str) -> None:
    """The training of a variant, begun or gone on with."""
    if variant == "carried":  # one long text: what the states were is a part of where the run stands
        writer = elman.Generator("lstm", 4, 2, window=11, training=elman.Training(**SETTINGS[variant]))
        writer.fit(LINES, out=folder)
        return
    model = elman.Classifier(
        "lstm" if variant == "averaged" else "gru",
        hidden_size=3,
        num_layers=2,
        bidirectional=variant == "averaged",
        text=elman.TextSettings(embedding_size=3, character_size=2),
        training=elman.Training(seed=4, **SETTINGS[variant]),
    )
    sequences = NUMBERS if variant == "averaged" else TEXTS
    model.fit(sequences, LABELS, dev=(sequences[:4], LABELS[:4]), out=folder)


def in_a_child(action: Callable[[], None]) -> bool:
    """Whether the action, done in a forked child, came to its end; False where it was killed."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"the child ended with {code}")
    return code == 0


def die_at(owner: Any, name: str, count: int) -> None:
    """Make the `count`-th call of a function (from 0) the moment of death, before it does anything."""
    whole, calls = getattr(owner, name), itertools.count()

    def counted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **options)

    setattr(owner, name, counted)


def held(folder: Path) -> dict[str, Any]:
    """What a finished run's folder holds, but for the clock."""
    config = json.loads((folder / "config.json").read_text())
    sums = config.pop("files")
    model = elman.load(folder)
    if config["task"] == "generator":
        answers = [model.evaluate(LINES).nats]
    else:
        answers = model.decision_function((NUMBERS if "lstm" in str(config) else TEXTS)[:4]).tolist()
    return {
        "weights": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "named": sums["model.safetensors"],
        "epochs": (folder / "metrics.jsonl").read_text(),
        "config": config,
        "answers": answers,
    }


def main(root: Path, variant: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def trial(name: str, owner: Any, function: str, count: int, again: int = 1) -> bool:
        """One training, killed `again` times at the `count`-th call at most; whether it came so far."""
        folder, deaths = root / name, 0

        def deadly() -> None:
            die_at(owner, function, count)
            train(folder, variant)

        while deaths < again and not in_a_child(deadly):
            deaths += 1
        if deaths:
            in_a_child(lambda: train(folder, variant))
        record(name)
        return deaths > 0

    def record(name: str) -> None:
        path = root / f"{name}.json"

        def told() -> None:
            path.write_text(json.dumps(held(root / name)))

        in_a_child(told)
        found[name] = json.loads(path.read_text())

    in_a_child(lambda: train(root / "whole", variant))
    record("whole")
    count = 0
    while trial(f"rename-{count}", os, "replace", count):
        count += 1
    for step in range(4):
        if not trial(f"step-{step}", LazyAdamW, "step", step):
            raise SystemExit(f"no training died at step {step}")
    trial("again-and-again", os, "replace", 5, again=50)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    tasks = ("elman.tasks.classifier", "elman.tasks.generator")
    for module in ("lightning_fabric", "tokenizers", "torch._dynamo", *tasks):
        importlib.import_module(module)  # once, before all the forks
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))

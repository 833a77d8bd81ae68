"""`elman bench` compares like with like: every contestant computes the same, and its figures are kept."""

from __future__ import annotations

import builtins
import json
import time
from dataclasses import replace
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from elman import library
from elman.apps import bench
from elman.apps.bench import layers, step, stream, timing, train
from elman.apps.bench.layers import Case, Contest
from elman.apps.bench.relay import relay
from elman.apps.cli import app
from elman.errors import BackendError, MissingExtraError, UnknownNameError
from elman.ragged import Ragged

needs_native = pytest.mark.skipif(library.library() is None, reason="the native scan was not built here")


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "rnn-relu", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_contestants_over_a_layer_compute_the_same(cell: str, bidirectional: bool) -> None:
    """Outputs and gradients; reading backwards over padding, `dense` is the one that may differ."""
    contest = Contest(Case(cell, 6, 5, 7, bidirectional))
    outputs = {name: work() for name, work in contest.forward().items()}
    grads = {name: work() for name, work in contest.training().items()}
    xs = contest.xs
    mask = torch.arange(int(xs.lengths.max())) < xs.lengths[:, None]
    assert set(outputs) == {"elman", "packed", "dense"} | ({"gathered"} if bidirectional else set())
    for name, found in outputs.items():
        if name == "dense" and bidirectional:
            continue
        x, *weights = grads[name]
        if name == "packed":
            packed = xs.packed()
            found, x = (Ragged.from_packed(packed._replace(data=one)).values for one in (found, x))
        elif name != "elman":
            found, x = found[mask], x[mask]
        close(found, outputs["elman"])
        close(x, grads["elman"][0])
        assert len(weights) == len(grads["elman"]) - 1
        for theirs, ours in zip(weights, grads["elman"][1:], strict=True):
            close(theirs, ours)


def test_the_contestants_over_a_training_step_learn_the_same() -> None:
    sizes = step.Sizes("gru", 30, 5, 6, 4)
    given = step.batches(sizes, 8, 5)
    torch.manual_seed(0)
    network = step.classifiers.ours(sizes)
    packed, padded = step.classifiers.with_weights_of(network, sizes)
    xs, labels = given[0]
    form = step.classifiers.padded_form(xs)
    for model, inputs in ((network, (xs,)), (packed, form[:2]), (padded, form)):
        step.classifiers.loss_of(model, *inputs, labels).backward()
    for theirs, ours in zip(packed.parameters(), network.parameters(), strict=True):
        close(theirs.grad, ours.grad)
    close(padded.embedding.weight.grad, network.inputs.weight.grad)
    close(padded.recurrent.backwards.weight_hh_l0.grad, network.recurrent.weight_hh_l0_reverse.grad)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_contestants_over_a_stream_step_alike(cell: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    layer = stream.Recurrent(cell, 5, 7)
    with torch.no_grad():
        for one in layer.parameters():
            one.add_(0.1 * torch.randn_like(one))
    session = onnxruntime.InferenceSession(stream.model_of(layer), providers=["CPUExecutionProvider"])
    stepper, names = stream.Stepper(layer), [one.name for one in session.get_inputs()[1:]]
    state = {name: torch.zeros(1, 1, 7).numpy() for name in names}
    for x in torch.randn(4, 1, 5):
        ours = stepper.push(x)
        after = session.run(None, {"x": x[None].numpy(), **state})
        state = dict(zip(names, after, strict=True))
        close(torch.from_numpy(after[0])[0], ours)


def test_bucketed_lengths_are_alike() -> None:
    ragged, alike = (torch.tensor(layers.lengths_of(100, 32, bucketed=one)) for one in (False, True))
    assert alike.float().std() < 0.2 * ragged.float().std()
    assert 80 < alike.float().mean() < 120


# --- times ---


def test_every_contestant_takes_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    work = {name: (lambda name=name: seen.append(name)) for name in "abc"}
    times = timing.by_turns(work, seconds=0.0, least=3)
    assert [len(one) for one in times.values()] == [3, 3, 3]
    assert "".join(seen) == "abc" + "abc" + "bca" + "cab"


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that is slow for a while is slow for both."""
    found = timing.compared({"elman": [1.0, 10.0, 1.0], "other": [2.0, 20.0, 2.0]})
    assert found["over"]["other"] == {"ratio": 2.0, "low": 2.0, "high": 2.0}
    assert timing.best({"over": {"a": {"ratio": 3.0}, "b": {"ratio": 2.0}}})["ratio"] == 2.0


def test_a_first_call_that_takes_long_does_not_tell_how_often() -> None:
    pauses = iter([0.01, *[0.0] * 10**6])
    work, count = timing.repeated(lambda: time.sleep(next(pauses)))
    assert count > 8
    assert 0 < work() < 1


def test_the_target_is_what_all_reach() -> None:
    curves = [[(1.0, 0.2), (2.0, 0.577), (3.0, 0.4)], [(2.0, 0.5), (4.0, 0.61)]]
    assert train.common(curves) == 0.57
    assert [train.until(one, 0.57) for one in curves] == [2.0, 4.0]


def test_a_fit_takes_every_example_once_in_either_order() -> None:
    wide = {}
    for order in ("shuffled", "bucketed"):
        task = replace(train.made_up("gru"), order=order)
        lengths = task.train[0].lengths.numpy()
        for epoch in train.epochs_of(task):
            assert sorted(np.concatenate(epoch)) == list(range(len(lengths)))
        wide[order] = sum(len(one) * int(lengths[one].max()) for one in epoch)
    assert wide["bucketed"] < 1.1 * lengths.sum() < wide["shuffled"] / 1.5


# --- the command ---


@needs_native
@pytest.mark.parametrize(
    ("kind", "only"),
    [("layers", "rnn 128"), ("step", "gru"), ("stream", "rnn 64"), ("growth", "batch 1")],
)
def test_the_command_measures_and_keeps_its_figures(kind: str, only: str, tmp_path: Path) -> None:
    if kind == "stream":
        pytest.importorskip("onnxruntime")
    path = tmp_path / "found.json"
    result = CliRunner(env={"ELMAN_LANG": "en"}).invoke(
        app, ["bench", kind, "--quick", "--only", only, "--json", str(path)]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert found["kind"] == kind
    assert found["machine"]["instructions"] == library.instructions()
    assert all(only in row["case"] for row in found["rows"])
    for row in found["rows"]:
        assert row["case"] in result.stdout
    assert all(value > 0 for value in found["summary"].values())
    assert all(f"{value:.2f}" in result.stdout for value in found["summary"].values())


@needs_native
def test_training_is_compared_where_keras_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.importlib.util, "find_spec", lambda name: None)
    (row,) = train.rows(quick=True, only=[])
    assert set(row["curves"]) == {"elman", "packed", "padded"}
    assert row["left_out"] == {
        "keras, jax": "keras is not installed",
        "keras, torch": "keras is not installed",
    }
    for curve in row["curves"].values():
        assert len(curve) == 6
        assert curve[-1][1] > 0.9
    assert row["over"].keys() == {"packed", "padded"}


def test_contestants_take_turns_in_processes_of_their_own() -> None:
    found = relay({"a": methodcaller("rest"), "b": attrgetter("seconds")})
    assert list(found) == ["a", "b"]
    assert found["a"] is None
    assert found["b"] >= 0


def test_a_contestant_that_fails_is_named() -> None:
    with pytest.raises(BackendError, match="'b'"):
        relay({"a": methodcaller("rest"), "b": attrgetter("nothing")})


def test_no_such_kind() -> None:
    with pytest.raises(UnknownNameError, match="layers"):
        bench.measure("layer", quick=True)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"elman\[bench\]"):
        stream.contestants("gru", 4)

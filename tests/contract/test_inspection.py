"""What a trace tells is what the network did, recomputed by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import elman
from elman import registry

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "night"] * 3
NUMBERS = [[1.0, 2.0, 0.5], [-1.0], [0.5, 0.1], [-2.0, -3.0]] * 3
ASKED = "what time is it NOW ?"
CELLS = registry.names("cells")


def fitted(cell: str, sequences: list[Any] = TEXTS, **options: Any) -> elman.Classifier:
    model = elman.Classifier(
        cell, hidden_size=3, training=elman.Training(epochs=1, batch_size=8), **options
    )
    return model.fit(sequences, LABELS)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_beliefs_are_predictions_of_the_beginnings(cell: str, bidirectional: bool) -> None:
    model = fitted(cell, bidirectional=bidirectional, num_layers=2)
    trace = model.inspect(ASKED, top=2)
    assert [one.token for one in trace.steps] == ["what", "time", "is", "it", "now", "?"]
    words = ASKED.split()
    for t, step in enumerate(trace.steps, 1):
        ranking = model.predict(" ".join(words[:t])).ranking
        assert len(step.beliefs) == 2
        assert dict(step.beliefs) == pytest.approx(dict(ranking[:2]), abs=1e-6)
        assert step.beliefs[0][1] >= step.beliefs[1][1]
    assert trace.steps[-1].beliefs[0][0] == model.predict(ASKED).label


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_states_and_gates_by_hand(cell: str, bidirectional: bool) -> None:
    """The network is walked step by step with its own cell, layer by layer, forwards and backwards."""
    model = fitted(cell, bidirectional=bidirectional, num_layers=2)
    trace, recurrent = model.inspect(ASKED), model.network_.recurrent
    xs = model.network_.inputs(model.input_.encode([ASKED]).values).detach()
    weights = dict(recurrent.named_parameters())
    for layer in range(2):
        outputs = []
        for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: recurrent.directions]:
            own = {n.removesuffix(suffix): w.detach() for n, w in weights.items() if n.endswith(suffix)}
            one, rows = recurrent.cell_type(**own), []
            state = one.start(1)
            for x in reversed(xs.split(1)) if "reverse" in suffix else xs.split(1):
                state, blocks = one.step(one.project(x), state)
                rows.append(dict(zip(one.states, state, strict=True)) | blocks)
            if "reverse" in suffix:
                rows.reverse()
            for name in (*one.states, *one.gates):
                expected = torch.cat([row[name] for row in rows]).numpy()
                np.testing.assert_allclose(trace.states[name + suffix], expected, rtol=1e-5, atol=1e-6)
            outputs.append(torch.cat([row["h"] for row in rows]))
        xs = torch.cat(outputs, -1)
    gates = recurrent.cell_type.gates
    wanted = {
        f"{n}_l{i}{r}"
        for n in (*recurrent.cell_type.states, *gates)
        for i in (0, 1)
        for r in ("", "_reverse")
    }
    assert set(trace.states) == {one for one in wanted if bidirectional or "reverse" not in one}


@pytest.mark.parametrize("cell", CELLS)
def test_norms_changes_and_openings(cell: str) -> None:
    """Of the last layer, reading forwards; before the first step there is nothing."""
    model = fitted(cell, bidirectional=True, num_layers=2)
    trace = model.inspect(ASKED)
    h, before = trace.states["h_l1"], np.zeros(3)
    for t, step in enumerate(trace.steps):
        assert step.norm == pytest.approx(np.sqrt((h[t] ** 2).sum()), abs=1e-6)
        assert step.change == pytest.approx(np.sqrt(((h[t] - before) ** 2).sum()), abs=1e-6)
        before = h[t]
        assert set(step.gates) == set(model.network_.recurrent.cell_type.gates)
        for name, opening in step.gates.items():
            assert opening == pytest.approx(trace.states[f"{name}_l1"][t].mean(), abs=1e-6)
            assert 0 <= opening <= 1


def test_as_json() -> None:
    trace = fitted("gru").inspect(ASKED, top=1)
    told = json.loads(json.dumps(trace.to_dict()))["steps"]
    assert [one["step"] for one in told] == [1, 2, 3, 4, 5, 6]
    for one, step in zip(told, trace.steps, strict=True):
        assert one["token"] == step.token
        assert one["beliefs"] == [{"label": step.beliefs[0][0], "probability": step.beliefs[0][1]}]
        assert one["gates"] == step.gates
        assert (one["norm"], one["change"]) == (step.norm, step.change)


def test_numbers_are_looked_at_too() -> None:
    model = fitted("lstm", NUMBERS)
    trace = model.inspect([1.0, 2.5])
    assert [one.token for one in trace.steps] == ["1.0", "2.5"]
    assert trace.steps[-1].beliefs[0][0] == model.predict([1.0, 2.5]).label
    assert dict(trace.steps[0].beliefs) == pytest.approx(dict(model.predict([1.0]).ranking), abs=1e-6)


def test_looking_changes_nothing() -> None:
    model = fitted("gru")
    before = model.decision_function(TEXTS)
    first, second = model.inspect(ASKED), model.inspect(ASKED, top=99)
    assert len(second.steps[0].beliefs) == 3, "no more than there are labels"
    assert first.steps[3].norm == second.steps[3].norm
    assert torch.equal(model.decision_function(TEXTS), before)


def test_every_label_that_led_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    from elman.inspection import picture

    labels = list("abcdef")
    chances = np.array([[0.7, 0.1, 0.2, 0, 0, 0], [0.1, 0.5, 0.4, 0, 0, 0], [0.1, 0, 0.2, 0.6, 0.1, 0]])
    assert picture._likeliest(labels, chances, 1) == ["d", "a", "b"]
    assert picture._likeliest(labels, chances, 4) == ["d", "a", "b", "c"]
    many = np.eye(30)
    assert len(picture._likeliest(list(range(30)), many, 3)) == picture.MANY
    assert len(picture._likeliest(list(range(30)), many, 20)) == 20
    assert picture.named("cost $5", "1") == (r"cost \$5", {})
    name, font = picture.named("白日", "1")
    assert (name, font) == ("1", {}) or (name == "白日" and font["fontname"])

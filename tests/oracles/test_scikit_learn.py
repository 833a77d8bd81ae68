"""The classifier under scikit-learn's own tools."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import elman
from elman.answers import Predictions
from elman.errors import NotFittedError as OurNotFittedError
from elman.errors import SettingsError

THINGS = ["door", "lid", "box", "bag", "jar", "tin"]
TEXTS = [f"{verb} the {thing}" for verb in ("open", "shut") for thing in THINGS]
ACTS = [one.split()[0] for one in TEXTS]
NUMBERS = [[sign * (1.0 + i / 5)] * (1 + i % 3) for sign in (1, -1) for i in range(6)]
SIGNS = [int(one[0] > 0) for one in NUMBERS]
QUICK = elman.Training(epochs=10, batch_size=4, dropout=0.0, learning_rate=0.03)
SMALL = elman.TextSettings(embedding_size=8, characters=None)
EITHER = pytest.mark.parametrize(
    ("sequences", "labels"), [(TEXTS, ACTS), (NUMBERS, SIGNS)], ids=["texts", "numbers"]
)


def small(**options) -> elman.Classifier:
    return elman.Classifier(**({"hidden_size": 8, "text": SMALL, "training": QUICK} | options))


@pytest.fixture(scope="module")
def fitted() -> elman.Classifier:
    return small().fit(TEXTS, ACTS, dev=(TEXTS, ACTS))


def test_parameters_are_read_set_and_cloned(fitted: elman.Classifier) -> None:
    model = small(cell="lstm", bidirectional=True)
    twin = clone(model)
    assert twin is not model
    assert twin.get_params() == model.get_params()
    assert set(model.get_params()) == {
        *("cell", "hidden_size", "num_layers", "bidirectional", "pooling", "training"),
        *("text", "audio", "image", "video"),
    }
    assert twin.set_params(cell="gru", hidden_size=3, training__epochs=2, text__lowercase=False) is twin
    assert (twin.cell, twin.hidden_size) == ("gru", 3)
    assert (twin.training.epochs, twin.training.batch_size) == (2, 4)
    assert twin.text.lowercase is False
    assert (model.cell, model.training.epochs) == ("lstm", 10)
    assert not clone(fitted).__sklearn_is_fitted__()


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(SettingsError, match="no parameter 'layers'"):
        small().set_params(layers=2)
    with pytest.raises(ValueError, match="epochs"):
        small().set_params(training__epochs=0)
    with pytest.raises(ValueError, match="epoch"):
        small().set_params(training__epoch=3)


def test_it_says_what_was_changed() -> None:
    assert repr(elman.Classifier()) == "Classifier()"
    model = elman.Classifier(cell="lstm", bidirectional=True, hidden_size=128)
    assert repr(model) == "Classifier(cell='lstm', bidirectional=True)"
    assert repr(clone(model)) == repr(model)


def test_it_is_a_classifier_that_knows_whether_it_is_fitted(fitted: elman.Classifier) -> None:
    assert is_classifier(fitted)
    check_is_fitted(fitted)
    with pytest.raises(NotFittedError):
        check_is_fitted(small())
    for ask in ("predict", "predict_proba", "decision_function", "inspect", "score", "evaluate"):
        arguments = (TEXTS, ACTS) if ask in ("score", "evaluate") else ("open",)
        with pytest.raises(OurNotFittedError, match="call fit") as error:
            getattr(small(), ask)(*arguments)
        assert isinstance(error.value, ValueError)
        assert isinstance(error.value, AttributeError)
    for ask in (small().stream, lambda: small().save("nowhere")):
        with pytest.raises(OurNotFittedError):
            ask()


def test_fit_gives_itself_and_learned_names_end_in_an_underscore() -> None:
    model = small(training=elman.Training(epochs=1))
    before = set(vars(model))
    assert before == set(model.get_params())
    assert model.fit(TEXTS, ACTS) is model
    learned = {name for name in set(vars(model)) - before if not name.startswith("_")}
    assert learned >= {"network_", "input_", "label_", "history_"}
    assert all(name.endswith("_") for name in learned)
    assert model.classes_.tolist() == ["open", "shut"]
    assert len(model.history_) == 1
    assert model.get_params() == small(training=elman.Training(epochs=1)).get_params()


def test_answers_are_predictions_and_also_arrays(fitted: elman.Classifier) -> None:
    one, many = fitted.predict("open the jar"), fitted.predict(["open the jar", "shut it"])
    assert isinstance(one, elman.Prediction)
    assert isinstance(many, Predictions)
    assert (one.label, one.score) == (many[0].label, pytest.approx(many[0].score, rel=1e-5))
    assert repr(one) == f"Prediction(label='open', score={one.score:.2f})"
    assert np.asarray(many).tolist() == [answer.label for answer in many] == ["open", "shut"]
    chances = fitted.predict_proba(["open the jar", "shut it"])
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
    for answer, row in zip(many, chances, strict=True):
        assert answer.score == max(row)
        assert [p for _, p in answer.ranking] == sorted(row, reverse=True)
        assert dict(answer.ranking) == dict(zip(fitted.classes_.tolist(), row.tolist(), strict=True))
    assert one.to_dict() == {
        "label": "open",
        "score": one.score,
        "top": [{"label": "open", "probability": one.score}],
    }
    numbers = small(training=elman.Training(epochs=1)).fit(NUMBERS, SIGNS)
    assert isinstance(numbers.predict([1.0, 2.0]), elman.Prediction)
    assert isinstance(numbers.predict(np.array([1.0, 2.0])), elman.Prediction)
    assert isinstance(numbers.predict([[1.0, 2.0]]), Predictions)
    assert isinstance(numbers.predict([[1.0, 2.0]])[0].label, int)


def test_figures_are_scikit_learns(fitted: elman.Classifier) -> None:
    texts, truth = [*TEXTS, "open", "shut"], [*ACTS[::-1], "open", "jam"]
    predicted = np.asarray(fitted.predict(texts))
    report = fitted.evaluate(texts, truth)
    assert report.count == 14
    assert report.unseen == 1
    assert report.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert report.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert fitted.score(texts, truth) == report.accuracy
    assert report.to_dict()["accuracy"] == report.accuracy


@EITHER
def test_grid_search(sequences: list, labels: list) -> None:
    grid = {"cell": ["rnn", "gru"], "hidden_size": [2, 8], "training__epochs": [3]}
    search = GridSearchCV(small(), grid, cv=2, scoring="accuracy", error_score="raise")
    search.fit(sequences, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.training.epochs == 3
    assert set(np.asarray(search.predict(sequences)).tolist()) <= set(labels)
    assert search.score(sequences, labels) == search.best_estimator_.score(sequences, labels)


@EITHER
@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "neg_log_loss", None])
def test_cross_validation(sequences: list, labels: list, scoring: str | None) -> None:
    model = small(training=elman.Training(epochs=1))
    scores = cross_val_score(model, sequences, labels, cv=2, scoring=scoring, error_score="raise")
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


def test_cross_validated_answers() -> None:
    """A fold is fitted on its own part and asked about the rest; what is this easy is learned."""
    model = small(training=QUICK.model_copy(update={"epochs": 20, "warmup": 0.0, "batch_size": 32}))
    found = cross_val_predict(model, TEXTS * 6, ACTS * 6, cv=2)
    assert accuracy_score(ACTS * 6, found) > 0.9


def test_pipeline() -> None:
    shout = FunctionTransformer(lambda texts: [one.upper() for one in texts])
    line = Pipeline([("shout", shout), ("classify", small())])
    line.fit(TEXTS, ACTS, classify__dev=([one.upper() for one in TEXTS], ACTS))
    assert line.score(TEXTS, ACTS) > 0.9
    assert np.asarray(line.predict(["open the lid"])).tolist() == ["open"]
    line.set_params(classify__hidden_size=5, classify__training__epochs=1)
    assert line.named_steps["classify"].training.epochs == 1
    check_is_fitted(line)

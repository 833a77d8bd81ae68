"""scikit-learn and numpy as oracles: labels, figures of merit, standardised numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.preprocessing import LabelEncoder, StandardScaler
from torch.nn import functional as F

import elman
from elman import metrics
from elman.codecs.label import Label
from elman.codecs.series import Series
from elman.layers.softmax import divergence

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)
SCORES = st.lists(st.tuples(st.floats(-50, 50, width=32), st.booleans()), min_size=2, max_size=60)
NUMBERS = st.floats(-1e5, 1e5, width=32)


@given(PAIRS)
def test_accuracy_and_f1(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = torch.tensor(pairs).unbind(1)
    assert metrics.accuracy(truth, predicted) == pytest.approx(accuracy_score(truth, predicted))
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(truth, predicted) == pytest.approx(expected, abs=1e-6)


@given(SCORES.filter(lambda pairs: len({positive for _, positive in pairs}) == 2))
def test_auroc(pairs: list[tuple[float, bool]]) -> None:
    """Ties and very close scores included."""
    scores, positive = (torch.tensor(one) for one in zip(*pairs, strict=True))
    assert metrics.auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-6)
    assert metrics.auroc(scores.double() * 1e-30 + 1, positive) <= 1


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.lists(NUMBERS, min_size=1, max_size=50))
def test_recall_at(within: list[float], beyond: list[float]) -> None:
    """As many as asked for pass, and what is refused is what lies below the last that passed."""
    found = metrics.recall_at(torch.tensor(within), torch.tensor(beyond), keep=0.9)
    threshold = np.quantile(np.array(within, np.float64), 0.1)
    assert found == pytest.approx(sum(one < threshold for one in beyond) / len(beyond), abs=0.021)
    assert sum(one >= threshold for one in within) / len(within) >= 0.9 - 1 / len(within)
    assert metrics.recall_at(torch.tensor(within), torch.tensor(within)) <= 0.06 + 1 / len(within)


def test_figures_of_nothing_are_zero() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert metrics.accuracy(nothing, nothing) == 0.0
    assert metrics.macro_f1(nothing, nothing) == 0.0


@given(
    st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=20).filter(
        lambda one: len(set(one)) > 1
    )
)
def test_labels(labels: list[str]) -> None:
    ours, peer = Label().fit(labels), LabelEncoder().fit(np.array(labels, dtype=object))
    assert ours.labels == peer.classes_.tolist()
    assert ours.encode(labels).tolist() == peer.transform(np.array(labels, dtype=object)).tolist()


@given(st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6), min_size=1, max_size=5))
def test_standardised(sequences: list[list[tuple[float, float]]]) -> None:
    """All steps of all sequences together, feature by feature; one that never changes is centred."""
    ours, peer = Series().fit(sequences), StandardScaler().fit(np.concatenate(sequences))
    expected = peer.transform(np.concatenate(sequences))
    still = peer.var_ <= 1e-20
    found = ours.encode(sequences).values.numpy()
    np.testing.assert_allclose(found[:, ~still], expected[:, ~still], rtol=1e-4, atol=1e-4)
    assert ours.mean == pytest.approx(peer.mean_)
    constant = Series().fit([[[3.0, 1.0], [3.0, 2.0]]])
    assert constant.encode([[[3.0, 1.0], [5.0, 2.0]]]).values.tolist() == [[0.0, -1.0], [2.0, 1.0]]


@given(seed=st.integers(0, 99), batch=st.integers(1, 4), labels=st.integers(2, 5))
def test_divergence(seed: int, batch: int, labels: int) -> None:
    """Half of the two of Kullback and Leibler, as torch has them."""
    draw = torch.Generator().manual_seed(seed)
    left, right = torch.randn(2, batch, labels, generator=draw, dtype=torch.float64)
    logs = [one.log_softmax(-1) for one in (left, right)]
    both = [F.kl_div(*pair, reduction="batchmean", log_target=True) for pair in (logs, logs[::-1])]
    torch.testing.assert_close(divergence(left, right), sum(both) / 2)


def test_passes_that_agree_cost_nothing() -> None:
    """Without dropout the two passes are one, and training with consistency is training without."""
    xs, ys = [[1.0], [2.0], [3.0, 1.0], [0.5]] * 4, ["a", "b", "b", "a"] * 4
    rows = {}
    for dropout, weight in ((0.0, 0.0), (0.0, 5.0), (0.5, 0.0), (0.5, 5.0)):
        training = elman.Training(epochs=3, dropout=dropout, consistency=weight)
        model = elman.Classifier(hidden_size=4, training=training).fit(xs, ys)
        rows[dropout, weight] = [line["loss"] for line in model.history_]
    assert rows[0.0, 5.0] == pytest.approx(rows[0.0, 0.0], rel=1e-5)
    assert rows[0.5, 5.0] != pytest.approx(rows[0.5, 0.0], rel=1e-2)

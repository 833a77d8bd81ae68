"""What a simple method makes of sound, of sensor readings and of films: means of segments, and an SVM."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

Row = dict[str, Any]
SEGMENTS = 8
"""Parts of equal length that each sequence is cut into."""


class Segments:
    """The mean of each of eight parts of a sequence, the spread of the whole, and an SVM with an RBF kernel.

    Of recordings, the steps are 13 mel-frequency cepstrum coefficients every 10 ms. Each number is brought to
    mean 0 and spread 1 over the training set; the penalty is chosen on dev.
    """

    PENALTIES = (1.0, 3.0, 10.0, 100.0)

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        self.label = fields["label"]
        self.column = next(fields[one] for one in ("audio", "video", "text") if one in fields)
        xs, held = self._features(train), self._features(dev)
        fitted = [
            make_pipeline(StandardScaler(), SVC(C=penalty)).fit(xs, train[self.label])
            for penalty in self.PENALTIES
        ]
        self.model = max(fitted, key=lambda one: one.score(held, dev[self.label]))
        self.size = int(self.model[-1].support_vectors_.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy and macro F1."""
        from sklearn.metrics import f1_score

        truth, predicted = np.array(rows[self.label]), self.model.predict(self._features(rows))
        return {
            "accuracy": float((predicted == truth).mean()),
            "macro_f1": float(f1_score(truth, predicted, average="macro")),
        }

    def _features(self, rows: Row) -> np.ndarray:
        return np.stack([summary(steps_of(one)) for one in rows[self.column]])


def steps_of(one: Any) -> np.ndarray:
    """The steps of numbers, of a film, or of a recording, which is a pair of samples and their rate."""
    if not isinstance(one, tuple):
        return np.asarray(one, np.float64).reshape(len(one), -1)
    from scipy.fft import dct

    from elman.sound import frames_of

    samples, rate = one
    return dct(frames_of(samples, rate, 8_000, 23), type=2, norm="ortho", axis=1)[:, :13]


def summary(steps: np.ndarray) -> np.ndarray:
    """The means of the parts, one after the other, and the spread of the whole."""
    edges = np.linspace(0, len(steps), SEGMENTS + 1)
    parts = [steps[int(low) : max(int(high), int(low) + 1)].mean(0) for low, high in pairwise(edges)]
    return np.concatenate([*parts, steps.std(0)])

"""Figures of merit: thin faces over torchmetrics, and the counting of spans."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor


def accuracy(truth: Tensor, predicted: Tensor) -> float:
    """The share of equal numbers; 0 for none.

    >>> accuracy(torch.tensor([1, 2, 2, 0]), torch.tensor([1, 2, 1, 0]))
    0.75
    """
    return float((truth == predicted).double().mean()) if len(truth) else 0.0


def macro_f1(truth: Tensor, predicted: Tensor) -> float:
    """The mean of the F1 of each class that occurs in the truth or among the predicted.

        F1 = 2·TP / (2·TP + FP + FN)

    >>> macro_f1(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1]))
    1.0
    """
    from torchmetrics.functional.classification import multiclass_f1_score

    if not len(truth):
        return 0.0
    classes = 1 + int(torch.cat([truth, predicted]).max())
    if classes < 2:
        return 1.0
    return float(multiclass_f1_score(predicted, truth, num_classes=classes, average="macro"))


def auroc(scores: Tensor, positive: Tensor) -> float:
    """The chance that a positive has a higher score than a negative; ties count half.

    >>> auroc(torch.tensor([0.9, 0.8, 0.1]), torch.tensor([True, False, False]))
    1.0
    """
    from torchmetrics.functional.classification import binary_auroc

    return float(binary_auroc(_ranks(scores), positive.long()))


def recall_at(scores: Tensor, negatives: Tensor, keep: float = 0.95) -> float:
    """The share of `negatives` below the score under which lie `1 - keep` of `scores`.

    For out-of-scope input: how many such inputs are refused when `keep` of the others are accepted.

    >>> recall_at(torch.arange(100.0), torch.tensor([1.0, 2.0, 50.0, 70.0]))
    0.5
    """
    threshold = torch.quantile(scores.double(), 1.0 - keep)
    return float((negatives.double() < threshold).double().mean())


def span_scores(
    truth: Sequence[Collection[Any]], predicted: Sequence[Collection[Any]]
) -> dict[str, float]:
    """Precision, recall and F1 of spans, micro-averaged: one counts where both ends and label are right.

        P = TP / (TP + FP)        R = TP / (TP + FN)        F1 = 2·TP / (2·TP + FP + FN)

    Args:
        truth: the spans that there are in each sequence.
        predicted: those that were found.

    >>> span_scores([{(0, 2, "city"), (4, 5, "day")}], [{(0, 2, "city"), (3, 5, "day")}])["f1"]
    0.5
    """
    pairs = [(set(one), set(other)) for one, other in zip(truth, predicted, strict=True)]
    right = sum(len(one & other) for one, other in pairs)
    there, found = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (there + found) if there + found else 0.0,
    }


def _ranks(scores: Tensor) -> Tensor:
    """Scores as their rank between 0 and 1, equal ones sharing one: nothing is lost to rounding."""
    levels, where = scores.double().unique(return_inverse=True)
    return where.double() / max(len(levels) - 1, 1)

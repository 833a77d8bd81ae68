"""Questions about texts: elman's own by a recipe, and what costs nothing beside it, kind by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import mean
from typing import Any

from seeing import with_settings

Row = dict[str, Any]
KIND = "task"
"""The column that tells of what kind a question is."""


class Questioned:
    """A classifier of elman for all kinds of questions together, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        self.model = with_settings(elman.Classifier(), settings, seed).fit(train, **fields, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())
        self.fields = fields

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The mean over the kinds of the accuracy, and that of each kind."""
        asked = list(zip(rows[self.fields["text"]], rows[self.fields["question"]], strict=True))
        answers = [one.label for one in self.model.predict(asked)]
        return by_kind(rows, answers, self.fields["label"])


class CommonAnswer:
    """The answer that is most frequent in training among questions of the same kind."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.label = fields["label"]
        counts: dict[str, Counter[str]] = {}
        for kind, answer in zip(train[KIND], train[self.label], strict=True):
            counts.setdefault(kind, Counter())[answer] += 1
        self.answers = {kind: found.most_common(1)[0][0] for kind, found in counts.items()}
        self.size = len(self.answers)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The mean over the kinds of the accuracy, and that of each kind."""
        return by_kind(rows, [self.answers[kind] for kind in rows[KIND]], self.label)


def by_kind(rows: Row, answers: Sequence[str], label: str) -> Row:
    """The mean over the kinds of the share of right answers, and that share of each kind."""
    right: dict[str, list[bool]] = {}
    for kind, answer, truth in zip(rows[KIND], answers, rows[label], strict=True):
        right.setdefault(kind, []).append(answer == truth)
    kinds = {kind: mean(found) for kind, found in right.items()}
    return {"accuracy": mean(kinds.values()), "kinds": kinds}

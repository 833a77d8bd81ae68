"""CLINC150: 150 intents of ten domains, and questions that belong to none of them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source


class Clinc150(Dataset):
    """The "full" data of Larson et al. (2019): 100, 20 and 30 texts for each of 150 intents.

    The out-of-scope texts are splits of their own, 100, 100 and 1000, all labelled `oos`.

    >>> Clinc150().companions["dev"]
    'oos-dev'
    """

    name = "clinc150"
    title = "CLINC150"
    task = "classifier"
    languages = ("en",)
    licence = "CC-BY-3.0"
    homepage = "https://github.com/clinc/oos-eval"
    citation = (
        "Larson et al., An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction, "
        "EMNLP-IJCNLP 2019, https://aclanthology.org/D19-1131"
    )
    splits = ("train", "dev", "test", "oos-train", "oos-dev", "oos-test")
    settings: ClassVar = {
        "classifier": {"bidirectional": True, "epochs": 25, "learning_rate": 0.003, "ensemble": 6}
    }
    companions: ClassVar = {"train": "oos-train", "dev": "oos-dev", "test": "oos-test"}
    sources: ClassVar = {
        "data": Source(
            url="https://raw.githubusercontent.com/clinc/oos-eval/"
            "828f8093932c8fe6ca7936c3d2e52903b1c523de/data/data_full.json",
            sha256="36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
            mirror="clinc150/data_full.json",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns text and label."""
        key = split.replace("dev", "val").replace("-", "_")
        rows = json.loads(self.fetch("data").read_text(encoding="utf-8"))[key]
        return {"text": [text for text, _ in rows], "label": [label for _, label in rows]}

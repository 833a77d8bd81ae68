"""The four-part chorales of Johann Sebastian Bach, in quarter notes."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from elman.datasets.base import Dataset, Source

PARTS = {"train": "train", "dev": "valid", "test": "test"}


class JsbChorales(Dataset):
    """382 chorales as frames: the MIDI numbers that sound at each quarter note.

    The split is that of Boulanger-Lewandowski et al. (2012): 229, 76 and 77 chorales of 13,807, 4,602 and

    >>> JsbChorales().origin("test")
    'the published test split'
    """

    name = "jsb-chorales"
    title = "Chorales of J. S. Bach, in quarter notes"
    task = "composer"
    languages = ()
    licence = "none stated; the music is in the public domain"
    homepage = "https://github.com/czhuang/JSB-Chorales-dataset"
    citation = (
        "Boulanger-Lewandowski, Bengio and Vincent, Modeling temporal dependencies in high-dimensional "
        "sequences, ICML 2012, arXiv 1206.6392"
    )
    fields: ClassVar = {"piece": "piece"}
    settings: ClassVar = {
        "composer": {
            "hidden_size": 300,
            "epochs": 150,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "recurrent_dropout": 0.3,
        },
        "harmonizer": {
            "hidden_size": 200,
            "epochs": 100,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "recurrent_dropout": 0.3,
        },
    }
    published = (
        "keys by themselves: RNN 8.91, LSTM 8.45, GRU 8.43, TCN 8.10 nats per frame (Bai et al. 2018, "
        "arXiv 1803.01271)",
        "chords: RNN-NADE 5.56 (Boulanger-Lewandowski et al. 2012, arXiv 1206.6392)",
    )
    sources: ClassVar = {
        "quarters": Source(
            url="https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/"
            "9a7f733/jsb-chorales-quarter.json",
            sha256="2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91",
            mirror="jsb_chorales/jsb-chorales-quarter.json",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The column piece: lists of frames, each a list of MIDI numbers."""
        return {"piece": json.loads(self.fetch("quarters").read_bytes())[PARTS[split]]}

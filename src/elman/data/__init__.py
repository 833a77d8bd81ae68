"""From a source to rows in memory, and from lengths to batches.

`read` takes a file, a frame, columns or dicts and gives `Records`; `holdout` sets a part of them aside;
`Batches` says which examples go together, epoch by epoch, and `Windows` which parts of one long sequence;
`read_vectors` reads pretrained word vectors.
"""

from __future__ import annotations

from elman.data.batching import Batches
from elman.data.folders import located
from elman.data.labelling import labelled
from elman.data.pairs import paired
from elman.data.reading import read
from elman.data.records import Records
from elman.data.splitting import holdout
from elman.data.tagging import tagged
from elman.data.vectors import read_vectors
from elman.data.windows import Windows

__all__ = [
    "Batches",
    "Records",
    "Windows",
    "holdout",
    "labelled",
    "located",
    "paired",
    "read",
    "read_vectors",
    "tagged",
]

"""Real data sets: where each comes from, under which licence, and its published split.

A data set is one file with one class. Nothing of its contents is part of elman: `load` reads the
files below the folder `ELMAN_MIRROR` where they are, and otherwise downloads them once from their
source; a checksum makes sure that everyone reads the same bytes.

    columns = datasets.load("clinc150", "train")        # {"text": [...], "label": [...]}
"""

from __future__ import annotations

from typing import Any

from elman import registry
from elman.datasets.base import Dataset, Source

__all__ = ["Dataset", "Source", "get", "load"]


def get(name: str, fold: str | None = None) -> Dataset:
    """The data set of that name, which knows its source, licence, splits and columns.

    Where there are several ways to split it, `fold` names one.

    >>> get("clinc150").licence
    'CC-BY-3.0'

    Raises:
        UnknownNameError: no data set, or no fold of it, of that name.
    """
    return registry.get("datasets", name)(fold)


def load(
    name: str, split: str, language: str | None = None, fold: str | None = None
) -> dict[str, list[Any]]:
    """The columns of one split of a data set, all of the same length.

    >>> columns = load("home-assistant", "train", language="en")
    >>> sorted(columns)
    ['label', 'text']

    Raises:
        UnknownNameError: no data set, split, language or fold of that name.
        DataError: the files cannot be had, or are not those the checksum names.
    """
    return get(name, fold).load(split, language)

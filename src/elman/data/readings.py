"""Readings in long form, a row for each moment, gathered into a row for each sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from elman.data.labelling import absent
from elman.data.records import Records, bad_rows
from elman.data.timeline import read_times
from elman.errors import DataError

ANSWERS = ("label", "tags")
"""The roles of what is learned: what a whole sequence is, and what each of its moments is."""


def gathered(
    rows: Records,
    columns: Mapping[str, str],
    into: str,
    *,
    answered: bool = True,
    channels: Sequence[str] | None = None,
) -> Records:
    """One row for each sequence: its steps in the order of their times, with their tags, and its label.

    Rows that have a column `into`, or of which none tells sequences apart, are given back as they are, but
    for the order of channels whose names are known.

    Args:
        rows: a row for each moment. Whatever is in no column named below is a channel, a number in every row.
        columns: by role: `series` tells sequences apart, `time` orders their steps (which stay as they come
            where it is not named), `label` is what a whole sequence is, `tags` what each moment is.
        into: the name of the column that the steps go into.
        answered: whether labels and tags are there; if not, they may be, and nobody looks at them.
        channels: the names that the channels must have, in the order that they get; as they come if None.

    Raises:
        DataError: a column that is not there, no channel, or others than `channels`; readings that are no
            finite numbers and tags that are missing, all counted and placed; a time that comes twice in a
            sequence; a label that changes within one.

    >>> rows = Records({"id": ["a", "a", "b"], "x": ["1", "2", "5"], "what": ["up", "up", "down"]})
    >>> found = gathered(rows, {"series": "id", "label": "what"}, "steps")
    >>> found.column("steps"), found.column("what")
    ([[[1.0], [2.0]], [[5.0]]], ['up', 'down'])
    >>> gathered(rows, {"series": "id", "tags": "what"}, "steps").column("what")
    [['up', 'up'], ['down']]
    """
    if "series" not in columns:
        return rows
    if into in rows.names:
        return _reordered(rows, into, channels)
    answers = {role: columns[role] for role in ANSWERS if role in columns}
    known = [columns[role] for role in ("series", "time") if role in columns] + [*answers.values()]
    for name in known:
        if answered or name not in answers.values():
            rows.column(name)  # one that is mistyped would make a channel of the right one
    channels = _channels(rows, known, channels)
    table = np.stack([_numbers(rows, name) for name in channels], 1)
    groups: dict[Any, list[int]] = {}
    for place, name in enumerate(rows.column(columns["series"])):
        groups.setdefault(name, []).append(place)
    order = _ordered(rows, columns, groups)
    found: dict[str, list[Any]] = {
        columns["series"]: list(order),
        into: [table[places].tolist() for places in order.values()],
    }
    if "time" in columns:
        times = rows.column(columns["time"])
        found[columns["time"]] = [[times[place] for place in places] for places in order.values()]
    if answered and "label" in answers:
        name = answers["label"]
        found[name] = [_shared(rows, name, places) for places in order.values()]
    if answered and "tags" in answers:
        tags = _tags(rows, answers["tags"])
        found[answers["tags"]] = [[tags[place] for place in places] for places in order.values()]
    starts = [places[0] for places in order.values()]
    lines = None if rows.lines is None else [rows.lines[place] for place in starts]
    return Records(found, rows.source, lines, None if lines else [one + 1 for one in starts], channels)


def _channels(rows: Records, known: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that hold readings, in the order that is wanted."""
    found = tuple(name for name in rows.names if name not in known)
    if not found:
        raise DataError.at(
            rows.source,
            "there is no column of readings.",
            expected=f"a number in another column than {', '.join(map(repr, known))}",
            received=", ".join(map(repr, rows.names)),
        )
    return found if wanted is None else _agreed(rows, found, wanted)


def _agreed(rows: Records, found: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The channels as they are wanted, if they are those that were found."""
    missing, odd = ([one for one in a if one not in b] for a, b in ((wanted, found), (found, wanted)))
    if missing or odd:
        lacks = f"add {', '.join(map(repr, missing))}, or rename what holds it" if missing else None
        adds = f"take out {', '.join(map(repr, odd))}" if odd else None
        raise DataError.at(
            rows.source,
            "the columns of readings are not those that were learned from.",
            expected=f"{', '.join(map(repr, wanted))}, in any order",
            received=", ".join(map(repr, found)),
            fix="; ".join(one for one in (lacks, adds) if one),
        )
    return tuple(wanted)


def _reordered(rows: Records, into: str, wanted: Sequence[str] | None) -> Records:
    """Rows that were gathered before, with their channels in the order that is wanted."""
    if rows.channels is None or wanted is None or rows.channels == tuple(wanted):
        return rows
    places = [rows.channels.index(name) for name in _agreed(rows, rows.channels, wanted)]
    steps = [[[step[place] for place in places] for step in one] for one in rows.column(into)]
    return replace(rows, columns={**rows.columns, into: steps}, channels=tuple(wanted))


def _ordered(
    rows: Records, columns: Mapping[str, str], groups: Mapping[Any, list[int]]
) -> dict[Any, list[int]]:
    """The places of each sequence's rows, in the order of their times."""
    if "time" not in columns:
        return dict(groups)
    times = _times(rows.column(columns["time"]))
    order, faults = {}, []
    for name, places in groups.items():
        places = sorted(places, key=lambda place: times[place])
        faults += [
            (rows.place(b), f"{times[b]} a second time in {name!r}")
            for a, b in pairwise(places)
            if times[a] == times[b]
        ]
        order[name] = places
    if faults:
        problem = f"{len(faults)} rows have a time that their sequence has already."
        raise bad_rows(
            rows.source, problem, faults, fix="take them out, or name another column of series"
        )
    return order


def _times(values: list[Any]) -> np.ndarray:
    """Times that can be sorted: numbers of any kind, dates or datetimes."""
    try:
        found = np.array([float(one) for one in values])
    except (TypeError, ValueError):
        return read_times(values)[0]
    return found if np.isfinite(found).all() else read_times(values)[0]


def _numbers(rows: Records, name: str) -> np.ndarray:
    found = np.full(len(rows), np.nan)
    for place, one in enumerate(rows.column(name)):
        try:
            found[place] = float(one)
        except (TypeError, ValueError):
            continue
    wrong = [place for place, one in enumerate(found.tolist()) if not math.isfinite(one)]
    rows.refuse(
        name,
        wrong,
        "are no finite numbers",
        expected="a reading in every row; whatever is in no column that was named is one",
        fix="fill the gaps, or take the column out",
    )
    return found


def _tags(rows: Records, name: str) -> list[str]:
    """The tag of each moment, as text."""
    tags = rows.column(name)
    rows.refuse(
        name,
        [place for place, one in enumerate(tags) if absent(one) or not str(one).strip()],
        "have no tag",
        expected="what the moment is, in every row",
        fix="tag these rows, with a word for nothing in particular where there is none, or take them out",
    )
    return [str(one) for one in tags]


def _shared(rows: Records, name: str, places: list[int]) -> Any:
    labels = rows.column(name)
    odd = next((place for place in places if labels[place] != labels[places[0]]), None)
    if odd is not None:
        raise DataError.at(
            rows.place(odd),
            f"the label changes within a sequence, in column {name!r}.",
            expected=repr(labels[places[0]]),
            received=repr(labels[odd]),
            fix="cut the sequence where it changes, and give the parts names of their own",
        )
    return labels[places[0]]

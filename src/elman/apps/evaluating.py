"""`elman evaluate`: how good a model is on labelled rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import typer

from elman.apps import models
from elman.apps.messages import say
from elman.errors import SettingsError


def evaluate(run: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures of a model on a file or on a split of a data set.

    Raises:
        SettingsError: neither a file nor a data set was named, or both.
    """
    source, dataset = given.get("source"), given.get("dataset")
    if (source is None) == (dataset is None):
        raise SettingsError(
            "Name what to evaluate on: a file, or a data set.",
            received="neither" if source is None else f"{source} and --dataset {dataset}",
            fix="elman evaluate RUN held_out.csv, or elman evaluate RUN --dataset NAME --split test",
        )
    from elman import datasets

    model = models.opened(run)
    about: dict[str, Any] = {"model": run, "data": source or dataset, "split": None}
    published: Sequence[str] = ()
    levels = {"level": given["level"]} if "level" in given and model.task == "forecaster" else {}
    if dataset is None:
        result = model.evaluate(_rows(model, given), **levels)
        title = say("evaluate.data", run=run, data=source)
    else:
        split = given.get("split", "test")
        found = datasets.get(dataset, _fold(model, dataset, given.get("fold")))
        about |= {"split": split, "language": given.get("language")}
        about |= {"fold": found.fold} if found.fold else {}
        result, about["origin"] = _on_dataset(model, found, split, given.get("language"), **levels)
        title = say("evaluate.split", run=run, data=dataset, split=split, origin=about["origin"])
        published = found.published if split == "test" else ()
    if as_json:
        typer.echo(json.dumps(about | {"report": result.to_dict()}, ensure_ascii=False, indent=2))
        return
    from elman.apps.render import report, show

    typer.echo(title + "\n")
    show(report(result))
    if published:
        show("", say("evaluate.published"), *(f"  {line}" for line in published))


def _rows(model: Any, given: Mapping[str, Any]) -> Any:
    """The rows of a file, under the names of the columns that the model was trained on."""
    from elman.data import read
    from elman.data.pairs import read_parallel

    if "parallel" in given:
        names = {role: given.get(role, own) for role, own in model.columns_.items()}
        return read_parallel(given["source"], given["parallel"], encoding=given.get("encoding"), **names)
    rows = read(given["source"], format=given.get("format"), encoding=given.get("encoding"))
    rows = model.sequences(rows, {role: given.get(role, own) for role, own in model.columns_.items()})
    columns = {
        own: rows.column(given.get(role, own))
        for role, names in model.columns_.items()
        for own in model.used({role: names})
    }
    return replace(rows, columns=columns)


def _fold(model: Any, name: str, asked: str | None) -> str | None:
    """The fold to measure on: the one that the model was trained on, where it was.

    Raises:
        SettingsError: another one is asked for, and its test rows may be what the model has learned.
    """
    known = model.about_.get("fold") if model.about_.get("dataset") == name else None
    if None not in (known, asked) and known != asked:
        raise SettingsError(
            f"This model was trained on the fold {known} of {name}: it may know what another one tests.",
            expected=f"--fold {known}",
            received=f"--fold {asked}",
            fix="leave --fold out",
        )
    return known or asked


def _on_dataset(
    model: Any, dataset: Any, split: str, language: str | None, **more: Any
) -> tuple[Any, str]:
    """The report on a split, with its out-of-scope companion where it has one, and what its rows are."""
    rows = dataset.load(split, language)
    if missing := sorted(model.columns_.keys() - dataset.fields.keys()):
        raise SettingsError(
            f"The data set {dataset.name} has no {', '.join(missing)} for this {model.task} to be measured on.",
            expected=f"a model of the task {dataset.task}",
            fix="elman list datasets",
        )
    columns = {own: rows[dataset.fields[role]] for role, own in model.columns_.items()}
    origin = dataset.origin(split, language)
    if model.task != "classifier" or split not in dataset.companions:
        return model.evaluate(columns, **more), origin
    beyond = dataset.load(dataset.companions[split], language)[dataset.fields["text"]]
    return model.evaluate(columns, out_of_scope=beyond), origin

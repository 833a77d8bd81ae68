"""`elman fit`: from options to a trained model in a folder."""

from __future__ import annotations

import json
import os
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from elman.apps.messages import duration, say, tell
from elman.errors import SettingsError, UnknownNameError

if TYPE_CHECKING:
    from elman.data import Records

FIGURES = (
    *("f1", "accuracy", "label", "bleu", "wer", "per", "rouge1", "rouge2", "rougeL", "cer", "mse"),
    *("bits_per_character", "log_likelihood", "frame_log_likelihood", "exact"),
    "frame_mse",
)
"""Those of the dev set that are told, the one that chose the epoch first."""
FORMATS = {"conllu": "tagger", "conll": "tagger", "txt": "generator", "lines": "generator"}
FORMATS |= dict.fromkeys(("mid", "midi", "abc"), "composer")
"""What a file is for, where its format alone tells."""
MADE = {"image": "captioner", "video": "frame-forecaster"}
"""What is made of a column of a sense, where there are no labels."""
BY_COLUMNS = ("tagger", "translator", "transcriber", "forecaster", "versifier", "composer")
"""The tasks that the columns named tell, the first one that has them all."""
NAIVE = ("naive", "seasonal_naive", "drift")
"""Forecasts that cost nothing, which a forecaster's own stand beside."""
READING = {
    "source",
    "dataset",
    "fold",
    "language",
    "dev",
    "encoding",
    "format",
    "out",
    "more",
    "task",
    "parallel",
}
"""Options that are about the data and the folder; all others are columns, or settings of the estimator."""


@dataclass(frozen=True)
class Data:
    """What a model is trained on, with the column of each role, and what is told about it."""

    name: str
    train: Records
    dev: Records | None
    columns: Mapping[str, str]
    about: dict[str, Any]


def fit(given: Mapping[str, Any], command: str) -> None:
    """Train as the options say, telling what is read, what came of it, and what to do next.

    Args:
        given: the options by name, those alone that were given.
        command: the command line, for the model card and for going on after an interruption.
    """
    own, left = _own_settings(given)
    model = _estimator({**own, **given})
    data = _data(given, type(model), command)
    out = Path(given.get("out") or f"runs/{data.name}-{model.cell}")
    _tell_data(data, model, given)
    both = getattr(model, "bidirectional", False)
    tell(f"fit.model.{'both' if both else 'one'}", cell=model.cell, size=model.hidden_size)
    users = {**given, **_more(given.get("more", ()))}
    for key, settings in (("own", own), ("left", left)):
        if told := [f"{name} {value}" for name, value in settings.items() if name not in users]:
            tell(f"fit.{key}", settings=", ".join(told), cell=model.cell)
    tell("fit.out", out=out)
    learn(model, data, out, stopped=say("fit.stopped", out=shlex.quote(str(out))))
    _tell_result(model, data, out)


def learn(model: Any, data: Data, out: Path, stopped: str) -> None:
    """Train in the folder, or go on there; when interrupted, say `stopped` and leave with code 130."""
    if (out / "run.json").is_file():
        finished = (out / "config.json").is_file()
        logs = [*out.glob("metrics.jsonl"), *out.glob("member-*/metrics.jsonl")]
        epochs = sum(len(log.read_bytes().splitlines()) for log in logs)
        tell("fit.finished" if finished else "fit.resumes", out=out, epochs=epochs)
    try:
        with warnings.catch_warnings():  # what it would warn of is told with the result
            warnings.simplefilter("ignore", UserWarning)
            model.fit(data.train, **data.columns, dev=data.dev, out=out, about=data.about)
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(130) from None


def recorded(given: Mapping[str, Any]) -> list[str]:
    """The arguments of the `elman fit` that began the run in the folder `out`, which alone was given.

    Raises:
        SettingsError: no folder or more than that was given, or its run was begun in another way.
        StorageError: there is no run in the folder.
    """
    from elman import runs

    out = given.get("out")
    if out is None or len(given) > 1:
        raise SettingsError(
            "There is nothing to train on.",
            expected="a file, --dataset NAME, or --out FOLDER alone, of a run to go on with",
            fix="elman fit intents.csv --text utterance --label intent",
        )
    command = runs.read(Path(out))["about"].get("command")
    words = shlex.split(command) if isinstance(command, str) else []
    if words[:2] != ["elman", "fit"]:
        raise SettingsError(
            f"The run in {out} was not begun by elman fit.",
            received=command or "a run that names no command",
            fix=f"repeat it: {command}" if command else "call fit(..., out=...) again as it was called",
        )
    return words[2:]


def _estimator(given: Mapping[str, Any]) -> Any:
    """The estimator of the data set's task, with whatever settings were given."""
    from elman import cells, registry

    kind = registry.get("tasks", _task(given))
    defaults = kind.settings()
    known = {
        field: group for group in reversed(defaults) for field in type(defaults[group]).model_fields
    }
    known |= {option: None for option in kind._names() if option not in defaults}
    # A second settings object of a kind has the same fields: they are told apart by its name before them.
    full = {
        f"{group}_{field}": (group, field)
        for group in defaults
        for field in type(defaults[group]).model_fields
    }
    options = {name: one for name, one in given.items() if name not in READING | _every_role()}
    options |= {name: None for name in ("characters", "attention") if options.get(name) == "none"}
    if "devices" in options:
        options["devices"] = _value(options["devices"])
    groups: dict[str | None, dict[str, Any]] = {name: {} for name in (None, *defaults)}
    for name, value in (options | _more(given.get("more", ()))).items():
        if name not in known and name in full:
            group, field = full[name]
            groups[group][field] = value
            continue
        if name not in known:
            raise UnknownNameError.among("setting", name, known)
        groups[known[name]][name] = value
    model = kind(**groups[None])
    for name, own in defaults.items():  # the task's own, which what was given is laid over
        if groups[name]:
            model.set_params(**{name: type(own)(**own.model_dump(exclude_unset=True) | groups[name])})
    cells.get(model.cell)  # a wrong name shows before the data are read
    return model


def _own_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that suit the data set, for the task that was asked for; and those the cell does not know."""
    from elman import cells, datasets, registry

    if "dataset" not in given:
        return {}, {}
    task = _task(given)
    own = dict(datasets.get(given["dataset"]).settings.get(task, {}))
    default = {"cell": registry.get("tasks", task)().cell}
    chosen = {**default, **own, **given, **_more(given.get("more", ()))}
    cell = cells.get(chosen["cell"])
    left = {name: own.pop(name) for name in list(own) if not cell.knows(name)}
    return own, left


def _every_role() -> set[str]:
    """The roles of all tasks: what an option that names a column may be called."""
    from elman import registry

    return set().union(*(registry.get("tasks", name).roles for name in registry.names("tasks")))


def _task(given: Mapping[str, Any]) -> str:
    """The task that was named, or that of the data set, or of the file's format, or of the columns named."""
    from elman import datasets, registry

    if "task" in given:
        return given["task"]
    if "dataset" in given:
        return datasets.get(given["dataset"]).task
    if "label" not in given and (sense := next((one for one in MADE if one in given), None)):
        return MADE[sense]
    source = Path(given["source"])
    names = [one.name for one in source.iterdir()] if source.is_dir() else []
    # Of a folder, what is in it tells.
    suffix = (os.path.splitext(names[0])[1] if names else source.suffix).lower().lstrip(".")
    usual = FORMATS.get(given.get("format", suffix), "classifier")
    named = given.keys() & _every_role() | ({"text", "target"} if "parallel" in given else set())
    fits = (one for one in (usual, *BY_COLUMNS) if named <= registry.get("tasks", one).roles.keys())
    return next(fits, usual)


def _columns(kind: Any, names: Mapping[str, str]) -> dict[str, str]:
    """The column of each role of a task: as named, else its own; of an optional one only where named."""
    for role in sorted(names.keys() - kind.roles.keys()):
        raise UnknownNameError.among(f"{kind.task}'s column", role, kind.roles)
    return {
        role: names.get(role, kind.roles[role]) for role in kind.roles if role in _needed(kind, names)
    }


def _needed(kind: Any, names: Mapping[str, str]) -> set[str]:
    """The roles that are named or have to be there; what is read has one column."""
    first = next(iter(kind.roles))
    needed = set(names) | (kind.roles.keys() - set(kind.optional))
    return needed - ({first} if first not in names and set(kind.senses) & set(names) else set())


def _more(pairs: Any) -> dict[str, Any]:
    """The settings of `--set key=value`; a value is JSON, or else a string."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError("--set takes KEY=VALUE.", received=pair, fix="--set label_smoothing=0.1")
        found[key.strip().replace("-", "_")] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _data(given: Mapping[str, Any], kind: Any, command: str) -> Data:
    source, dataset = given.get("source"), given.get("dataset")
    if source is not None and dataset is not None:
        raise SettingsError(
            "Train on a file or on a data set, not on both.",
            received=f"{source} and --dataset {dataset}",
            fix="leave one of them out",
        )
    tell("fit.reading", source=source or dataset)
    found = _of_file if dataset is None else _of_dataset
    return found(given, kind, command)


def _of_file(given: Mapping[str, Any], kind: Any, command: str) -> Data:
    from elman.data import read
    from elman.data.pairs import read_parallel

    reading = {name: given.get(name) for name in ("format", "encoding")}
    if "parallel" in given:
        train = read_parallel(given["source"], given["parallel"], encoding=reading["encoding"])
    else:
        train = read(given["source"], **reading)
    dev = read(given["dev"], **reading) if "dev" in given else None
    columns = _columns(kind, {role: given[role] for role in _every_role() & given.keys()})
    columns = kind.settled(columns, train.names)
    own = kind.roles.get("series")
    if kind.ordered and own in train.names and "series" not in columns:
        columns["series"] = own
    train = kind.arranged(train, columns)
    dev = None if dev is None else kind.arranged(dev, columns, channels=train.channels)
    usual = {columns[role]: role for role in columns.keys() - given.keys()}
    for rows in (train, train if dev is None else dev):
        for name in kind.used(columns):  # what is missing shows before anything is written
            rows.column(name, usual.get(name))
    about = {"source": given["source"], "command": command}
    return Data(Path(given["source"]).stem, train, dev, columns, about)


def _of_dataset(given: Mapping[str, Any], kind: Any, command: str) -> Data:
    from elman import datasets
    from elman.data import read

    name = given["dataset"]
    known = {"dev", "format", "encoding", "parallel"} | _every_role()
    if odd := sorted(known & given.keys()):
        raise SettingsError(
            f"The data set {name} knows its own columns and splits.",
            received=", ".join(f"--{one}" for one in odd),
            fix="leave these options out",
        )
    dataset, language = datasets.get(name, given.get("fold")), given.get("language")
    about = {
        "dataset": dataset.name,
        "licence": dataset.licence,
        "source": dataset.homepage,
        "language": language,
        **({"fold": dataset.fold} if dataset.fold else {}),
        "command": command,
    }
    train, dev = (read(dataset.load(split, language)) for split in ("train", "dev"))
    named = {role: column for role, column in dataset.fields.items() if role in kind.roles}
    if missing := sorted(_needed(kind, named) - named.keys()):
        raise SettingsError(
            f"The data set {name} is not made for a {kind.task}: it has no {', '.join(missing)}.",
            expected=f"the task {dataset.task}",
            received=f"--task {kind.task}",
            fix="leave --task out",
        )
    return Data(dataset.name, train, dev, _columns(kind, named), about)


def _tell_data(data: Data, model: Any, given: Mapping[str, Any]) -> None:
    train, held = data.train, data.dev
    if held is None:
        train, held = model.set_aside(data.train, data.columns)
    told = {"rows": len(train)}
    if model.answers is None:
        tell("fit.train", **told)
    else:
        answers = data.train.column(data.columns[model.answers])
        kinds = {str(one) for each in answers for one in (each if isinstance(each, list) else [each])}
        tell(f"fit.train.{model.answers}", kinds=len(kinds), **told)
    if data.dev is None:
        several = len(set(model.strata(data.train, data.columns))) > 1
        one = len(data.train) == 1 and len(held) == 1
        way = "last" if model.ordered else "end" if one else "held" if several else "random"
        tell(f"fit.dev.{way}", rows=len(held))
    else:
        where = "file" if "dev" in given else "split"
        tell(f"fit.dev.{where}", rows=len(data.dev), source=given.get("dev", data.name))


def _tell_result(model: Any, data: Data, out: Path) -> None:
    figures = model.figures_
    time = duration(60 * figures["minutes"])
    members, epochs = figures.get("members"), figures["epochs"]
    shown = [name for name in FIGURES if f"dev_{name}" in figures]
    for name in shown[:1]:
        told = {"figure": say(f"figure.{name}"), "value": figures[f"dev_{name}"]}
        if members:
            tell("fit.done.ensemble", members=members, time=time, **told)
        else:
            tell("fit.done", best=figures["best_epoch"], epochs=epochs, time=time, **told)
    for name in shown[1:]:
        tell("fit.done.also", figure=say(f"figure.{name}"), value=figures[f"dev_{name}"])
    if not shown:
        tell("fit.done.blind", epochs=epochs, time=time)
    if "dev_skill" in figures:
        best = min(figures[f"dev_{name}"] for name in NAIVE)
        beats = "beats" if figures["dev_skill"] > 0 else "beaten"
        tell(f"fit.{beats}", **{name: figures[f"dev_{name}"] for name in NAIVE}, best=best)
    if "dev_copy_mse" in figures:
        beats = "saves" if figures["dev_saved"] > 0 else "copies"
        tell(f"fit.{beats}", copied=figures["dev_copy_mse"], saved=100 * figures["dev_saved"])
    run = shlex.quote(str(out))
    tell("fit.model", out=out)
    if "dataset" in data.about:
        language = data.about["language"]
        chosen = f" --language {language}" if language else ""
        tell("command", line=f"elman evaluate {run} --dataset {data.name} --split test{chosen}")
    if model.ordered:
        tell("command", line=f"elman predict {run} --level 80")
        tell("command", line=f"elman inspect {run}")
        return
    if hasattr(model, "generate") and not model.bidirectional:
        tell("command", line=f"elman generate {run}")
    if "series" in data.columns and "dataset" not in data.about:
        tell("command", line=f"elman inspect {run} {shlex.quote(data.about['source'])}")
        return
    role = model.reads(data.columns)
    column = data.train.column(data.columns[role])
    if role in model.senses:
        from elman.data import located

        column = [
            os.path.relpath(one) if isinstance(one, str) else one
            for one in located(data.train, data.columns[role]).column(data.columns[role])
        ]
    texts = (one if isinstance(one, str) else _joined(one) for one in column)
    longest = sys.maxsize if role in model.senses else 60  # a path has the length that it has
    plain = (one for one in texts if 0 < len(one) <= longest and one.isprintable() and "'" not in one)
    if example := next(plain, None):
        tell("command", line=f"elman inspect {run} {shlex.quote(example)}")


def _joined(tokens: Any) -> str:
    """Tokens as a user would type them; nothing where a row holds something else, such as numbers."""
    words = list(tokens) if isinstance(tokens, Sequence) else []
    return " ".join(words) if all(isinstance(one, str) for one in words) else ""

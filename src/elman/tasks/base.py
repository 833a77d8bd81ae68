"""What every estimator is: one way from labelled rows to a trained network, and a folder to keep it in."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from time import monotonic
from typing import Any, ClassVar, Self

import torch
from torch import nn

from elman import registry, runs, storage
from elman.data import Records, holdout, located
from elman.data.readings import gathered
from elman.ensemble import Ensemble
from elman.errors import NotFittedError, SettingsError
from elman.parameters import Parameters
from elman.processes import is_main, side_by_side
from elman.storage import Saved
from elman.training import Place, Problem, Training, fit, seeded

Prepare = Callable[[Any], None]
"""What is done to a network before it learns: pretrained vectors are put in, say."""

PARTICULAR = {"consistency": 0.0, "ensemble": 1}
"""What of `Training` only some tasks know, and what leaves it out."""


class Estimator(Parameters, ABC):
    """The base of all tasks: `fit` hands its arguments to `_fit`, and the hooks say what is particular.

        source > _examples > _learn_codecs > _encoded > _network > _problem > training.fit

    A constructor only stores its arguments, under their own names (`Parameters`); whatever `fit` learns has a
    name that ends in `_`.

    Attributes of a class:
        task, structure: its names in a saved model. kind: `classifier`, `regressor`, ... for scikit-learn.
        roles: what a row holds: for each role the name that its column has unless another is given. The
            first is what is read, and what `predict` is asked.
        optional: roles that only play where a column is named for them.
        senses: those of them that stand in for the first: what is read by another codec, a sound or a
            picture. Each is the name of its codec and of the argument that holds the codec's settings.
        answers: the role whose distinct values are worth counting, if any.
        knows: what of `Training` only some tasks know: `consistency` a loss, `ensemble` a network.
        ordered: whether rows follow each other in time, so that the last of them are set aside for dev.
        codecs: the codecs, each the attribute `name_` after `fit`, None where it plays no part.

    Attributes after `fit`:
        network_, columns_, about_, figures_, history_, and whatever a task adds. channels_: the columns that
        the numbers of a step stood in, in their order; None where nobody knows.
    """

    task: ClassVar[str]
    structure: ClassVar[str]
    roles: ClassVar[Mapping[str, str]]
    optional: ClassVar[tuple[str, ...]] = ()
    senses: ClassVar[tuple[str, ...]] = ()
    answers: ClassVar[str | None] = None
    knows: ClassVar[frozenset[str]] = frozenset()
    ordered: ClassVar[bool] = False
    codecs: ClassVar[tuple[str, ...]]

    training: Training
    network_: Any
    channels_: tuple[str, ...] | None

    # --- learning: the way, and the hooks ---

    def _fit(
        self,
        source: Any,
        columns: Mapping[str, str | None],
        *,
        dev: Any,
        out: str | Path | None,
        about: Mapping[str, Any] | None,
    ) -> Self:
        """Train on labelled rows; a part of them is set aside where there is no dev set.

        Args:
            source: what `_examples` takes; a pair is `(sequences, answers)`.
            columns: the column of each role; None for a role that does not play.
            dev: like `source`; a tenth of it if None.
            out: the run's folder, if there is to be one.
            about: facts for the model card.
        """
        for name, none in PARTICULAR.items():
            if (given := getattr(self.training, name)) != none and name not in self.knows:
                raise SettingsError(
                    f"A {self.task} does not know {name}.",
                    received=f"{name}={given}",
                    fix=f"leave it at {none}",
                )
        vars(self).pop("network_", None)  # a fit that fails must not leave half of two models
        self.columns_ = {role: name for role, name in columns.items() if name is not None}
        self.about_, self.channels_ = dict(about or {}), None
        train = self._rows(source)
        self.channels_ = train.channels
        if dev is None:
            train, held_rows = self.set_aside(train, self.columns_)
        else:
            held_rows = self._rows(dev)
        prepare = self._learn_codecs(train)
        examples = self._encoded(train), self._encoded(held_rows)
        folder = None if out is None else Path(out)
        if folder is not None:  # only now: a run is not begun with data that cannot be used
            both = [
                [rows.column(name) for name in self.used(self.columns_) if name in rows.names]
                for rows in (train, held_rows)
            ]
            identity = {"task": self.task, **self._config(), "data": runs.checksum(both)}
            runs.begin(folder, identity, {**self.columns_, **self.about_})
        self._learn(examples, prepare, folder)
        if folder is not None and is_main():
            self.save(folder)
        return self

    def _learn(self, examples: tuple[Any, Any], prepare: Prepare | None, folder: Path | None) -> None:
        """Train the network, or each of an ensemble, and note how it went."""
        count = self.training.ensemble

        def learned(number: int) -> tuple[dict[str, Any], Place]:
            training = self.training.of_member(number)
            with seeded(training.seed):
                self.network_ = self._network()
                if prepare is not None:
                    prepare(self.network_)
                own = folder / f"member-{number + 1}" if folder and count > 1 else folder
                place = fit(self.network_, self._problem(*examples), training, own)
            return {name: one.numpy() for name, one in self.network_.state_dict().items()}, place

        if count == 1:
            _, place = learned(0)
            self.history_, self.figures_ = place.history, _figures(place)
            return
        training = self.training
        alone = training.accelerator == "cpu" and training.devices == 1 and training.num_nodes == 1
        began = monotonic()
        weights, places = zip(*side_by_side(learned, count, None if alone else 1), strict=True)
        members = [self._network() for _ in weights]
        for one, own in zip(members, weights, strict=True):
            one.load_state_dict({name: torch.from_numpy(each) for name, each in own.items()})
        self.network_ = Ensemble(members).eval()
        self.history_ = [line for place in places for line in place.history]
        evaluate = self._problem(*examples).evaluate
        self.figures_ = _joined(places, evaluate and evaluate(self.network_), monotonic() - began)

    def _rows(self, source: Any) -> Records:
        return self._examples(*source) if isinstance(source, tuple) else self._examples(source)

    @classmethod
    def reads(cls, columns: Mapping[str, str]) -> str:
        """The role of what is read: the sense that a column is named for, else the first."""
        return next((one for one in cls.senses if one in columns), next(iter(cls.roles)))

    @classmethod
    def settled(cls, columns: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
        """The columns, where the one of what is read is not among the names and the usual one of a sense is.

        So a folder of recordings needs no column to be named, nor a data set of them.
        """
        first = next(iter(cls.roles))
        there = [one for one in cls.senses if cls.roles[one] in names]
        if columns.get(first) != cls.roles[first] or columns[first] in names or not there:
            return dict(columns)
        return {there[0]: cls.roles[there[0]], **{k: v for k, v in columns.items() if k != first}}

    @classmethod
    def arranged(
        cls,
        rows: Records,
        columns: Mapping[str, str],
        *,
        answered: bool = True,
        channels: Sequence[str] | None = None,
    ) -> Records:
        """Rows as they are learned from, of rows as they are read: moments are gathered into sequences.

        They stay as they are where no column tells series apart, or where time is the task's own business
        (`ordered`). `answered` says whether answers are needed, `channels` what a step must be made of.
        """
        first = next(iter(cls.roles))
        if first not in columns or cls.ordered:
            return rows
        return gathered(rows, columns, columns[first], answered=answered, channels=channels)

    def sequences(
        self, rows: Records, columns: Mapping[str, str] | None = None, *, answered: bool = True
    ) -> Records:
        """Rows as this model reads them: `arranged`, with the channels that it knows, in its own order."""
        columns = self.columns_ if columns is None else columns
        return self.arranged(rows, columns, answered=answered, channels=self.channels_)

    @property
    def reads_files(self) -> bool:
        """Whether a string that is asked is the path of a file."""
        return self.reads(self.columns_) in self.senses

    @classmethod
    def used(cls, columns: Mapping[str, str]) -> list[str]:
        """The columns of roles, one after the other."""
        return list(columns.values())

    def set_aside(self, rows: Records, columns: Mapping[str, str]) -> tuple[Records, Records]:
        """The rows to train on, and those that are set aside for dev: a tenth, drawn within `strata`."""
        kept, held = holdout(self.strata(rows, columns), seed=self.training.seed)
        return rows.select(kept), rows.select(held)

    @classmethod
    def strata(cls, rows: Records, columns: Mapping[str, str]) -> Sequence[Hashable]:
        """What a part that is set aside has its share of; where it is one for all, rows are drawn at random."""
        return [None] * len(rows)

    def asked(self, rows: Records, column: str | None = None) -> list[Any]:
        """What `predict` takes, of rows: what stands in a column, that of what is read if None."""
        name = column or self.columns_[self.reads(self.columns_)]
        rows = self.sequences(rows, answered=False)
        return list((located(rows, name) if self.reads_files else rows).column(name))

    @abstractmethod
    def _examples(self, source: Any, y: Any = None) -> Records:
        """Rows, checked, with the columns that `columns_` names; `y` are answers where `source` has none."""

    @abstractmethod
    def _learn_codecs(self, rows: Records) -> Prepare | None:
        """Fit the codecs to the training rows; gives what is to be done to the network before it learns."""

    @abstractmethod
    def _encoded(self, rows: Records) -> Any:
        """Rows as numbers, for `_problem`."""

    @abstractmethod
    def _network(self) -> nn.Module:
        """The network that suits the codecs, with fresh weights."""

    @abstractmethod
    def _problem(self, train: Any, dev: Any) -> Problem:
        """What is to be learned, of encoded rows; without `evaluate` where `dev` is empty."""

    @abstractmethod
    def _facts(self) -> dict[str, Any]:
        """What the model card says of the network."""

    # --- keeping ---

    def save(self, folder: str | Path) -> Path:
        """Save the fitted model as a folder that `elman.load` reads; it holds no pickle.

        Raises:
            NotFittedError: before `fit`.
            StorageError: the folder cannot be written.
        """
        self._check_fitted()
        return storage.save(folder, self._saved())

    def _saved(self) -> Saved:
        """The config, weights and files that `restore` needs."""
        many = {"Ensemble": f"{self.training.ensemble} networks"} if self.training.ensemble > 1 else {}
        facts = (
            self._facts()
            | many
            | {
                "Parameters": sum(one.numel() for one in self.network_.parameters()),
                "Seed": self.training.seed,
            }
        )
        card = runs.card(f"A {self.task} made with elman", facts, self.figures_, self.about_)
        files = {"metrics.json": runs.pretty(self.figures_), "README.md": card.encode()}
        codecs: dict[str, Any] = {}
        for name in self.codecs:
            codec = getattr(self, f"{name}_")
            if codec is not None:
                codecs[name] = {"name": codec.name, "config": codec.config()}
                files |= {_file(name, own): content for own, content in codec.files().items()}
        config = {
            "task": self.task,
            "structure": self.structure,
            "estimator": self._config(),
            "columns": self.columns_,
            **({} if self.channels_ is None else {"channels": self.channels_}),
            "codecs": codecs,
            "about": self.about_,
        }
        return Saved(config, self.network_.state_dict(), files)

    @classmethod
    def restore(cls, saved: Saved) -> Self:
        """The estimator that was saved."""
        config = saved.config
        self = cls._of_config(config["estimator"])
        self.columns_, self.about_ = config["columns"], config["about"]
        self.channels_ = tuple(config["channels"]) if "channels" in config else None
        for name in cls.codecs:
            kept, codec = config["codecs"].get(name), None
            if kept is not None:
                lead = _file(name, "")
                own = {file: one for file, one in saved.files.items() if file.startswith(lead)}
                files = {file.removeprefix(lead): one for file, one in own.items()}
                codec = registry.get("codecs", kept["name"]).restore(kept["config"], files)
            setattr(self, f"{name}_", codec)
        self.figures_, self.history_ = json.loads(saved.files["metrics.json"]), []
        self._recall(saved)
        members = [self._network() for _ in range(self.training.ensemble)]
        self.network_ = members[0] if len(members) == 1 else Ensemble(members)
        self.network_.load_state_dict(saved.tensors)
        self.network_.eval()
        return self

    def _recall(self, saved: Saved) -> None:
        """Take from a saved model what `_saved` put there beside the rest; the codecs are there already."""

    def _check_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise NotFittedError(
                f"This {type(self).__name__} has not been fitted.",
                fix="call fit(...) first, or elman.load(folder)",
            )

    # --- for others ---

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")


def _file(codec: str, name: str) -> str:
    """The name of a codec's file in a saved model; those of the input have none before it."""
    return name if codec == "input" else f"{codec}.{name}"


def _figures(place: Place) -> dict[str, float]:
    """How the best epoch did on the training rows and on dev, and what it took."""
    best = place.history[place.best_epoch - 1]
    skipped = ("epoch", "step", "loss", "learning_rate")
    found = {"train_loss": best["loss"]} | _dev(
        {name: value for name, value in best.items() if name not in skipped}
    )
    return found | {
        "epochs": place.epoch,
        "best_epoch": place.best_epoch,
        "minutes": place.seconds / 60,
    }


def _joined(
    places: Sequence[Place], dev: Mapping[str, float] | None, seconds: float
) -> dict[str, float]:
    """How an ensemble did: the members on the training rows, all together on dev, and what it took."""
    each = [_figures(place) for place in places]
    return (
        {"train_loss": mean(one["train_loss"] for one in each)}
        | _dev(dev or {})
        | {
            "members": len(places),
            "epochs": sum(place.epoch for place in places),
            "minutes": max(seconds, *(place.seconds for place in places)) / 60,
        }
    )


def _dev(figures: Mapping[str, float]) -> dict[str, float]:
    return {name if name.startswith("dev_") else f"dev_{name}": one for name, one in figures.items()}

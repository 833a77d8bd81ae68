"""Accuracy of every recipe on real data, and the tables of RESULTS.md.

python benchmarks/accuracy.py run clinc150                # every variant and seed that is not yet measured
python benchmarks/accuracy.py run clinc150 --only Bi-GRU  # one variant
python benchmarks/accuracy.py table                       # RESULTS.md from what was measured

A recipe (`recipes/NAME.yaml`) names the data set, the variants, the seeds and what is known of others'
figures; `task: tagger` where the data set serves several tasks; `folds` where each is measured by itself;
`refit: true` where training takes the dev rows as well, once all settings are chosen. The best epoch is
chosen on dev; test is read once, after training. Beside each runs a simple baseline (see `baselines.py`).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import matrix
import yaml
from asking import Questioned
from baselines import BASELINES, FURTHER, named
from music import Harmony, Musician
from seeing import Captioned, Filmed, with_settings
from writing import verse

HERE = Path(__file__).parent
Row = dict[str, Any]
FIGURES = (
    *("test", "macro", "auroc", "recall", "span", "intent", "per", "rouge"),
    *("nats", "equal", "tones", "rhyme", "exact", "cider", "share", "voice"),
)
"""How the names of the figures begin, in the order of the columns."""


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="measure what has not been measured yet")
    runner.add_argument("recipe", help="the name of a file in recipes/")
    runner.add_argument("--only", help="one variant")
    runner.add_argument("--seed", type=int, help="one seed")
    commands.add_parser("table", help="write RESULTS.md")
    chosen = parser.parse_args()
    if chosen.command == "table":
        write_tables()
        return
    recipe = yaml.safe_load((HERE / "recipes" / f"{chosen.recipe}.yaml").read_text(encoding="utf-8"))
    for row in measure(recipe, read_rows(recipe["name"]), chosen.only, chosen.seed):
        print(json.dumps(row), flush=True)
        with results_file(recipe["name"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    write_tables()


def measure(recipe: Row, done: list[Row], only: str | None, seed: int | None) -> Iterator[Row]:
    """One row for each variant and seed that is not among those done."""
    from elman import datasets

    task = recipe.get("task") or datasets.get(recipe["dataset"]).task
    simple = [BASELINES[name] for name in (recipe.get("baseline", task),) if name in BASELINES]
    simple += [FURTHER[name] for name in recipe.get("baselines", ())]
    have = {(row["variant"], row["seed"], row.get("fold")) for row in done}
    languages = recipe.get("languages", [None])
    for variant, settings in {**recipe["variants"], **dict(simple)}.items():
        numbers = recipe["seeds"] if isinstance(settings, dict) else [0]
        for number, fold in product(numbers, recipe.get("folds", [None])):
            if (variant, number, fold) in have or (only or variant) != variant:
                continue
            if (seed or number) != number:
                continue
            dataset = datasets.get(recipe["dataset"], fold)
            parts = {
                split: [dataset.load(split, language) for language in languages]
                for split in ("train", "dev", "test")
            }
            train, dev = joined(parts["train"]), joined(parts["dev"])
            if recipe.get("refit"):  # settings are chosen: dev rows are learned from, too, as others do
                train = joined([train, dev])
            started = time.process_time()
            if not isinstance(settings, dict):
                model = settings(train, dev, dataset.fields)
            else:
                kind = KINDS.get(task, Recurrent)
                model = kind(
                    {**recipe.get("common", {}), **settings}, number, train, dev, dataset.fields
                )
            minutes = (time.process_time() - started) / 60
            row: Row = {"variant": variant, "seed": number, "minutes": minutes, "size": model.size}
            row |= {} if fold is None else {"fold": fold}
            row["dev"] = model.report(dev)["accuracy"]
            for language, test in zip(languages, parts["test"], strict=True):
                report = model.report(test, beyond(dataset, "test"))
                report["test"] = report.pop("accuracy")
                mark = f" {language}" if language else ""
                row |= {name + mark: value for name, value in report.items() if name != "count"}
            yield row | machine()


def joined(parts: list[Row]) -> Row:
    """The columns that all parts have, one part after the other."""
    names = set.intersection(*(set(part) for part in parts))
    return {name: [value for part in parts for value in part[name]] for name in sorted(names)}


def beyond(dataset: Any, split: str) -> list[str] | None:
    """The texts out of scope that belong to a split, if the data set has any."""
    other = dataset.companions.get(split)
    return dataset.load(other)["text"] if other else None


class Recurrent:
    """A classifier of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        roles = {
            role: fields[role] for role in ("text", "audio", "image", "video", "label") if role in fields
        }
        self.model = with_settings(elman.Classifier(), settings, seed).fit(train, **roles, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy and, with texts out of scope, how well they are told apart."""
        found = self.model.evaluate(rows, out_of_scope=out_of_scope)
        return {"accuracy": found.accuracy, "macro_f1": found.macro_f1, **(found.out_of_scope or {})}


class Tagger:
    """A tagger of elman, trained by a recipe; sequences are labelled too where the data set has labels."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        roles = {role: fields[role] for role in ("tokens", "tags", "label") if role in fields}
        self.model = with_settings(elman.Tagger(), settings, seed).fit(train, **roles, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy of the tags and, where there are any, F1 of the spans and accuracy of the labels."""
        found = self.model.evaluate(rows)
        report = {"accuracy": found.accuracy}
        report |= {f"span {name}": value for name, value in (found.spans or {}).items()}
        return report | ({} if found.label_accuracy is None else {"intent": found.label_accuracy})


class Translator:
    """A translator of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        roles = {role: fields[role] for role in ("text", "target")}
        self.model = with_settings(elman.Translator(), settings, seed).fit(train, **roles, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU, error rates or ROUGE, as the recipe's metric says, and how BLEU was counted."""
        found = self.model.evaluate(rows)
        return named(found.figures) | ({"signature": found.signature} if found.signature else {})


class Forecaster:
    """A forecaster of elman, trained by a recipe; its figure is the standardised mean squared error."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        roles = {role: fields[role] for role in ("series", "time", "target") if role in fields}
        self.model = with_settings(elman.Forecaster(), settings, seed).fit(train, **roles, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())
        self.dev = dev

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The squared error over every window; that on dev as it was measured while training."""
        if rows is self.dev:
            return {"accuracy": self.model.figures_["dev_mse"]}
        found = self.model.evaluate(rows)
        return {"accuracy": found.scaled_mse, "test mae": found.scaled_mae}


class Writer:
    """A generator of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        self.model = with_settings(elman.Generator(), settings, seed).fit(train, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Bits per character, and nats of a symbol."""
        found = self.model.evaluate(rows)
        return {"accuracy": found.bits_per_character, "nats": found.nats}


class Poet:
    """A versifier of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        self.model = with_settings(elman.Versifier(), settings, seed)
        self.model.fit(train, dev=dev, **fields)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU and the rules, of what is written freely; and the rules where they are enforced."""
        found = self.model.evaluate(rows)
        kept = self.model.predict(rows["first"], tones=True, rhyme=rows["rhyme"])
        seconds = [one.second for one in kept]
        forced = verse(rows, seconds)
        report = {"accuracy": found.bleu / 100, "perplexity": found.perplexity}
        report |= {"equal": found.equal_length, "tones": found.tones, "rhyme": found.rhyme}
        return report | {
            f"{name} enforced": value for name, value in forced.items() if name != "accuracy"
        }


class Transcriber:
    """A transcriber of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        roles = {role: fields[role] for role in ("audio", "target")}
        self.model = with_settings(elman.Transcriber(), settings, seed).fit(train, **roles, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The word error rate, read off the likeliest path and by the beam, and that of characters."""
        found = self.model.evaluate(rows)
        width, self.model.beam_size = self.model.beam_size, 1
        greedy = self.model.evaluate(rows).figures["wer"]
        self.model.beam_size = width
        return {"accuracy": found.figures["wer"], "test greedy": greedy}


KINDS = {
    "transcriber": Transcriber,
    "tagger": Tagger,
    "translator": Translator,
    "forecaster": Forecaster,
    "generator": Writer,
    "versifier": Poet,
    "captioner": Captioned,
    "frame-forecaster": Filmed,
    "composer": Musician,
    "harmonizer": Harmony,
    "questions": Questioned,
}
"""What trains a task by a recipe, where it is no classifier."""


def machine() -> Row:
    """What the figures were measured on."""
    import torch

    import elman

    return {
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "torch": torch.__version__,
        "elman": elman.__version__,
    }


def results_file(name: str) -> Path:
    """Where the rows of a recipe are kept."""
    return HERE / "results" / f"{name}.jsonl"


def read_rows(name: str) -> list[Row]:
    """The rows measured so far."""
    path = results_file(name)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_tables() -> None:
    """RESULTS.md: the introduction, then one table a recipe, from the rows measured."""
    parts = [(HERE / "introduction.md").read_text(encoding="utf-8")]
    for path in sorted((HERE / "recipes").glob("*.yaml")):
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        if rows := read_rows(recipe["name"]):
            parts.append(table(recipe, rows))
    if rows := read_rows("matrix"):
        parts.append(matrix.section(rows))
    (HERE / "RESULTS.md").write_text("\n".join(parts), encoding="utf-8")


def table(recipe: Row, rows: list[Row]) -> str:
    """One recipe as Markdown: mean and spread over the seeds."""
    own = [row for row in rows if row["variant"] in recipe["variants"]]
    names = dict.fromkeys(name for row in own for name in row)
    figures = [name for name in names if name == "dev" or name.startswith(FIGURES)]
    figures = sorted(figures, key=lambda name: (name != "dev", not name.startswith("test"), name))
    heads = [
        "model",
        "folds" if "folds" in recipe else "seeds",
        *(name.replace("_", " ") for name in figures),
        "parameters",
        "CPU minutes",
    ]
    lines = [f"## {recipe['title']}", "", recipe["about"].strip(), ""]
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    baselines = [title for title, _ in (*BASELINES.values(), *FURTHER.values())]
    for variant in [*recipe["variants"], *baselines]:
        mine = [row for row in rows if row["variant"] == variant]
        if not mine:
            continue
        cells = [variant, str(len(mine))]
        cells += [
            spread([shown(recipe, name, row[name]) for row in mine], recipe.get("digits", 2))
            if name in mine[0]
            else "–"
            for name in figures
        ]
        cells += [
            f"{mine[0]['size'] / 1e6:.2f} M",
            f"{statistics.mean(row['minutes'] for row in mine):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += by_fold(recipe, rows) + by_kind(rows)
    newest = rows[-1]
    lines += [
        "",
        f"Measured with elman {newest['elman']}, torch {newest['torch']}, {newest['threads']} thread(s), "
        f"by `python benchmarks/accuracy.py run {recipe['name']}`.",
    ]
    if any("signature" in row for row in rows):
        counted = next(row["signature"] for row in rows if "signature" in row)
        lines += ["", f"BLEU by sacrebleu: `{counted}`."]
    lines += ["", "Others' figures on the same test set:", ""]
    lines += [f"* {line}" for line in recipe["published"]] + [""]
    return "\n".join(lines)


def by_fold(recipe: Row, rows: list[Row]) -> list[str]:
    """A line for each variant with its figure on every fold."""
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows if "fold" in row):
        mine = [row for row in rows if row["variant"] == variant]
        figures = [
            f"{fold} {100 * statistics.mean(row['test'] for row in mine if row['fold'] == fold):.1f}"
            for fold in recipe["folds"]
            if any(row["fold"] == fold for row in mine)
        ]
        lines.append(f"* {variant}: {', '.join(figures)}")
    return ["", "By fold:", "", *lines] if lines else []


def by_kind(rows: list[Row]) -> list[str]:
    """A line for each variant with its figure on every kind of question."""
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows if "kinds" in row):
        mine = [row["kinds"] for row in rows if row["variant"] == variant]
        figures = [f"{kind} {100 * statistics.mean(one[kind] for one in mine):.1f}" for kind in mine[0]]
        lines.append(f"* {variant}: {', '.join(figures)}")
    return ["", "By kind:", "", *lines] if lines else []


def shown(recipe: Row, name: str, value: float) -> float:
    """A figure as the table has it: in percent, or for forecasts as it is, or its root (`figure: rmse`)."""
    if "figure" not in recipe and name not in ("nats", "perplexity"):
        return 100 * value
    return value**0.5 if recipe.get("figure") == "rmse" and "mae" not in name else value


def spread(values: list[float], digits: int = 2) -> str:
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


if __name__ == "__main__":
    main()

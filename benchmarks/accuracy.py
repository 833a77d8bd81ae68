"""Accuracy of every recipe on real data, and the tables of RESULTS.md.

python benchmarks/accuracy.py run clinc150                # every variant and seed that is not yet measured
python benchmarks/accuracy.py run clinc150 --only Bi-GRU  # one variant
python benchmarks/accuracy.py table                       # RESULTS.md from what was measured

A recipe (`recipes/NAME.yaml`) names the data set, the variants, the seeds and what is known of others'
figures. The best epoch is chosen on dev; test is read once, after training. A linear SVM over TF-IDF
n-grams runs beside, its regularisation chosen on dev too.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
Row = dict[str, Any]
BASELINE = "TF-IDF + linear SVM"


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

    have = {(row["variant"], row["seed"]) for row in done}
    dataset, languages = datasets.get(recipe["dataset"]), recipe.get("languages", [None])
    for variant, settings in {**recipe["variants"], BASELINE: None}.items():
        for number in recipe["seeds"] if settings is not None else [0]:
            if (variant, number) in have or (only or variant) != variant or (seed or number) != number:
                continue
            parts = {
                split: [dataset.load(split, language) for language in languages]
                for split in ("train", "dev", "test")
            }
            train, dev = joined(parts["train"]), joined(parts["dev"])
            started = time.process_time()
            if settings is None:
                model = SVM(train, dev)
            else:
                model = Recurrent(recipe.get("common", {}), settings, number, train, dev)
            minutes = (time.process_time() - started) / 60
            row: Row = {"variant": variant, "seed": number, "minutes": minutes, "size": model.size}
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

    def __init__(self, common: Row, settings: Row, seed: int, train: Row, dev: Row) -> None:
        import elman

        merged = {**common, **settings}
        training = elman.Training(**{**merged.pop("training", {}), "seed": seed})
        text = elman.TextSettings(**merged.pop("text", {}))
        self.model = elman.Classifier(**merged, text=text, training=training).fit(train, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy and, with texts out of scope, how well they are told apart."""
        found = self.model.evaluate(rows, out_of_scope=out_of_scope)
        return {"accuracy": found.accuracy, "macro_f1": found.macro_f1, **(found.out_of_scope or {})}


class SVM:
    """Word and character n-grams by TF-IDF, a linear support vector machine, C chosen on dev."""

    def __init__(self, train: Row, dev: Row) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.svm import LinearSVC

        def made(penalty: float) -> Any:
            words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
            letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
            return make_pipeline(make_union(words, letters), LinearSVC(C=penalty, random_state=0))

        fitted = [made(penalty).fit(train["text"], train["label"]) for penalty in (0.1, 0.3, 1.0, 3.0)]
        self.model = max(fitted, key=lambda one: one.score(dev["text"], dev["label"]))
        self.size = int(self.model[-1].coef_.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Accuracy and, with texts out of scope, how well the highest margin tells them apart."""
        import numpy as np
        from sklearn.metrics import f1_score, roc_auc_score

        truth, predicted = np.array(rows["label"]), self.model.predict(rows["text"])
        report = {
            "accuracy": float((predicted == truth).mean()),
            "macro_f1": float(f1_score(truth, predicted, average="macro")),
        }
        if out_of_scope is None:
            return report
        within = self.model.decision_function(rows["text"]).max(-1)
        other = self.model.decision_function(out_of_scope).max(-1)
        known = np.arange(len(within) + len(other)) < len(within)
        report["auroc"] = float(roc_auc_score(known, np.concatenate([within, other])))
        report["recall_at_95"] = float((other < np.quantile(within, 0.05)).mean())
        return report


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
    (HERE / "RESULTS.md").write_text("\n".join(parts), encoding="utf-8")


def table(recipe: Row, rows: list[Row]) -> str:
    """One recipe as Markdown: mean and spread over the seeds."""
    figures = [
        name
        for name in rows[0]
        if name == "dev" or name.startswith(("test", "macro", "auroc", "recall"))
    ]
    figures = sorted(figures, key=lambda name: (name != "dev", not name.startswith("test"), name))
    heads = [
        "model",
        "seeds",
        *(name.replace("_", " ") for name in figures),
        "parameters",
        "CPU minutes",
    ]
    lines = [f"## {recipe['title']}", "", recipe["about"].strip(), ""]
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for variant in [*recipe["variants"], BASELINE]:
        mine = [row for row in rows if row["variant"] == variant]
        if not mine:
            continue
        cells = [variant, str(len(mine))]
        cells += [spread([100 * row[name] for row in mine]) for name in figures]
        cells += [
            f"{mine[0]['size'] / 1e6:.2f} M",
            f"{statistics.mean(row['minutes'] for row in mine):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    newest = rows[-1]
    lines += [
        "",
        f"Measured with elman {newest['elman']}, torch {newest['torch']}, {newest['threads']} thread(s), "
        f"by `python benchmarks/accuracy.py run {recipe['name']}`.",
    ]
    lines += ["", "Others' figures on the same test set:", ""]
    lines += [f"* {line}" for line in recipe["published"]] + [""]
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"


if __name__ == "__main__":
    main()

"""Five cells in four structures, each on one small real data set: that every field works, not how far it goes.

python benchmarks/matrix.py            # every field that is not yet measured, then the section of RESULTS.md
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
CELLS = {"rnn": "RNN (tanh)", "rnn-relu": "RNN (ReLU)", "lstm": "LSTM", "gru": "GRU", "mingru": "minGRU"}
SEED = 1


def part(name: str, count: int) -> tuple[Row, Row, Row]:
    """So many of the training rows of a data set, evenly spread, and its dev and test rows."""
    from elman import datasets

    train, dev, test = (datasets.load(name, split) for split in ("train", "dev", "test"))
    return spread(train, count), dev, test


def spread(rows: Row, count: int) -> Row:
    """So many of the rows, from the first to the last at even distances."""
    total = len(next(iter(rows.values())))
    return {name: [values[n * total // count] for n in range(count)] for name, values in rows.items()}


def n_to_n(cell: str) -> float:
    """Parts of speech of 3,000 sentences of ud-english-ewt: accuracy of the tags on test, in percent."""
    import elman

    train, dev, test = part("ud-english-ewt", 3_000)
    training = elman.Training(epochs=4, seed=SEED)
    model = elman.Tagger(cell, 100, 1, bidirectional=True, training=training)
    return 100 * model.fit(train, dev=dev).evaluate(test).accuracy


def n_to_one(cell: str) -> float:
    """Intents of 3,000 requests of snips: accuracy on test, in percent."""
    import elman

    train, dev, test = part("snips", 3_000)
    training = elman.Training(epochs=6, seed=SEED)
    model = elman.Classifier(cell, 64, bidirectional=True, training=training)
    rows = {"text": train["text"], "label": train["label"]}
    return 100 * model.fit(rows, dev={name: dev[name] for name in rows}).evaluate(test).accuracy


def one_to_n(cell: str) -> float:
    """Requests of snips written from their intent alone: perplexity of a word on test, ends included."""
    import torch
    from torch import nn

    from elman.layers.lexicon import Lexicon, forced
    from elman.layers.recurrent import Recurrent
    from elman.ragged import Ragged
    from elman.structures.one_to_n import OneToN
    from elman.training import Problem, Training, fit, seeded

    parts = part("snips", 6_000)
    counts = Counter(word for text in parts[0]["text"] for word in text.lower().split())
    words = {word: n for n, word in enumerate((w for w, c in counts.most_common() if c > 1), 4)}
    labels = {label: n for n, label in enumerate(sorted(set(parts[0]["label"])))}

    def numbers(rows: Row) -> tuple[torch.Tensor, Ragged]:
        texts = [[words.get(word, 1) for word in text.lower().split()] for text in rows["text"]]
        intents = torch.tensor([labels[one] for one in rows["label"]])
        return intents, Ragged.of([torch.tensor(one, dtype=torch.int64) for one in texts])

    (xs, ys), held, test = (numbers(rows) for rows in parts)
    training = Training(epochs=6, dropout=0.3, seed=SEED)
    with seeded(SEED):
        lexicon = Lexicon(len(words) + 4, 64, features=128 + 16, dropout=0.3)
        network = OneToN(nn.Embedding(len(labels), 16), lexicon, Recurrent(cell, 80, 128), features=16)

        def surprise(model: Any, intents: torch.Tensor, told: Ragged) -> torch.Tensor:
            return -model(intents, *forced(told, 2, 3)).values[:, 0]

        @torch.inference_mode()
        def nats(rows: tuple[torch.Tensor, Ragged]) -> float:
            return float(surprise(network.eval(), *rows).mean())

        problem = Problem(
            lengths=(ys.lengths + 1).tolist(),
            batch=lambda chosen: (xs[torch.from_numpy(chosen)], ys[chosen]),
            loss=lambda model, batch: surprise(model, *batch).mean(),
            evaluate=lambda _: {"log_likelihood": -nats(held)},
            monitor="log_likelihood",
        )
        fit(network, problem, training)
    return math.exp(nats(test))


def n_to_m(cell: str) -> float:
    """How 5,000 words of sigmorphon-2021-eng are pronounced: right phones of 1,000 of test, in percent.

    An encoder in both directions, additive attention, greedy decoding.
    """
    import elman

    train, dev, test = part("sigmorphon-2021-eng", 5_000)
    dev, test = (spread(rows, 1_000) for rows in (dev, test))
    model = elman.Translator(
        cell,
        128,
        metric="wer",
        text=elman.TextSettings(tokenizer="characters", characters=None, embedding_size=64),
        target=elman.TextSettings(
            tokenizer="spaces", characters=None, lowercase=False, embedding_size=64
        ),
        decode=elman.Greedy(),
        training=elman.Training(epochs=8, dropout=0.2, batch_size=32, seed=SEED),
    )
    return 100 * (1 - model.fit(train, **FIELDS, dev=dev).evaluate(test).figures["per"])


FIELDS = {"text": "word", "target": "phones"}
STRUCTURES: dict[str, tuple[str, Callable[[str], float]]] = {
    "N-to-N": ("ud-english-ewt, accuracy", n_to_n),
    "N-to-1": ("snips, accuracy", n_to_one),
    "1-to-N": ("snips, perplexity from the intent", one_to_n),
    "N-to-M": ("sigmorphon-2021-eng, right phones", n_to_m),
}


def main() -> None:
    """Measure what is missing, and write the section."""
    from accuracy import machine, read_rows, results_file, write_tables

    done = {(row["structure"], row["cell"]) for row in read_rows("matrix")}
    for structure, (_, measure) in STRUCTURES.items():
        for cell in CELLS:
            if (structure, cell) in done:
                continue
            started = time.process_time()
            figure = measure(cell)
            minutes = (time.process_time() - started) / 60
            row: Row = {"structure": structure, "cell": cell, "figure": figure, "minutes": minutes}
            print(json.dumps(row), flush=True)
            with results_file("matrix").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row | {"seed": SEED} | machine()) + "\n")
    write_tables()


def section(rows: list[Row]) -> str:
    """The section of RESULTS.md: a line for each structure, a column for each cell."""
    found = {(row["structure"], row["cell"]): row["figure"] for row in rows}
    lines = ["## Five cells × four structures", ""]
    lines += [" ".join(ABOUT.split()), ""]
    lines += ["| structure | measured on test | " + " | ".join(CELLS.values()) + " |"]
    lines += ["|" + "---|" * (2 + len(CELLS))]
    for structure, (what, _) in STRUCTURES.items():
        cells = [
            f"{found[structure, cell]:.1f}" if (structure, cell) in found else "–" for cell in CELLS
        ]
        lines.append("| " + " | ".join([structure, what, *cells]) + " |")
    minutes = sum(row["minutes"] for row in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"By `python benchmarks/matrix.py`, {minutes:.0f} CPU minutes in all, seed {SEED}.",
            "",
        ]
    )


ABOUT = """
Every cell in every structure, on a part of one small real data set each, with the same few epochs for all of
them: a field shows that the pair learns, and no more. What is read as a whole before it is answered (N-to-N,
N-to-1, the encoder of N-to-M) is read in both directions; what writes has one. Accuracy and right phones are in
percent, the higher the better; perplexity, the lower the better, is over words with their ends, words that come
once counting as one. Right phones are 1 minus the phone error rate.
"""


if __name__ == "__main__":
    main()

"""Speed against others: the measurements of `elman bench` as tables and pictures.

    elman bench layers --json benchmarks/speed/layers-amx.json    # and step, stream, train, growth
    python benchmarks/speed.py                                    # SPEED.md, and the pictures in docs/images

Every figure is a ratio of two times from the same round of one process, so that a machine that is slow for
a while is slow for both. The files in speed/ hold every case with its medians and its quartiles.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"
Row = dict[str, Any]

INTRODUCTION = """# Speed

How many times as long as elman others take for the same work: above 1, elman is faster. Every figure is
taken from rounds in which each contestant had its turn, in one process (fits: an epoch each, in processes of
their own); a cell shows the median, and the range from the first to the third quartile over the rounds, or
the geometric mean over cases. The tables are written by `python benchmarks/speed.py` from what `elman bench`
measured, kept in `speed/`; what is compared is told in the [guide](../docs/guide/speed.md).

The pictures in the guide are of growth with AVX2. With AVX2 it is two cores of Zen 3, with 512 KB of near
cache each; with AVX-512 two of Zen 4, with 1 MB each; with AMX two of an Intel Xeon of the Sapphire Rapids
kind. All are virtual, and what they share with others, the third cache and on Zen 3 the other thread of a
core, is used by others as well.

How old the tables are: with AVX2 all are of the present version. Older by threads that take work from each
other, and all since, are with AVX-512 the steps, streams and fits; and the layers, besides, by words that are
read several times being projected once, which is within 1 % of them. With AMX the steps and the fits in
batches at random are of an earlier version; the layers, streams, growth and fits by length of the one before
that, in which the recurrence was left to vectors: on a quiet machine, in turns, the kernel is 1.0 to 1.5
times as quick forwards since and 1.0 to 1.16 times backwards.

How far a figure can be relied on: each table is of one run. The two cores were 33 to 550 ns apart, as the
host moved them. A loop of products alone makes 91 GFLOP/s a core on Zen 3 at all times, a tile of the scan 70
to 92 by the minute, as the other thread of the core is in use or not; memory is 15 to 19 ns away in up to 3
MB and 140 to 180 beyond 6 MB. One version gave, run after run: steps over packed with AVX2 4.59 to 4.85, and
a later one 5.43 (the table) and 6.12; with AVX-512 steps at batch 1 over torch's cells 11.0 to 12.2, and 9.6
where the cores were 420 ns apart; by length, LSTM 1.16 to 1.30 and GRU 2.27 to 2.68 with AVX-512. Layers with
AVX2 gave, in a run before the table's, 4.55, at worst 2.07, forwards 2.84, and by length 1.47 for the LSTM.
200,000 steps of one sequence took 1.7 to 2.7 times as long as 100,000 (the table: 2.25).

A fit is counted in whole epochs, so that one epoch more or less to the same accuracy moves its ratio by a
fifth, which is why there are three seeds. Between elman and PyTorch's two, which begin with the same weights,
the dev accuracy of an LSTM differs by a percent from the first epoch on, that of a GRU by a thousandth at
most. In batches at random the three seeds gave 2.68, 3.56 and 2.94 for the LSTM, 4.53, 4.43 and 4.36 for the
GRU; by length 3.05, 2.65 and 2.14, and 3.12, 3.17 and 3.56. Where the time at which the accuracy is passed is
read from a straight line between two epochs, the means are 3.59 and 2.91; by the time for six epochs 4.00 and
2.81. The version before gave 3.52 at random, beside PyTorch alone. With AVX-512 two runs gave 3.49 and 3.86
(the table) at random, with one seed, and contestants one after another.

A large product is torch's in float32, which does not use a matrix unit, and on Zen 4 no wider vectors than
AVX2's. At batch 1 with AMX, torch's GRU cell of 256 took four times as long as in other runs, where it was 7
times elman's.
"""

TITLES = {
    "layers": "One layer over a ragged batch",
    "step": "A whole training step of a classifier",
    "stream": "One step at batch 1",
    "train": "Fitting to a dev accuracy",
    "growth": "What grows with what",
}


def main() -> None:
    """Write SPEED.md and the pictures from every file in speed/."""
    found = [json.loads(path.read_text()) for path in sorted((HERE / "speed").glob("*.json"))]
    found.sort(key=lambda one: list(TITLES).index(one["kind"]))
    parts = [INTRODUCTION]
    for one in found:
        parts.append(section(one))
        if one["kind"] == "growth":
            pictures(one["rows"])
    (HERE / "SPEED.md").write_text("\n".join(parts), encoding="utf-8")


def section(found: Row) -> str:
    """One file: where it was measured, in short, and case by case."""
    machine, kind = found["machine"], found["kind"]
    lines = [f"## {TITLES[kind]}, {machine['instructions']}", ""]
    lines += [
        f"`elman bench {kind}` with elman {machine['elman']}, torch {machine['torch']}, "
        f"Python {machine['python']}, {machine['threads']} threads, {machine['processor']}.",
        "",
    ]
    if found["summary"]:
        from elman.apps.english import MESSAGES

        rows = [[MESSAGES[f"bench.{key}"], f"{value:.2f}"] for key, value in found["summary"].items()]
        lines += [*table(["in short", "ratio"], rows), ""]
    return "\n".join([*lines, *details(kind, found["rows"]), ""])


def details(kind: str, rows: list[Row]) -> list[str]:
    """The cases of one kind."""
    if kind == "train":
        lines = []
        for row in rows:
            lines += [f"{row['case']}, to a dev accuracy of {row['target']}:", ""]
            cells = [
                [
                    who,
                    f"{seconds:.1f}",
                    over(row, who),
                    f"{max(one for _, one in row['curves'][who]):.4f}",
                ]
                for who, seconds in row["seconds"].items()
            ]
            lines += [*table(["", "seconds", "over elman", "best"], cells), ""]
            lines += [f"* {who} is left out: {why}" for who, why in row["left_out"].items()]
        return lines
    lines = []
    for what in ("training", "forward", "step"):
        mine = [row for row in rows if what in row]
        if not mine:
            continue
        others = list(dict.fromkeys(name for row in mine for name in row[what]["over"]))
        cells = [
            [
                row["case"],
                f"{row[what]['ms']['elman']:.3g}",
                *(ratio(row[what]["over"].get(name)) for name in others),
            ]
            for row in mine
        ]
        lines += [*table([what, "elman, ms", *others], cells), ""]
    if long := [row for row in rows if "kilobytes" in row]:
        cells = [[row["case"], f"{row['seconds']:.3f}", f"{row['kilobytes'] / 1e3:.0f}"] for row in long]
        lines += [*table(["GRU 64, training", "seconds", "MB"], cells), ""]
    return lines


def over(row: Row, who: str) -> str:
    """The ratio of a fit, if there is one."""
    return f"{row['over'][who]:.2f}" if who in row["over"] else "–"


def ratio(found: Row | None) -> str:
    """A median and its quartiles."""
    return f"{found['ratio']:.2f} ({found['low']:.2f} – {found['high']:.2f})" if found else "–"


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A table of Markdown."""
    return ["| " + " | ".join(one) + " |" for one in (heads, ["---"] * len(heads), *rows)]


# --- pictures ---

AXES = {
    "mean": "mean length, steps",
    "hidden": "hidden size",
    "batch": "batch, sequences",
    "words": "vocabulary, words",
    "threads": "threads",
    "steps": "one sequence, steps",
}


def pictures(rows: list[Row]) -> None:
    """A picture for each thing that grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    IMAGES.mkdir(exist_ok=True)
    for what, axis in AXES.items():
        mine = [row for row in rows if row["what"] == what]
        if not mine:
            continue
        figure, plot = pyplot.subplots(figsize=(5, 3.4), layout="constrained")
        values = [row["value"] for row in mine]
        if what == "steps":
            plot.plot(values, [1e3 * row["seconds"] for row in mine], "o-", label="elman, ms")
            plot.plot(values, [row["kilobytes"] / 1e3 for row in mine], "s--", label="elman, MB")
        else:
            for name in mine[0]["training"]["ms"]:
                plot.plot(values, [row["training"]["ms"][name] for row in mine], "o-", label=name)
        plot.set(xlabel=axis, ylabel="a training step, ms", xscale="log", yscale="log")
        plot.set_xticks(values, [f"{one // 1000}k" if one >= 1000 else str(one) for one in values])
        plot.minorticks_off()
        if statistics.fmean(values) != values[0]:
            plot.grid(alpha=0.3)
        plot.legend(frameon=False, fontsize=8)
        figure.savefig(IMAGES / f"speed-{what}.png", dpi=110, metadata={"Software": None})
        pyplot.close(figure)


if __name__ == "__main__":
    main()

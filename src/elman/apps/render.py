"""Results as tables in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from elman.answers import (
    Alignment,
    ForecastReport,
    LikelihoodReport,
    Prediction,
    Report,
    Tagged,
    TagReport,
    TextReport,
    Transcript,
    Translation,
    Verse,
    VerseReport,
)
from elman.apps.messages import say
from elman.inspection import Foretold, Heard, Step, Trace

LEVELS = "▁▂▃▄▅▆▇█"
SHADES = "·░▒▓█"
EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR = 8
"""Cells of a full bar of probability."""
NAIVE = ("naive", "seasonal_naive", "drift")
"""Forecasts that cost nothing."""
BLANKS = {ord("\n"): "⏎", ord("\t"): "⇥", ord("\r"): "⏎"}
ROWS = 24
"""Of a recording, with its hundred steps a second, so many are shown."""
ROOMY, NARROW = 100, 70
NAME = 40
"""Cells up to which what begins a row is a name, which is not broken."""
"""The widths from which gates have digits, and below which beliefs alone are shown."""


def show(*renderables: RenderableType) -> None:
    """Print on standard output, as wide as the terminal."""
    console = Console(highlight=False)
    for one in renderables:
        console.print(one)


def bar(share: float) -> str:
    """A share as a bar, to an eighth of a cell.

    >>> bar(0.5)
    '████    '
    """
    eighths = round(min(max(share, 0.0), 1.0) * BAR * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(BAR)


def level(share: float) -> str:
    """A share as one character of eight heights.

    >>> level(0.0), level(0.52), level(1.0)
    ('▁', '▅', '█')
    """
    return LEVELS[min(max(int(share * 8), 0), 7)]


def percent(share: float) -> str:
    """A probability for people.

    >>> percent(0.981)
    ' 98 %'
    """
    return f"{100 * share:3.0f} %"


def answer(text: str, prediction: Prediction | Tagged | Translation | Verse, top: int) -> Text:
    """One text with its label, or its likeliest labels and their bars; or with its tags, or translations."""
    if isinstance(prediction, Translation):
        lines = Text(text)
        for number, (found, score) in enumerate(prediction.ranking[:top]):
            lines.append("\n  → ").append(found, "" if number else "bold")
            lines.append("" if score is None else f"  {score:.2f}", "dim")
        return lines
    if isinstance(prediction, Tagged):
        return _tagged(prediction, top)
    if isinstance(prediction, Verse):
        return Text(f"{text}  →  ").append(prediction.second, "bold")
    if top == 1:
        line = Text(f"{text}  →  ")
        return line.append(str(prediction.label), "bold").append(
            f"  {percent(prediction.score).strip()}"
        )
    width = max(Text(str(label)).cell_len for label, _ in prediction.ranking[:top])
    lines = Text(text)
    for number, (label, share) in enumerate(prediction.ranking[:top]):
        name = Text(f"\n  {label}", "" if number else "bold")
        name.pad_right(width + 2 - Text(str(label)).cell_len)
        lines.append_text(name).append(f"{bar(share)} {percent(share)}", "cyan")
    return lines


def _tagged(found: Tagged, top: int) -> Text:
    """Each token with its tag, then the spans, then the label of the whole."""
    line = Text()
    for token, tag in zip(found.tokens, found.tags, strict=True):
        line.append(f"{token} ").append(f"{tag}  ", "bold" if tag != "O" else "dim")
    line.rstrip()
    for span in found.spans:
        line.append(f"\n  {span.label}", "bold").append(f"  {found.text(span)}")
    if found.label is not None:
        line.append("\n").append_text(answer(say("walk.whole"), found.label, top))
    return line


def kind(prediction: Any) -> str:
    """What the beliefs of a walk are about: the whole, each token's tag, or what is written."""
    return {Tagged: "tag", Verse: "written", Transcript: "said"}.get(type(prediction), "belief")


def walk(
    text: str,
    prediction: Prediction | Tagged | Translation | Verse,
    trace: Trace,
    width: int | None = None,
) -> Group:
    """A trace, a row for each token; a narrow terminal gets fewer columns."""
    width = width or Console().width
    gates = list(trace.steps[0].gates) if width >= NARROW else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", style="dim", no_wrap=True)
    # Long names give way, numbers never do.
    heard = isinstance(trace, Heard)
    head = say("walk.time" if heard else "walk.token")
    table.add_column(_line(head), style="bold", max_width=max(9 if heard else 4, width // 7))
    foretold = isinstance(trace.steps[0], Foretold)
    if foretold:
        table.add_column(say("walk.surprise"), justify="right", no_wrap=True)
    table.add_column(_line(say("walk.next" if foretold else f"walk.{kind(prediction)}")))
    table.add_column("", style="cyan", no_wrap=True)
    for head in ("|h|", say("walk.change")) if width >= NARROW else ():
        table.add_column(head, justify="right", no_wrap=True)
    for gate in gates:
        table.add_column(gate, no_wrap=True, style="magenta")
    names = _loudness(trace) if isinstance(trace, Heard) else [one.token for one in trace.steps]
    for number in _rows(trace):
        step = trace.steps[number - 1]
        shares = "\n".join(f"{bar(share)} {percent(share)}" for _, share in step.beliefs)
        figures = [f"{step.norm:.2f}", f"{step.change:.2f}"] if width >= NARROW else []
        for gate in gates:
            digits = f" {step.gates[gate]:.2f}" if width >= ROOMY else ""
            figures.append(level(step.gates[gate]) + digits)
        bits = [f"{step.surprise:.2f}"] if isinstance(step, Foretold) else []
        table.add_row(f"O{number}", _line(names[number - 1]), *bits, _beliefs(step), shares, *figures)
    return Group(answer(text, prediction, 1), "", table)


def _rows(trace: Trace) -> list[int]:
    """The numbers of the steps that are shown, the last one among them."""
    count = len(trace.steps)
    if not isinstance(trace, Heard) or count <= ROWS:
        return list(range(1, count + 1))
    return [round(count * one / ROWS) for one in range(1, ROWS + 1)]


def _loudness(trace: Heard) -> list[str]:
    """The time of each step, with how loud it is beside the loudest and the softest."""
    pairs = zip(trace.steps, trace.loudness.tolist(), strict=True)
    return [f"{one.token} {level(share)}" for one, share in pairs]


def aligned(alignment: Alignment, width: int | None = None) -> list[RenderableType]:
    """A heat map: what was read from top to bottom, what was written from left to right, in blocks that fit."""
    room = (width or Console().width) - 2
    names = [Text(_plain(one)) for one in alignment.source]
    lead = min(max((one.cell_len for one in names), default=0), max(6, room // 4))
    heads = [Text(_plain(one)) for one in alignment.target]
    widths = [max(2, one.cell_len) for one in heads]
    blocks: list[RenderableType] = []
    start = 0
    while start < len(heads):
        end, used = start + 1, lead + widths[start] + 1
        while end < len(heads) and used + widths[end] + 1 <= room:
            used += widths[end] + 1
            end += 1
        lines = Text(" " * lead, no_wrap=True, overflow="ellipsis")
        for head, size in zip(heads[start:end], widths[start:end], strict=True):
            lines.append(" ").append(head.plain, "bold").append(" " * (size - head.cell_len))
        for row, name in enumerate(names):
            name = name.copy()
            name.truncate(lead, overflow="ellipsis", pad=True)
            lines.append("\n").append(name.plain)
            for column in range(start, end):
                share = float(alignment.weights[column, row])
                lines.append(" ").append((SHADES[_shade(share)] * 2).ljust(widths[column]), "cyan")
        blocks += [lines, ""]
        start = end
    return [*blocks, Text(say("alignment.legend"), "dim")]


def _shade(share: float) -> int:
    return min(int(share * len(SHADES)), len(SHADES) - 1)


def _plain(token: str) -> str:
    """A token as a name that is seen: a space has one, too."""
    return token.replace(" ", "␣").replace("\n", "⏎")


def legend(trace: Trace, width: int | None = None, *, kind: str = "belief") -> Text:
    """What the columns of a walk mean; `kind` says what its beliefs are about."""
    kind = "next" if isinstance(trace.steps[0], Foretold) else kind
    kind = "heard" if isinstance(trace, Heard) and kind == "belief" else kind
    lines = [say(f"walk.legend.{kind}", steps=len(trace.steps))]
    if (width or Console().width) >= NARROW:
        lines.append(say("walk.state"))
        if gates := ", ".join(trace.steps[0].gates):
            lines.append(say("walk.gates", gates=gates))
    return Text("\n".join(lines), "dim")


def _beliefs(step: Step) -> Text:
    labels = _line("")
    for rank, (label, _) in enumerate(step.beliefs):
        labels.append("\n" * bool(rank) + shown(str(label)), "dim" if rank else "")
    return labels


def _line(text: str) -> Text:
    """A text that is cut where it is too long, never folded."""
    return Text(shown(text), no_wrap=True, overflow="ellipsis")


def shown(text: str) -> str:
    """A text on one line, with signs for what cannot be seen; blanks alone are signs as well.

    >>> shown("a" + chr(10)), shown(" ")
    ('a⏎', '␣')
    """
    return text.translate(BLANKS) if text.strip(" ") else "␣" * len(text)


def report(
    result: Report | TagReport | TextReport | ForecastReport | LikelihoodReport | VerseReport,
) -> RenderableType:
    """The figures of an evaluation, each with its name; one that there is none of is left out."""
    if isinstance(result, ForecastReport):
        return forecasts(result)
    table = Table(box=None, show_header=False, pad_edge=True)
    table.add_column()
    table.add_column(justify="right", style="bold")
    for name, figure in result.to_dict().items():
        if name == "each":  # said file by file in JSON
            continue
        if isinstance(figure, dict):
            for part, value in figure.items():
                table.add_row(say(f"report.{name}.{part}"), _figure(part, value))
        elif figure is not None and (name not in ("unseen", "unknown") or figure):
            table.add_row(say(f"report.{name}"), _figure(name, figure))
    return table


def forecasts(result: ForecastReport) -> Group:
    """The figures of forecasts, beside those of forecasts that cost nothing."""
    found = result.to_dict()
    counts = [("forecasts", result.count), ("series", result.series), ("horizon", result.horizon)]
    facts = Table(box=None, show_header=False, pad_edge=True)
    for name, value in [*counts, ("skill", f"{result.skill:.4f}")]:
        facts.add_row(say(f"report.{name}"), str(value))
    for name, share in (result.coverage or {}).items():
        facts.add_row(say("report.coverage", level=name), f"{share:.4f}")
    rows = [
        [say(f"figure.{figure}"), *(f"{one[figure]:.4f}" for one in (found, *(found[n] for n in NAIVE)))]
        for figure in ("mae", "rmse", "smape", "scaled_mae", "scaled_mse")
    ]
    heads = ["", *(say(f"report.{name}") for name in ("model", *NAIVE))]
    return Group(facts, "", columns(heads, rows))


def _figure(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) or name == "count":
        return str(value)
    return f"{value:.2f}" if name == "bleu" else f"{value:.4f}"


def columns(heads: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> Table:
    """Rows under named columns. The first stays on one line, but for whole sentences: nothing is pushed out."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.show_edge, table.padding = False, (0, 1, 0, 0)
    names = max((cell_len(str(row[0])) for row in rows if row), default=0) <= NAME
    for number, head in enumerate(heads):
        table.add_column(head, style="bold" if number == 0 else "", no_wrap=number == 0 and names)
    for row in rows:
        table.add_row(*(Text(str(one)) for one in row))
    return table


def family(name: str, members: Sequence[Mapping[str, Any]]) -> Table:
    """The members of a family, with what each says of itself."""
    keys = list(members[0]) if members else ["name"]
    shown = [key for key in keys if key in ("name", "description", "languages", "splits", "licence")]
    rows = [
        [", ".join(one[key]) if isinstance(one[key], list) else one[key] for key in shown]
        for one in members
    ]
    return columns([say(f"list.{key}") for key in shown], rows, title=name)

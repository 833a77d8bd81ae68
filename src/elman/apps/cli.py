"""The command line: what can be typed, and how an error is shown.

Only typer is imported here, and what a command needs inside of it: `elman --help` answers at once.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from elman.apps.messages import say
from elman.errors import ElmanError, MissingExtraError, TrainingError


class Commands(TyperGroup):
    """The group of all commands: keeps the command line as it was typed, and shows elman's errors.

    What was given cannot be used: code 2. A training that failed, a package that is missing: code 1.
    With `ELMAN_TRACEBACK=1` the error goes through, and Python shows where it was raised.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and keep what was typed for the model card."""
        ctx.meta["argv"] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and show an error of elman's own without a traceback."""
        try:
            return super().invoke(ctx)
        except ElmanError as error:
            if os.environ.get("ELMAN_TRACEBACK") == "1":
                raise
            name = typer.style(f"{type(error).__name__}:", fg="red", bold=True)
            typer.echo(f"{name} {error}", err=True)
            raise typer.Exit(1 if isinstance(error, TrainingError | MissingExtraError) else 2) from None


app = typer.Typer(
    cls=Commands,
    help=say("help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a help page of rich takes three times as long
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave with its code: what `elman` starts."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding, or bytes that are no text
    app(args=argv, prog_name="elman")


def _argument(key: str) -> Any:
    return typer.Argument(help=say(f"option.{key}"), metavar=key.upper(), show_default=False)


def _option(key: str, *names: str, **more: Any) -> Any:
    settings: dict[str, Any] = {"help": say(f"option.{key}"), "show_default": False, **more}
    return typer.Option(*names, **settings)


def _given(context: Any) -> dict[str, Any]:
    """The arguments and options that were given; the others keep the defaults of those they go to."""
    return {name: value for name, value in context.params.items() if value not in (None, [], ())}


# What more than one command takes is said once.
Run = Annotated[str, _argument("run")]
Source = Annotated[str | None, _argument("source")]
DatasetName = Annotated[str | None, _option("dataset", metavar="NAME")]
Language = Annotated[str | None, _option("language", metavar="NAME")]
TextColumn = Annotated[str | None, _option("text", metavar="COLUMN")]
ImageColumn = Annotated[str | None, _option("image", metavar="COLUMN")]
VideoColumn = Annotated[str | None, _option("video", metavar="COLUMN")]
AudioColumn = Annotated[str | None, _option("audio", metavar="COLUMN")]
Fold = Annotated[str | None, _option("fold", metavar="NAME")]
LabelColumn = Annotated[str | None, _option("label", metavar="COLUMN")]
QuestionColumn = Annotated[str | None, _option("question_column", "--question", metavar="COLUMN")]
Question = Annotated[str | None, _option("question", metavar="TEXT")]
TokensColumn = Annotated[str | None, _option("tokens", metavar="COLUMN")]
TargetColumn = Annotated[str | None, _option("target", metavar="COLUMN")]
ParallelFile = Annotated[str | None, _option("parallel", metavar="FILE")]
TagsColumn = Annotated[str | None, _option("tags", metavar="COLUMN")]
TimeColumn = Annotated[str | None, _option("time", metavar="COLUMN")]
SeriesColumn = Annotated[str | None, _option("series", metavar="COLUMN")]
Level = Annotated[list[float] | None, _option("level", metavar="PERCENT")]
FirstColumn = Annotated[str | None, _option("first", metavar="COLUMN")]
SecondColumn = Annotated[str | None, _option("second", metavar="COLUMN")]
PieceColumn = Annotated[str | None, _option("piece", metavar="COLUMN")]
RhymeColumn = Annotated[str | None, _option("rhyme", metavar="COLUMN")]
Encoding = Annotated[str | None, _option("encoding", metavar="NAME")]
Format = Annotated[str | None, _option("format", metavar="NAME")]
Json = Annotated[bool, _option("json", "--json")]


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's signature
    if asked:
        from elman import __version__

        typer.echo(f"elman {__version__}")
        raise typer.Exit


@app.callback()
def _elman(
    *,
    version: Annotated[
        bool, typer.Option("--version", help=say("help.version"), callback=_version, is_eager=True)
    ] = False,
) -> None: ...


@app.command(help=say("help.fit"))
def fit(  # noqa: PLR0913 - the parameters of a command are its options
    context: typer.Context,
    source: Source = None,
    dataset: DatasetName = None,
    fold: Fold = None,
    language: Language = None,
    task: Annotated[str | None, _option("task", metavar="NAME")] = None,
    text: TextColumn = None,
    audio: AudioColumn = None,
    image: ImageColumn = None,
    video: VideoColumn = None,
    label: LabelColumn = None,
    question: QuestionColumn = None,
    tokens: TokensColumn = None,
    tags: TagsColumn = None,
    target: TargetColumn = None,
    parallel: ParallelFile = None,
    time: TimeColumn = None,
    series: SeriesColumn = None,
    past: Annotated[str | None, _option("past", metavar="COLUMNS")] = None,
    future: Annotated[str | None, _option("future", metavar="COLUMNS")] = None,
    static: Annotated[str | None, _option("static", metavar="COLUMNS")] = None,
    first: FirstColumn = None,
    second: SecondColumn = None,
    rhyme: RhymeColumn = None,
    piece: PieceColumn = None,
    dev: Annotated[str | None, _option("dev", metavar="FILE")] = None,
    encoding: Encoding = None,
    format: Format = None,
    cell: Annotated[str | None, _option("cell", metavar="NAME")] = None,
    hidden_size: Annotated[int | None, _option("hidden_size", min=1)] = None,
    num_layers: Annotated[int | None, _option("num_layers", min=1)] = None,
    bidirectional: Annotated[
        bool | None, _option("bidirectional", "--bidirectional/--no-bidirectional")
    ] = None,
    pooling: Annotated[str | None, _option("pooling", metavar="NAME")] = None,
    consistency: Annotated[float | None, _option("consistency", min=0.0)] = None,
    ensemble: Annotated[int | None, _option("ensemble", min=1)] = None,
    attention: Annotated[str | None, _option("attention", metavar="NAME")] = None,
    copy: Annotated[str | None, _option("copy", metavar="NAME")] = None,
    metric: Annotated[str | None, _option("metric", metavar="NAME")] = None,
    crf: Annotated[bool | None, _option("crf", "--crf/--no-crf")] = None,
    horizon: Annotated[int | None, _option("horizon", min=1)] = None,
    window: Annotated[int | None, _option("window", min=1)] = None,
    direct: Annotated[bool | None, _option("direct", "--direct/--no-direct")] = None,
    head: Annotated[str | None, _option("head", metavar="NAME")] = None,
    freq: Annotated[str | None, _option("freq", metavar="STEP")] = None,
    gaps: Annotated[str | None, _option("gaps", metavar="NAME")] = None,
    missing: Annotated[str | None, _option("missing", metavar="NAME")] = None,
    log: Annotated[bool | None, _option("log", "--log/--no-log")] = None,
    patch: Annotated[int | None, _option("patch", min=1)] = None,
    tokenizer: Annotated[str | None, _option("tokenizer", metavar="NAME")] = None,
    characters: Annotated[str | None, _option("characters", metavar="NAME")] = None,
    segmenter: Annotated[str | None, _option("segmenter", metavar="NAME")] = None,
    vectors: Annotated[str | None, _option("vectors", metavar="FILE")] = None,
    embedding_size: Annotated[int | None, _option("embedding_size")] = None,
    epochs: Annotated[int | None, _option("epochs")] = None,
    batch_size: Annotated[int | None, _option("batch_size")] = None,
    learning_rate: Annotated[float | None, _option("learning_rate")] = None,
    dropout: Annotated[float | None, _option("dropout")] = None,
    patience: Annotated[int | None, _option("patience")] = None,
    seed: Annotated[int | None, _option("seed")] = None,
    devices: Annotated[str | None, _option("devices", metavar="N")] = None,
    num_nodes: Annotated[int | None, _option("num_nodes")] = None,
    strategy: Annotated[str | None, _option("strategy", metavar="NAME")] = None,
    accelerator: Annotated[str | None, _option("accelerator", metavar="NAME")] = None,
    precision: Annotated[str | None, _option("precision", metavar="NAME")] = None,
    tensorboard: Annotated[bool | None, _option("tensorboard", "--tensorboard")] = None,
    more: Annotated[list[str] | None, _option("set", "--set", metavar="KEY=VALUE")] = None,
    out: Annotated[str | None, _option("out", metavar="FOLDER")] = None,
) -> None:
    """Train, or go on with the run in a folder."""
    from elman.apps import fitting

    given, words = _given(context), context.meta["argv"][1:]
    if not given.keys() & {"source", "dataset"}:
        words = fitting.recorded(given)
        repeated = context.command.make_context("fit", list(words), parent=context.parent)
        given = _given(repeated) | {"out": out}
    fitting.fit(given, shlex.join(["elman", "fit", *words]))


@app.command(help=say("help.evaluate"))
def evaluate(  # noqa: PLR0913 - the parameters of a command are its options
    context: typer.Context,
    run: Run,
    source: Source = None,
    dataset: DatasetName = None,
    split: Annotated[str | None, _option("split", metavar="NAME", show_default="test")] = None,
    fold: Fold = None,
    language: Language = None,
    text: TextColumn = None,
    audio: AudioColumn = None,
    image: ImageColumn = None,
    video: VideoColumn = None,
    label: LabelColumn = None,
    question: QuestionColumn = None,
    tokens: TokensColumn = None,
    tags: TagsColumn = None,
    target: TargetColumn = None,
    parallel: ParallelFile = None,
    time: TimeColumn = None,
    series: SeriesColumn = None,
    level: Level = None,
    first: FirstColumn = None,
    second: SecondColumn = None,
    rhyme: RhymeColumn = None,
    piece: PieceColumn = None,
    encoding: Encoding = None,
    format: Format = None,
    *,
    as_json: Json = False,
) -> None:
    """Measure a model on labelled rows."""
    from elman.apps import evaluating

    evaluating.evaluate(run, _given(context), as_json=as_json)


@app.command(help=say("help.predict"))
def predict(  # noqa: PLR0913 - the parameters of a command are its options
    run: Run,
    texts: Annotated[list[str] | None, _argument("texts")] = None,
    text: TextColumn = None,
    question: Question = None,
    horizon: Annotated[int | None, _option("horizon", min=1)] = None,
    level: Level = None,
    known: Annotated[str | None, _option("known", metavar="FILE")] = None,
    encoding: Encoding = None,
    top: Annotated[int, _option("top", min=1, show_default=True)] = 1,
    rhyme: Annotated[str | None, _option("to_rhyme", "--rhyme", metavar="CHARACTER")] = None,
    beam_size: Annotated[int | None, _option("beam_size", min=1)] = None,
    out: Annotated[str | None, _option("frames_out", "--out", metavar="FILE")] = None,
    *,
    tones: Annotated[bool, _option("tones", "--tones")] = False,
    as_json: Json = False,
) -> None:
    """Label texts, answer them, or foresee what comes next."""
    from elman.apps import asking, composing, filming, foreseeing, models, sensing

    model = models.opened(run)
    if model.task in composing.TASKS:
        composing.predict(model, texts or (), top=top, as_json=as_json)
        return
    if model.task == "frame-forecaster":
        filming.predict(model, texts or (), horizon=horizon, out=out, as_json=as_json)
        return
    if model.task == "forecaster":
        wanted = foreseeing.Asked(horizon, tuple(level or ()), known, encoding)
        foreseeing.predict(model, texts or (), wanted, as_json=as_json)
        return
    if model.task == "tagger" and sensing.suits(model):
        sensing.predict(model, texts or (), encoding, as_json=as_json)
        return
    rules = {"tones": tones, "rhyme": rhyme} if tones or rhyme else {}
    shown = {"top": top, "as_json": as_json, "beam_size": beam_size, "rules": rules}
    asking.predict(model, texts or (), text=text, question=question, encoding=encoding, **shown)


@app.command(help=say("help.generate"))
def generate(  # noqa: PLR0913 - the parameters of a command are its options
    context: typer.Context,
    run: Run,
    prompt: Annotated[str | None, _option("prompt", metavar="TEXT")] = None,
    length: Annotated[int | None, _option("length", "--length", "--steps", min=1)] = None,
    temperature: Annotated[float | None, _option("temperature")] = None,
    top_k: Annotated[int | None, _option("top_k", min=0)] = None,
    top_p: Annotated[float | None, _option("top_p")] = None,
    seed: Annotated[int | None, _option("seed", min=0)] = None,
    samples: Annotated[int | None, _option("samples", min=1)] = None,
    beam_size: Annotated[int | None, _option("write_beam", "--beam-size", min=1)] = None,
    out: Annotated[str | None, _option("written", "--out", metavar="FILE")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Write texts."""
    from elman.apps import generating

    generating.generate(run, _given(context), as_json=as_json)


@app.command(help=say("help.inspect"))
def inspect(
    run: Run,
    text: Annotated[str | None, _argument("sentence")] = None,
    question: Question = None,
    top: Annotated[int, _option("top", min=1, show_default=True)] = 3,
    out: Annotated[str | None, _option("picture", "--out", metavar="FILE")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show a model at work, step by step."""
    from elman.apps import asking, composing, filming, foreseeing, models

    model = models.opened(run)
    if model.task in composing.TASKS:
        composing.inspect(model, text, out=out, as_json=as_json)
        return
    if model.task == "frame-forecaster":
        filming.inspect(model, text, out=out, as_json=as_json)
        return
    if model.task == "forecaster":
        foreseeing.inspect(model, text, out=out, as_json=as_json)
        return
    asking.inspect(model, text, question=question, top=top, as_json=as_json, out=out)


@app.command("list", help=say("help.list"))
def list_members(
    family: Annotated[str | None, _argument("family")] = None, *, as_json: Json = False
) -> None:
    """List what there is."""
    from elman.apps import listing

    listing.show_families(family, as_json=as_json)


@app.command(help=say("help.bench"))
def bench(
    kind: Annotated[str, _argument("kind")],
    json_file: Annotated[str | None, _option("json_file", "--json", metavar="FILE")] = None,
    only: Annotated[list[str] | None, _option("only", metavar="NAME")] = None,
    instructions: Annotated[str | None, _option("instructions", metavar="NAME")] = None,
    *,
    quick: Annotated[bool, _option("quick", "--quick")] = False,
) -> None:
    """Measure elman against others."""
    from elman.apps import benching

    benching.bench(kind, quick=quick, only=only or (), file=json_file, instructions=instructions)


@app.command(help=say("help.demo"))
def demo() -> None:
    """Train a small model and look inside it."""
    from elman.apps import demo

    demo.run()

"""`elman predict` and `elman inspect`: questions to a model."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import typer

from elman.answers import Alignment
from elman.apps import sensing
from elman.apps.messages import tell
from elman.errors import DataError, SettingsError
from elman.seen import Gaze

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".conllu", ".conll")
EVERY = 1_000_000
"""More labels than there are."""
Named = tuple[Mapping[str, Any], Any]
"""What tells a text or a sequence apart, by the name of its column, if anything does; and itself."""
BLOCK = 256
"""Texts that are read, answered and printed together: what bounds the memory."""


def predict(  # noqa: PLR0913 - the options of a command
    model: Any,
    texts: Sequence[str],
    *,
    text: str | None,
    question: str | None,
    encoding: str | None,
    top: int,
    as_json: bool,
    beam_size: int | None = None,
    rules: Mapping[str, Any] | None = None,
) -> None:
    """Print a line for every text; a friendlier one where a single text was typed."""
    if hasattr(model, "decode"):
        _set_beam(model, beam_size, top)
    elif hasattr(model, "beam_size"):
        model.beam_size = max(model.beam_size if beam_size is None else beam_size, top if top > 1 else 1)
    elif beam_size is not None:
        raise SettingsError(
            f"A {model.task} answers without a beam.", received=f"--beam-size {beam_size}"
        )
    rules = rules or {}
    if rules and model.task != "versifier":
        raise SettingsError(
            f"Only verse has tones and rhymes; this model is a {model.task}.",
            received=", ".join(f"--{name}" for name, rule in rules.items() if rule),
        )
    source = _source(model, texts, text, encoding)
    if source is None and len(texts) == 1 and not as_json:
        from elman.apps.render import answer, show

        return show(answer(texts[0], model.predict(_with(texts[0], question), **rules), top))
    for block in _blocks(_unnamed(texts) if source is None else source):
        asked = [_with(one, question) for _, one in block]
        answers = zip(block, model.predict(asked, **rules), strict=True)
        typer.echo("\n".join(_line(*one, found, top, as_json=as_json) for one, found in answers))


def inspect(
    model: Any,
    text: str | None,
    *,
    question: str | None,
    top: int,
    as_json: bool,
    out: str | None = None,
) -> None:
    """Print what the model believed after each token, or draw it into a file.

    Raises:
        SettingsError: there is no text, or its answer is none that can be drawn.
    """
    if text is None:
        raise SettingsError("There is no text to look at.", fix='elman inspect RUN "What time is it ?"')
    many = top if out is None else EVERY
    if sensing.suits(model):
        name, trace, prediction = sensing.looked(model, text, many)
        asked = name
    else:
        name, asked = text, _with(text, question)
        trace, prediction = model.inspect(asked, many), model.predict(asked)
    if out is not None:
        return _draw(trace, asked, out, top)
    if as_json:
        found = {"text": text, "prediction": prediction.to_dict(top), **trace.to_dict()}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    from elman.apps.render import aligned, answer, kind, legend, show, walk

    if isinstance(trace, Gaze):
        from elman.apps.seeing import gazed

        return show(answer(name, prediction, 1), "", *gazed(trace))
    if isinstance(trace, Alignment):
        return show(answer(name, prediction, 1), "", *aligned(trace))
    show(walk(name, prediction, trace), "", legend(trace, kind=kind(prediction)))


def _draw(trace: Any, asked: Any, out: str, top: int) -> None:
    from elman.apps import drawing
    from elman.inspection import Trace
    from elman.inspection.picture import draw

    if isinstance(trace, Trace):
        draw(trace, str(asked), top, out)
    else:
        drawing.draw(trace, out)
    tell("inspect.drawn", out=out)


def _with(text: Any, question: str | None) -> Any:
    """A text with the question about it, where one was asked."""
    return text if question is None else (text, question)


def _set_beam(model: Any, size: int | None, top: int) -> None:
    """Follow so many hypotheses, and keep as many as are to be shown."""
    from elman.decoding.beam import Beam

    known = model.decode if isinstance(model.decode, Beam) else Beam(beam_size=1)
    if size is not None or top > 1:
        size = max(known.beam_size if size is None else size, top)
        model.decode = known.model_copy(update={"beam_size": size, "n_best": top})


def _source(
    model: Any, texts: Sequence[str], column: str | None, encoding: str | None
) -> Iterable[Named] | None:
    """What stands in a file or comes by standard input; None where the texts themselves were typed."""
    if sensing.suits(model):
        found = sensing.courses(model, texts, column=column, encoding=encoding)
        return ((one.name, one.steps) for one in found)
    if len(texts) == 1 and model.reads_files and os.path.isdir(texts[0]):
        return _unnamed(_files(model, texts[0]))
    if len(texts) == 1 and os.path.isfile(texts[0]):
        if model.reads_files and not texts[0].lower().endswith(TABLES):
            return None
        if texts[0].lower().endswith(TABLES):
            from elman.data import read

            return _unnamed(model.asked(read(texts[0], encoding=encoding), column))
        return _unnamed(_file_lines(texts[0], encoding))
    if list(texts) == ["-"] or (not texts and not sys.stdin.isatty()):
        return _unnamed(_lines(sys.stdin.buffer, "standard input", encoding))
    if not texts:
        raise SettingsError(
            "There is no text to label.",
            expected="texts, a file, or lines on standard input",
            fix='elman predict RUN "What time is it ?"',
        )
    return None


def _unnamed(texts: Iterable[Any]) -> Iterator[Named]:
    return zip(repeat({}), texts, strict=False)


def _files(model: Any, folder: str) -> list[str]:
    from elman.data.folders import files_in

    medium = model.reads(model.columns_)
    found = files_in(Path(folder), medium)
    if not found:
        raise DataError.at(folder, f"the folder holds no {medium}.", fix="name the files themselves")
    return found


def _file_lines(path: str, encoding: str | None) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            yield from _lines(file, path, encoding)
    except OSError as cause:
        raise DataError.at(path, f"the file cannot be read: {cause.strerror or cause}.") from cause


def _lines(stream: Iterable[bytes], place: str, encoding: str | None) -> Iterator[str]:
    """Every line without its end, the empty ones too, however many there are.

    Raises:
        DataError: a line is not in the encoding.
        SettingsError: no such encoding, or one in which a line cannot be told before it is decoded.
    """
    encoding = encoding or "utf-8"
    try:
        by_line = "\n".encode(encoding) == b"\n"
    except LookupError:
        by_line = False
    if not by_line:
        raise SettingsError(
            "Lines cannot be read in this encoding.",
            expected="a name such as utf-8, gb18030, big5, cp1252",
            received=repr(encoding),
            fix="convert the text to UTF-8",
        )
    for number, line in enumerate(stream, 1):
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
        except UnicodeDecodeError as cause:
            raise DataError.at(
                place,
                f"the line is not in the encoding {encoding}.",
                line=number,
                received=f"byte 0x{line[cause.start]:02X} at position {cause.start + 1}",
                fix="name its encoding: --encoding gb18030, for example",
            ) from cause


def _blocks(texts: Iterable[Named]) -> Iterator[list[Named]]:
    rest = iter(texts)
    while block := list(islice(rest, BLOCK)):
        yield block


def _line(name: Mapping[str, Any], text: Any, answer: Any, top: int, *, as_json: bool) -> str:
    """One answer on one line: JSON, or labels and probabilities and then the text or its name, between tabs."""
    if as_json:
        row = {**name, "text": text, **answer.to_dict(top)}
        return json.dumps(row, ensure_ascii=False, default=str)
    shown = next(iter(name.values()), text)
    return "\t".join(_cell(one) for one in answer.cells(str(shown), top))


def _cell(value: Any) -> str:
    """A value that stays on its line and between its tabs."""
    return str(value).translate(dict.fromkeys(map(ord, "\t\r\n"), " "))

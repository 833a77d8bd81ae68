"""The tagger of readings: a tag for every moment, from tables with a row for each and from lists."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman.apps.cli import app
from elman.data import read
from elman.data.readings import gathered
from elman.errors import DataError, SettingsError

QUICK = elman.Training(epochs=2, batch_size=4, learning_rate=1e-2)
SMALL: dict[str, Any] = {"hidden_size": 6, "num_layers": 1, "training": QUICK}
LONG = {"series": "id", "time": "seconds", "tags": "doing"}

Sequences = tuple[list[list[list[float]]], list[list[str]]]


def courses(count: int = 12, seed: int = 1) -> Sequences:
    """Two channels, and whether the first of them is high."""
    draw = random.Random(seed)
    xs = [
        [[draw.uniform(-1, 1), 9.8 + draw.random()] for _ in range(draw.randrange(3, 7))]
        for _ in range(count)
    ]
    return xs, [["high" if step[0] > 0 else "low" for step in one] for one in xs]


def written(path: Path, xs: Any, ys: Any, *, shuffled: bool = False) -> Path:
    """The courses as a table with a row for each moment, in any order."""
    lines = [
        f"s{number},{t / 10},{step[0]!r},{tag},{step[1]!r}"
        for number, (one, tags) in enumerate(zip(xs, ys, strict=True))
        for t, (step, tag) in enumerate(zip(one, tags, strict=True))
    ]
    if shuffled:  # but the first of each, which say in which order they come
        firsts = [one for one in lines if one.split(",")[1] == "0.0"]
        rest = [one for one in lines if one not in firsts]
        random.Random(2).shuffle(rest)
        lines = firsts + rest
    path.write_text("\n".join(["id,seconds,x,doing,y", *lines]) + "\n")
    return path


def run(line: str, code: int = 0) -> str:
    done = CliRunner(env={"ELMAN_LANG": "en", "COLUMNS": "100"}).invoke(app, line.split())
    assert done.exit_code == code, f"{line}\n{done.output}\n{done.exception!r}"
    return done.output


@pytest.fixture(scope="module")
def model() -> elman.Tagger:
    return elman.Tagger("gru", bidirectional=False, **SMALL).fit(*courses(), dev=courses(4, 2))


def test_a_table_and_its_lists_train_the_same_network(tmp_path: Path, model: elman.Tagger) -> None:
    """Whatever the order of the rows, for times have one."""
    table = written(tmp_path / "readings.csv", *courses(), shuffled=True)
    again = elman.Tagger("gru", bidirectional=False, **SMALL)
    again.fit(table, **LONG, dev=courses(4, 2))
    xs, ys = courses(5, 3)
    assert again.predict(xs) == model.predict(xs)
    assert again.evaluate(written(tmp_path / "more.csv", xs, ys)) == model.evaluate(xs, ys)
    frame = {name: read(table).column(name) for name in read(table).names}
    frame["doing"] = [{"high": 1, "low": 0}[one] for one in frame["doing"]]
    numbered = elman.Tagger("gru", bidirectional=False, **SMALL)
    numbered.fit(frame, **LONG, dev=(courses(4, 2)[0], [["0"] * len(one) for one in courses(4, 2)[0]]))
    assert numbered.tags_ == ["0", "1"]  # a tag is text


def test_answers_and_figures(model: elman.Tagger) -> None:
    xs, ys = courses(6, 4)
    report = model.evaluate(xs, ys)
    assert (report.count, report.tokens) == (6, sum(map(len, xs)))
    found = model.predict(xs)
    right = [
        a == b for one, tags in zip(found, ys, strict=True) for a, b in zip(one.tags, tags, strict=True)
    ]
    assert report.accuracy == pytest.approx(sum(right) / len(right))
    assert found[0].tokens == [str(step) for step in xs[0]]
    for one, chances in zip(found, model.predict_proba([np.array(one) for one in xs]), strict=True):
        np.testing.assert_allclose(chances.max(-1), one.scores, rtol=1e-5)
    assert model.predict([xs[0]])[0].tags == found[0].tags
    assert [len(one.tags) for one in model.predict([[], xs[0]])] == [0, len(xs[0])]


def test_a_sequence_of_single_numbers_is_one() -> None:
    rows = [[0.0, 1.0, 2.0], [1.0, 0.0]] * 4
    tags = [["low", "high", "high"], ["high", "low"]] * 4
    model = elman.Tagger(**SMALL).fit(rows, tags)
    assert model.predict([0.0, 1.0]).tokens == ["0.0", "1.0"]
    assert len(model.predict(rows)) == 8


def test_the_same_after_saving_and_piece_by_piece(tmp_path: Path, model: elman.Tagger) -> None:
    again = elman.load(model.save(tmp_path / "run"))
    xs, _ = courses(3, 5)
    assert again.predict(xs) == model.predict(xs)
    whole = again.predict([xs[0]])[0]
    with again.stream() as stream:
        answers = [stream.push(step) for step in xs[0]]
        assert [one.label for one in answers] == whole.tags
        np.testing.assert_allclose([one.score for one in answers], whole.scores, rtol=1e-4)
        stream.reset()
        assert [one.label for one in stream.push_each(xs[0])] == whole.tags
    with pytest.raises(SettingsError, match="cannot stream"):
        elman.Tagger(**SMALL).fit(*courses()).stream()


def test_a_look_inside(model: elman.Tagger) -> None:
    one = courses(1, 6)[0][0]
    trace, found = model.inspect(one), model.predict([one])[0]
    assert [step.beliefs[0][0] for step in trace.steps] == found.tags
    assert [step.token for step in trace.steps] == found.tokens
    assert trace.states["h_l0"].shape == (len(one), 6)


def test_spans_of_moments() -> None:
    """Tags in a scheme mark spans of time, and a CRF chooses them together."""
    xs = courses()[0]
    model = elman.Tagger(**SMALL).fit(xs, [["O", "B-fall", *["I-fall"] * (len(one) - 2)] for one in xs])
    assert model.network_.crf is not None
    assert all(model.tag_.faults(one.tags) == [] for one in model.predict(xs))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("high,9", ",9"), ["rows have no tag in column 'doing'", "readings.csv:{line}: ''"]),
        (("y\ns0,0.0,", "y\ns0,0.0,nan,low,9\ns0,9,"), ["finite numbers in column 'x'", "csv:2: 'nan'"]),
        (("s1,0.1,", "s1,0.1,?"), ["rows are no finite numbers in column 'x'", "'?"]),
        (
            ("s1,0.1,", "s1,0.0,"),
            ["a time that their sequence has already", "0.0 a second time in 's1'"],
        ),
        (("doing", "dong"), ["there is no column 'doing'", "did you mean 'dong'?"]),
        (("x,doing,y", "seconds,doing,y"), ["two columns are named 'seconds'"]),
    ],
)
def test_bad_tables_are_named_by_line(
    tmp_path: Path, model: elman.Tagger, change: tuple[str, str], said: list[str]
) -> None:
    table = written(tmp_path / "readings.csv", *courses())
    before = table.read_text()
    table.write_text(before.replace(*change, 1))
    line = before[: before.find(change[0])].count("\n") + 1
    said = [one.format(line=line) for one in said]
    with pytest.raises(DataError) as raised:
        elman.Tagger(**SMALL).fit(table, **LONG)
    assert not [one for one in said if one not in str(raised.value)], raised.value


def test_bad_lists_are_shown(model: elman.Tagger) -> None:
    with pytest.raises(DataError, match="another number of tags") as raised:
        elman.Tagger(**SMALL).fit([[1.0, 2.0], [3.0]], [["a"], ["b"]])
    assert "row 1: 2 moments '[1.0, 2.0]', 1 tag 'a'" in str(raised.value)
    for odd in ([float("nan")], [None], ["a"], [[1.0], [2.0, 3.0]], []):
        with pytest.raises(DataError, match="1 of 2 rows are no sequences of finite numbers") as raised:
            elman.Tagger(**SMALL).fit([[1.0], odd], [["a"], ["b"]])
        assert "row 2" in str(raised.value)
    with pytest.raises(DataError, match="no list of tokens"):
        elman.Tagger(**SMALL).fit([["a"]] * 9, [["X"], ["Y"], ["Z"]] * 3).predict([[1.0]])
    with pytest.raises(DataError, match="not made of numbers"):
        model.predict("one two")
    with pytest.raises(DataError, match="1 numbers a step"):
        model.predict([[1.0, 2.0]])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    xs, ys = courses()
    written(tmp_path / "readings.csv", xs, ys)
    options = "--task tagger --series id --time seconds --tags doing --hidden-size 6 --epochs 2"
    said = run(f"fit readings.csv {options} --dev readings.csv --out one")
    assert "12 rows, 2 tags" in said
    assert "elman inspect one readings.csv" in said
    found = json.loads(run("evaluate one readings.csv --json"))["report"]
    assert (found["count"], found["tokens"]) == (12, sum(map(len, xs)))
    Path("other.csv").write_text(
        Path("readings.csv").read_text().replace("id,seconds,x,doing", "a,b,x,c")
    )
    assert (
        json.loads(run("evaluate one other.csv --series a --time b --tags c --json"))["report"] == found
    )
    assert "there is no column 'id'" in run("predict one other.csv", 2)
    answers = elman.load("one").predict(xs)
    lines = [json.loads(line) for line in run("predict one readings.csv --json").splitlines()]
    assert [(one["id"], float(one["seconds"])) for one in lines] == [
        (f"s{number}", t / 10) for number, one in enumerate(xs) for t in range(len(one))
    ]
    assert [one["tag"] for one in lines] == [tag for one in answers for tag in one.tags]
    np.testing.assert_allclose(
        [one["score"] for one in lines], [p for one in answers for p in one.scores], rtol=1e-4
    )
    # Without tags, or with gaps among them, the answers are the same.
    bare = [line.split(",") for line in Path("readings.csv").read_text().split()]
    Path("bare.csv").write_text("\n".join(",".join([*one[:3], one[4]]) for one in bare))
    Path("gaps.csv").write_text(
        "\n".join(",".join([*one[:3], "doing" * (not n), one[4]]) for n, one in enumerate(bare))
    )
    for name in ("bare.csv", "gaps.csv"):
        assert [json.loads(one) for one in run(f"predict one {name} --json").splitlines()] == lines
    assert run("predict one bare.csv").splitlines()[0].split("\t")[:2] == ["s0", "0.0"]
    trace = json.loads(run("inspect one bare.csv --json"))
    assert [step["token"] for step in trace["steps"]] == [str(t / 10) for t in range(len(xs[0]))]
    assert trace["prediction"]["tags"] == answers[0].tags
    assert "of each token" in run("inspect one bare.csv")
    assert "This model reads tables of numbers" in run("predict one hello", 2)
    assert "no readings" in run("predict one", 2)


def test_without_times_moments_have_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        "id,x,doing,whole",
        *(f"s{n},{t % 3},{'ab'[t % 2]},{'pq'[n % 2]}" for n in range(6) for t in range(4)),
    ]
    Path("rows.csv").write_text("\n".join(rows))
    run(
        "fit rows.csv --task tagger --series id --tags doing --label whole --hidden-size 4 --epochs 1 --out one"
    )
    lines = [json.loads(one) for one in run("predict one rows.csv --json").splitlines()]
    assert [one["step"] for one in lines] == [1, 2, 3, 4] * 6
    assert {one["label"] for one in lines} <= {"p", "q"}


def test_moments_are_gathered_as_they_were_written(tmp_path: Path) -> None:
    xs, ys = courses()
    table = read(written(tmp_path / "readings.csv", xs, ys, shuffled=True))
    rows = gathered(table, LONG, "steps")
    assert (rows.column("steps"), rows.column("doing")) == (xs, ys)
    assert rows.column("id") == [f"s{number}" for number in range(len(xs))]
    assert gathered(rows, LONG, "steps") is rows
    with pytest.raises(DataError, match="the label changes within a sequence"):
        gathered(table, {"series": "id", "label": "doing"}, "steps")


def test_a_classifier_of_readings_is_inspected_too(tmp_path: Path) -> None:
    xs, ys = courses()
    whole = [["ab"[number % 2]] * len(one) for number, one in enumerate(ys)]
    table, out = written(tmp_path / "readings.csv", xs, whole), tmp_path / "run"
    run(f"fit {table} --series id --time seconds --label doing --hidden-size 4 --epochs 1 --out {out}")
    steps = json.loads(run(f"inspect {out} {table} --json"))["steps"]
    assert [step["token"] for step in steps] == [str(t / 10) for t in range(len(xs[0]))]
    assert "s0  →  " in run(f"inspect {out} {table}")

"""A disk that is full, a limit of the system, a kill: the old model stays, and a run can go on."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import elman
from elman.errors import StorageError

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "light"] * 3


@pytest.fixture(scope="module")
def model() -> elman.Classifier:
    text = elman.TextSettings(embedding_size=4, character_size=4)
    return elman.Classifier(hidden_size=4, text=text, training=elman.Training(epochs=1)).fit(
        TEXTS, LABELS
    )


@pytest.fixture(scope="module")
def another() -> elman.Classifier:
    text = elman.TextSettings(embedding_size=8, character_size=4)
    return elman.Classifier("lstm", text=text, training=elman.Training(epochs=1)).fit(
        TEXTS[1:], LABELS[1:]
    )


@pytest.fixture
def folder(model: elman.Classifier, tmp_path: Path) -> Path:
    return model.save(tmp_path / "model")


def answers(model: elman.Classifier) -> torch.Tensor:
    return model.decision_function([*TEXTS[:4], "", "unseen"])


def failing(name: str, count: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the `count`-th call of a function of `os` fail."""
    whole, calls = getattr(os, name), iter(range(1000))

    def call(*arguments: Any) -> Any:
        if next(calls) == count:
            raise OSError(code, os.strerror(code))
        return whole(*arguments)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_the_old_model(
    folder: Path, model: elman.Classifier, another: elman.Classifier, count: int, code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whichever of the five files does not fit any more."""
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with monkeypatch.context() as patch:
        failing("fsync", count, code, patch)
        with pytest.raises(StorageError, match="could not be written") as error:
            another.save(folder)
    assert ("free some space" in str(error.value.fix)) == (code != errno.EIO)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    assert torch.equal(answers(elman.load(folder)), answers(model))


@pytest.fixture
def tiny_files() -> Iterator[None]:
    """The system itself lets no file grow over 30,000 bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_of_the_system_leaves_the_old_model(
    folder: Path, model: elman.Classifier, another: elman.Classifier, request: pytest.FixtureRequest
) -> None:
    before = sorted(one.name for one in folder.iterdir())
    request.getfixturevalue("tiny_files")
    with pytest.raises(StorageError, match=r"could not be written: File too large"):
        another.save(folder)
    with pytest.raises(StorageError, match="could not be written"):
        another.save(folder.parent / "new")
    assert sorted(one.name for one in folder.iterdir()) == before
    assert torch.equal(answers(elman.load(folder)), answers(model))
    assert not list(folder.parent.rglob("*.tmp-*"))
    with pytest.raises(StorageError, match="is not a model"):
        elman.load(folder.parent / "new")


def test_where_nothing_may_be_written(model: elman.Classifier, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        model.save(tmp_path / "file")
    failing("replace", 0, errno.EACCES, monkeypatch)
    with pytest.raises(StorageError, match="Permission denied") as error:
        model.save(tmp_path / "model")
    assert "may write to" in str(error.value.fix)
    assert list((tmp_path / "model").iterdir()) == []


def test_half_an_old_model_and_half_a_new_one_is_noticed(
    folder: Path, another: elman.Classifier, tmp_path: Path
) -> None:
    """What a kill between two renames leaves."""
    new = another.save(tmp_path / "new")
    shutil.copy(new / "model.safetensors", folder)
    with pytest.raises(StorageError, match=r"model\.safetensors is not the file that was saved"):
        elman.load(folder)


def test_a_run_goes_on_when_there_is_space_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills at each write in turn; the run ends in elman's words and then to the same weights."""

    def train(name: str) -> elman.Classifier:
        text = elman.TextSettings(embedding_size=3, character_size=2)
        training = elman.Training(epochs=2, batch_size=4, checkpoint_seconds=0.0)
        model = elman.Classifier(hidden_size=3, text=text, training=training)
        return model.fit(TEXTS, LABELS, dev=(TEXTS[:4], LABELS[:4]), out=tmp_path / name)

    whole = answers(train("whole"))
    for count in range(0, 14, 3):
        with monkeypatch.context() as patch:
            failing("fsync", count, errno.ENOSPC, patch)
            with pytest.raises(StorageError, match="No space left") as error:
                train(str(count))
        assert "resume" in str(error.value.fix)
        assert not list(tmp_path.rglob(".*.tmp-*"))
        assert torch.equal(answers(train(str(count))), whole)
        assert (tmp_path / str(count) / "metrics.jsonl").read_bytes() == (
            tmp_path / "whole" / "metrics.jsonl"
        ).read_bytes()

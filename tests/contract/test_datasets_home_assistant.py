"""Home Assistant's grammar: what is drawn from it, how it is split, and that it never varies."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import hassil
import home_assistant_intents
import pytest

from elman import datasets
from elman.datasets import home_assistant
from elman.errors import DataError

LANGUAGES = ("en", "zh-CN")
SPLITS = ("train", "dev", "test")

needs_sentences = pytest.mark.skipif(
    not Path(os.environ.get("ELMAN_MIRROR", ""), "ha_intents", "ha_en.json").is_file(),
    reason="ELMAN_MIRROR holds no hand-written sentences of Home Assistant",
)


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELMAN_MIRROR", raising=False)


def pairs(split: str, language: str) -> list[tuple[str, str]]:
    columns = datasets.load("home-assistant", split, language)
    return list(zip(columns["text"], columns["label"], strict=True))


UNNAMED: dict[str, hassil.SlotList] = {
    key: hassil.TextSlotList.from_strings(["xyzzy"]) for key in ("area", "name", "floor")
}
"""Lists that match nothing, for hassil's recogniser insists on having some."""


def intents(language: str) -> hassil.Intents:
    content = home_assistant_intents.get_intents(language)
    assert content is not None
    return hassil.Intents.from_dict(content)


def bare(text: str) -> str:
    """An independent notion of the same sentence: its letters and digits alone."""
    return "".join(letter for letter in text.lower() if letter.isalnum())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_intent_of_the_grammar_is_drawn_and_no_other(language: str, no_mirror: None) -> None:
    content = home_assistant_intents.get_intents(language)
    assert content is not None
    counts = Counter(label for _, label in pairs("train", language))
    assert set(counts) == set(content["intents"])
    assert 8_000 < counts.total() < 20_000
    assert min(counts.values()) >= 50
    assert max(counts.values()) < counts.total() / 8
    for split in ("dev", "test"):
        assert {label for _, label in pairs(split, language)} <= set(counts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_splits_share_a_sentence_or_a_template(language: str, no_mirror: None) -> None:
    texts = {split: {bare(text) for text, _ in pairs(split, language)} for split in SPLITS}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert texts[one].isdisjoint(texts[other])
        assert len(texts[other]) > 100
    grammar = home_assistant._Grammar(language)
    splits = home_assistant._split(grammar.templates)
    assert set(splits) == {template.text for template in grammar.templates}
    assert {*splits.values()} == {*SPLITS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_train_keeps_every_block_and_every_word_of_an_intent(language: str) -> None:
    templates = home_assistant._Grammar(language).templates
    splits = home_assistant._split(templates)
    kept, words, known = defaultdict(int), defaultdict(set), defaultdict(set)
    for template in templates:
        in_train = splits[template.text] == "train"
        kept[template.block] += in_train
        (known if in_train else words)[template.intent] |= set(
            home_assistant.WORDS.findall(template.text)
        )
    assert min(kept.values()) >= 1
    assert all(words[intent] <= known[intent] for intent in words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_stands_for_two_intents(language: str, no_mirror: None) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        for text, label in pairs(split, language):
            labels[text].add(label)
    assert [text for text, found in labels.items() if len(found) > 1] == []


def test_a_shared_sentence_goes_to_the_intent_that_hassil_recognises(no_mirror: None) -> None:
    timers = (
        "计时器",
        "倒计时",
        "计时",
        "定时",
    )  # to stop one is among the words for cancelling and for pausing
    shared = {"停止", *(f"停止{timer}" for timer in timers), *(f"{timer}停止" for timer in timers)}
    drawn = {bare(text): label for text, label in pairs("train", "zh-CN") if bare(text) in shared}
    assert len(drawn) >= 3
    for text, label in drawn.items():
        recognised = hassil.recognize_best(
            text, intents("zh-CN"), UNNAMED, intent_context={"area": "anywhere"}
        )
        assert recognised is not None
        assert label == recognised.intent.name, text


def test_two_processes_draw_the_same_sentences(no_mirror: None) -> None:
    program = (
        "import hashlib, json\n"
        "from elman import datasets\n"
        "splits = [datasets.load('home-assistant', split, 'en') for split in ('train', 'dev', 'test')]\n"
        "print(hashlib.sha256(json.dumps(splits).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [datasets.load("home-assistant", split, "en") for split in SPLITS]
    assert other.stdout.strip() == hashlib.sha256(json.dumps(here).encode()).hexdigest()


def test_train_does_not_depend_on_the_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ELMAN_MIRROR", raising=False)
    without = pairs("train", "zh-CN")
    (tmp_path / "ha_intents").mkdir()
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    home_assistant._sentences.cache_clear()
    assert pairs("train", "zh-CN") == without


def test_the_questions_for_the_time_are_there(no_mirror: None) -> None:
    asked = {bare(text): label for language in LANGUAGES for text, label in pairs("train", language)}
    assert asked["whattimeisit"] == asked["现在几点了"] == "HassGetCurrentTime"
    texts = [text for text, _ in pairs("train", "en")]
    assert any(text.endswith("?") for text in texts)
    assert any(text[0].isupper() for text in texts)
    assert any(text[0].islower() for text in texts)


def test_both_languages_come_together_with_a_column_that_tells_them_apart(no_mirror: None) -> None:
    both = datasets.load("home-assistant", "dev")
    assert set(both) == {"text", "label", "language"}
    for language in LANGUAGES:
        rows = list(zip(both["text"], both["label"], both["language"], strict=True))
        assert [(text, label) for text, label, one in rows if one == language] == pairs("dev", language)


def test_a_caller_cannot_change_what_the_next_one_reads(no_mirror: None) -> None:
    first = datasets.load("home-assistant", "dev", "en")
    expected = list(first["text"])
    first["text"].clear()
    assert datasets.load("home-assistant", "dev", "en")["text"] == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_template_language_is_left_in_a_sentence(language: str, no_mirror: None) -> None:
    for split in SPLITS:
        for text, _ in pairs(split, language):
            assert not set(text) & set("<>{}[]()|;\x01\x02\x03"), text
            assert text == " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_hassil_recognises_what_is_drawn(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hassil's own matcher is the oracle, on templates that need no names of ours."""
    monkeypatch.setattr(home_assistant._Grammar, "_spoken", lambda self, text, rng, asked: text)
    grammar, known = home_assistant._Grammar(language), intents(language)
    named = {"{area", "{name", "{floor", "<name>", "<area>"}
    free = [one for one in grammar.templates if named.isdisjoint(home_assistant.WORDS.findall(one.text))]
    assert len(free) > 200
    for template in free[::11]:
        for one in grammar.draw(template, 3):
            context = {"area": "anywhere"}
            results = hassil.recognize_all(
                one.text, known, UNNAMED, intent_context=context, language=language
            )
            assert template.intent in {result.intent.name for result in results}, (template, one)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_device_that_the_grammar_asks_for_has_names(language: str) -> None:
    grammar = home_assistant._Grammar(language)
    assets = Path(home_assistant.__file__).parent / "assets" / f"home_assistant_{language}.toml"
    names = tomllib.loads(assets.read_text(encoding="utf-8"))["names"]
    asked = {domain for template in grammar.templates for domain in template.domains}
    assert asked <= set(names)


def test_a_grammar_with_an_unknown_list_says_which_package_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"language": "en", "intents": {"New": {"data": [{"sentences": ["do {something}"]}]}}}
    monkeypatch.setattr(home_assistant_intents, "get_intents", lambda language: content)
    grammar = home_assistant._Grammar("en")
    with pytest.raises(DataError, match=r"refers to \{something\}"):
        grammar.draw(grammar.templates[0], 1)


# --- the hand-written sentences ---


@needs_sentences
def test_the_test_split_is_the_hand_written_sentences() -> None:
    found = datasets.get("home-assistant")
    assert len(found.load("test", "en")["text"]) == 1024
    assert len(found.load("test", "zh-CN")["text"]) == 232
    assert found.origin("test") == "1256 hand-written sentences"
    assert found.origin("test", "en") == "1024 hand-written sentences"
    for language in LANGUAGES:
        labels = set(found.load("train", language)["label"])
        assert set(found.load("test", language)["label"]) <= labels


def test_without_the_hand_written_sentences_test_is_drawn_from_held_out_templates(
    no_mirror: None,
) -> None:
    found = datasets.get("home-assistant")
    count = len(found.load("test", "en")["text"])
    assert found.origin("test", "en").startswith(f"{count} sentences drawn from held-out templates")
    assert "held-out" not in found.origin("train", "en")


@needs_sentences
def test_each_language_says_for_itself_what_its_test_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = Path(os.environ["ELMAN_MIRROR"], "ha_intents", "ha_en.json")
    (tmp_path / "ha_intents").mkdir()
    (tmp_path / "ha_intents" / "ha_en.json").write_bytes(source.read_bytes())
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    origin = datasets.get("home-assistant").origin("test")
    assert origin.startswith("en: 1024 hand-written sentences; zh-CN: ")
    assert "held-out templates" in origin


def test_hand_written_sentences_that_were_changed_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ha_intents").mkdir()
    (tmp_path / "ha_intents" / "ha_en.json").write_text('[{"text": "hi", "intent": "HassRespond"}]')
    monkeypatch.setenv("ELMAN_MIRROR", str(tmp_path))
    with pytest.raises(DataError, match="sha256"):
        datasets.load("home-assistant", "test", "en")

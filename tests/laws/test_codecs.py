"""Codecs: what is restored encodes the same, whatever text there is; labels and numbers come back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from elman import registry
from elman.codecs.base import Codec
from elman.codecs.label import Label
from elman.codecs.series import Series
from elman.codecs.symbols import UNKNOWN as UNKNOWN_SYMBOL
from elman.codecs.symbols import Symbols
from elman.codecs.text import SPECIAL, Text, TextSettings
from elman.data.panels import Line
from elman.errors import DataError
from elman.layers.embedding import UNKNOWN
from elman.ragged import Ragged

TEXTS = ["What time is it ?", "What's the time, please", "现在几点了", "the naïve café №5", "it is late"]
LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ODD = st.sampled_from(
    [
        "👩‍👩‍👧‍👦",
        "🇨🇭",
        "é",
        "ẛ̣",
        "ﬁ½",
        "İ",
        "ß",
        "क्षि",
        "안녕",
        "עברית",
        "现在",
        "\u200b\ufeff",
        "\0",
        "\r\n\t",
        "<unk>",
        "'s",
    ]
)
STRANGE = st.lists(LETTERS | ODD, max_size=6).map("".join)


def line(name: str, *values: float) -> Line:
    """A series of days, with one column that is known beyond them."""
    days = np.arange(len(values)).astype("datetime64[D]").astype("datetime64[us]")
    return Line(name, days, np.array(values), np.zeros((len(values), 0)), np.array([values]).T)


PICTURE = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def tone(hertz: float, seconds: float, rate: int = 8_000) -> tuple[np.ndarray, int]:
    """A recording of one tone that dies away."""
    t = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hertz * t) * np.exp(-5 * t)).astype(np.float32), rate


SAMPLES: dict[str, tuple[list[Any], list[Any]]] = {
    "asked": ([("He left.", "Who?"), ("现在几点了", "what ?")], [("", ""), ("unseen", "who ?")]),
    "audio": ([tone(400, 0.3), tone(900, 0.2, 16_000)], [tone(600, 0.1), (np.zeros(1), 8_000)]),
    "image": ([PICTURE, PICTURE[::-1]], [PICTURE / 255, np.stack([PICTURE] * 3, -1), PICTURE[:3]]),
    "label": (["b", "a", "b"], ["a", "b", "a"]),
    "music": ([[[60, 64], []], [[72]]], [[[21], [], [108]], []]),
    "panel": ([line("a", 1, 2, 5), line("b", 3, 3)], [line("b", 4, 5, 6), line("new", 7, 9)]),
    "series": ([[1.0, 3.0], [], [4.0]], [[2.0], [], [1e9, -1.0]]),
    "symbols": (TEXTS, ["what time", "", "unseen 词 ✂️"]),
    "tags": ([["B-city", "I-city", "O"], ["O", "B-day"]], [["O"], [], ["B-never", "I-city"]]),
    "text": (TEXTS, ["what time", "", "unseen 词 ✂️"]),
    "words": (["four two", "two"], ["two two", "", " four"]),
    "tokens": ([["What", "time"], ["现在", "几点"]], [["time", "unseen", "词"], [], ["✂️"]]),
    "video": ([np.stack([PICTURE] * 2)], [[PICTURE, PICTURE], np.stack([PICTURE / 255] * 3), []]),
}
"""Raw values to fit each codec on, and others to encode."""

SETTINGS = {
    "words": TextSettings(),
    "plain": TextSettings(characters=None, lowercase=False),
    "letters": TextSettings(tokenizer="characters"),
    "bpe": TextSettings(tokenizer="bpe", vocabulary=120),
    "unigram": TextSettings(tokenizer="unigram", vocabulary=80),
    "jieba": TextSettings(segmenter="jieba"),
}


@pytest.fixture(scope="module", params=SETTINGS)
def text(request: pytest.FixtureRequest) -> Text:
    if request.param == "jieba":
        pytest.importorskip("jieba")
    return Text(SETTINGS[request.param]).fit(TEXTS * 3)


def restored(codec: Codec) -> Any:
    """The codec made again from nothing but JSON and bytes."""
    config = json.loads(json.dumps(codec.config(), ensure_ascii=False).encode().decode())
    return type(codec).restore(config, {name: bytes(content) for name, content in codec.files().items()})


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bpe", "unigram"])
@given(text=STRANGE)
def test_symbols_come_back_as_the_same_text(tokenizer: str, text: str) -> None:
    """Letter by letter, blanks and all; byte-level pieces know whatever there is."""
    codec = symbols_of(tokenizer)
    numbers = codec.encode([text]).values.tolist()
    assert tokenizer != "bpe" or UNKNOWN_SYMBOL not in numbers
    if UNKNOWN_SYMBOL not in numbers:
        assert codec.decode(numbers) == text
    assert len(numbers) == len(codec.symbols(text))
    again = Symbols.restore(json.loads(json.dumps(codec.config())), codec.files())
    assert again.encode([text]).values.tolist() == numbers
    assert again.names == codec.names


@cache
def symbols_of(tokenizer: Any) -> Symbols:
    texts = [*TEXTS, *TEXTS, " \r\n\t  two  blanks", "</s> <unk> </s> <unk>"]
    return Symbols(TextSettings(tokenizer=tokenizer, lowercase=False, vocabulary=400)).fit(texts)


def test_symbols_are_numbered_by_how_often_they_occur() -> None:
    codec = Symbols().fit(["abbccc", "cb"])
    assert codec.names == ["</s>", "<unk>", "c", "b", "a"]
    assert codec.ends
    assert not Symbols().fit(["abc"]).ends
    rare = Symbols(TextSettings(tokenizer="characters", lowercase=False, min_count=2)).fit(["aab", "a"])
    assert rare.learns_unknown
    assert rare.names[2:] == ["a"]
    assert rare.decode(rare.encode(["ab"]).values.tolist()) == "a□"
    rare.refuse("ab")
    with pytest.raises(DataError, match=r"2 symbol\(s\)") as raised:
        codec.refuse("abä\nc")
    assert "'ä', '\\n', the first one at character 3" in str(raised.value)


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, list):  # of series, each several tensors
        pairs = zip(left, right, strict=True)
        return all(
            torch.equal(vars(a)[name], vars(b)[name]) for a, b in pairs for name in ("z", "future")
        )
    if isinstance(left, Ragged):
        return torch.equal(left.values, right.values) and torch.equal(left.offsets, right.offsets)
    return torch.equal(left, right)


# --- every codec ---


@pytest.mark.parametrize("name", registry.names("codecs"))
def test_what_is_restored_encodes_the_same(name: str) -> None:
    assert name in SAMPLES, f"give the codec {name!r} a sample here"
    learned, others = SAMPLES[name]
    codec = registry.get("codecs", name)().fit(learned)
    assert codec.name == name
    again = restored(codec)
    for raw in (learned, others, []):
        assert equal(again.encode(raw), codec.encode(raw))
    assert codec.config() == again.config() == restored(again).config()  # twice may undo what once does
    assert equal(registry.get("codecs", name)().fit(learned).encode(others), codec.encode(others))


# --- text ---


@given(texts=st.lists(STRANGE, max_size=4))
def test_any_text_is_read(text: Text, texts: list[str]) -> None:
    """Whatever it holds: as many steps as tokens, numbers in range, and the same each time."""
    found = text.encode(texts)
    assert found.lengths.tolist() == [len(text.tokens(one)) for one in texts]
    assert found.values.shape[1] == 1 + text.width
    assert found.values.dtype == torch.int32
    assert bool((found.values[:, 0] >= 0).all())
    assert bool((found.values[:, 0] < text.size).all())
    if text.width:
        letters = found.values[:, 1:]
        assert bool((letters < text.letters).all())
        assert bool(((letters != 0).sum(1) >= 2).all()), "every token has its two marks"
        assert bool(((letters != 0).int().diff(dim=1) <= 0).all()), "zeros come last"
    assert equal(text.encode(texts), found)
    assert equal(restored(text).encode(texts), found)
    for one, alone in zip(texts, found, strict=True):
        assert torch.equal(text.encode([one]).values, alone), "another text changed it"


@settings(max_examples=10)
@given(texts=st.lists(STRANGE, min_size=1, max_size=4))
@pytest.mark.parametrize("name", ["words", "letters", "bpe", "unigram"])
def test_any_text_is_learned_from(name: str, texts: list[str]) -> None:
    codec = Text(SETTINGS[name])
    if name in ("words", "letters") and not any(codec.tokens(one) for one in texts):
        with pytest.raises(DataError, match="no token"):
            codec.fit(texts)
        return
    assume(any(one.strip() for one in texts))
    codec.fit(texts)
    found = codec.encode(texts)
    assert found.lengths.tolist() == [len(codec.tokens(one)) for one in texts]
    assert equal(restored(codec).encode(texts), found)


def test_more_characters_than_the_vocabulary_has_places() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(300))
    for name in ("bpe", "unigram"):
        codec = Text(SETTINGS[name]).fit([text])
        assert "<unk>" not in codec.tokens(text)


def test_a_known_word_is_its_number_and_an_unknown_one_keeps_its_letters() -> None:
    codec = Text().fit(["time it is", "it it"])
    assert codec.numbers(["it", "is", "time", "zzz"]) == [4, 5, 6, UNKNOWN]
    ours, unknown, strange = codec.encode(["it tie éé"]).values.tolist()
    letter = {one: number for number, one in enumerate("eimst", 4)}
    assert ours == [4, 2, letter["i"], letter["t"], 3, *[0] * 18]
    assert unknown == [UNKNOWN, 2, letter["t"], letter["i"], letter["e"], 3, *[0] * 17]
    assert strange == [UNKNOWN, 2, UNKNOWN, UNKNOWN, 3, *[0] * 18]


def test_equal_words_are_equal_numbers_wherever_they_stand() -> None:
    codec = Text().fit(TEXTS)
    first, second = codec.encode(["late TIME", "time ,late"])
    assert torch.equal(first[0], second[2])
    assert torch.equal(first[1], second[0])


def test_a_long_word_keeps_its_beginning_and_its_end() -> None:
    codec = Text(TextSettings(max_characters=6)).fit(["abcdefghij"])
    row = codec.encode(["abcdefghij"]).values[0].tolist()
    assert row == [4, 2, *(4 + "abcdefghij".index(one) for one in "abchij"), 3]


def test_hundred_thousand_letters_are_one_word_or_many() -> None:
    codec = Text().fit(TEXTS)
    assert codec.encode(["a" * 100_000]).lengths.tolist() == [1]
    assert codec.encode(["a " * 50_000]).lengths.tolist() == [50_000]
    assert codec.encode(["现" * 100_000]).lengths.tolist() == [100_000]


def test_the_most_frequent_words_are_kept() -> None:
    texts = ["a a a b b c", "d"]
    codec = Text(TextSettings(vocabulary=8)).fit([*texts, "e f g h a b"])
    assert codec.size == 8
    assert codec.numbers(["a", "b"]) == [4, 5]
    assert Text(TextSettings(min_count=2)).fit(texts).size == len(SPECIAL) + 2
    assert Text().fit(texts, extra=["zz", "a"]).numbers(["zz"]) == [len(SPECIAL) + 4]


def test_order_and_repetition_of_texts_do_not_matter_to_the_vocabulary() -> None:
    ours, turned = Text().fit(TEXTS), Text().fit(TEXTS[::-1])
    assert ours.config() == turned.config()
    assert ours.files() == turned.files()


def test_chinese_is_read_by_letters_or_by_words() -> None:
    assert Text().fit(TEXTS).tokens("现在几点 it's") == ["现", "在", "几", "点", "it", "'s"]
    pytest.importorskip("jieba")
    assert Text(TextSettings(segmenter="jieba")).fit(TEXTS).tokens("现在几点了") == [
        "现在",
        "几点",
        "了",
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("a text", "One text was given where a list is expected"),
        (["a", None], "Row 2 is no text"),
        ([3], "Row 1 is no text"),
        (["fine", "half \ud83d a pair"], "Row 2"),
    ],
)
def test_what_is_no_text_is_refused(raw: Any, message: str) -> None:
    codec = Text().fit(TEXTS)
    for ask in (codec.encode, Text().fit):
        with pytest.raises(DataError, match=message):
            ask(raw)


@pytest.mark.parametrize("raw", [[], [""], [" ", "\n"]])
def test_texts_without_a_token_teach_nothing(raw: list[str]) -> None:
    with pytest.raises(DataError, match="no token"):
        Text().fit(raw)


# --- labels ---


@given(
    st.lists(st.text(min_size=1), min_size=2, unique=True)
    | st.lists(st.integers(), min_size=2, unique=True)
)
def test_labels_come_back(labels: list[Any]) -> None:
    codec = Label().fit(labels * 2)
    assert codec.labels == sorted(labels)
    assert codec.decode(codec.encode(labels)) == labels
    assert codec.decode(codec.encode(np.array(labels, dtype=object))) == labels


def test_numpy_labels_are_plain_ones() -> None:
    codec = Label().fit(np.array([3, 1, 3]))
    assert codec.labels == [1, 3]
    assert all(type(one) is int for one in codec.labels)
    assert codec.knows(np.int64(3))
    assert not codec.knows("3")
    assert Label().fit(np.array([True, False])).labels == [False, True]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a"], "nothing to tell apart"),
        ([], "nothing to tell apart"),
        (["a", None], "1 rows have no label"),
        (["a", "", ""], r"2 rows have no label(.|\n)*\[2, 3\]"),
        (["a", float("nan")], "1 rows have no label"),
        ([0.5, 1.5], "all be strings, or all integers"),
        (["a", 1], "all be strings, or all integers"),
        ([True, 1], "all be strings, or all integers"),
    ],
)
def test_what_is_no_label_is_refused(labels: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Label().fit(labels)


def test_an_unseen_label_is_named() -> None:
    with pytest.raises(DataError, match="1 labels were never seen in training: 'z'"):
        Label().fit(["a", "b"]).encode(["a", "z", "z"])


# --- numbers ---


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6, width=32), max_size=5), min_size=1, max_size=4).filter(any),
    st.sampled_from([list, np.array, torch.tensor]),
)
def test_a_list_an_array_a_tensor_are_one(sequences: list[list[float]], kind: Any) -> None:
    codec = Series().fit(sequences)
    plain = codec.encode(sequences)
    assert plain.lengths.tolist() == [len(one) for one in sequences]
    assert equal(codec.encode([kind(one) for one in sequences]), plain)
    assert equal(codec.encode([[[x] for x in one] for one in sequences]), plain)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "no step to learn from"),
        ([[], []], "no step to learn from"),
        ([[1.0], [2.0, float("nan")]], "Sequence 2 is not finite at step 2, feature 1"),
        ([[[1.0, 2.0], [3.0, float("-inf")]]], "Sequence 1 is not finite at step 2, feature 2"),
        ([[[1.0, 2.0]], [[1.0]]], "Sequence 2 has 1 numbers a step"),
        ([[[1.0, 2.0], [1.0]]], "not made of numbers, or its steps have unequal features"),
        ([["a"]], "not made of numbers"),
        ([5.0], "0 dimensions"),
        ([[[[1.0]]]], "3 dimensions"),
    ],
)
def test_what_is_no_sequence_of_numbers_is_refused(sequences: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Series().fit(sequences)


def test_an_empty_sequence_has_whatever_features_the_others_have() -> None:
    for sequences in ([[], [[1.0, 2.0]]], [[[1.0, 2.0]], []]):
        codec = Series().fit(sequences)
        assert codec.features == 2
        assert codec.encode(sequences).lengths.sum() == 1

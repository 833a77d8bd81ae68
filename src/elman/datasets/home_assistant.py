"""Home Assistant's voice commands: an intent grammar in two languages, expanded into sentences.

The package `home-assistant-intents` holds sentence templates such as

    <turn> on [<the>] {area} <light>

with their rules and numbers, but not what a household calls its rooms and devices: those names are
elman's own, in `assets/home_assistant_*.toml`. The grammar has more sentences than could ever be
listed, so that each template is drawn from at random, with a seed that depends on it alone.

**Weights.** An intent gets a share of the sentences in proportion to the square root of the number of
its templates, and its templates share equally: the timers, with a hundred templates each, do not
drown the question for the time, which has two.

**Splits.** `dev`, and `test` where the hand-written sentences are missing, are drawn from templates
that are held out of `train`, and share no sentence with it. A hash of its text picks a template, but
only where train keeps another of its block (one way of saying one thing) and two others of the intent
for each of its words: what is measured is new combinations, not new words. Train is the same whether
or not the hand-written sentences are there.

**Ambiguity.** Where two intents share a sentence, or a pattern such as `all {area} fans off`, it goes
to the one that spells out more of it and then to the first by name, as with hassil's own recogniser.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

from elman.datasets.base import Dataset, Source
from elman.errors import DataError

SIZE = 14_000  # sentences of one language, before those too many are dropped
HELD_OUT = {"dev": 0.1, "test": 0.06}  # share of the templates
KEEP = {"block": 1, "word": 2}  # templates that train keeps of each block, and for each word
WORDS = re.compile(r"<\w+>|{\w+|[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff]+")
TRIES = 4  # draws for each sentence wanted, to find new ones and to find what intents share

HANDWRITTEN = {
    "en": Source(
        url="https://github.com/home-assistant/intents/tree/aa55003/tests/en",
        sha256="8f884b3fe4f0a7d3adc66f57a22394454a349411e3a8e49eb1615c3634ebafa4",
        mirror="ha_intents/ha_en.json",
    ),
    "zh-CN": Source(
        url="https://github.com/home-assistant/intents/tree/aa55003/tests/zh-cn",
        sha256="52f813749a110312b5cc946eea14c41975da7608111dd9c8534417a091b61fde",
        mirror="ha_intents/ha_zh-cn.json",
    ),
}


class HomeAssistant(Dataset):
    """Spoken commands of a smart home, one intent each, in English and in Chinese.

    Sentences of `train` and `dev` come from the templates of the installed `home-assistant-intents`;
    those of `test` are the 1024 English and 232 Chinese ones that the templates' authors wrote by
    hand, where `ELMAN_MIRROR` holds them, and otherwise come from held-out templates. With both
    languages there is a third column, `language`.

    >>> rows = HomeAssistant().load("train", "en")
    >>> "HassGetCurrentTime" in rows["label"]
    True
    """

    name = "home-assistant"
    title = "Home Assistant intents"
    task = "classifier"
    languages = ("en", "zh-CN")
    licence = "Apache-2.0 (templates), CC-BY-4.0 (hand-written test sentences)"
    homepage = "https://github.com/home-assistant/intents"
    citation = "The Home Assistant authors, Intents for Home Assistant, https://github.com/home-assistant/intents"
    settings: ClassVar = {"classifier": {"bidirectional": True, "epochs": 16, "ensemble": 4}}
    sources: ClassVar = {}

    def read(self, split: str, language: str | None) -> dict[str, list[Any]]:
        """The columns text and label, and language where all are asked for."""
        rows = [(*row, one) for one in self._asked(language) for row in self._rows(split, one)]
        texts, labels, languages = map(list, zip(*rows, strict=True))
        columns = {"text": texts, "label": labels, "language": languages}
        return columns if language is None else {"text": texts, "label": labels}

    def origin(self, split: str, language: str | None = None) -> str:
        """In one phrase, what the rows of a split are; for `test` it depends on the mirror.

        >>> HomeAssistant().origin("dev", "en")  # doctest: +ELLIPSIS
        '... sentences drawn from held-out templates of home-assistant-intents ...'
        """
        self._check(split, language)
        asked = self._asked(language)
        written = [self._handwritten(one) for one in asked] if split == "test" else []
        if written and all(written):
            return f"{sum(len(rows or ()) for rows in written)} hand-written sentences"
        if any(written):
            return "; ".join(f"{one}: {self.origin(split, one)}" for one in asked)
        count = sum(len(_sentences(one)[split]) for one in asked)
        package = f"home-assistant-intents {version('home-assistant-intents')}"
        return f"{count} sentences drawn from {'held-out ' * (split in HELD_OUT)}templates of {package}"

    def _asked(self, language: str | None) -> tuple[str, ...]:
        return self.languages if language is None else (language,)

    def _rows(self, split: str, language: str) -> Sequence[tuple[str, str]]:
        written = self._handwritten(language) if split == "test" else None
        return written or _sentences(language)[split]

    def _handwritten(self, language: str) -> list[tuple[str, str]] | None:
        path = self.mirrored(HANDWRITTEN[language])
        if path is None:
            return None
        return [(row["text"], row["intent"]) for row in json.loads(path.read_text(encoding="utf-8"))]


class _Template(NamedTuple):
    """A sentence template, the block it stands in, and the kinds of device its `{name}` may be."""

    text: str
    intent: str
    block: int
    domains: tuple[str, ...]


class _Drawn(NamedTuple):
    """A sentence as it is said, its bare words, and the pattern they follow: `turn on the {area} light`."""

    text: str
    bare: str
    pattern: str
    literal: int


@cache
def _sentences(language: str) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Every split of a language, as pairs of sentence and intent."""
    grammar = _Grammar(language)
    splits = _split(grammar.templates)
    claims: dict[str, tuple[int, str]] = {}
    drawn: list[tuple[str, str, _Drawn]] = []
    for template, wanted in _quotas(grammar.templates):
        found = grammar.draw(template, TRIES * wanted)
        for one in found:
            for key in (one.bare, one.pattern):
                claims[key] = min(claims.get(key, (0, "~")), (-one.literal, template.intent))
        drawn += [(splits[template.text], template.intent, one) for one in found[:wanted]]
    rows: dict[str, dict[str, str]] = {split: {} for split in ("train", *HELD_OUT)}
    places: dict[str, str] = {}
    for split in rows:
        for place, intent, one in drawn:
            owned = claims[one.bare][1] == intent == claims[one.pattern][1]
            if split == place and owned and places.setdefault(one.bare, split) == split:
                rows[split][one.text] = intent
    return {
        split: Random(split).sample(list(found.items()), len(found)) for split, found in rows.items()
    }


def _quotas(templates: Sequence[_Template]) -> Iterable[tuple[_Template, int]]:
    """How many sentences each template is asked for."""
    intents = Counter(template.intent for template in templates)
    unit = SIZE / sum(count**0.5 for count in intents.values())
    for template in templates:
        yield template, max(1, round(unit * intents[template.intent] ** -0.5))


def _key(sentence: str) -> str:
    """What two sentences have in common that differ in case, signs and spaces alone."""
    return re.sub(r"[\W_]+", "", sentence.casefold())


def _split(templates: Sequence[_Template]) -> dict[str, str]:
    """The split of every template text. A text that stands in several places has one split."""
    places: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for template in templates:
        words = {("word", (template.intent, word)) for word in WORDS.findall(template.text)}
        places[template.text] += [("block", template.block), *sorted(words)]
    left = Counter(place for members in places.values() for place in members)
    splits = dict.fromkeys(places, "train")
    for text in sorted(places, key=_hash):
        start = 0.0
        for split, share in HELD_OUT.items():
            picked = start <= _hash(text) < start + share
            if picked and all(left[one] > KEEP[one[0]] for one in places[text]):
                splits[text] = split
                left.subtract(places[text])
            start += share
    return splits


def _hash(text: str) -> float:
    """A number from 0 to 1 that is the same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


Draw = Callable[[Random, Sequence[str]], str]
"""Draws one text at random, given the kinds of device that are meant."""

ASKING = re.compile("Get|Status|Respond")
"""The intents that are questions, by their names."""

MARK = re.compile("\x01([^\x02]*)\x02([^\x03]*)\x03")
"""Around what came from a list: its place in the pattern, then the value."""


class _Grammar:
    """The templates of one language, and how sentences are drawn from one."""

    def __init__(self, language: str) -> None:
        import hassil
        from home_assistant_intents import get_intents

        content = get_intents(language)
        if content is None:
            raise DataError(
                f"home-assistant-intents {version('home-assistant-intents')} has no {language!r}."
            )
        assets = Path(__file__).parent / "assets" / f"home_assistant_{language}.toml"
        self.language = language
        self.speech = tomllib.loads(assets.read_text(encoding="utf-8"))
        self.intents = hassil.Intents.from_dict(content)
        self.templates = tuple(_templates(content["intents"]))
        self._rules: dict[str, Draw] = {}
        self._lists: dict[str, Draw] = {}

    def draw(self, template: _Template, times: int) -> list[_Drawn]:
        """What so many draws give, without repetitions."""
        import hassil

        rng = Random(f"{self.language} {template.intent} {template.text} {template.domains}")
        draw = self._compile(hassil.parse_sentence(template.text).expression)
        found: dict[str, _Drawn] = {}
        for _ in range(times):
            pieces = MARK.split(draw(rng, template.domains))
            literal, places, values = pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""]
            words = re.sub(self.speech["stutter"], "", _woven(literal, values))
            text = self._spoken(words, rng, asked=bool(ASKING.search(template.intent)))
            found[text] = _Drawn(
                text, _key(words), _woven(literal, places).casefold(), sum(map(len, literal))
            )
        return list(found.values())

    def _spoken(self, text: str, rng: Random, *, asked: bool) -> str:
        """The bare words as someone might say or type them: polite, capitalised, with a sign."""
        speech, joint = self.speech, self.speech["joint"]
        if rng.random() < 0.12:
            text = rng.choice(speech["askers" if asked else "openers"]) + joint + text
        if rng.random() < 0.06 and not asked:
            text = text + joint + rng.choice(speech["closers"])
        if rng.random() < 0.4:
            text = text[:1].upper() + text[1:]
        return text + (rng.choice(speech["ask" if asked else "stop"]) if rng.random() < 0.4 else "")

    def _compile(self, node: Any) -> Draw:
        """A parsed template as a function, so that drawing walks no tree of classes."""
        import hassil

        if isinstance(node, hassil.TextChunk):
            return lambda rng, domains: node.original_text
        if isinstance(node, hassil.RuleReference):
            return self._rule(node.rule_name)
        if isinstance(node, hassil.ListReference):
            return lambda rng, domains: self._listed(node.list_name, rng, domains)
        parts = [self._compile(item) for item in node.items]
        if isinstance(node, hassil.Alternative) and node.is_optional:  # its last part is the empty one
            return lambda rng, domains: (
                rng.choice(parts[:-1])(rng, domains) if rng.random() < 0.5 else ""
            )
        if isinstance(node, hassil.Alternative):
            return lambda rng, domains: rng.choice(parts)(rng, domains)
        if isinstance(node, hassil.Permutation):
            return lambda rng, domains: "".join(
                part(rng, domains) for part in rng.sample(parts, len(parts))
            )
        return lambda rng, domains: "".join(part(rng, domains) for part in parts)

    def _rule(self, name: str) -> Draw:
        if name not in self._rules:
            rules = self.intents.expansion_rules
            if name not in rules:
                raise self._undefined(f"<{name}>")
            self._rules[name] = self._compile(rules[name].expression)
        return self._rules[name]

    def _listed(self, name: str, rng: Random, domains: Sequence[str]) -> str:
        if name == "name":
            names = self.speech["names"]
            name = "name of a " + rng.choice([one for one in domains if one in names] or sorted(names))
        if name not in self._lists:
            self._lists[name] = self._list(name)
        value = self._lists[name](rng, domains)
        if "\x01" in value:
            value = MARK.sub(r"\2", value)
        closed = type(self.intents.slot_lists.get(name)).__name__ == "TextSlotList"
        return f"\x01{value if closed else '{' + name + '}'}\x02{value}\x03"

    def _list(self, name: str) -> Draw:
        import hassil

        theirs = self.intents.slot_lists.get(name)
        ours = self.speech["lists"].get(name) or self.speech["names"].get(
            name.removeprefix("name of a ")
        )
        if isinstance(theirs, hassil.RangeSlotList):
            return self._numbers(theirs)
        if isinstance(theirs, hassil.TextSlotList):
            parts = [self._compile(value.text_in) for value in theirs.values]
        elif ours or isinstance(theirs, hassil.WildcardSlotList):
            texts = ours or self.speech["lists"]["message"]
            parts = [self._compile(hassil.parse_sentence(text).expression) for text in texts]
        else:
            raise self._undefined(f"{{{name}}}")
        return lambda rng, domains: rng.choice(parts)(rng, domains)

    def _numbers(self, numbers: Any) -> Draw:
        """Mostly whole numbers, mostly in digits, and otherwise in the words of the language."""
        from hassil.numbers import get_rbnf_engine

        every, engine = list(numbers.get_numbers()), get_rbnf_engine(self.language)
        whole = [number for number in every if isinstance(number, int)]

        @cache
        def words(number: int | float) -> list[str]:
            rules = engine.format_number(number).text_by_ruleset
            return [rules[name] for name in sorted(rules) if not re.search("financial|days", name)]

        def draw(rng: Random, domains: Sequence[str]) -> str:
            number = rng.choice(whole if rng.random() < 0.85 else every)
            return str(number) if rng.random() < 0.8 else rng.choice(words(number))

        return draw

    def _undefined(self, reference: str) -> DataError:
        return DataError(
            f"The {self.language} grammar refers to {reference}, which nothing defines.",
            received=f"home-assistant-intents {version('home-assistant-intents')}",
            fix='pip install "home-assistant-intents==2026.10.27"',
        )


def _templates(intents: Mapping[str, Any]) -> Iterable[_Template]:
    parts = ((intent, part) for intent, content in intents.items() for part in content["data"])
    for block, (intent, part) in enumerate(parts):
        asked = part.get("requires_context", {}).get("domain", ())
        domains = (asked,) if isinstance(asked, str) else tuple(asked)
        for text in part["sentences"]:
            yield _Template(text, intent, block, domains)


def _woven(literal: Sequence[str], between: Sequence[str]) -> str:
    return " ".join(
        "".join(part for pair in zip(literal, between, strict=True) for part in pair).split()
    )

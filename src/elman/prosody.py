"""How Chinese verse sounds: level and oblique tones, and which characters rhyme.

Tones and finals are those of modern Mandarin, as pypinyin knows them, of a character's first reading that
has a tone. Tang verse follows older ones: characters of the entering tone, which counts as oblique, are
spread over all four tones today (白, 國, 石 read level now), and some rhymes have drifted apart.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from elman.errors import MissingExtraError

LEVEL, OBLIQUE = "level", "oblique"
TONES = {"1": LEVEL, "2": LEVEL, "3": OBLIQUE, "4": OBLIQUE}

RHYMES = {
    "发花": "a ia ua",
    "梭坡": "o e uo io",
    "乜斜": "ê ie ve",
    "姑苏": "u",
    "一七": "i v er",
    "怀来": "ai uai",
    "灰堆": "ei uei",
    "遥条": "ao iao",
    "油求": "ou iou",
    "言前": "an ian uan van",
    "人辰": "en in uen vn",
    "江阳": "ang iang uang",
    "中东": "eng ing ueng ong iong",
}
"""The thirteen classes of northern verse (十三辙), each with its finals; v is ü."""

CLASSES = {final: name for name, finals in RHYMES.items() for final in finals.split()}


@cache
def sound(character: str) -> tuple[str | None, str | None]:
    """The tone of a character (`level` or `oblique`) and its class of rhymes; None for what has no reading.

    Raises:
        MissingExtraError: pypinyin is not installed.

    >>> sound("東"), sound("月"), sound("?")
    (('level', '中东'), ('oblique', '乜斜'), (None, None))
    """
    pinyin, style = _pypinyin()
    finals = pinyin(character, style=style.FINALS_TONE3, heteronym=True, errors="ignore")
    for final in finals[0] if finals else ():
        if kind := TONES.get(final[-1:]):
            return kind, CLASSES.get(final[:-1])
    return None, None


def tone(character: str) -> str | None:
    """`level` for the first and second tone of Mandarin, `oblique` for the third and fourth, else None."""
    return sound(character)[0]


def rhyme(character: str) -> str | None:
    """The class of characters that it rhymes with, one of thirteen, or None.

    >>> rhyme("居") == rhyme("雨"), rhyme("東") == rhyme("風"), rhyme("東") == rhyme("江")
    (True, True, False)
    """
    return sound(character)[1]


def places(length: int) -> list[int]:
    """The places of a line whose tones are ruled, from 0: every second one, and the last.

    >>> places(5), places(7)
    ([1, 3, 4], [1, 3, 5, 6])
    """
    return sorted({*range(1, length, 2), length - 1} if length else [])


def opposed(first: str, second: str) -> list[bool]:
    """At each ruled place, whether the tones of two lines are opposed; places of unknown tone are left out.

    >>> opposed("秦川雄帝宅", "函谷壯皇居")
    [True, True, False]
    """
    pairs = [(tone(first[at]), tone(second[at])) for at in places(min(len(first), len(second)))]
    return [one != other for one, other in pairs if one and other]


def available() -> bool:
    """Whether tones and rhymes can be told: pypinyin is installed."""
    try:
        _pypinyin()
    except MissingExtraError:
        return False
    return True


def _pypinyin() -> tuple[Any, Any]:
    try:
        from pypinyin import Style, pinyin
    except ImportError as cause:
        raise MissingExtraError.of("pypinyin", "verse", "What tells tones and rhymes") from cause
    return pinyin, Style

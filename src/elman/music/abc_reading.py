"""How a tune in ABC notation is read, sign by sign."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from elman.errors import DataError
from elman.music.piece import TEMPO, Note, Piece

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
SHARPS = "FCGDAEB"
MODES = {"": 0, "maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4}
MODES |= {"loc": -5, "lyd": 1}
SIGNS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}

_FIELD = re.compile(r"([A-Za-z]):(.*)")
_KEY = re.compile(r"([A-G])([#b]?)\s*([A-Za-z]{0,3})[A-Za-z]*(\s.*)?")
_SIGNS = re.compile(
    r"""(?P<skip>\s+|"[^"]*"|![^!\n]*!|\{[^}]*\}|[~.HLMOPSTuv`\\)$])
    |(?P<field>\[[A-Za-z]:[^\]\n]*\])
    |(?P<bar>\[?:*\|[|:\]]*|::)(?P<ending>\[?\d)?|(?P<another>\[\d)
    |\((?P<tuplet>\d)(?P<rest>:\d*:?\d*)?
    |(?P<slur>\()
    |(?P<chord>\[)|(?P<close>\])
    |(?P<sign>\^\^?|__?|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)
    |(?P<silence>[zxZ])
    |(?P<broken>>+|<+)|(?P<tie>-)""",
    re.VERBOSE,
)
_LENGTH = re.compile(r"(\d*)(/*)(\d*)")


@dataclass
class Event:
    """Notes that sound together: their pitches, those that are tied on, and their length."""

    pitches: list[int]
    length: Fraction
    tied: set[int] = field(default_factory=set)


Item = Event | str
"""An event; or `start` and `end` of what is repeated, or the number of an ending."""


class Reader:
    """Reads one tune; `place` is the name of the text in messages."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.unit: Fraction | None = None
        self.bar = Fraction(4)
        self.tempo, self.title = TEMPO, ""
        self.key: dict[str, int] = {}
        self.accidentals: dict[tuple[str, str], int] = {}
        self.items: list[Item] = []
        self.tuplet = (Fraction(1), 0)
        self.broken: Fraction | None = None
        self.line = 0

    def read(self, text: str) -> Piece:
        """The piece, all repeats played."""
        body = False
        for self.line, full in enumerate(text.splitlines(), 1):
            line = full.split("%", 1)[0].rstrip()
            found = _FIELD.fullmatch(line)
            if found and found[1] == "X" and body:
                break  # the next tune
            if found and found[1] not in "|":
                self._field(found[1], found[2].strip())
                body = body or found[1] == "K"
            elif body:
                self._signs(line)
            elif line.strip():
                raise self._wrong(1, "the tune begins before its key.", line[:20], "a field K: first")
        notes, length = _timed(_played(self.items))
        if not notes:
            raise DataError.at(self.place, "there are no notes in this ABC text.", received="none")
        return Piece(tuple(notes), length, self.tempo, self.title or self.place)

    # --- fields ---

    def _field(self, name: str, value: str) -> None:
        try:
            if name == "L":
                self.unit = 4 * Fraction(value)
            elif name == "M":
                told = {"C": "4/4", "C|": "2/2", "none": "4/4"}.get(value, value)
                self.bar = 4 * Fraction(told.replace("(", "").replace(")", ""))
            elif name == "Q":
                beat, equals, speed = re.sub(r'"[^"]*"', "", value).strip().rpartition("=")
                quarters = 4 * Fraction(beat.strip()) if equals else Fraction(1)
                self.tempo = float(Fraction(speed.strip()) * quarters)
        except (ValueError, ZeroDivisionError):
            raise self._wrong(1, f"the field {name}: cannot be read.", value, None) from None
        if name == "K":
            self._set_key(value)
        elif name == "T":
            self.title = self.title or value
        elif name == "V" and value.split()[:1] not in ([], ["1"]):
            raise self._wrong(
                1, "there are several voices.", f"V:{value}", "one voice; write it as MIDI"
            )

    def _set_key(self, value: str) -> None:
        found = _KEY.fullmatch(value)
        mode = found[3].lower() if found else ""
        if value in ("", "none"):
            self.key = {}
        elif found is None or mode not in MODES:
            raise self._wrong(1, "there is no such key.", f"K:{value}", "K:G, K:Em, K:D mix, K:Bb, ...")
        else:
            fifths = FIFTHS[found[1]] + {"#": 7, "b": -7, "": 0}[found[2]] + MODES[mode]
            named = SHARPS[: max(fifths, 0)] or SHARPS[::-1][: max(-fifths, 0)]
            self.key = dict.fromkeys(named, 1 if fifths > 0 else -1)

    # --- signs ---

    def _signs(self, line: str) -> None:
        at, chord, opened = 0, None, 0
        while at < len(line):
            found = _SIGNS.match(line, at)
            if found is None:
                raise self._wrong(at + 1, "this sign is not known.", line[at : at + 12], None)
            kind, begun, at = found.lastgroup, at, found.end()
            if found["field"]:
                self._field(found["field"][1], found["field"][3:-1].strip())
            elif found["bar"] or found["another"]:
                self._bar(found["bar"] or "", found["ending"] or found["another"] or "")
            elif found["tuplet"]:
                self._tuplet(int(found["tuplet"]), (found["rest"] or "").split(":")[1:], begun)
            elif kind == "chord":
                chord, opened = Event([], Fraction(1)), begun
            elif kind == "close" and chord is not None and chord.pitches:
                length, at = self._length(line, at)
                chord.length *= length
                self._add(chord)
                chord = None
            elif found["letter"]:
                pitch = self._pitch(found["sign"], found["letter"], found["octave"], begun)
                length, at = self._length(line, at)
                if chord is None:
                    self._add(Event([pitch], length))
                else:
                    chord.length = chord.length if chord.pitches else length
                    chord.pitches.append(pitch)
            elif found["silence"]:
                length, at = self._length(line, at)
                bars = length / (self._unit() if length else 1)
                self._add(Event([], self.bar * bars if found["silence"] == "Z" else length))
            elif found["broken"]:
                self._break(found["broken"], begun)
            elif found["tie"]:
                self._tie(chord, begun)
            elif kind == "close":
                raise self._wrong(begun + 1, "a chord ends that did not begin.", line[begun:], None)
        if chord is not None:
            raise self._wrong(opened + 1, "this chord has no end.", line[opened:][:20], "[CEG]")

    def _pitch(self, sign: str | None, letter: str, marks: str, at: int) -> int:
        name = letter.upper()
        octave = marks.count("'") - marks.count(",") + letter.islower()
        if sign:
            self.accidentals[name, f"{octave}"] = SIGNS[sign]
        alter = self.accidentals.get((name, f"{octave}"), self.key.get(name, 0))
        pitch = 60 + 12 * octave + STEPS[name] + alter
        if not 0 <= pitch <= 127:
            raise self._wrong(at + 1, "this note is beyond MIDI's numbers.", letter + marks, "0 to 127")
        return pitch

    def _length(self, line: str, at: int) -> tuple[Fraction, int]:
        found = _LENGTH.match(line, at)
        if found is None:  # an empty match is one, too
            return self._unit(), at
        times, slashes, over = found.groups()
        below = int(over) if over else 2 ** len(slashes)
        if not below or (over and not slashes):
            raise self._wrong(at + 1, "this is no length.", found[0], "2, /2, 3/2, ...")
        length = Fraction(int(times or 1), below) * self._unit()
        if length <= 0:
            raise self._wrong(at + 1, "a note has a length.", found[0], "2, /2, 3/2, ...")
        return length, found.end()

    def _unit(self) -> Fraction:
        """The length of a plain note, in quarter notes."""
        return self.unit or Fraction(1, 4 if self.bar < 3 else 2)

    def _add(self, event: Event) -> None:
        ratio, left = self.tuplet
        if left:
            event.length *= ratio
            self.tuplet = (ratio, left - 1)
        if self.broken is not None:
            event.length *= self.broken
            self.broken = None
        self.items.append(event)

    def _bar(self, sign: str, ending: str) -> None:
        self.accidentals.clear()
        self.items += ["end"] * (sign[:1] == ":")
        self.items += ["start"] * (sign[-1:] == ":")
        self.items += [ending[-1:]] * bool(ending)

    def _tuplet(self, count: int, more: list[str], at: int) -> None:
        told = [int(one) for one in more if one]
        into = int(more[0]) if more and more[0] else TUPLETS.get(count, 3 if self.bar % 3 == 0 else 2)
        if not count or not into:
            raise self._wrong(at + 1, "this is no tuplet.", f"({count}", "(3, (3:2:3, ...")
        self.tuplet = (Fraction(into, count), told[-1] if len(more) > 1 and more[1] else count)

    def _break(self, signs: str, at: int) -> None:
        last = self.items[-1] if self.items else None
        if not isinstance(last, Event):
            raise self._wrong(at + 1, "nothing stands before a broken rhythm.", signs, "A>B")
        small = Fraction(1, 2 ** len(signs))
        first, second = (2 - small, small) if signs[0] == ">" else (small, 2 - small)
        last.length *= first
        self.broken = second

    def _tie(self, chord: Event | None, at: int) -> None:
        last = chord or (self.items[-1] if self.items else None)
        if not isinstance(last, Event) or not last.pitches:
            raise self._wrong(at + 1, "nothing stands before a tie.", "-", "A-A")
        last.tied |= set(last.pitches[-1:] if chord is not None else last.pitches)

    def _wrong(self, column: int, problem: str, received: str, expected: str | None) -> DataError:
        return DataError.at(
            self.place,
            problem,
            line=self.line,
            column=column,
            expected=expected,
            received=repr(received),
        )


def _played(items: list[Item]) -> list[Event]:
    """The events in the order in which they are played."""
    found: list[Event] = []
    at = start = 0
    again = False
    while at < len(items):
        item = items[at]
        at += 1
        if isinstance(item, Event):
            found.append(item)
        elif item == "start":
            start, again = at, False
        elif item == "end":
            again = not again
            at, start = (start, start) if again else (at, at)
        elif item == "1" and again:
            later = [n for n in range(at, len(items)) if items[n] == "2"]
            at, again = (later[0] + 1 if later else len(items)), False
            start = at
    return found


def _timed(events: list[Event]) -> tuple[list[Note], Fraction]:
    """The notes of events one after the other, those that are tied made one; and how long it is."""
    notes: list[Note] = []
    held: dict[int, Fraction] = {}
    now = Fraction(0)
    for event in events:
        end = now + event.length
        begun = {pitch: held.get(pitch, now) for pitch in event.pitches}
        notes += [Note(start, now - start, pitch) for pitch, start in held.items() if pitch not in begun]
        held = {pitch: start for pitch, start in begun.items() if pitch in event.tied}
        notes += [Note(start, end - start, pitch) for pitch, start in begun.items() if pitch not in held]
        now = end
    notes += [Note(start, now - start, pitch) for pitch, start in held.items()]
    return notes, now

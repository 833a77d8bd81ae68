"""Music against others: MIDI by hand and by symusic, ABC by symusic, sound by its spectrum."""

from __future__ import annotations

import io
import wave
from fractions import Fraction

import numpy as np
import pytest

from elman.music.abc import read_abc, write_abc
from elman.music.melody import melody_of, tokens_of
from elman.music.midi import read_midi, write_midi
from elman.music.piece import Note, Piece, frequency
from elman.music.rolls import LOWEST, frames_of, piece_of, roll_of
from elman.music.sound import RATE, rendered, write_wav

symusic = pytest.importorskip("symusic")


def variable(number: int) -> bytes:
    """A number as MIDI writes it: seven bits a byte, the highest bit set in all but the last."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(number & 0x7F | 0x80)
    return bytes(reversed(parts))


def midi(*tracks: bytes, division: int = 96, format: int = 1) -> bytes:
    head = (
        b"MThd" + (6).to_bytes(4) + format.to_bytes(2) + len(tracks).to_bytes(2) + division.to_bytes(2)
    )
    ends = [track + b"\x00\xff\x2f\x00" for track in tracks]
    return head + b"".join(b"MTrk" + len(one).to_bytes(4) + one for one in ends)


def test_a_file_written_by_hand_is_read_as_it_was_meant() -> None:
    """A C of a quarter, an E that begins an eighth later in another track, a drum, and a tempo of 90."""
    tempo = b"\x00\xff\x51\x03" + round(60e6 / 90).to_bytes(3)
    first = tempo + b"\x00\x90\x3c\x40" + variable(96) + b"\x80\x3c\x00"
    second = variable(48) + b"\x91\x40\x40" + variable(200) + b"\x40\x00"  # running status, velocity 0
    drums = b"\x00\x99\x24\x40" + variable(96) + b"\x89\x24\x00"
    piece = read_midi(midi(first, second, drums))
    assert piece.notes == (
        Note(Fraction(0), Fraction(1), 60),
        Note(Fraction(1, 2), Fraction(200, 96), 64),
    )
    assert piece.tempo == pytest.approx(90, abs=0.01)
    assert piece.length == Fraction(1, 2) + Fraction(200, 96)
    # The E sounds from 1/2 to 2 7/12: at the quarters 1 and 2, at the eighths 1 to 5.
    assert np.flatnonzero(frames_of(piece, 1)[:, 64 - LOWEST]).tolist() == [1, 2]
    assert np.flatnonzero(frames_of(piece, 2)[:, 64 - LOWEST]).tolist() == [1, 2, 3, 4, 5]
    assert frames_of(piece, 1).sum(1).tolist() == [1, 1, 1]


def test_what_is_written_is_what_symusic_reads() -> None:
    notes = ((0, 1, 60), (Fraction(1, 3), Fraction(1, 6), 72), (1, Fraction(1, 2), 60))
    piece = Piece(tuple(Note(Fraction(a), Fraction(b), c) for a, b, c in notes), tempo=120)
    score = symusic.Score.from_midi(write_midi(piece))
    unit = score.ticks_per_quarter
    found = [(one.time / unit, one.duration / unit, one.pitch) for one in score.tracks[0].notes]
    meant = np.array(sorted((float(a), float(b), c) for a, b, c in notes))
    assert np.array(sorted(found)) == pytest.approx(meant)
    assert score.tempos[0].qpm == pytest.approx(120)


def test_frames_are_the_piano_roll_that_symusic_makes() -> None:
    rng = np.random.default_rng(0)
    roll = (rng.random((24, 88)) < 0.1).astype(np.uint8)
    piece = piece_of(roll, 2)
    score = symusic.Score.from_midi(write_midi(piece)).resample(2, min_dur=1)
    theirs = score.pianoroll(modes=["frame"], pitch_range=(LOWEST, LOWEST + 88), encode_velocity=False)
    ours = frames_of(piece, 2).T
    theirs = np.asarray(theirs)[0].sum(0)[:, : ours.shape[1]]
    assert np.array_equal(theirs != 0, (ours != 0)[:, : theirs.shape[1]])
    assert not ours[:, theirs.shape[1] :].any()


TUNES = {
    "scale": "X:1\nM:4/4\nL:1/4\nK:C\nC D E F|G A B c|c' z C, z|]",
    "keys": "X:1\nM:4/4\nL:1/8\nK:Ebmaj\nE2F2 G2A2|B2c2 d2e2|]",
    "minor": "X:1\nM:3/4\nL:1/4\nK:F#m\nF G A|B c d|]",
    "accidentals": "X:1\nM:4/4\nL:1/4\nK:G\n^C C =F F|F C _B B|]",
    "lengths": "X:1\nM:4/4\nL:1/8\nK:C\nA A/ A/2 A// A3/2 A4 z2 A6|]",
    "broken": "X:1\nM:4/4\nL:1/8\nK:C\nA>B c<d|e2 f2|]",
    "ties": "X:1\nM:4/4\nL:1/4\nK:C\nA2-A B|B4-|B4|]",
    "tuplet": "X:1\nM:4/4\nL:1/8\nK:C\n(3ABc d2 e4|]",
    "repeat": "X:1\nM:4/4\nL:1/4\nK:C\n|:C D E F:|G A B c|]",
    "endings": "X:1\nM:4/4\nL:1/4\nK:C\n|:C D E F|1 G G G G:|2 A A A A|]",
    "chords": "X:1\nM:4/4\nL:1/4\nK:C\n[CEG]2 [FAc] z|]",
}
MEANT = {
    "scale": "C4:1 D4:1 E4:1 F4:1 G4:1 A4:1 B4:1 C5:1 C6:1 R:1 C3:1 R:1",
    "keys": "D#4:1 F4:1 G4:1 G#4:1 A#4:1 C5:1 D5:1 D#5:1",
    "minor": "F#4:1 G#4:1 A4:1 B4:1 C#5:1 D5:1",
    "accidentals": "C#4:1 C#4:1 F4:1 F4:1 F#4:1 C4:1 A#4:1 A#4:1",
    "lengths": "A4:1/2 A4:1/4 A4:1/4 A4:1/8 A4:3/4 A4:2 R:1 A4:3",
    "broken": "A4:3/4 B4:1/4 C5:1/4 D5:3/4 E5:1 F5:1",
    "ties": "A4:3 B4:1 B4:8",
    "tuplet": "A4:1/3 B4:1/3 C5:1/3 D5:1 E5:2",
    "repeat": "C4:1 D4:1 E4:1 F4:1 C4:1 D4:1 E4:1 F4:1 G4:1 A4:1 B4:1 C5:1",
    "endings": "C4:1 D4:1 E4:1 F4:1 G4:1 G4:1 G4:1 G4:1 C4:1 D4:1 E4:1 F4:1 A4:1 A4:1 A4:1 A4:1",
    "chords": "G4:2 C5:1 R:1",
}


@pytest.mark.parametrize("name", TUNES)
def test_a_tune_in_abc_is_what_its_signs_mean(name: str) -> None:
    assert " ".join(tokens_of(read_abc(TUNES[name]))) == MEANT[name]


@pytest.mark.parametrize("name", [name for name in TUNES if name != "endings"])
def test_a_tune_in_abc_is_the_one_that_symusic_reads(name: str) -> None:
    score = symusic.Score.from_abc(TUNES[name])
    unit = score.ticks_per_quarter
    theirs = sorted((one.time / unit, one.pitch) for track in score.tracks for one in track.notes)
    ours = sorted((float(one.start), one.pitch) for one in read_abc(TUNES[name]).notes)
    assert [pitch for _, pitch in ours] == [pitch for _, pitch in theirs]
    assert [start for start, _ in ours] == pytest.approx(
        [start for start, _ in theirs], abs=0.05
    )  # it strums


def test_symusic_reads_the_abc_that_is_written() -> None:
    piece = Piece(tuple(Note(Fraction(n), Fraction(3, 2), 55 + 3 * n) for n in range(8)))
    score = symusic.Score.from_abc(write_abc(piece))
    assert sorted({one.pitch for one in score.tracks[0].notes}) == [one.pitch for one in piece.notes]


@pytest.mark.parametrize("pitch", [33, 48, 60, 69, 81, 96])
def test_a_note_sounds_at_its_frequency(pitch: int) -> None:
    """The highest peak of the spectrum of a second; and the next partial is twice as high."""
    samples = rendered(Piece((Note(Fraction(0), Fraction(1), pitch),), tempo=60))
    spectrum = np.abs(np.fft.rfft(samples[:RATE] * np.hanning(RATE)))
    assert abs(int(spectrum.argmax()) - frequency(pitch)) < 1.5
    above = round(1.5 * frequency(pitch))
    assert abs(int(spectrum[above:].argmax()) + above - 2 * frequency(pitch)) < 1.5


def test_a_chord_has_all_its_notes_and_silence_has_none() -> None:
    chord = tuple(Note(Fraction(0), Fraction(1), pitch) for pitch in (60, 64, 67))
    samples = rendered(Piece((*chord, Note(Fraction(2), Fraction(1), 72)), Fraction(5), tempo=60))
    spectrum = np.abs(np.fft.rfft(samples[:RATE] * np.hanning(RATE)))
    peaks = [n for n in range(200, 420) if spectrum[n] == spectrum[max(n - 8, 0) : n + 9].max()]
    strong = sorted(sorted(peaks, key=lambda n: -spectrum[n])[:3])
    assert strong == pytest.approx([frequency(pitch) for pitch in (60, 64, 67)], abs=1.5)
    assert np.abs(samples[round(1.2 * RATE) : 2 * RATE]).max() == 0
    assert np.abs(samples[2 * RATE : 3 * RATE]).max() > 0.1
    assert np.abs(samples[round(3.2 * RATE) :]).max() == 0
    assert np.abs(samples).max() == pytest.approx(0.9, abs=1e-3)


def test_a_wav_file_holds_the_samples() -> None:
    samples = rendered(melody_of(["A4:1"]))
    with wave.open(io.BytesIO(write_wav(samples))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        found = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_767
    assert found == pytest.approx(samples, abs=2e-5)
    assert write_wav(rendered(Piece((), Fraction(1))))[:4] == b"RIFF"


def test_chorales_have_at_most_four_notes_at_a_time_in_the_published_numbers(mirror: object) -> None:
    from elman import datasets

    parts = {split: datasets.load("jsb-chorales", split)["piece"] for split in ("train", "dev", "test")}
    assert [len(one) for one in parts.values()] == [229, 76, 77]
    assert [sum(map(len, one)) for one in parts.values()] == [13_807, 4_602, 4_725]
    every = [frame for part in parts.values() for piece in part for frame in piece]
    assert max(map(len, every)) == 4
    assert {pitch for frame in every for pitch in frame} <= set(range(21, 109))
    assert roll_of(parts["test"][0]).sum() == sum(map(len, parts["test"][0]))

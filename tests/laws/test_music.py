"""Pieces of music: what is written is read again as the same, in every notation and on every grid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.codecs.music import Music, drawn, moved, preceding, room
from elman.errors import DataError
from elman.music.abc import read_abc, write_abc
from elman.music.melody import melody_of, tokens_of
from elman.music.midi import read_midi, write_midi
from elman.music.piece import Note, Piece, name_of, pitch_of
from elman.music.rolls import KEYS, LOWEST, frames_of, piece_of, roll_of
from elman.ragged import Ragged

symusic = pytest.importorskip("symusic")

GRIDS = st.sampled_from([1, 2, 3, 4, 7, 24])
FRAMES = st.lists(
    st.frozensets(st.integers(LOWEST, LOWEST + KEYS - 1), max_size=5).map(sorted),
    min_size=1,
    max_size=12,
)
TIMES = st.integers(0, 200).map(lambda n: Fraction(n, 24))
LENGTHS = st.integers(1, 120).map(lambda n: Fraction(n, 24))
NOTES = st.lists(st.builds(Note, TIMES, LENGTHS, st.integers(0, 127)), min_size=1, max_size=8)


def apart(notes: list[Note]) -> list[Note]:
    """Those of the notes that overlap no other one of their pitch: what MIDI and ABC can tell apart."""
    kept: list[Note] = []
    for note in notes:
        if all(one.pitch != note.pitch or one.end < note.start or note.end < one.start for one in kept):
            kept.append(note)
    return kept


@given(frames=FRAMES, grid=GRIDS)
def test_frames_to_midi_to_frames_is_the_identity(frames: list[list[int]], grid: int) -> None:
    codec = Music(grid)
    roll = codec.encode([frames]).values
    again = read_midi(write_midi(codec.decode(roll)))
    assert torch.equal(codec.encode([again]).values, roll)
    assert torch.equal(codec.encode([roll.numpy()]).values, roll)


@given(frames=FRAMES, grid=GRIDS)
def test_frames_to_abc_to_frames_is_the_identity(frames: list[list[int]], grid: int) -> None:
    if not any(frames):
        return
    piece = piece_of(roll_of(frames), grid)
    assert np.array_equal(frames_of(read_abc(write_abc(piece)), grid), roll_of(frames))


@given(notes=NOTES, silence=TIMES, tempo=st.integers(20, 300))
def test_a_piece_is_the_same_after_midi_and_after_abc(
    notes: list[Note], silence: Fraction, tempo: int
) -> None:
    kept = apart(notes)
    piece = Piece(tuple(kept), max(one.end for one in kept) + silence, tempo)
    midi, abc = read_midi(write_midi(piece)), read_abc(write_abc(piece))
    assert midi.notes == abc.notes == piece.notes
    assert midi.length == abc.length == piece.length
    assert midi.tempo == pytest.approx(tempo, abs=0.01)
    assert abc.tempo == tempo


@given(notes=NOTES, silence=TIMES)
def test_one_voice_is_the_same_after_its_tokens(notes: list[Note], silence: Fraction) -> None:
    last = max(one.end for one in notes)
    tokens = tokens_of(Piece(tuple(notes), last + silence))
    voice = melody_of(tokens)
    assert tokens_of(voice) == tokens
    assert voice.length == last + silence
    assert {one.start for one in voice.notes} == {one.start for one in notes}
    assert all(a.end <= b.start for a, b in zip(voice.notes, voice.notes[1:], strict=False))
    assert [pitch_of(name_of(one.pitch)) for one in voice.notes] == [one.pitch for one in voice.notes]


@given(frames=FRAMES, grid=GRIDS, share=st.fractions(-1, 1, max_denominator=30))
def test_a_note_a_little_late_is_in_time(frames: list[list[int]], grid: int, share: Fraction) -> None:
    """All notes moved by up to an eighth of a step, or ended earlier by as much: the frames stay."""
    piece = piece_of(roll_of(frames), grid)
    late = abs(share) / 8 / grid
    notes = tuple(
        Note(one.start + late, one.length - (late if share < 0 else 0), one.pitch) for one in piece.notes
    )
    moved_piece = Piece(notes, piece.length)
    assert np.array_equal(frames_of(moved_piece, grid)[: len(frames)], roll_of(frames))


@settings(max_examples=10)
@given(frames=st.lists(FRAMES, min_size=1, max_size=3), most=st.integers(0, 24))
def test_a_piece_in_another_key_has_every_note_moved_alike(
    frames: list[list[list[int]]], most: int
) -> None:
    xs = Music().encode(frames)
    low, high = room(xs, most)
    assert bool((low <= 0).all())
    assert bool((high >= 0).all())
    keys = drawn(low, high)
    other = moved(xs.values, keys[xs.rows])
    sounded = [
        [one + by for one in frame]
        for piece, by in zip(frames, keys.tolist(), strict=True)
        for frame in piece
    ]
    assert all(abs(by) <= most for by in keys.tolist())
    assert torch.equal(other, torch.from_numpy(roll_of(sounded)))


def test_the_keys_that_are_drawn_are_even_and_from_end_to_end() -> None:
    low, high = torch.full((4000,), -3), torch.full((4000,), 1)
    counts = torch.bincount(drawn(low, high) + 3)
    assert len(counts) == 5
    assert bool((counts > 700).all())


@given(lengths=st.lists(st.integers(0, 4), max_size=4))
def test_before_each_frame_stands_the_one_before_it(lengths: list[int]) -> None:
    xs = Ragged.of([torch.randint(0, 2, (n, 3)) for n in lengths] or [torch.zeros(0, 3)])
    for frames, read in zip(xs, preceding(xs), strict=True):
        if len(frames):
            assert read[0].tolist() == [0, 0, 0, 1]
            assert torch.equal(read[1:, :-1], frames[:-1])
            assert not read[1:, -1].any()


@given(data=st.binary(max_size=120), start=st.integers(0, 60), cut=st.integers(0, 120))
def test_damaged_midi_is_refused_or_read_and_never_crashes(data: bytes, start: int, cut: int) -> None:
    whole = write_midi(piece_of(roll_of([[60, 64], [62], [], [65]]), 1))
    for broken in (data, whole[:cut], whole[:start] + data + whole[start + len(data) :], b"MThd" + data):
        try:
            found = read_midi(broken, "tune.mid").title
        except DataError as error:
            found = str(error)
        assert "tune.mid" in found


@given(text=st.text(st.sampled_from("ABCdefgzxZ[]|:>-<^_=,'/0123()\"!{}XKL \n"), max_size=60))
def test_damaged_abc_is_refused_or_read_and_never_crashes(text: str) -> None:
    try:
        piece = read_abc("X:1\nK:C\n" + text, "tune.abc")
    except DataError as error:
        piece, told = None, str(error)
        assert "tune.abc" in told
    if piece is not None:
        assert read_abc(write_abc(piece)).length == piece.length

"""Pieces made audible: each note a sum of sines that fades, and WAV files of them."""

from __future__ import annotations

import io
import wave

import numpy as np

from elman.music.piece import Piece, frequency

RATE = 22_050
"""Samples a second: partials up to 11 kHz."""
PARTIALS = 8
ATTACK, RELEASE, FADE = 0.008, 0.12, 1.5
"""Seconds until a note is at its loudest, until it is silent once it has ended, and to fade to 37 %."""
LOUDEST = 0.9


def rendered(piece: Piece, rate: int = RATE) -> np.ndarray:
    """The piece as samples between -1 and 1: `time`, float32.

        s(t) = e(t)·Σ_n n^(-3/2)·sin(2π·n·f·t)        n = 1 … 8, n·f below half the rate

    The envelope e rises for 8 ms, fades, and falls to silence within 0.12 s of the note's end. The loudest
    sample is 0.9.

    >>> from fractions import Fraction
    >>> from elman.music.piece import Note
    >>> rendered(Piece((Note(Fraction(0), Fraction(1), 69),), tempo=60)).shape
    (24696,)
    """
    beat = 60 / piece.tempo
    samples = np.zeros(round((float(piece.length) * beat + RELEASE) * rate))
    for note in piece.notes:
        begin = round(float(note.start) * beat * rate)
        tone = _tone(frequency(note.pitch), float(note.length) * beat, rate)[: len(samples) - begin]
        samples[begin : begin + len(tone)] += tone
    loudest = np.abs(samples).max(initial=0.0)
    return (samples * (LOUDEST / loudest if loudest else 0.0)).astype(np.float32)


def _tone(hertz: float, seconds: float, rate: int) -> np.ndarray:
    times = np.arange(round((seconds + RELEASE) * rate)) / rate
    envelope = np.minimum(times / ATTACK, 1.0) * np.exp(-times / FADE)
    envelope *= np.clip((seconds + RELEASE - times) / RELEASE, 0.0, 1.0)
    numbers = [n for n in range(1, PARTIALS + 1) if n * hertz < rate / 2]
    return envelope * sum(n**-1.5 * np.sin(2 * np.pi * n * hertz * times) for n in numbers)


def write_wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """Samples between -1 and 1 as a WAV file, 16 bits, one channel.

    >>> write_wav(np.zeros(2, np.float32))[:4]
    b'RIFF'
    """
    whole = np.round(np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(whole.tobytes())
    return file.getvalue()

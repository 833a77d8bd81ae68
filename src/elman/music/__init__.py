"""A piece of music as its notes, and how it is written: MIDI, ABC, a piano roll, tokens, sound."""

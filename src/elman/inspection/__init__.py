"""Looking inside a network while it reads: traces as data, pictures of them."""

from __future__ import annotations

from elman.inspection.roll import Roll, look_at_music
from elman.inspection.surprise import surprises
from elman.inspection.trace import Foretold, Heard, Step, Trace, look, look_at_writing

__all__ = [
    "Foretold",
    "Heard",
    "Roll",
    "Step",
    "Trace",
    "look",
    "look_at_music",
    "look_at_writing",
    "surprises",
]

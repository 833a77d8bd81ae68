"""Looking inside a network while it reads: traces as data, pictures of them."""

from __future__ import annotations

from elman.inspection.trace import Foretold, Heard, Step, Trace, look, look_at_writing

__all__ = ["Foretold", "Heard", "Step", "Trace", "look", "look_at_writing"]

"""Looking inside a network while it reads: traces as data, pictures of them."""

from __future__ import annotations

from elman.inspection.trace import Foretold, Step, Trace, look, look_at_writing

__all__ = ["Foretold", "Step", "Trace", "look", "look_at_writing"]

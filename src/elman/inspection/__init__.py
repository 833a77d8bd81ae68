"""Looking inside a network while it reads: traces as data, pictures of them."""

from __future__ import annotations

from elman.inspection.trace import Step, Trace, look

__all__ = ["Step", "Trace", "look"]

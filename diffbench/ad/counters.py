"""What the in-house library counts while it works: exact, and free of noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["COUNTERS", "Counters"]


@final
@dataclass(slots=True)
class Counters:
    """Reverse sweeps, tangent directions and steps of checkpointed loops since the last reset."""

    sweeps: int = 0
    directions: int = 0
    steps: int = 0

    def reset(self) -> None:
        """Start again from zero."""
        self.sweeps = self.directions = self.steps = 0


COUNTERS = Counters()

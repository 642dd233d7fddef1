"""Where the time of a run goes: spans of the workers' clocks, by what was done in them.

Workers work side by side, so the seconds of two of them may be the same second of the run; what
is *inside* is the union of the spans in which a method was prepared or called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import final

__all__ = ["INSIDE", "Spans", "Spending"]

# A method at work: being prepared or called. Everything else is the harness.
INSIDE = ("warm-up", "prepare", "first call", "check", "calibrate", "rounds")
Span = tuple[str, float, float]  # what was done, from when to when by perf_counter


@final
class Spans:
    """A worker's record of what it did since it was last asked."""

    def __init__(self) -> None:
        self._found: list[Span] = []

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Note the time inside, however it is left."""
        start = perf_counter()
        try:
            yield
        finally:
            self._found.append((kind, start, perf_counter()))

    def taken(self) -> list[Span]:
        """All of it, once."""
        found, self._found = self._found, []
        return found


@final
@dataclass
class Spending:
    """The run's sum: seconds by kind over all workers, and those inside, each counted once."""

    seconds: dict[str, float] = field(default_factory=dict)
    inside_s: float = 0.0
    _open: list[tuple[float, float]] = field(default_factory=list)

    def add(self, spans: Iterable[Span]) -> None:
        """Take over what a worker noted."""
        for kind, start, end in spans:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + end - start
            if kind in INSIDE:
                self._open.append((start, end))

    def fold(self) -> None:
        """Count the union of what was added; to be called while no worker is at work."""
        until = 0.0
        for start, end in sorted(self._open):
            self.inside_s += max(0.0, end - max(start, until))
            until = max(until, end)
        self._open.clear()

    def facts(self, wall_s: float) -> dict[str, float]:
        """For the record of the run, in seconds: the wall's, those inside, and those of a kind."""
        return {"wall": wall_s, "inside": self.inside_s, **dict(sorted(self.seconds.items()))}

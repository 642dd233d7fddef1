"""The cells of a run: their names, their progress, and the records that they become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from diffbench.measure.intervals import Spread
from diffbench.method import Method, library_of
from diffbench.records.record import Record, Sample
from diffbench.running.plan import Block, Request, command
from diffbench.running.timing import joined, times

__all__ = ["Cell", "Context", "Key"]

Key = tuple[str, str, str]  # instance, operator, method


@final
@dataclass(frozen=True, slots=True)
class Context:
    """What all records of a run share; ``methods`` by their canonical names."""

    run: str
    machine: str
    request: Request
    methods: Mapping[str, Method]


@final
@dataclass(slots=True, eq=False)
class Cell:
    """One cell on its way: facts gathered so far, samples, and how it ended."""

    block: Block
    operator: str
    method: str
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    status: str = ""  # empty while it is under way
    reason: str = ""
    attempt: int = 0
    round_s: float = 0.0  # seconds of one round, roughly
    timed: bool = False  # all its rounds are done
    machine: str = ""  # that made it, where it is not the run's own

    @property
    def key(self) -> Key:
        """What names it in a run."""
        return (self.block.name, self.operator, self.method)

    @property
    def names(self) -> dict[str, str]:
        """The same as a worker is told."""
        return {"instance": self.block.name, "operator": self.operator, "method": self.method}

    def record(self, context: Context, spread: Spread) -> Record:
        """The flat row, with times as the samples so far give them."""
        timed = self.samples if self.status == "ok" else ()
        found = times(timed, spread, self.facts.get("empty_call_s"))
        return Record(**joined({**self._named(context), **self.facts}, found))

    def _named(self, context: Context) -> dict[str, Any]:
        method, block = context.methods[self.method], self.block
        return {
            "run": context.run,
            "machine": self.machine or context.machine,
            "generation": 1,
            "attempt": max(1, self.attempt),
            "family": block.family,
            "instance": block.name,
            "params": json.dumps(dict(block.params), sort_keys=True),
            "n": block.n,
            "m": block.m,
            "depth": block.depth,
            "seed": context.request.seed,
            "operator": self.operator,
            "expected": block.expected.get(self.operator, ""),
            "method": self.method,
            "category": method.category,
            "library": library_of(method),
            "claim": method.claim,
            "method_version": method.version,
            "status": self.status,
            "reason": self.reason,
            "command": command(context.request, block.name, self.method, self.operator),
        }

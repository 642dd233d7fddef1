"""The path that a program took: all that the pattern of its derivative was read off.

A pattern follows from the primitives of a trace, how they are wired, their parameters and shapes,
and the zeros of the constants among their operands. Where these are the same at another point, so
is the pattern; where a branch went the other way, one of them differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffbench.ad.graph import Graph, shape_of
from diffbench.ad.rules import Rule

__all__ = ["Path"]


@final
@dataclass(frozen=True, slots=True)
class Path:
    """What a trace must repeat for a pattern to hold; ``truths`` as in ad.pattern."""

    rules: list[Rule | None]
    operands: list[tuple[int, ...]]
    params: list[tuple[Any, ...]]
    shapes: list[tuple[int, ...]]
    output: int | None
    truths: dict[int, Any]

    @staticmethod
    def of(graph: Graph, truths: dict[int, Any]) -> Path:
        """The path of a trace, without its values."""
        shapes = [shape_of(value) for value in graph.values]
        return Path(graph.rules, graph.operands, graph.params, shapes, graph.output, truths)

    def left_by(self, graph: Graph) -> str:
        """Where another trace leaves this path, in words; empty where it follows it."""
        if graph.rules != self.rules:
            return self._first_other_rule(graph)
        if graph.operands != self.operands or graph.output != self.output:
            return "the same operations are wired differently"
        for i, (value, shape) in enumerate(zip(graph.values, self.shapes, strict=True)):
            if shape_of(value) != shape:
                return f"v_{i} has shape {shape_of(value)}, it had {shape}"
        for i, (params, known) in enumerate(zip(graph.params, self.params, strict=True)):
            if not _same(params, known):
                return f"v_{i} takes other parameters (an index that depends on values)"
        for j, truth in self.truths.items():
            if not np.array_equal(np.asarray(graph.constants[j]) != 0, truth):
                return "a constant has its zeros elsewhere"
        return ""

    def _first_other_rule(self, graph: Graph) -> str:
        names = ([rule.name if rule else "input" for rule in g.rules] for g in (graph, self))
        for i, (name, known) in enumerate(zip(*names, strict=False)):
            if name != known:
                return f"v_{i} is now {name!r}, it was {known!r}"
        return f"it takes {len(graph.rules) - 1} operations, it took {len(self.rules) - 1}"


def _same(a: Any, b: Any) -> bool:
    """Whether two parameters are equal: numbers, slices, index arrays, and tuples of them."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)

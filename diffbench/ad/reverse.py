"""Reverse mode: record the evaluation trace, then sweep the adjoints back along it.

Adjoint of the output w, of an operand the sum over its uses of (partial times adjoint). One
sweep gives the adjoints of all inputs; cost a small multiple of f whatever n is. Source:
A. Griewank and A. Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from diffbench.ad.counters import COUNTERS
from diffbench.ad.errors import ADError
from diffbench.ad.graph import Backend, Graph, Traced, opened, shape_of
from diffbench.ad.namespace import FLOATS
from diffbench.ad.rules import RULES

__all__ = ["pull", "record", "sweep"]

_INDEX = RULES["index"]


def record(
    f: Callable[..., Any], x: Any, constants: tuple[Any, ...], backend: Backend, level: int
) -> tuple[Graph, Any]:
    """The evaluation trace of ``f(x)`` at a level that is open, and its value."""
    graph = Graph(level, backend)
    y = f(graph.input(x), backend.traced, *constants)
    if type(y) is Traced and y.trace is graph:
        graph.output = y.node
        return graph, y.value
    if isinstance(y, list | tuple | dict) or y is None:
        raise ADError(f"f must return one array, it returned {type(y).__name__}; use xp.stack")
    return graph, y


def sweep(graph: Graph, seed: Any) -> Any:
    """The adjoint of the input for the adjoint ``seed`` of the output: one sweep back."""
    COUNTERS.sweeps += 1
    backend = graph.backend
    in_place = not graph.nested and backend is FLOATS
    xp = backend.traced if graph.nested else backend.plain
    if graph.output is None:
        return np.zeros(shape_of(graph.values[0]))
    adjoints: list[Any] = [None] * len(graph)
    ours: set[int] = set()  # adjoints that this sweep allocated, so that it may add in place
    adjoints[graph.output] = seed
    rules, operands, params, values = graph.rules, graph.operands, graph.params, graph.values
    for i in range(graph.output, 0, -1):
        g = adjoints[i]
        rule = rules[i]
        if g is None or rule is None:
            continue
        adjoints[i] = None
        args = graph.arguments(i)
        for place, j in enumerate(operands[i]):
            if j < 0:
                continue
            if in_place and rule is _INDEX:
                _scatter(adjoints, ours, j, g, params[i][0], values[j])
                continue
            part = rule.kind.pull(xp, rule, place, g, values[i], args, params[i])
            if part is not None:
                _accumulate(adjoints, ours if in_place else None, j, part)
    out = adjoints[0]
    return np.zeros(shape_of(values[0])) if out is None else out


def _accumulate(adjoints: list[Any], ours: set[int] | None, j: int, part: Any) -> None:
    """Add to the adjoint of node j; in place where the array is our own."""
    have = adjoints[j]
    if have is None:
        adjoints[j] = part
    elif ours is not None and j in ours:
        have += part
    else:
        adjoints[j] = total = have + part
        if ours is not None and isinstance(total, np.ndarray):
            ours.add(j)


def _scatter(
    adjoints: list[Any], ours: set[int], j: int, g: Any, key: tuple[Any, ...], value: Any
) -> None:
    """Add an adjoint of a part straight into the adjoint of the whole."""
    if j not in ours:
        have = adjoints[j]
        adjoints[j] = np.zeros(value.shape) if have is None else np.array(have, dtype=float)
        ours.add(j)
    if any(isinstance(k, np.ndarray | list) for k in key):
        np.add.at(adjoints[j], key, g)
    else:
        adjoints[j][key] += g


def pull(
    f: Callable[..., Any],
    x: Any,
    constants: tuple[Any, ...],
    backend: Backend = FLOATS,
    seeds: Callable[[Any], list[Any]] | None = None,
) -> tuple[Any, list[Any]]:
    """``f(x)`` and one input adjoint a seed of ``seeds(y)``: one recording, a sweep a seed."""
    with opened() as level:
        graph, y = record(f, x, constants, backend, level)
        return y, [sweep(graph, w) for w in (seeds(y) if seeds else [1.0])]

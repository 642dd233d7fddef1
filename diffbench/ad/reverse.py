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
from diffbench.ad.guarded import GUARDED, finite
from diffbench.ad.kernels import advanced
from diffbench.ad.namespace import FLOATS
from diffbench.ad.rules import ELEMENTWISE, RULES, Rule

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
    """The adjoint of the input for the adjoint ``seed`` of the output: one sweep back.

    Where it is not finite, a second sweep with guarded rules tells what is so and what came of a
    zero times infinity.
    """
    out = _swept(graph, seed, graph.rules)
    if finite(graph.kernels, out):
        return out
    return _swept(graph, seed, [rule and GUARDED[rule.name] for rule in graph.rules])


def _swept(graph: Graph, seed: Any, rules: list[Rule | None]) -> Any:
    """One sweep.

    An adjoint may be kept in a smaller shape that broadcasts to that of its node (the adjoint of
    a sum is one number), and is brought to full shape only where a rule needs it.
    """
    COUNTERS.sweeps += 1
    backend = graph.backend
    in_place = not graph.nested and backend is FLOATS
    xp = backend.traced if graph.nested else backend.plain
    shape = shape_of(graph.values[0])
    if graph.output is None:
        return np.zeros(shape)
    adjoints: list[Any] = [None] * len(graph)
    ours: set[int] = set()  # adjoints that this sweep allocated, so that it may add in place
    adjoints[graph.output] = seed
    operands, params, values = graph.operands, graph.params, graph.values
    for i in range(graph.output, 0, -1):
        g = adjoints[i]
        rule = rules[i]
        if g is None or rule is None:
            continue
        adjoints[i] = None
        y = values[i]
        args = graph.arguments(i)
        full = shape_of(y)
        smaller = shape_of(g) != full
        for place, j in enumerate(operands[i]):
            if j < 0:
                continue
            if smaller and (rule.kind is not ELEMENTWISE or shape_of(args[place]) != full):
                g, smaller = xp.broadcast_to(g, full), False
            if in_place and rule is _INDEX:
                _scatter(adjoints, ours, j, g, params[i][0], args[0])
                continue
            part = rule.kind.pull(xp, rule, place, g, y, args, params[i])
            if part is not None:
                _accumulate(adjoints, ours if in_place else None, j, part)
    out = adjoints[0]
    if out is None:
        return np.zeros(shape)
    return out if shape_of(out) == shape else xp.broadcast_to(out, shape)


def _accumulate(adjoints: list[Any], ours: set[int] | None, j: int, part: Any) -> None:
    """Add to the adjoint of node j; in place where the array is our own and large enough."""
    have = adjoints[j]
    if have is None:
        adjoints[j] = part
    elif ours is not None and j in ours and have.shape == shape_of(part):
        have += part
    else:
        adjoints[j] = total = have + part
        if ours is not None and isinstance(total, np.ndarray):
            ours.add(j)


def _scatter(
    adjoints: list[Any], ours: set[int], j: int, g: Any, key: tuple[Any, ...], value: Any
) -> None:
    """Add an adjoint of a part straight into the adjoint of the whole."""
    have = adjoints[j]
    if j not in ours or have.shape != value.shape:
        adjoints[j] = np.zeros(value.shape)
        if have is not None:
            adjoints[j] += have
        ours.add(j)
    if advanced(key):
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
        return y, [sweep(graph, backend.numbers(w)) for w in (seeds(y) if seeds else [1.0])]

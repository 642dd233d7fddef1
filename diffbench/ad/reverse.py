"""Reverse mode: record the evaluation trace, then sweep the adjoints back along it.

Adjoint of the output w, of an operand the sum over its uses of (partial times adjoint). One
sweep gives the adjoints of all inputs; cost a small multiple of f whatever n is. Source:
A. Griewank and A. Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from diffbench.ad.adjoints import swept
from diffbench.ad.counters import COUNTERS
from diffbench.ad.errors import ADError
from diffbench.ad.forward import CHUNK_BYTES, ForwardTrace
from diffbench.ad.graph import Backend, Graph, Traced, opened, shape_of
from diffbench.ad.guarded import finite, guarded
from diffbench.ad.kinds import widened
from diffbench.ad.namespace import BARE, FLOATS

__all__ = ["adjoints_of", "pull", "record", "rows", "sweep"]

FEW = 3  # rows: up to so many, a sweep each is faster than one sweep with directions


def record(
    f: Callable[..., Any],
    x: Any,
    constants: tuple[Any, ...],
    backend: Backend,
    level: int,
    checkpoints: bool = False,
) -> tuple[Graph, Any]:
    """The evaluation trace of ``f(x)`` at a level that is open, and its value.

    It shows every operation; with ``checkpoints`` a checkpointed loop is a single node of it.
    """
    graph = Graph(level, backend)
    graph.checkpoints = checkpoints
    graph.given = (x, *constants)
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
    shape = shape_of(graph.values[0])
    (out,) = adjoints_of(graph, seed, [None])
    if out is None:
        return np.zeros(shape)
    return out if shape_of(out) == shape else graph.inner.broadcast_to(out, shape)


def adjoints_of(graph: Graph, seed: Any, inputs: list[Any]) -> list[Any]:
    """The adjoints of the first nodes, the inputs, added to those in ``inputs``; None is zero.

    Where they are not finite, a second sweep with guarded rules tells what is so and what came of
    a zero times infinity. On floats the first runs without any mask: what a mask would have kept
    zero is then infinite or NaN, and since a sweep only scales adjoints, adds them and chooses
    among them, it stays so down to the inputs wherever it matters.
    """
    rules, owned = graph.rules, None
    if type(seed) is Traced and not graph.nested:
        return swept(graph, rules, seed.trace.xp, seed, inputs, bytearray(len(graph)))
    bare = xp = graph.inner
    if not graph.nested and graph.backend is FLOATS:
        bare, xp, owned = BARE.plain, FLOATS.plain, bytearray(len(graph))
        if type(seed) is float:
            seed = np.float64(seed)  # numpy divides it by zero without complaint
    out = swept(graph, rules, bare, seed, inputs, owned)
    if all(a is None or finite(graph.kernels, a) for a in out):
        return out
    COUNTERS.sweeps += 1
    fresh = None if owned is None else bytearray(len(graph))
    return swept(graph, guarded(rules), xp, seed, inputs, fresh)


def rows(graph: Graph, seeds: Any) -> Any:
    """The adjoints of the input for k adjoints of the output, ``(k, *shape of x)``.

    A sweep is linear in its seed: forward mode carries k directions of it through one sweep, in
    chunks of which one array of the largest node's size fits CHUNK_BYTES. Counted as k sweeps.
    """
    if graph.nested or graph.backend is not FLOATS or len(seeds) <= FEW:
        parts = [sweep(graph, w) for w in seeds]
        return graph.xp.stack(parts) if graph.nested else np.array(parts)
    largest = max([math.prod(shape_of(v)) for v in graph.values])
    size = max(1, CHUNK_BYTES // (8 * largest))
    if size < len(seeds):
        chunks = [rows(graph, seeds[i : i + size]) for i in range(0, len(seeds), size)]
        return np.concatenate(chunks)
    seed = Traced(ForwardTrace(0, BARE), seeds[0], seeds)
    (out,) = adjoints_of(graph, seed, [None])
    shape = (len(seeds), *shape_of(graph.values[0]))
    if out is not None and not finite(graph.kernels, out.node):  # it may be a mask that is missing
        return np.stack([sweep(graph, w) for w in seeds])
    COUNTERS.sweeps += len(seeds)
    if out is None:
        return np.zeros(shape)
    tangents = widened(BARE.plain, out.node, len(shape) - 1)
    return tangents if tangents.shape == shape else BARE.plain.broadcast_to(tangents, shape)


def pull(
    f: Callable[..., Any],
    x: Any,
    constants: tuple[Any, ...],
    backend: Backend = FLOATS,
    seeds: Callable[[Any], list[Any]] | None = None,
) -> tuple[Any, list[Any]]:
    """``f(x)`` and one input adjoint a seed of ``seeds(y)``: one recording, a sweep a seed."""
    with opened() as level:
        graph, y = record(f, x, constants, backend, level, checkpoints=True)
        return y, [sweep(graph, backend.numbers(w)) for w in (seeds(y) if seeds else [1.0])]

"""Forward mode: tangents travel with the values, k directions in one sweep.

Every traced array carries its value and a tangent of shape ``(k, *shape)``. Cost: one evaluation
of f and k times the tangent work; nothing is stored beyond what the program itself holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffbench.ad.counters import COUNTERS
from diffbench.ad.graph import Backend, Traced, apply, opened, rewritten, shape_of
from diffbench.ad.guarded import GUARDED, finite
from diffbench.ad.namespace import FLOATS
from diffbench.ad.origins import NOTES
from diffbench.ad.rules import RULES, Rule

__all__ = ["ForwardTrace", "chunked", "push"]

CHUNK_BYTES = 64 * 2**20


@final
class ForwardTrace:
    """One level of forward mode; ``node`` of its traced arrays is the tangent."""

    def __init__(self, level: int, backend: Backend, guarded: bool = False) -> None:
        self.level = level
        self.rules = GUARDED if guarded else RULES
        self.rewrites = backend.rewrites
        self.kernels = backend.kernels
        self.nested = level > 0
        self.xp = backend.traced
        self.inner = backend.traced if self.nested else backend.plain

    def record(self, rule: Rule, args: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
        """The value of a primitive together with its tangent."""
        values: list[Any] = []
        tangents: list[Any] = []
        for a in args:
            if type(a) is Traced:
                if a.trace is self:
                    values.append(a.value)
                    tangents.append(a.node)
                    continue
                if a.trace.level > self.level:
                    return a.trace.record(rule, args, params)
            values.append(a)
            tangents.append(None)
        if rule.name in self.rewrites:
            better = rewritten(rule, args, params)
            if better is not None:
                return self.record(*better)
        if self.nested:
            y = apply(rule, tuple(values), params, self.kernels)
        else:
            y = self.kernels[rule.name](*values, *params)
        rule = self.rules[rule.name]
        tangent = rule.kind.push(self.inner, rule, tangents, y, values, params)
        if tangent is None:
            return y
        out = Traced(self, y, tangent)
        if rule.name in NOTES:
            out.origin = NOTES[rule.name](args, params)
        return out

    def guard(self, condition: Traced, outcome: bool) -> None:
        """Forward mode follows the branch that the values take."""


def push(
    f: Callable[..., Any],
    x: Any,
    directions: Any,
    constants: tuple[Any, ...],
    backend: Backend = FLOATS,
) -> tuple[Any, Any]:
    """``f(x)`` and its tangents ``(k, *shape of y)`` along k directions of shape ``(k, n)``.

    Where they are not finite, a second sweep with guarded rules tells what is so and what came
    of a zero times infinity.
    """
    y, tangents = _pushed(f, x, directions, constants, backend, guarded=False)
    if finite(backend.kernels, tangents):
        return y, tangents
    return _pushed(f, x, directions, constants, backend, guarded=True)


def _pushed(
    f: Callable[..., Any],
    x: Any,
    directions: Any,
    constants: tuple[Any, ...],
    backend: Backend,
    guarded: bool,
) -> tuple[Any, Any]:
    COUNTERS.directions += shape_of(directions)[0]
    with opened() as level:
        trace = ForwardTrace(level, backend, guarded)
        y = f(Traced(trace, x, directions), backend.traced, *constants)
        if type(y) is Traced and y.trace is trace:
            return y.value, y.node
    zeros = np.zeros((shape_of(directions)[0], *shape_of(y)))
    return y, zeros


def chunked(
    f: Callable[..., Any], x: Any, constants: tuple[Any, ...], backend: Backend = FLOATS
) -> tuple[Any, Any]:
    """``f(x)`` and its tangents along all n unit directions, ``(n, *shape of y)``, in chunks.

    A chunk holds so many directions that one tangent array of the size of x fits CHUNK_BYTES.
    """
    n = shape_of(x)[0]
    size = max(1, min(n, CHUNK_BYTES // (8 * n)))
    y, parts = None, []
    for start in range(0, n, size):
        seeds = backend.numbers(np.eye(min(size, n - start), n, start))
        y, tangents = push(f, x, seeds, constants, backend)
        parts.append(tangents)
    return y, parts[0] if len(parts) == 1 else backend.traced.concat(parts, axis=0)

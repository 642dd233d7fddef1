"""The loop of reverse mode: adjoints from the output of a trace back to its inputs.

Written so that an operation costs little more than its partials: nodes of one or two operands,
which most are, take the short way through :func:`swept`; all others go by the kind of their rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffbench.ad.graph import Graph, Traced, shape_of
from diffbench.ad.kernels import advanced
from diffbench.ad.kinds import Concatenation
from diffbench.ad.rules import ELEMENTWISE, RULES

__all__ = ["swept"]

Owned = bytearray | None  # which adjoints a sweep allocated; None where it writes nothing in place
_INDEX = RULES["index"]


def swept(
    graph: Graph, rules: list[Any], xp: Any, seed: Any, inputs: list[Any], owned: Owned
) -> list[Any]:
    """The adjoints of the first nodes, the inputs, added to those in ``inputs``; None is zero.

    ``rules`` are the graph's, or others of the same primitives. An adjoint may be kept in a
    smaller shape that broadcasts to that of its node (the adjoint of a sum is one number).
    """
    operands, output = graph.operands, graph.output
    if output is None:
        return inputs
    values = [*graph.values, *reversed(graph.constants)]  # operand j is values[j], j < 0 too
    adjoints: list[Any] = [*inputs, *[None] * (len(graph) - len(inputs))]
    _add(adjoints, owned, output, seed)
    for i in range(output, len(inputs) - 1, -1):
        g = adjoints[i]
        if g is None:
            continue
        adjoints[i] = None
        rule, y, js = rules[i], values[i], operands[i]
        if rule.kind is not ELEMENTWISE or len(js) > 2:
            _pull(graph, rule, xp, i, g, adjoints, owned)
        elif len(js) == 1:
            (j,) = js
            part = rule.partials[0](xp, g, y, values[j])
            if rule.singular:
                part = xp.masked(g, part)
            if adjoints[j] is None:
                adjoints[j] = part
            else:
                _add(adjoints, owned, j, part, part is not g)
        else:
            a, b, partials = values[js[0]], values[js[1]], rule.partials
            full = None if type(y) is np.float64 else shape_of(y)  # None: numbers do not broadcast
            for place in (0, 1):
                j = js[place]
                if j < 0 or partials[place] is None:
                    continue
                if full is None or shape_of(values[j]) == full:
                    part = partials[place](xp, g, y, a, b)
                    if rule.singular:
                        part = xp.masked(g, part)
                else:
                    part = rule.kind.pull(xp, rule, place, _full(xp, g, full), y, [a, b], ())
                if adjoints[j] is None:
                    adjoints[j] = part
                else:
                    _add(adjoints, owned, j, part, part is not g)
    return adjoints[: len(inputs)]


def _pull(
    graph: Graph, rule: Any, xp: Any, i: int, g: Any, adjoints: list[Any], owned: Owned
) -> None:
    """Give each operand of node i its part of the adjoint ``g``, by the kind of the rule."""
    operands, params, y = graph.operands[i], graph.params[i], graph.values[i]
    full = shape_of(y)
    if rule is _INDEX and owned is not None and not (type(g) is Traced and advanced(params[0])):
        if type(g) is Traced:  # numpy itself broadcasts a plain one
            g = _full(xp, g, full)
        return _scatter(adjoints, owned, operands[0], g, params[0], graph.values[operands[0]])
    args = graph.arguments(i)
    if isinstance(rule.kind, Concatenation):
        for j, part in rule.kind.cuts(_full(xp, g, full), operands, args, *params):
            _add(adjoints, owned, j, part)
        return None
    for place, j in enumerate(operands):
        if j >= 0:
            if rule.kind is not ELEMENTWISE or shape_of(args[place]) != full:
                g = _full(xp, g, full)
            part = rule.kind.pull(xp, rule, place, g, y, args, params)
            if part is not None:
                _add(adjoints, owned, j, part)
    return None


def _full(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    return g if shape_of(g) == shape else xp.broadcast_to(g, shape)


# --- accumulation ---------------------------------------------------------------------------------


def _add(adjoints: list[Any], owned: Owned, j: int, part: Any, fresh: bool = False) -> None:
    """Add to the adjoint of node j, in place where one of the two arrays is nobody else's."""
    have = adjoints[j]
    if have is None:
        adjoints[j] = part
    elif owned is None or shape_of(have) == () or shape_of(have) != shape_of(part):
        adjoints[j] = total = have + part
        if owned is not None:
            owned[j] = shape_of(total) != ()
    elif owned[j]:
        _increase(have, part)
    elif fresh:
        _increase(part, have)
        adjoints[j] = part
        owned[j] = True
    else:
        adjoints[j] = have + part
        owned[j] = True


def _scatter(
    adjoints: list[Any], owned: bytearray, j: int, g: Any, key: tuple[Any, ...], value: Any
) -> None:
    """Add an adjoint of a part straight into the adjoint of the whole."""
    have = adjoints[j]
    if not owned[j] or have.shape != value.shape:
        adjoints[j] = _zeros(g, value.shape)
        if have is not None:
            adjoints[j] = have + adjoints[j]
        owned[j] = True
    whole = adjoints[j]
    if type(g) is Traced:
        whole, g, key = whole.node, g.node, (slice(None), *key)
    if advanced(key):
        np.add.at(whole, key, g)
    else:
        whole[key] += g


# An adjoint that carries directions (reverse.rows) is a traced array of forward mode. Only its
# tangents, (k, *shape), are written in place: nothing depends on its value.


def _increase(a: Any, b: Any) -> None:
    if type(a) is Traced:
        a.node += b.node
    else:
        a += b


def _zeros(g: Any, shape: tuple[int, ...]) -> Any:
    zeros = np.zeros(shape)
    return Traced(g.trace, zeros, np.zeros((len(g.node), *shape))) if type(g) is Traced else zeros

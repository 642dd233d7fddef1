"""Derivatives in which one contribution is forgotten, as a person forgets it.

The chain rule sums a contribution over every use of every intermediate value. The program is
traced, one use of one value is made a constant (of the value it has), and what is left is
differentiated: every partial of the rule table is right, and one contribution is missing. For
second order the program is the gradient's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.ad.graph import Graph, apply, shape_of
from diffbench.ad.kinds import Bilinear
from diffbench.ad.operators import gradient_of
from diffbench.ad.rules import ELEMENTWISE
from diffbench.operators import OPERATORS
from diffbench.problem import Instance

__all__ = ["accumulations", "chain_terms"]

Array = NDArray[np.float64]
Use = tuple[int, int]  # (node, place among its operands)


def chain_terms(instance: Instance, operator: str, rng: np.random.Generator) -> Iterator[Array]:
    """Answers without one term of a chain rule's sum: one use of one entry of one value.

    In the random order of ``rng``; an answer may be unchanged, where what was left out is 0.
    """
    graph = _traced(instance, operator)
    for node, place in _shuffled(list(_uses(graph)), rng):
        shape = shape_of(graph.values[graph.operands[node][place]])
        left_out = np.zeros(shape, dtype=np.bool_)
        left_out.reshape(-1)[rng.integers(left_out.size)] = True
        yield _answer(instance, operator, _without(graph, node, place, left_out))


def accumulations(instance: Instance, operator: str, rng: np.random.Generator) -> Iterator[Array]:
    """Answers where one adjoint was overwritten instead of increased: ``=`` for ``+=``.

    Of a value with several uses one is lost, and of a use that reaches several outputs (a
    product with a matrix, a broadcast) all outputs but the last. In the random order of ``rng``.
    """
    graph = _traced(instance, operator)
    uses = list(_uses(graph))
    times = [graph.operands[node][place] for node, place in uses]
    shared = [use for use, j in zip(uses, times, strict=True) if times.count(j) > 1]
    for node, place in _shuffled(shared, rng):
        yield _answer(instance, operator, _without(graph, node, place, np.True_))
    for node, place in _shuffled([use for use in uses if _spreads(graph, *use)], rng):
        yield _answer(instance, operator, _last_only(graph, node, place))


def _traced(instance: Instance, operator: str) -> Graph:
    """The trace of f, or of its gradient where the operator is of second order."""
    f = gradient_of(instance.f) if OPERATORS[operator].order > 1 else instance.f
    return ad.trace(f, instance.x, *instance.constants)


def _uses(graph: Graph) -> Iterator[Use]:
    """Where a real value that depends on x goes into one that the output needs."""
    for node, used in enumerate(graph.needed()):
        for place, j in enumerate(graph.operands[node]):
            if used and j >= 0 and np.asarray(graph.values[j]).dtype == np.float64:
                yield node, place


def _shuffled(uses: list[Use], rng: np.random.Generator) -> list[Use]:
    return [uses[i] for i in rng.permutation(len(uses))]


def _spreads(graph: Graph, node: int, place: int) -> bool:
    """Whether an entry of this operand reaches several entries of the node's value."""
    rule, y = graph.rules[node], shape_of(graph.values[node])
    if rule is None or math.prod(y) < 2:
        return False
    broadcast = shape_of(graph.value(graph.operands[node][place])) != y
    return isinstance(rule.kind, Bilinear) or (rule.kind is ELEMENTWISE and broadcast)


def _without(graph: Graph, at: int, place: int, left_out: Any) -> Callable[..., Any]:
    """The program with this operand of node ``at`` held constant where ``left_out``."""

    def held(xp: Any, rule: Any, args: list[Any], i: int) -> Any:
        args[place] = xp.where(left_out, graph.value(graph.operands[i][place]), args[place])
        return apply(rule, tuple(args), graph.params[i], graph.kernels)

    return _replayed(graph, at, held)


def _last_only(graph: Graph, at: int, place: int) -> Callable[..., Any]:
    """The program in which this operand reaches but the last entry of node ``at``."""
    last = np.zeros(shape_of(graph.values[at]), dtype=np.bool_)
    last.reshape(-1)[-1] = True

    def cut(xp: Any, rule: Any, args: list[Any], i: int) -> Any:
        y = apply(rule, tuple(args), graph.params[i], graph.kernels)
        args[place] = graph.value(graph.operands[i][place])
        return xp.where(last, y, apply(rule, tuple(args), graph.params[i], graph.kernels))

    return _replayed(graph, at, cut)


def _replayed(graph: Graph, at: int, changed: Callable[..., Any]) -> Callable[..., Any]:
    """The recorded operations as a function again, that of node ``at`` as ``changed`` makes it."""

    def program(x: Any, xp: Any) -> Any:
        values: list[Any] = [x]
        for i in range(1, len(graph)):
            args = [values[j] if j >= 0 else graph.constants[~j] for j in graph.operands[i]]
            if i == at:
                values.append(changed(xp, graph.rules[i], args, i))
            else:
                values.append(apply(graph.rules[i], tuple(args), graph.params[i], graph.kernels))  # type: ignore[arg-type]  # only node 0 has no rule
        return values[graph.output] if graph.output is not None else 0.0 * xp.sum(x)

    return program


def _answer(instance: Instance, operator: str, program: Callable[..., Any]) -> Array:
    """The operator's answer from all first derivatives of the program."""
    lines = np.asarray(ad.jacobian(program)(instance.x))
    shape = OPERATORS[operator].shape(instance.n, instance.y_shape)
    seed = OPERATORS[operator].seed
    if seed == "v":
        lines = lines @ instance.v
    elif seed == "w":
        lines = instance.w.reshape(-1) @ lines
    return lines.reshape(shape)

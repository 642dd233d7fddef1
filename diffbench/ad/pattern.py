"""Which inputs every number of a program depends on, read off its evaluation trace.

A node of shape s has a pattern: a boolean CSR matrix with a row for each of its entries, in C
order, and a column for each input; None stands for "depends on no input". Patterns travel along
the trace by kind of primitive, in whole arrays, and hold for every point that takes the same
path: the value of an entry that depends on x never drops anything, the zeros of a constant do.
Source: Griewank and Walther, Evaluating Derivatives, 2008, section 7.1 (index domains).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np

from diffbench.ad.graph import Graph, shape_of
from diffbench.ad.kinds import (
    Bilinear,
    Concatenation,
    Elementwise,
    Factor,
    Fixed,
    Inverse,
    Reduction,
    Solve,
    Structural,
)
from diffbench.ad.rowsets import fits, flat, kept, merged, reduced, spread, taken, union
from diffbench.ad.rules import Rule

__all__ = ["Truths", "last_uses", "propagated"]

Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Truths:
    """The zeros of constants that a pattern was built on: constant number -> where it is not 0."""

    graph: Graph
    seen: dict[int, Any] = field(default_factory=dict)

    def of(self, j: int) -> Any:
        """Where operand j is not 0, or None where it depends on x or is nowhere 0."""
        if j >= 0:
            return None
        truth = np.asarray(self.graph.constants[~j]) != 0
        if truth.all():
            return None
        self.seen[~j] = truth
        return truth

    def choice(self, j: int) -> Any:
        """The same of a condition, whose every entry matters; None where it depends on x."""
        if j >= 0:
            return None
        truth = self.seen[~j] = np.asarray(self.graph.constants[~j]) != 0
        return truth


class Node(NamedTuple):
    """What a handler sees of one node: its patterns stand beside the shapes of its operands."""

    rule: Rule
    params: tuple[Any, ...]
    shape: Shape
    patterns: list[Any]
    shapes: list[Shape]
    operands: tuple[int, ...]
    truths: Truths

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


def propagated(graph: Graph, truths: Truths) -> Any:
    """The pattern of the output of a trace, one row an entry; None where it has none.

    Raises TooDense where one of the patterns would not fit in memory.
    """
    from scipy import sparse

    (n,) = shape_of(graph.values[0])
    found: list[Any] = [None] * len(graph)
    found[0] = sparse.eye_array(n, dtype=np.bool_, format="csr")
    needed, last = graph.needed(), last_uses(graph)
    for i in range(1, len(graph)):
        rule = graph.rules[i]
        if rule is None or not needed[i]:
            continue
        operands = graph.operands[i]
        patterns = [found[j] if j >= 0 else None for j in operands]
        if any(p is not None for p in patterns):
            shapes = [shape_of(a) for a in graph.arguments(i)]
            shape = shape_of(graph.values[i])
            node = Node(rule, graph.params[i], shape, patterns, shapes, operands, truths)
            found[i] = HANDLERS.get(type(rule.kind), _everything)(node)
        for j in last[i]:
            found[j] = None
    return None if graph.output is None else found[graph.output]


def last_uses(graph: Graph) -> list[list[int]]:
    """For each node the operands that no later node needs."""
    dead: list[list[int]] = [[] for _ in range(len(graph))]
    known = {graph.output}
    needed = graph.needed()
    for i in range(len(graph) - 1, 0, -1):
        for j in graph.operands[i] if needed[i] else ():
            if j >= 0 and j not in known:
                known.add(j)
                dead[i].append(j)
    return dead


# --- the kinds ------------------------------------------------------------------------------------


def _elementwise(node: Node) -> Any:
    passes = PASSES.get(node.rule.name)
    parts = []
    for place, p in enumerate(node.patterns):
        if p is None or node.rule.partials[place] is None:
            continue
        keep = passes(node, place) if passes else None
        if keep is not None:
            keep = np.broadcast_to(keep, node.shape).reshape(-1)
        parts.append(kept(spread(p, node.shapes[place], node.shape), keep))
    return union(parts)


def _chosen(node: Node, place: int) -> Any:
    truth = node.truths.choice(node.operands[0])
    return truth if truth is None or place == 1 else ~truth


PASSES: dict[str, Callable[[Node, int], Any]] = {
    # elementwise rows by which a constant can stop a dependence: where operand ``place`` passes
    "multiply": lambda node, place: node.truths.of(node.operands[1 - place]),
    "where": _chosen,
}


def _nothing(node: Node) -> Any:
    return None


def _reduction(node: Node) -> Any:
    (axes,) = node.params
    return reduced(node.patterns[0], node.shapes[0], axes)


def _structural(node: Node) -> Any:
    return MOVES.get(node.rule.name, _everything)(node)


def _moved(node: Node) -> Any:
    """Rows move as entries do: the primitive itself, on the numbers of the entries, tells where."""
    moved = node.rule.numpy(flat(node.shapes[0]), *node.params)
    return taken(node.patterns[0], np.asarray(moved).reshape(-1))


def _scattered(node: Node) -> Any:
    key, shape = node.params
    targets = np.asarray(flat(shape)[key]).reshape(-1)
    return merged(node.patterns[0], targets, np.arange(targets.size), math.prod(shape))


def _accumulated(node: Node) -> Any:
    """Entry i of a running sum holds the rows of entries 0 to i along the axis."""
    (axis,) = node.params
    length = node.shape[axis]
    fits(2.0 * node.size * length)  # the numbers below weigh more than the pattern
    lines = np.moveaxis(flat(node.shape), axis, -1).reshape(-1, length)
    upto, before = np.tril_indices(length)
    targets, sources = lines[:, upto].reshape(-1), lines[:, before].reshape(-1)
    return merged(node.patterns[0], targets, sources, node.size)


MOVES: dict[str, Callable[[Node], Any]] = {
    "reshape": lambda node: node.patterns[0],
    **dict.fromkeys(("broadcast_to", "permute_dims", "flip", "roll", "index"), _moved),
    "scatter": _scattered,
    "cumulative_sum": _accumulated,
}


def _concatenated(node: Node) -> Any:
    from scipy import sparse

    (axis,) = node.params
    n = next(p.shape[1] for p in node.patterns if p is not None)
    sizes = [math.prod(s) for s in node.shapes]
    starts = np.cumsum([0, *sizes[:-1]], dtype=np.int32)
    blocks = [
        sparse.csr_array((size, n), dtype=np.bool_) if p is None else p
        for p, size in zip(node.patterns, sizes, strict=True)
    ]
    numbers = [flat(s) + start for s, start in zip(node.shapes, starts, strict=True)]
    joined = sparse.vstack(blocks, format="csr", dtype=np.bool_)
    return joined if axis == 0 else taken(joined, np.concatenate(numbers, axis).reshape(-1))


def _contracted(node: Node) -> Any:
    """Every product of a sum hands on both factors, but not beside a constant that is 0."""
    left, right, out = node.params
    letters = left + "".join(c for c in right if c not in left)
    sizes = dict(zip(left + right, node.shapes[0] + node.shapes[1], strict=True))
    space = tuple(sizes[c] for c in letters)
    fits(4.0 * math.prod(space))  # the numbers below weigh more than the pattern
    targets = _over(letters, out, flat(tuple(sizes[c] for c in out)))
    parts = []
    for place, mine, other in ((0, left, right), (1, right, left)):
        p = node.patterns[place]
        if p is None:
            continue
        sources = _over(letters, mine, flat(node.shapes[place]))
        truth = node.truths.of(node.operands[1 - place])
        used = np.broadcast_to(True if truth is None else _over(letters, other, truth), space)
        ours, theirs = (np.broadcast_to(a, space)[used] for a in (targets, sources))
        parts.append(merged(p, ours, theirs, node.size))
    return union(parts)


def _over(letters: str, mine: str, a: Any) -> Any:
    """An array whose axes are called ``mine``, as one over all ``letters`` that broadcasts."""
    ordered = np.transpose(a, [mine.index(c) for c in letters if c in mine])
    return ordered[tuple(slice(None) if c in mine else None for c in letters)]


def _solved(node: Node) -> Any:
    """A^-1 b: every entry holds the whole column of b, and all of A."""
    a, b = node.patterns
    parts = []
    if a is not None:
        parts.append(spread(reduced(a, node.shapes[0], (0, 1)), (1,) * len(node.shape), node.shape))
    if b is not None:
        one_row = (1, *node.shape[1:])
        parts.append(spread(reduced(b, node.shapes[1], (0,)), one_row, node.shape))
    return union(parts)


def _everything(node: Node) -> Any:
    """Where nothing better is known: every entry depends on all that the operands depend on."""
    rows = [
        reduced(p, s, tuple(range(len(s))))
        for p, s in zip(node.patterns, node.shapes, strict=True)
        if p is not None
    ]
    return spread(union(rows), (1,) * len(node.shape), node.shape)


HANDLERS: dict[type, Callable[[Node], Any]] = {
    Elementwise: _elementwise,
    Fixed: _nothing,
    Reduction: _reduction,
    Structural: _structural,
    Concatenation: _concatenated,
    Bilinear: _contracted,
    Solve: _solved,
    Factor: _everything,
    Inverse: _everything,
}

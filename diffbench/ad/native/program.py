"""A trace as a simplified program: equal work is done once, work on nothing is not done.

Nodes are hash-consed (a common subexpression is one node), constants are folded, and only those
identities are used that hold for every floating-point number: ``1 * a``, ``a / 1``, ``-(-a)``,
``a + (-b)``, ``a + a = 2 a``. What the outputs and guards do not need is never reached.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from diffbench.ad.native import views
from diffbench.ad.native.identities import IDENTITIES
from diffbench.ad.native.views import Axis, View, joined
from diffbench.ad.rules import FIXED, RULES

__all__ = ["LEAVES", "REDUCTIONS", "Builder", "Call", "Node", "Program", "ops"]

Shape = tuple[int, ...]
LEAVES = frozenset({"input", "array", "number"})
LARGE = 4096  # entries of a static array that is not compared with others
REDUCTIONS = ("sum", "prod", "max", "min", "all", "any")


@final
class Node:
    """One operation: its operands, parameters, the shape and kind (f, b, i) of its value."""

    __slots__ = ("args", "index", "kind", "op", "params", "shape", "size")

    def __init__(
        self, op: str, args: tuple[Node, ...], params: Any, shape: Shape, kind: str, index: int
    ) -> None:
        self.op, self.args, self.params = op, args, params
        self.shape, self.kind, self.index = shape, kind, index
        self.size = math.prod(shape)

    def __repr__(self) -> str:
        return f"v{self.index}={self.op}{[a.index for a in self.args]}{self.shape}"


@final
@dataclass(frozen=True, slots=True)
class Program:
    """What is computed: ``output``, and the conditions under which the recorded path was taken."""

    inputs: tuple[Node, ...]
    output: Node
    guards: tuple[tuple[Node, bool], ...]

    def nodes(self) -> list[Node]:
        """All that is needed, operands before results."""
        seen: dict[int, Node] = {}
        stack = [self.output, *(condition for condition, _ in self.guards)]
        while stack:
            node = stack.pop()
            if node.index not in seen:
                seen[node.index] = node
                stack += node.args
        return [seen[i] for i in sorted(seen)]


def _stored(value: Any) -> str:
    return "b" if value.dtype.kind == "b" else "f"


def _plain(place: View) -> bool:
    """Whether a part that fills the whole keeps the order of its axes."""
    terms = [term for axis in place for term in axis.terms]
    sources = [source for source, _ in terms]
    return all(step == 1 for _, step in terms) and sources == sorted(sources)


def _is_unit(value: Any) -> bool:
    if value.ndim != 2 or value.shape[0] != value.shape[1]:
        return False
    return bool((np.diagonal(value) == 1.0).all()) and np.count_nonzero(value) == value.shape[0]


def _number(value: float) -> bytes:
    return struct.pack("d", value)  # tells -0.0 from 0.0, and a NaN equals itself


@final
@dataclass(slots=True)
class Builder:
    """Makes nodes, each only once."""

    table: dict[Any, Node] = field(default_factory=dict)
    arrays: list[Any] = field(default_factory=list)  # static arrays, by the parameter of their node
    eyes: set[int] = field(default_factory=set)  # static arrays that are unit matrices
    count: int = 0

    # --- leaves ------------------------------------------------------------------------------

    def node(
        self,
        op: str,
        args: tuple[Node, ...] = (),
        params: Any = (),
        shape: Shape = (),
        kind: str = "f",
    ) -> Node:
        """The node of that description."""
        key = (op, tuple(a.index for a in args), params, shape)
        found = self.table.get(key)
        if found is None:
            found = self.table[key] = Node(op, args, params, shape, kind, self.count)
            self.count += 1
        return found

    def number(self, value: float, shape: Shape = ()) -> Node:
        """A constant, in every entry of that shape."""
        value = float(value)
        return self.node("number", (), (_number(value), value), shape)

    def array(self, value: Any) -> Node:
        """A static array; one number where all its entries are equal."""
        truths = np.asarray(value).dtype.kind == "b"
        value = np.ascontiguousarray(value, dtype=np.bool_ if truths else np.float64)
        if value.size > LARGE:
            self.arrays.append(value)
            return self._static(value)
        if value.size and (value == value.flat[0]).all() and value.dtype.kind in "fiu":
            first = float(value.flat[0])
            if first != 0.0 or not np.signbit(value.astype(float)).any():
                return self.number(first, value.shape)
        key = ("array", value.shape, value.dtype.str, value.tobytes())
        if key not in self.table:
            self.arrays.append(value.copy() if value.base is not None else value)
            self.table[key] = self._static(value)
        return self.table[key]

    def _static(self, value: Any) -> Node:
        """The node of the last static array."""
        made = self.node("array", (), (len(self.arrays) - 1,), value.shape, _stored(value))
        if _is_unit(value):
            self.eyes.add(made.index)
        return made

    def places(self, value: Any) -> Node:
        """A static array of whole numbers that say where entries stand."""
        self.arrays.append(np.ascontiguousarray(value, dtype=np.int64))
        return self.node("array", (), (len(self.arrays) - 1,), value.shape, "i")

    def in_memory(self, a: Node) -> Node:
        """A number in every entry as an array that has an address."""
        if a.op != "number":
            return a
        self.arrays.append(np.full(a.shape, a.params[1]))
        return self.node("array", (), (len(self.arrays) - 1,), a.shape)

    def own(self, a: Node) -> Node:
        """A copy of what belongs to others or has no address."""
        return self.node("copy", (a,), (), a.shape, a.kind) if a.op in LEAVES else a

    def answer(self, a: Node) -> Node:
        """A value that can be written where the caller wants it, as numbers."""
        plain = a.op not in LEAVES and a.op != "python" and a.kind == "f"
        return a if plain else self.node("copy", (a,), ("answer",), a.shape)

    # --- views -------------------------------------------------------------------------------

    def view(self, source: Node, how: View, shape: Shape) -> Node:
        """The source read through affine indices."""
        if source.op == "number":
            return self.number(source.params[1], shape)
        if source.op == "view":
            source, how = source.args[0], views.composed(source.params, how)
        if shape == source.shape and how == views.identity(shape):
            return source
        return self.node("view", (source,), how, shape, source.kind)

    def reshape(self, a: Node, shape: Shape) -> Node:
        """The same entries in another shape."""
        if a.shape == shape:
            return a
        if a.op == "flat":
            a = a.args[0]
        how = views.reshaped(a.shape, shape)
        if how is not None:
            return self.view(a, how, shape)
        if a.op == "number":
            return self.number(a.params[1], shape)
        return self.node("flat", (a,), (), shape, a.kind)

    def broadcast(self, a: Node, shape: Shape) -> Node:
        """Repeated to a shape."""
        return a if a.shape == shape else self.view(a, views.broadcast(a.shape, shape), shape)

    def placed(self, terms: Iterable[tuple[Node, View]], shape: Shape, kind: str = "f") -> Node:
        """Parts added into zeros; a view tells where an index of the part stands in the whole."""
        merged: dict[tuple[View, Shape], Node] = {}
        for part, place in terms:
            if part.size == 0:
                continue
            key = (place, part.shape)
            merged[key] = self.add(merged[key], part) if key in merged else part
        places = tuple(place for place, _ in merged)
        parts = tuple(merged.values())
        if not parts:
            return self.number(0.0, shape)
        if len(parts) == 1 and parts[0].size == math.prod(shape) and _plain(places[0]):
            return self.reshape(parts[0], shape)
        return self.node("place", parts, places, shape, kind)

    # --- elementwise -------------------------------------------------------------------------

    def entrywise(self, op: str, args: tuple[Node, ...], shape: Shape, kind: str = "f") -> Node:
        """An elementwise operation, after the identities that are exact."""
        if all(a.op == "number" for a in args):
            with np.errstate(all="ignore"):
                value = RULES[op].numpy(*(np.float64(a.params[1]) for a in args))
            if np.ndim(value) == 0 and kind == "f":
                return self.number(value, shape)
        identity = IDENTITIES.get(op)
        found = identity(self, args) if identity else None
        if found is not None:
            return self.broadcast(found, shape)
        if op in ("add", "multiply") and args[0].index > args[1].index:
            args = args[::-1]  # both commute exactly
        return self.node(op, args, (), shape, kind)

    def elementwise(self, op: str, *args: Node) -> Node:
        """The same with the shape worked out."""
        return self.entrywise(op, args, joined(*(a.shape for a in args)))

    def add(self, a: Node, b: Node) -> Node:
        """The sum of two."""
        return self.elementwise("add", a, b)


@final
class Call:
    """A primitive that runs in numpy, with its parameters; equal only to itself."""

    __slots__ = ("name", "params")

    def __init__(self, name: str, params: Any) -> None:
        self.name, self.params = name, params


# --- counts --------------------------------------------------------------------------------------


def ops(program: Program) -> int:
    """Scalar operations of a program, by the cost column of the table."""
    return sum(map(_cost, program.nodes()))


def _cost(node: Node) -> int:
    if node.op == "place":
        return sum(a.size for a in node.args) - _covered(node)
    rule = RULES.get(node.params.name if node.op == "python" else node.op)
    if rule is None or node.op in LEAVES:
        return 0
    shapes = [a.shape for a in node.args]
    if node.op in REDUCTIONS:
        return max(0, node.args[0].size - node.size) if rule.kind is not FIXED else 0
    params = node.params.params if node.op == "python" else node.params
    return rule.cost(node.shape, shapes, params)


def _covered(node: Node) -> int:
    """How many entries of the whole have something put into them."""
    seen = np.zeros(node.shape, dtype=bool)
    for part, place in zip(node.args, node.params, strict=True):
        at = np.ix_(*(_reached(axis, part.shape) for axis in place))
        seen[at] = True
    return int(seen.sum())


def _reached(axis: Axis, shape: Shape) -> list[int]:
    ((source, step),) = axis.terms or ((-1, 1),)
    count = shape[source] if axis.terms else 1
    return [axis.offset + i * step for i in range(count)]

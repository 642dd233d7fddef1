"""From the primitives of a trace to nodes: what is a view, a placement, a reduction, a product.

One function a primitive; a primitive that has none runs in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from diffbench.ad.graph import Graph, shape_of
from diffbench.ad.native import blas, lanes, views
from diffbench.ad.native.program import REDUCTIONS, Builder, Call, Node, Program
from diffbench.ad.rules import ENTRYWISE

__all__ = ["lowered"]

Shape = tuple[int, ...]
SMALL = 256  # products in a contraction that loops do faster than a call of BLAS
Lowering = Callable[[Builder, tuple[Node, ...], Any, Shape], Node | None]


def _reduce(b: Builder, op: str, a: Node, axes: tuple[int, ...], shape: Shape) -> Node:
    """A reduction; over axes of length 1 there is nothing to do."""
    kind = "b" if op in ("all", "any") else "f"
    if a.size == 0 and op in EMPTY:
        return b.number(EMPTY[op], shape)
    if all(a.shape[i] == 1 for i in axes):
        return b.reshape(a, shape)
    kept = tuple(i for i in range(len(a.shape)) if i not in axes)
    ordered = (*kept, *axes)
    moved = b.view(a, views.permuted(a.shape, ordered), tuple(a.shape[i] for i in ordered))
    return b.node(
        op, (a if ordered == tuple(range(len(a.shape))) else moved,), len(kept), shape, kind
    )


def _reducing(op: str) -> Lowering:
    return lambda b, args, params, shape: _reduce(b, op, args[0], params[0], shape)


def _norm(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node:
    square = b.elementwise("multiply", args[0], args[0])
    return b.elementwise("sqrt", _reduce(b, "sum", square, params[0], shape))


def _index(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node | None:
    (a,), key = args, params[0]
    how = views.indexed(a.shape, key)
    if how is not None:
        return b.view(a, how, shape)
    if len(a.shape) == 1 and a.kind == "f" and len(key) == 1 and np.ndim(key[0]) == 1:
        places = np.asarray(key[0])
        if places.size == 1 or a.size == 1:
            return b.view(a, (views.Axis(int(places.flat[0]) % a.size),), shape)
        if places.dtype.kind in "iu" and places.size:
            return b.node("gather", (b.in_memory(a), b.places(places % a.size)), (), shape)
    return None


def _flip(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node | None:
    key = tuple(slice(None, None, -1 if i in params[0] else None) for i in range(len(shape)))
    return _index(b, args, (key,), shape)


def _roll(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node:
    a = args[0]
    for shift, axis in zip(*params, strict=True):
        at = -shift % shape[axis]
        before = (slice(None),) * axis
        keys = ((*before, slice(at, None)), (*before, slice(0, at)))
        sizes = (shape[axis] - at, at)
        parts = [
            _index(b, (a,), (key,), (*shape[:axis], size, *shape[axis + 1 :]))
            for key, size in zip(keys, sizes, strict=True)
            if size
        ]
        a = _concat(b, tuple(p for p in parts if p is not None), (axis,), shape)
    return a


def _concat(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node:
    """The sum of its parts, each put in its place: the places do not meet."""
    if len(args) == 1:
        return args[0]
    (axis,) = params
    start, terms = 0, []
    for part in args:
        before = tuple(views.Axis(0, ((i, 1),)) for i in range(axis))
        after = tuple(views.Axis(0, ((i, 1),)) for i in range(axis + 1, len(shape)))
        if part.shape[axis]:
            terms.append((part, (*before, views.Axis(start, ((axis, 1),)), *after)))
        start += part.shape[axis]
    return b.placed(terms, shape, args[0].kind)


def _scatter(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node | None:
    key, _ = params
    how = views.indexed(shape, key)
    return None if how is None else b.placed([(args[0], how)], shape)


def _contract(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node:
    """A product by broadcasting where nothing is summed or all is; else left to ``blas``."""
    found = _by_diagonal(b, args, params, shape)
    if found is not None:
        return found
    a, c, out = params
    summed = "".join(s for s in a if s in c and s not in out)
    letters = out + summed
    sizes = dict(zip(a + c, args[0].shape + args[1].shape, strict=True))
    whole = tuple(sizes[s] for s in letters)
    if summed and out and math.prod(whole) > SMALL and not any(s in a and s in c for s in out):
        return _product(b, args, params, shape)
    left, right = (
        _spread(b, x, mine, letters, whole) for x, mine in zip(args, (a, c), strict=True)
    )
    product = b.entrywise("multiply", (left, right), whole)
    return (
        _reduce(b, "sum", product, tuple(range(len(out), len(letters))), shape)
        if summed
        else product
    )


def _by_diagonal(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node | None:
    """A product with a diagonal matrix: the other factor's rows, each times one number."""
    a, c, out = params
    for (left, mine), (right, theirs) in (
        ((args[0], a), (args[1], c)),
        ((args[1], c), (args[0], a)),
    ):
        summed = [s for s in mine if s in theirs and s not in out]
        kept = [s for s in mine if s not in theirs and s in out]
        if len(mine) != 2 or len(summed) != 1 or len(kept) != 1:
            continue
        entries = diagonal(b, left)
        if entries is not None:
            rows = _spread(b, right, theirs.replace(summed[0], kept[0]), out, shape)
            return b.entrywise("multiply", (_spread(b, entries, kept[0], out, shape), rows), shape)
    return None


def diagonal(b: Builder, a: Node) -> Node | None:
    """The diagonal of a matrix that is zero elsewhere by its making, None for any other.

    What a seed's zeros are multiplied with does not matter: a zero direction stays zero.
    """
    if a.index in b.eyes:
        return b.number(1.0, a.shape[:1])
    if a.op in ("multiply", "divide", "negative", "masked") and len(a.shape) == 2:
        zeros = a.args if a.op == "multiply" else a.args[1:] if a.op == "masked" else a.args[:1]
        if any(x.shape == a.shape and diagonal(b, x) is not None for x in zeros):
            parts = (diagonal(b, x) or _down(b, x, a.shape) for x in a.args)
            return b.entrywise(a.op, tuple(parts), a.shape[:1])
    return None


def _down(b: Builder, x: Node, shape: Shape) -> Node:
    """The diagonal of what is read as a square matrix."""
    both = views.Axis(0, ((0, 1),))
    return b.view(b.broadcast(x, shape), (both, both), shape[:1])


def _product(b: Builder, args: tuple[Node, ...], params: Any, shape: Shape) -> Node:
    """A product of matrices as BLAS takes it: its factors with axes in an order it can read."""
    args = tuple(map(b.in_memory, args))
    if blas.fits(args, params):
        return b.node("contract", args, params, shape)
    a, c, out = params
    summed = [s for s in a if s in c]
    left, right = [s for s in a if s not in c], [s for s in c if s not in a]
    orders = ("".join([*left, *summed]), "".join([*summed, *right]))
    moved = tuple(
        _ordered(b, x, mine, order) for x, mine, order in zip(args, (a, c), orders, strict=True)
    )
    sizes = dict(zip(a + c, args[0].shape + args[1].shape, strict=True))
    plain = "".join([*left, *right])
    y = b.node("contract", moved, (*orders, plain), tuple(sizes[s] for s in plain))
    return b.view(y, views.permuted(y.shape, [plain.index(s) for s in out]), shape)


def _ordered(b: Builder, x: Node, mine: str, order: str) -> Node:
    """A factor copied with its axes in another order."""
    axes = [mine.index(s) for s in order]
    shape = tuple(x.shape[i] for i in axes)
    moved = b.view(x, views.permuted(x.shape, axes), shape)
    return b.node("copy", (moved,), (), shape, x.kind)


def _spread(b: Builder, x: Node, mine: str, letters: str, whole: Shape) -> Node:
    """An operand read with one index a letter."""
    how = tuple(
        views.Axis(0, ((letters.index(s), 1),) if size != 1 else ())
        for s, size in zip(mine, x.shape, strict=True)
    )
    return b.view(x, how, whole)


EMPTY = {"sum": 0.0, "prod": 1.0, "all": 1.0, "any": 0.0}  # over no entries
LOWERINGS: dict[str, Lowering] = {
    **{name: _reducing(name) for name in REDUCTIONS},
    "norm": _norm,
    "index": _index,
    "scatter": _scatter,
    "flip": _flip,
    "roll": _roll,
    "concat": _concat,
    "contract": _contract,
    "reshape": lambda b, args, params, shape: b.reshape(args[0], shape),
    "broadcast_to": lambda b, args, params, shape: b.broadcast(args[0], shape),
    "permute_dims": lambda b, args, params, shape: b.view(
        args[0], views.permuted(args[0].shape, params[0]), shape
    ),
    "attains": lambda b, args, params, shape: b.entrywise("equal", args, shape, "b"),
}


def _kind(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return "f" if dtype is None else str(dtype.kind)


def lowered(graph: Graph, inputs: int, output: Any) -> tuple[Program, Builder]:
    """The simplified program of a trace whose first nodes are the inputs."""
    b = Builder()
    made: list[Node] = [b.node("input", (), i, shape_of(graph.values[i])) for i in range(inputs)]
    constants: dict[int, Node] = {}

    def operand(j: int) -> Node:
        if j >= 0:
            return made[j]
        if ~j not in constants:
            constants[~j] = leaf(graph.constants[~j])
        return constants[~j]

    def leaf(value: Any) -> Node:
        return b.array(value) if np.ndim(value) else b.number(value)

    for i in range(inputs, len(graph)):
        rule = graph.rules[i]
        assert rule is not None
        args = tuple(map(operand, graph.operands[i]))
        value = graph.values[i]
        made.append(_made(b, rule.name, args, graph.params[i], shape_of(value), _kind(value)))
    last = b.answer(leaf(output) if graph.output is None else made[graph.output])
    guards = tuple(dict.fromkeys((made[i], outcome) for i, outcome in graph.guards))
    return Program(tuple(made[:inputs]), last, guards), b


def _made(
    b: Builder, op: str, args: tuple[Node, ...], params: Any, shape: Shape, kind: str
) -> Node:
    if 0 in shape:
        return b.number(0.0, shape)  # it has no entry that could be another number
    if op in ENTRYWISE and lanes.compilable(op):
        return b.entrywise(op, args, shape, kind)
    lowering = LOWERINGS.get(op)
    found = lowering(b, args, params, shape) if lowering else None
    if found is not None:
        return found
    return b.node("python", tuple(map(b.own, args)), Call(op, params), shape, kind)

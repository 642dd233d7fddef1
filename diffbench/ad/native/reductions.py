"""Reductions: loops that carry what they have gathered so far, many lanes of it at once."""

from __future__ import annotations

import math
from typing import NamedTuple

from diffbench.ad.errors import ADError
from diffbench.ad.native import lanes
from diffbench.ad.native.nests import Affine, Carried, Loop, Nests
from diffbench.ad.native.program import Node
from diffbench.ad.native.views import strides
from diffbench.ad.native.writer import LANES, TYPES, Value, literal

__all__ = ["write"]


class Folding(NamedTuple):
    """How a reduction starts, joins two values, and joins the lanes of a vector."""

    start: str
    joins: str  # an elementwise primitive
    across: str  # LLVM's reduction of a vector


FOLDINGS = {
    "sum": Folding(literal(-0.0), "add", "fadd"),
    "prod": Folding(literal(1.0), "multiply", "fmul"),
    "max": Folding(literal(-math.inf), "maximum", "fmaximum"),
    "min": Folding(literal(math.inf), "minimum", "fminimum"),
    "all": Folding("true", "logical_and", "and"),
    "any": Folding("false", "logical_or", "or"),
}


def write(nests: Nests, node: Node) -> None:
    (operand,) = node.args
    kept = node.params
    shape = operand.shape
    order = [i for i in range(len(shape)) if shape[i] != 1]
    wide = _best_axis(nests, operand, order)
    ours = [i for i in order if i < kept]
    gone = [i for i in order if i >= kept]
    if wide in gone:
        gone = [*(i for i in gone if i != wide), wide]
    elif wide is not None:
        ours = [*(i for i in ours if i != wide), wide]
    if operand.size == 0:
        raise ADError(f"{node.op} of an array of shape {shape}: it has no entries")
    at: list[Affine] = [Affine(0)] * len(shape)
    for axis in ours:
        at[axis] = Affine(0, ((nests.open(Loop(shape[axis], wide=axis == wide)), 1),))
    result = _folded(nests, node, operand, at, gone, wide)
    level = len(nests.loops)
    if node.size == 1:
        nests.code.memo[0][(node.index,)] = result
        return
    place = nests.linear(node.shape, tuple(at[:kept]))
    nests.store(nests.base(node), place, result, node.kind, level)
    for _ in ours:
        nests.close([])


def _best_axis(nests: Nests, operand: Node, order: list[int]) -> int | None:
    """The axis along which most arrays are read entry after entry, if it is long enough."""
    long = [i for i in order if operand.shape[i] >= LANES]
    votes = {i: _votes(nests, operand, i) for i in long}
    return max(long, key=lambda i: (votes[i], i)) if long else None


def _votes(nests: Nests, node: Node, axis: int) -> int:
    """How many of the arrays that a value reads lie contiguously along an axis of its index."""
    if node.size == 1 or node.op == "number" or node.shape[axis] == 1:
        return 0
    if nests.layout.stored(node) or node.op == "flat":
        return int(strides(node.shape)[axis] == 1)
    if node.op == "view":
        (source,) = node.args
        moves = [sum(c for place, c in row.terms if place == axis) for row in node.params]
        if nests.layout.stored(source):
            steps = strides(source.shape)
            return int(sum(m * s for m, s in zip(moves, steps, strict=True)) == 1)
        return sum(_votes(nests, source, i) for i, m in enumerate(moves) if m == 1)
    if node.op == "gather":
        return 0
    if node.op == "place":
        return int(axis == len(node.shape) - 1)
    total = 0
    for a in node.args:
        mine = axis - (len(node.shape) - len(a.shape))
        total += _votes(nests, a, mine) if mine >= 0 else 0
    return total


def _folded(
    nests: Nests, node: Node, operand: Node, at: list[Affine], gone: list[int], wide: int | None
) -> Value:
    """The loops over the axes that go, and what they leave."""
    code, folding = nests.code, FOLDINGS[node.op]
    kind = "b" if node.op in ("all", "any") else "f"
    is_wide = any(loop.wide for loop in nests.loops) or wide in gone
    type_ = f"<{LANES} x {TYPES[kind]}>" if is_wide else TYPES[kind]
    first = code.splat(Value(folding.start, 0, kind, False)).text if is_wide else folding.start
    names: list[str] = []
    for axis in gone:
        level = nests.open(Loop(operand.shape[axis], wide=axis == wide))
        at[axis] = Affine(0, ((level, 1),))
        names.append(code.fresh())
    level = len(nests.loops)
    value = nests.value(operand, tuple(at))
    value = lanes.truth(code, value) if kind == "b" else lanes.truth_as_number(code, value)
    value = code.splat(value) if is_wide else value
    carried = Value(names[-1] if names else first, level, kind, is_wide)
    seen = ""
    if gone and nests.loops[-1].wide and nests.loops[-1].count % LANES:
        seen = code.fresh()
        value = _unseen(nests, seen, value, Value(first, 0, kind, is_wide))
    joined = lanes.entry(code, folding.joins, [carried, value])
    following = joined.text
    for place in reversed(range(len(gone))):
        start = names[place - 1] if place else first
        more = []
        if seen:
            more = [Carried("i64", seen, "0", f"{seen}n")]
            code.line(f"{seen}n = add i64 {seen}, {LANES}", level)
            seen = ""
        nests.close([Carried(type_, names[place], start, following), *more])
    level = len(nests.loops)
    if wide in gone:
        return _across(nests, folding, type_, following, kind, level)
    return Value(following, level, kind, is_wide)


def _unseen(nests: Nests, seen: str, value: Value, neutral: Value) -> Value:
    """The value in lanes that no earlier pass has met, the neutral element elsewhere."""
    code, level = nests.code, len(nests.loops)
    counter = Value(nests.loops[-1].name, level, "i", False)
    steps = ", ".join(f"i64 {i}" for i in range(LANES))
    whole = f"<{LANES} x i64>"
    text = f"add {whole} {code.splat(counter).text}, <{steps}>"
    places = code.computed((text,), text, level, "i", True)
    limit = code.splat(Value(seen, level, "i", False))
    text = f"icmp sge {whole} {places.text}, {limit.text}"
    fresh = code.computed((text,), text, level, "b", True)
    return code.select(fresh, value, neutral)


def _across(nests: Nests, folding: Folding, type_: str, text: str, kind: str, level: int) -> Value:
    """All lanes of a vector as one value."""
    code, item = nests.code, TYPES[kind]
    suffix = f"v{LANES}{'f64' if kind == 'f' else 'i1'}"
    name = f"llvm.vector.reduce.{folding.across}.{suffix}"
    ordered = folding.across in ("fadd", "fmul")
    more = f"{item} {folding.start}, " if ordered else ""
    code.declared.add(f"declare {item} @{name}({f'{item}, ' if ordered else ''}{type_})")
    out = code.fresh()
    flag = "reassoc " if ordered else ""
    code.line(f"{out} = call {flag}{item} @{name}({more}{type_} {text})", level)
    return Value(out, level, kind, False)

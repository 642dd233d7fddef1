"""What fills a stored value: a nest that stores, a nest that reduces, a routine of BLAS, numpy.

Every kind of stored node has one function here, which writes the code that makes it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

from diffbench.ad.native import blas, lanes, reductions
from diffbench.ad.native.nests import Affine, Index, Loop, Nests, Split, inside
from diffbench.ad.native.program import REDUCTIONS, Node
from diffbench.ad.native.views import Axis, View, strides
from diffbench.ad.native.writer import LANES, Value

__all__ = ["write"]

# how a wide loop may go: over some entries twice (storing again does no harm), over each of them
# once (what is left over is done singly), or not at all
ANY, ONCE, SINGLE = "any", "once", "single"
MOST_UNROLLED = 4  # entries that are written without a loop


class Span(NamedTuple):
    """A part of an axis: from ``start`` on so many groups of ``step`` entries."""

    start: int
    groups: int
    step: int = 1


Region = tuple[Span, ...]


def write(nests: Nests, node: Node) -> None:
    """The code that makes a stored value."""
    if node.op in REDUCTIONS:
        reductions.write(nests, node)
    elif node.op == "contract":
        blas.write(nests, node)
    elif node.index in nests.layout.pushed:
        _push(nests, node)
    elif node.size == 1:
        nests.value(node, (Affine(0),) * len(node.shape))
    else:
        _store(nests, node)


# --- elementwise ---------------------------------------------------------------------------------


def _store(nests: Nests, node: Node) -> None:
    base = nests.base(node)
    passes = ONCE if node.index in nests.layout.in_place else ANY

    def write_entry(at: Index, level: int) -> None:
        value = _value_of(nests, node, at)
        nests.store(base, nests.linear(node.shape, at), value, node.kind, level)

    if _flattens(nests, node):
        nests.flat = True
        _cover(nests, (node.size,), write_entry, passes)
        nests.flat = False
    else:
        _cover(nests, node.shape, write_entry, passes)


def _value_of(nests: Nests, node: Node, at: Index) -> Value:
    """The value as its operands give it, though the node itself is stored."""
    memory = nests.layout.memory.pop(node.index)
    try:
        return nests.value(node, at)
    finally:
        nests.layout.memory[node.index] = memory


def _flattens(nests: Nests, node: Node) -> bool:
    """Whether every array that the value reads has its shape: one loop then runs through all."""
    shape = _squeezed(node.shape)
    if len(shape) < 2:
        return False
    stack = list(node.args)
    if node.op in ("place", "view"):
        return False
    while stack:
        a = stack.pop()
        if a.size == 1 or a.op == "number":
            continue
        if _squeezed(a.shape) != shape or a.op in ("place", "view"):
            return False
        if not nests.layout.stored(a) and a.op != "flat":
            stack += a.args
    return True


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(s for s in shape if s != 1)


def _cover(
    nests: Nests, shape: tuple[int, ...], entry: Callable[[Index, int], None], passes: str = ANY
) -> None:
    """``entry`` for every index of that shape, in regions whose seams it asks for."""
    if 0 in shape:
        return
    waiting: list[Region] = [tuple(Span(0, s) for s in shape)]
    while waiting:
        region = waiting.pop()
        levels: dict[int, int] = {}  # loop level -> axis
        depth = len(nests.loops)
        try:
            _nest(nests, region, entry, levels, passes)
        except Split as wanted:
            nests.abandon(depth)
            axis = levels[wanted.level]
            parts = _parts(region[axis], wanted)
            waiting += [(*region[:axis], part, *region[axis + 1 :]) for part in reversed(parts)]


def _parts(span: Span, wanted: Split) -> list[Span]:
    """The parts of a span whose loop was asked to be split."""
    if not wanted.step:
        first = Span(span.start, wanted.at, span.step)
        return [first, Span(span.start + wanted.at * span.step, span.groups - wanted.at, span.step)]
    count, rest = divmod(span.groups, wanted.step)
    step = span.step * wanted.step
    parts = [Span(span.start, count, step)] if count else []
    tail = span.start + count * step
    return parts + [Span(tail + i * span.step, 1, span.step) for i in range(rest)]


def _nest(
    nests: Nests,
    region: Region,
    entry: Callable[[Index, int], None],
    levels: dict[int, int],
    passes: str,
) -> None:
    """One region: loops over its axes, the last one wide, and in it every residue."""
    many = [i for i, span in enumerate(region) if span.groups > 1]
    unrolled = math.prod(span.groups for span in region) <= MOST_UNROLLED
    starts: list[list[Affine]] = [[Affine(span.start)] for span in region]
    for axis in many:
        span = region[axis]
        if unrolled:
            starts[axis] = [Affine(span.start + i * span.step) for i in range(span.groups)]
            continue
        wide = axis == many[-1] and span.groups >= LANES and passes != SINGLE
        level = nests.open(Loop(span.groups, wide))
        levels[level] = axis
        if passes == ONCE and wide and span.groups % LANES:
            raise Split(level, at=span.groups - span.groups % LANES)
        starts[axis] = [Affine(span.start, ((level, span.step),))]
    residues = [range(span.step) for span in region]
    level = len(nests.loops)
    for chosen in itertools.product(*starts):
        for rest in itertools.product(*residues):
            entry(tuple(a.plus(Affine(r)) for a, r in zip(chosen, rest, strict=True)), level)
    for _ in range(len(many) if not unrolled else 0):
        nests.close([])


# --- pieces written one by one ------------------------------------------------------------------


def _push(nests: Nests, node: Node) -> None:
    """Zeros, then every piece stored or added at its place."""
    base, code = nests.base(node), nests.code
    apart = _disjoint(node)
    if not apart or sum(a.size for a in node.args) < node.size:
        code.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        size = node.size * (8 if node.kind != "b" else 1)
        code.line(f"call void @llvm.memset.p0.i64(ptr {base}, i8 0, i64 {size}, i1 false)", 0)
    for number, (part, place) in enumerate(zip(node.args, node.params, strict=True)):
        if (node.index, number) not in nests.layout.settled:
            _push_part(nests, node, part, place, apart)


def _push_part(nests: Nests, node: Node, part: Node, place: View, apart: bool) -> None:
    base = nests.base(node)

    def write_entry(at: Index, level: int) -> None:
        whole = nests.linear(node.shape, inside(place, at))
        value = nests.value(part, at)
        if not apart:
            value = _added(nests, base, whole, value, level)
        nests.store(base, whole, value, node.kind, level)

    passes = ANY if apart else ONCE if _contiguous(node, part, place) else SINGLE
    _cover(nests, part.shape, write_entry, passes)


def _contiguous(node: Node, part: Node, place: View) -> bool:
    """Whether neighbours on the last long axis of a part are neighbours in the whole."""
    last = max((i for i, s in enumerate(part.shape) if s > 1), default=0)
    steps = [
        factor * step
        for axis, step in zip(place, strides(node.shape), strict=True)
        for source, factor in axis.terms
        if source == last
    ]
    return sum(steps) == 1


def _added(nests: Nests, base: str, place: Affine, value: Value, level: int) -> Value:
    """The sum with what stands there now; it must not be read before it is written."""
    name = nests.code.fresh()
    pointer, _ = nests.address(base, place, "double")
    wide = nests.lane_step(place) == 1
    type_ = f"<{LANES} x double>" if wide else "double"
    nests.code.line(f"{name} = load {type_}, ptr {pointer}, align 8", level)
    return lanes.entry(nests.code, "add", [Value(name, level, "f", wide), value])


def _disjoint(node: Node) -> bool:
    """Whether no two pieces meet, told from their bounds on one axis."""
    pieces = list(zip(node.args, node.params, strict=True))
    for axis in range(len(node.shape)):
        spans = sorted(_reach(part, place[axis]) for part, place in pieces)
        if all(a[1] <= b[0] for a, b in itertools.pairwise(spans)):
            return True
    return False


def _reach(part: Node, axis: Axis) -> tuple[int, int]:
    """The first and one past the last place that a part takes on an axis of the whole."""
    ends = [axis.offset]
    ends += [axis.offset + factor * (part.shape[source] - 1) for source, factor in axis.terms]
    return min(ends), max(ends) + 1

"""Loops: every stored value becomes a nest of loops whose body computes it entry by entry.

The index of every axis is an affine form of the loops' counters. The innermost loop takes LANES
entries at once; what is left over at its end is done by one more pass that overlaps the one
before (storing an entry twice does no harm; reductions mask what they have seen). Where arrays
are put together from pieces, the loops are split at the seams, so that no entry asks where it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

from diffbench.ad.native import lanes
from diffbench.ad.native.layout import Layout
from diffbench.ad.native.program import Node
from diffbench.ad.native.views import View, strides
from diffbench.ad.native.writer import LANES, Code, Value, splatted

__all__ = ["STORAGE", "Affine", "Carried", "Loop", "Nests", "Split", "inside"]

Shape = tuple[int, ...]
STORAGE = {"f": "double", "i": "i64", "b": "i8"}


class Affine(NamedTuple):
    """offset + sum of coefficient * counter of loop ``level``; level 0 is none."""

    offset: int
    terms: tuple[tuple[int, int], ...] = ()  # (level, coefficient)

    def scaled(self, factor: int, offset: int = 0) -> Affine:
        """factor * self + offset."""
        if factor == 0:
            return Affine(offset)
        return Affine(self.offset * factor + offset, tuple((v, c * factor) for v, c in self.terms))

    def plus(self, other: Affine) -> Affine:
        """The sum of two."""
        total = dict(self.terms)
        for level, c in other.terms:
            total[level] = total.get(level, 0) + c
        terms = tuple(sorted((v, c) for v, c in total.items() if c))
        return Affine(self.offset + other.offset, terms)


Index = tuple[Affine, ...]


class Split(Exception):  # a request, not an error
    """The loop over an axis has to be split before that entry (or taken ``step`` at a time)."""

    def __init__(self, level: int, at: int = 0, step: int = 0) -> None:
        super().__init__(level, at, step)
        self.level, self.at, self.step = level, at, step


@final
@dataclass(slots=True)
class Loop:
    """A loop over ``count`` steps; ``wide`` takes LANES steps at once."""

    count: int
    wide: bool = False
    name: str = ""  # of its counter


class Carried(NamedTuple):
    """What goes from one step of a loop to the next."""

    type: str
    name: str
    first: str
    following: str


@final
class Nests:
    """Writes the nests of one function."""

    def __init__(self, code: Code, layout: Layout, base: Callable[[Node], str]) -> None:
        self.code, self.layout, self.base = code, layout, base
        self.loops: list[Loop] = []
        self.elsewhere: set[int] = set()  # scalars that another function left in the workspace
        self.flat = False  # arrays of one shape are run through as if they had one axis

    # --- one entry -----------------------------------------------------------------------------

    def value(self, node: Node, at: Index) -> Value:
        """The value of a node at an index; scalars take any."""
        if node.op == "number":
            return self.code.number(node.params[1])
        key = (node.index,) if node.size == 1 else (node.index, at)
        found = self.code.known(key)
        if found is None:
            found = self._made(node, at)
            # What holds in one loop only must be forgotten with it, be it as constant as 0.
            inner = max((level for index in at for level, _ in index.terms), default=0)
            level = found.level if len(key) == 1 else max(found.level, inner)
            self.code.memo[level][key] = found
        return found

    def _made(self, node: Node, at: Index) -> Value:
        if self.layout.stored(node) or node.index in self.elsewhere:
            return self.load(node, self.linear(node.shape, at))
        if node.op == "view":
            return self._through(node, at)
        if node.op == "flat":
            return self.load(node.args[0], self.linear(node.shape, at))
        if node.op == "place":
            return self._placed(node, at)
        if node.op == "gather":
            return self._gather(node, at)
        args = [self.value(a, self.narrowed(a, node, at)) for a in node.args]
        return lanes.entry(self.code, node.op, args)

    def narrowed(self, arg: Node, node: Node, at: Index) -> Index:
        """The index of an operand."""
        return at if self.flat else narrowed(arg.shape, node.shape, at)

    def _through(self, node: Node, at: Index) -> Value:
        (source,) = node.args
        if self.flat:
            return self.value(source, at)
        return self.value(source, inside(node.params, at))

    def _placed(self, node: Node, at: Index) -> Value:
        total: Value | None = None
        for part, place in zip(node.args, node.params, strict=True):
            inner = self._inside(part, place, at)
            if inner is None:
                continue
            term = self.value(part, inner)
            total = term if total is None else lanes.entry(self.code, "add", [total, term])
        return self.code.number(0.0) if total is None else total

    def _inside(self, part: Node, place: View, at: Index) -> Index | None:
        """The index of the part at that place of the whole; None where it does not reach."""
        inner: list[Affine] = [Affine(0)] * len(part.shape)
        for index, axis in zip(at, place, strict=True):
            ((target, step),) = axis.terms or ((-1, 1),)
            divided = self._divided(index.plus(Affine(-axis.offset)), step)
            count = part.shape[target] if axis.terms else 1
            if divided is None or not self._within(divided, count):
                return None
            if axis.terms:
                inner[target] = divided
        return tuple(inner)

    def _divided(self, index: Affine, step: int) -> Affine | None:
        """The index over the step, None where it never divides; asks for a split otherwise."""
        for level, c in index.terms:
            if c % step:
                raise Split(level, step=abs(step) // math.gcd(c, step))
        if index.offset % step:
            return None
        return Affine(index.offset // step, tuple((v, c // step) for v, c in index.terms))

    def _within(self, index: Affine, count: int) -> bool:
        """Whether the index lies in [0, count) for all steps of the loops; asks for a split."""
        if not index.terms:
            return 0 <= index.offset < count
        low = high = index.offset
        for level, c in index.terms:
            end = c * (self.loops[level - 1].count - 1)
            low, high = low + min(0, end), high + max(0, end)
        if 0 <= low and high < count:
            return True
        if high < 0 or low >= count:
            return False
        ((level, c),) = index.terms[:1]
        first = -index.offset if c > 0 else index.offset - count + 1
        edges = (first, first + count)
        steps = [-(-e // abs(c)) for e in edges]
        inside = [k for k in steps if 0 < k < self.loops[level - 1].count]
        raise Split(level, at=inside[0] if inside else 1)

    # --- memory --------------------------------------------------------------------------------

    def linear(self, shape: Shape, at: Index) -> Affine:
        """The place of an entry in a contiguous array."""
        if self.flat:
            return at[0] if math.prod(shape) != 1 else Affine(0)
        total = Affine(0)
        for index, step, size in zip(at, strides(shape), shape, strict=True):
            if size != 1:
                total = total.plus(index.scaled(step))
        return total

    def address(self, base: str, place: Affine, item: str) -> tuple[str, int]:
        """A pointer to an entry, and the level where it is known."""
        text, level = str(place.offset), 0
        for inner, c in sorted(place.terms):
            product = self.loops[inner - 1].name
            if c != 1:
                product = self._integer("mul", product, str(c), inner)
            text = product if text == "0" else self._integer("add", text, product, inner)
            level = inner
        if text == "0":
            return base, level
        pointer = f"getelementptr {item}, ptr {base}, i64 {text}"
        return self.code.computed((pointer,), pointer, level, "p", False).text, level

    def _integer(self, op: str, a: str, b: str, level: int) -> str:
        text = f"{op} i64 {a}, {b}"
        return self.code.computed((text,), text, level, "i", False).text

    def load(self, node: Node, place: Affine) -> Value:
        """An entry of a stored array, or LANES of them along the wide loop."""
        base, kind = self.base(node), node.kind
        step = self.lane_step(place)
        if step == 0:
            return self._load(base, place, kind, wide=False)
        if step == 1:
            return self._load(base, place, kind, wide=True)
        if step == -1:
            back = self._load(base, place.plus(Affine(1 - LANES)), kind, wide=True)
            return self._shuffled(back, back, list(range(LANES - 1, -1, -1)))
        if step == 2:
            first = self._load(base, place, kind, wide=True)
            second = self._load(base, place.plus(Affine(LANES - 1)), kind, wide=True)
            half = LANES // 2
            picks = [2 * i for i in range(half)] + [LANES + 2 * i + 1 for i in range(half)]
            return self._shuffled(first, second, picks)
        return self._gathered(base, place, kind, step)

    def lane_step(self, place: Affine) -> int:
        """By how many entries neighbouring lanes are apart."""
        wide = [level for level, loop in enumerate(self.loops, 1) if loop.wide]
        return dict(place.terms).get(wide[0], 0) if wide else 0

    def _load(self, base: str, place: Affine, kind: str, wide: bool) -> Value:
        item = STORAGE[kind]
        pointer, level = self.address(base, place, item)
        type_ = f"<{LANES} x {item}>" if wide else item
        align = 1 if kind == "b" else 8
        text = f"load {type_}, ptr {pointer}, align {align}"
        raw = self.code.computed(("load", pointer, type_), text, level, kind, wide)
        if kind == "f":
            return raw
        if kind == "b":
            zero = "zeroinitializer" if wide else "0"
            test = f"icmp ne {type_} {raw.text}, {zero}"
            return self.code.computed((test,), test, level, "b", wide)
        target = f"<{LANES} x double>" if wide else "double"
        cast = f"sitofp {type_} {raw.text} to {target}"
        return self.code.computed((cast,), cast, level, "f", wide)

    def _gather(self, node: Node, at: Index) -> Value:
        """Entries of a stored vector at places that an array of whole numbers names."""
        source, places = node.args
        place = self.linear(node.shape, at)
        step = self.lane_step(place)
        if step in (0, 1):
            return self._picked(source, places, place, wide=step == 1)
        apart = (place.plus(Affine(lane * step)) for lane in range(LANES))
        return self._joined([self._picked(source, places, p, wide=False) for p in apart])

    def _picked(self, source: Node, places: Node, place: Affine, wide: bool) -> Value:
        """The entry at the place that stands there, or LANES of them that stand side by side."""
        whole = f"<{LANES} x i64>" if wide else "i64"
        pointer, level = self.address(self.base(places), place, "i64")
        text = f"load {whole}, ptr {pointer}, align 8"
        index = self.code.computed(("load", pointer, whole), text, level, "i", wide)
        text = f"getelementptr double, ptr {self.base(source)}, {whole} {index.text}"
        pointers = self.code.computed((text,), text, level, "p", wide).text
        if not wide:
            text = f"load double, ptr {pointers}, align 8"
            return self.code.computed((text,), text, level, "f", False)
        name = f"@llvm.masked.gather.v{LANES}f64.v{LANES}p0"
        doubles, truths = f"<{LANES} x double>", f"<{LANES} x i1>"
        given = f"<{LANES} x ptr>, i32, {truths}, {doubles}"
        self.code.declared.add(f"declare {doubles} {name}({given})")
        all_of_them = f"{truths} {splatted('true', 'b')}"
        text = (
            f"call {doubles} {name}(<{LANES} x ptr> {pointers}, i32 8, {all_of_them}, "
            f"{doubles} poison)"
        )
        return self.code.computed((text,), text, level, "f", True)

    def _shuffled(self, a: Value, b: Value, picks: list[int]) -> Value:
        mask = ", ".join(f"i32 {i}" for i in picks)
        text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{LANES} x i32> <{mask}>"
        return self.code.computed((text,), text, max(a.level, b.level), a.kind, True)

    def _gathered(self, base: str, place: Affine, kind: str, step: int) -> Value:
        apart = (place.plus(Affine(lane * step)) for lane in range(LANES))
        return self._joined([self._load(base, p, kind, wide=False) for p in apart])

    def _joined(self, parts: list[Value]) -> Value:
        """One value a lane as a vector."""
        level = max(p.level for p in parts)
        out = Value("poison", level, parts[0].kind, True)
        for lane, part in enumerate(parts):
            text = f"insertelement {out.type} {out.text}, {part.type} {part.text}, i64 {lane}"
            out = self.code.computed((text,), text, level, part.kind, True)
        return out

    def store(self, base: str, place: Affine, value: Value, kind: str, level: int) -> None:
        """Put an entry, or LANES of them, into memory; written into the code of that level."""
        step = self.lane_step(place)
        if step and not value.wide:
            value = self.code.splat(value)
        value = self._as_stored(value, kind)
        item = STORAGE[kind]
        align = 1 if kind == "b" else 8
        if step == 1 or not value.wide:
            pointer, _ = self.address(base, place, item)
            type_ = f"<{LANES} x {item}>" if value.wide else item
            self.code.line(f"store {type_} {value.text}, ptr {pointer}, align {align}", level)
            return
        for lane in range(LANES):
            text = f"extractelement <{LANES} x {item}> {value.text}, i64 {lane}"
            part = self.code.computed((text,), text, value.level, "x", False)
            pointer, _ = self.address(base, place.plus(Affine(lane * step)), item)
            self.code.line(f"store {item} {part.text}, ptr {pointer}, align {align}", level)

    def _as_stored(self, value: Value, kind: str) -> Value:
        if kind == "b":
            byte = f"<{LANES} x i8>" if value.wide else "i8"
            truth = lanes.truth(self.code, value)
            text = f"zext {truth.type} {truth.text} to {byte}"
            return self.code.computed((text,), text, value.level, "x", value.wide)
        return lanes.truth_as_number(self.code, value)

    # --- loops ---------------------------------------------------------------------------------

    def open(self, loop: Loop) -> int:
        """Begin a loop inside the present ones; its level."""
        loop.name = self.code.fresh()
        self.loops.append(loop)
        self.code.levels.append([])
        self.code.memo.append({})
        return len(self.loops)

    def close(self, carried: list[Carried]) -> None:
        """End the innermost loop; its text goes into the code around it."""
        loop = self.loops.pop()
        body = self.code.levels.pop()
        self.code.memo.pop()
        k = loop.name
        tag = k[1:]
        out = self.code.levels[-1]
        out += [f"  br label %P{tag}", f"P{tag}:", f"  br label %H{tag}", f"H{tag}:"]
        phis = [Carried("i64", k, "0", f"{k}n"), *carried]
        out += [
            f"  {c.name} = phi {c.type} [ {c.first}, %P{tag} ], [ {c.following}, %T{tag} ]"
            for c in phis
        ]
        out += [*body, f"  br label %T{tag}", f"T{tag}:", *_step(loop, k)]
        out += [f"  br i1 {k}c, label %H{tag}, label %E{tag}", f"E{tag}:"]

    def abandon(self, depth: int) -> None:
        """Forget the loops inside that depth: they will be written in another way."""
        del self.loops[depth:]
        del self.code.levels[depth + 1 :]
        del self.code.memo[depth + 1 :]


def _step(loop: Loop, k: str) -> list[str]:
    """The next counter; the last pass of a wide loop overlaps the one before."""
    step = LANES if loop.wide else 1
    if loop.count % step == 0:
        return [f"  {k}n = add i64 {k}, {step}", f"  {k}c = icmp slt i64 {k}n, {loop.count}"]
    last = loop.count - step
    return [
        f"  {k}m = add i64 {k}, {step}",
        f"  {k}c = icmp slt i64 {k}m, {loop.count}",
        f"  {k}o = icmp sgt i64 {k}m, {last}",
        f"  {k}n = select i1 {k}o, i64 {last}, i64 {k}m",
    ]


def inside(view: View, at: Index) -> Index:
    """The index of the source that a view reads at an index of its result."""
    found = []
    for axis in view:
        index = Affine(axis.offset)
        for place, factor in axis.terms:
            index = index.plus(at[place].scaled(factor))
        found.append(index)
    return tuple(found)


def narrowed(shape: Shape, whole: Shape, at: Index) -> Index:
    """The index of an operand that is broadcast to the whole."""
    if shape == whole:
        return at
    shift = len(whole) - len(shape)
    return tuple(at[i + shift] if s != 1 else Affine(0) for i, s in enumerate(shape))

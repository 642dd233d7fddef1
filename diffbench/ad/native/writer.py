"""Text of LLVM functions: fresh names, code by loop level, and values that know where they live.

A value's *level* is the depth of the loop whose index it depends on: 0 before all loops. Its code
is put into that level, so that nothing is computed inside a loop that does not change there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, final

__all__ = ["LANES", "Code", "Value", "at_address", "literal", "splatted"]

LANES = 8  # doubles side by side in a vector
TYPES = {"f": "double", "b": "i1", "i": "i64"}
Key = tuple[object, ...]


class Value(NamedTuple):
    """An LLVM value: its text, loop level, kind (f, b, i), and whether it is a vector of lanes."""

    text: str
    level: int
    kind: str
    wide: bool

    @property
    def type(self) -> str:
        """Its LLVM type."""
        return f"<{LANES} x {TYPES[self.kind]}>" if self.wide else TYPES[self.kind]


def literal(number: float) -> str:
    """A double as LLVM reads it exactly."""
    return f"0x{struct.unpack('>Q', struct.pack('>d', number))[0]:016X}"


def at_address(address: int) -> str:
    """A pointer to a known place in this process."""
    return f"inttoptr (i64 {address} to ptr)"


def splatted(text: str, kind: str) -> str:
    """A vector constant of equal entries."""
    return f"<{', '.join([f'{TYPES[kind]} {text}'] * LANES)}>"


@final
@dataclass(slots=True)
class Code:
    """One function under way: lines by level, and what has been computed already."""

    prefix: str
    levels: list[list[str]] = field(default_factory=lambda: [[]])
    memo: list[dict[Key, Value]] = field(default_factory=lambda: [{}])
    declared: set[str] = field(default_factory=set)
    count: int = 0
    label: str = "entry"

    def fresh(self) -> str:
        """A name that no other value has."""
        self.count += 1
        return f"%{self.prefix}{self.count}"

    def line(self, text: str, level: int) -> None:
        """One instruction in the code of a level."""
        self.levels[level].append(f"  {text}")

    # --- values --------------------------------------------------------------------------------

    def known(self, key: Key) -> Value | None:
        """A value that was computed before, at any level that is open."""
        for table in self.memo:
            if key in table:
                return table[key]
        return None

    def computed(self, key: Key, text: str, level: int, kind: str, wide: bool) -> Value:
        """The result of an instruction; the same instruction is not written twice."""
        found = self.known(key)
        if found is None:
            found = Value(self.fresh(), level, kind, wide)
            self.line(f"{found.text} = {text}", level)
            self.memo[level][key] = found
        return found

    def number(self, value: float) -> Value:
        """A constant double."""
        return Value(literal(value), 0, "f", False)

    def splat(self, a: Value) -> Value:
        """The value in every lane."""
        if a.wide:
            return a
        if not a.text.startswith("%"):
            return Value(splatted(a.text, a.kind), a.level, a.kind, True)
        wide = Value("", 0, a.kind, True).type
        first = self.computed(
            ("insert", a.text),
            f"insertelement {wide} poison, {a.type} {a.text}, i64 0",
            a.level,
            a.kind,
            True,
        )
        zeros = f"<{LANES} x i32> zeroinitializer"
        return self.computed(
            ("splat", a.text),
            f"shufflevector {wide} {first.text}, {wide} poison, {zeros}",
            a.level,
            a.kind,
            True,
        )

    def alike(self, args: Iterable[Value]) -> list[Value]:
        """All of them vectors if one is."""
        given = list(args)
        return [self.splat(a) for a in given] if any(a.wide for a in given) else given

    def instruction(self, name: str, *args: Value, kind: str = "f") -> Value:
        """A binary or unary LLVM operation on values of one type."""
        a = self.alike(args)
        text = f"{name} {a[0].type} {', '.join(v.text for v in a)}"
        return self.computed((text,), text, max(v.level for v in a), kind, a[0].wide)

    def compare(self, how: str, x: Value, y: Value) -> Value:
        """A comparison, ``olt`` and the like, of doubles."""
        return self.instruction(f"fcmp {how}", x, y, kind="b")

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """x where the condition holds, y elsewhere."""
        x, y = self.alike((x, y))
        if condition.wide and not x.wide:
            x, y = self.splat(x), self.splat(y)
        text = f"select {condition.type} {condition.text}, {x.type} {x.text}, {y.type} {y.text}"
        level = max(condition.level, x.level, y.level)
        return self.computed((text,), text, level, x.kind, x.wide)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """An LLVM intrinsic on doubles, such as ``llvm.sqrt``."""
        a = self.alike(args)
        suffix = f"v{LANES}f64" if a[0].wide else "f64"
        types = ", ".join(v.type for v in a)
        self.declared.add(f"declare {a[0].type} @{name}.{suffix}({types})")
        text = f"call {a[0].type} @{name}.{suffix}({', '.join(f'{v.type} {v.text}' for v in a)})"
        return self.computed((text,), text, max(v.level for v in a), "f", a[0].wide)

    def call(self, address: int, *args: Value) -> Value:
        """A C function of doubles, lane by lane where it is given vectors."""
        a = self.alike(args)
        if not a[0].wide:
            return self._called(address, a)
        key = ("lanes", address, *(v.text for v in a))
        found = self.known(key)
        if found is not None:
            return found
        level = max(v.level for v in a)
        out = Value("poison", level, "f", True)
        for lane in range(LANES):
            parts = [self.lane(v, lane) for v in a]
            y = self._called(address, parts)
            text = f"insertelement {out.type} {out.text}, double {y.text}, i64 {lane}"
            out = self.computed((text,), text, level, "f", True)
        self.memo[level][key] = out
        return out

    def lane(self, a: Value, lane: int) -> Value:
        """One entry of a vector."""
        text = f"extractelement {a.type} {a.text}, i64 {lane}"
        return self.computed((text,), text, a.level, a.kind, False)

    def _called(self, address: int, a: list[Value]) -> Value:
        given = ", ".join(f"{v.type} {v.text}" for v in a)
        text = f"call double {at_address(address)}({given})"
        return self.computed((text,), text, max(v.level for v in a), "f", False)

    def vector_call(self, address: int, a: Value) -> Value:
        """One of our own functions of a whole vector."""
        text = f"call {a.type} {at_address(address)}({a.type} {a.text})"
        return self.computed((text,), text, a.level, "f", True)

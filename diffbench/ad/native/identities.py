"""Identities that hold for every floating-point number; with them a program gets shorter.

``1 * a``, ``a / 1``, ``-(-a)``, ``a + (-b)``, ``a + a = 2 a``; and zeros that only say where
nothing was put. Each takes the builder and the operands, and gives the better node or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from diffbench.ad.native import views
from diffbench.ad.native.views import View, joined

if TYPE_CHECKING:
    from diffbench.ad.native.program import Builder, Node

__all__ = ["IDENTITIES"]


def _is(a: Node, value: float) -> bool:
    return a.op == "number" and a.params[1] == value


def _wide(found: Node, *others: Node) -> Node | None:
    """The operand itself, unless another one would broadcast it."""
    shape = joined(found.shape, *(o.shape for o in others))
    return found if shape == found.shape else None


def _zero(a: Node) -> bool:
    """Zero by structure: where nothing was scattered."""
    return _is(a, 0.0) and a.size > 1


def _multiply(b: Builder, args: tuple[Node, ...]) -> Node | None:
    left, right = args
    for one, other in ((left, right), (right, left)):
        if _is(one, 1.0):
            return b.broadcast(other, joined(one.shape, other.shape))
        if _is(one, -1.0):
            return b.elementwise("negative", b.broadcast(other, joined(one.shape, other.shape)))
        if one.op == "negative" and other.op == "number":
            return b.elementwise("multiply", one.args[0], b.number(-other.params[1], other.shape))
    if left.op == right.op == "negative":
        return b.elementwise("multiply", left.args[0], right.args[0])
    return None


def _add(b: Builder, args: tuple[Node, ...]) -> Node | None:
    left, right = args
    if left is right:
        return b.elementwise("multiply", b.number(2.0), left)
    for one, other in ((left, right), (right, left)):
        if one.op == "negative":
            return b.elementwise("subtract", other, one.args[0])
        if _zero(one) and one.shape == other.shape:
            return other
    if left.shape == right.shape and "place" in (left.op, right.op):
        return b.placed([*_terms(left), *_terms(right)], left.shape)
    return None


def _terms(a: Node) -> Iterable[tuple[Node, View]]:
    """What is put where; a whole array goes to its own place."""
    return zip(a.args, a.params, strict=True) if a.op == "place" else [(a, views.identity(a.shape))]


def _subtract(b: Builder, args: tuple[Node, ...]) -> Node | None:
    left, right = args
    if right.op == "negative":
        return b.elementwise("add", left, right.args[0])
    return _wide(left, right) if _is(right, 0.0) else None


def _divide(b: Builder, args: tuple[Node, ...]) -> Node | None:
    left, right = args
    return _wide(left, right) if _is(right, 1.0) else None


def _negative(b: Builder, args: tuple[Node, ...]) -> Node | None:
    (a,) = args
    if a.op == "negative":
        return a.args[0]
    if a.op == "multiply":
        for one, other in (a.args, a.args[::-1]):
            if one.op == "number":
                return b.elementwise("multiply", b.number(-one.params[1], one.shape), other)
    return None


def _masked(b: Builder, args: tuple[Node, ...]) -> Node | None:
    g, c = args
    return _wide(c, g) if g.op == "number" and g.params[1] != 0.0 else None


def _square(b: Builder, args: tuple[Node, ...]) -> Node | None:
    return b.elementwise("multiply", args[0], args[0])


IDENTITIES: dict[str, Callable[[Builder, tuple[Node, ...]], Node | None]] = {
    "multiply": _multiply,
    "add": _add,
    "subtract": _subtract,
    "divide": _divide,
    "negative": _negative,
    "masked": _masked,
    "square": _square,
    "positive": lambda b, args: args[0],
}

"""What a traced array remembers of how it came about: the few forms that rewrite rows look for.

One level deep, so that nothing is kept alive: the operands of a form forget their own origins.
``square`` and the forms after it in SQUARES are sums of squares: zero only where every square
is, and then every slope of the sum is zero as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffbench.ad.traced import Traced

__all__ = ["NOTES", "SQUARES", "Origin", "form", "is_number", "same"]

Args = tuple[Any, ...]
Note = Callable[[Args, Args], "Origin | None"]
SQUARES = frozenset({"square", "two squares", "sum of squares", "squares"})


class Origin(NamedTuple):
    """How a traced array came about: a form and its operands, which forget their own origins."""

    form: str
    operands: Args = ()
    params: Args = ()


_SQUARES = Origin("squares")


def form(a: Any, name: str) -> Any:
    """The origin of an operand if it has that form."""
    if type(a) is Traced and a.origin is not None and a.origin.form == name:
        return a.origin
    return None


def is_number(a: Any, number: float) -> bool:
    """Whether an operand is that literal number."""
    return isinstance(a, float | int) and a == number


def same(a: Any, b: Any) -> bool:
    """Whether two operands are one traced array, or the same entry of one."""
    if type(a) is not Traced or type(b) is not Traced or a.trace is not b.trace:
        return False
    if _one(a, b):
        return True
    first, second = a.origin, b.origin
    if first is None or second is None or first.form != "part" or second.form != "part":
        return False
    if not all(type(k) is int for k in (*first.params[0], *second.params[0])):
        return False
    return first.params == second.params and _one(first.operands[0], second.operands[0])


def _one(a: Traced, b: Traced) -> bool:
    """Of one trace the same node: its number, or its very value and tangent.

    x and x + 1 may share a tangent, so that the tangent alone tells nothing.
    """
    if type(a.node) is int:
        return bool(a.node == b.node)
    return a.value is b.value and a.node is b.node


# --- sums of squares -----------------------------------------------------------------------------


def _squares(a: Any) -> bool:
    return type(a) is Traced and a.origin is not None and a.origin.form in SQUARES


def _weight(a: Any) -> bool:
    """A constant that is nowhere negative."""
    if isinstance(a, float | int):
        return a >= 0
    return isinstance(a, np.ndarray) and bool(np.all(a >= 0))


def _sum_of_two(args: Args, params: Args) -> Origin | None:
    a, b = args
    exp = (is_number(a, 1.0) and form(b, "exp")) or (is_number(b, 1.0) and form(a, "exp"))
    if exp:
        return Origin("1 + exp", exp.operands)
    first, second = form(a, "square"), form(b, "square")
    if first and second and a.shape == b.shape:
        return Origin("two squares", (*first.operands, *second.operands))
    if _squares(a):
        return _SQUARES if _squares(b) or is_number(b, 0.0) else None
    return _SQUARES if _squares(b) and is_number(a, 0.0) else None


def _sum_of_many(args: Args, params: Args) -> Origin | None:
    square = form(args[0], "square")
    return Origin("sum of squares", square.operands, params) if square else _kept(args, params)


def _square(args: Args, params: Args) -> Origin | None:
    return Origin("square", (args[0].forgetful(),))


def _product(args: Args, params: Args) -> Origin | None:
    a, b = args
    if same(a, b):
        return _square(args, params)
    if _squares(a):
        return _SQUARES if _squares(b) or _weight(b) else None
    return _SQUARES if _squares(b) and _weight(a) else None


def _quotient(args: Args, params: Args) -> Origin | None:
    return _SQUARES if _squares(args[0]) and _weight(args[1]) else None


def _even_power(args: Args, params: Args) -> Origin | None:
    power = args[1]
    even = isinstance(power, float | int) and power > 0 and power % 2 == 0
    return _SQUARES if even else None


def _contracted(args: Args, params: Args) -> Origin | None:
    left, right, _ = params
    return _SQUARES if left == right and same(*args) else None


def _kept(args: Args, params: Args) -> Origin | None:
    """Moved and summed, squares stay squares."""
    return _SQUARES if _squares(args[0]) else None


def _joined(args: Args, params: Args) -> Origin | None:
    return _SQUARES if all(map(_squares, args)) else None


# --- notes: rule name -> (args, params) -> origin of the result, or None -------------------------


def _function(name: str) -> Note:
    """Its operand may still tell that it is part of an array: x[0] is one thing twice."""
    return lambda args, params: Origin(
        name, (args[0] if form(args[0], "part") else args[0].forgetful(),)
    )


def _part(args: Args, params: Args) -> Origin | None:
    return _kept(args, params) or Origin("part", (args[0].forgetful(),), params)


NOTES: dict[str, Note] = {
    "exp": _function("exp"),
    "expit": _function("expit"),
    "log": _function("log"),
    "index": _part,
    "square": _square,
    "pow": _even_power,
    "multiply": _product,
    "divide": _quotient,
    "add": _sum_of_two,
    "sum": _sum_of_many,
    "contract": _contracted,
    "reshape": _kept,
    "broadcast_to": _kept,
    "permute_dims": _kept,
    "concat": _joined,
}

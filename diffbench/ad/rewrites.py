"""Rewrite rows: what no local rule can differentiate well is replaced when it is recorded.

Some compositions have a derivative that the product of their parts' partials cannot give:
``log(1 + exp(x))`` at 1000 is inf / inf, the square root of a sum of squares at 0 is 0 / 0. A
traced array remembers, in its ``origin``, the few forms that matter (one level, so that nothing
is kept alive); a row of REWRITES that finds such an origin among its operands records another
primitive of the same value instead. Every row holds for real numbers, in all modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

__all__ = ["NOTES", "REWRITES", "TELLING", "Origin", "Rewrite"]

Args = tuple[Any, ...]


class Origin(NamedTuple):
    """How a traced array came about: a form and its operands, which forget their own origins."""

    form: str
    operands: Args
    params: Args = ()


@final
@dataclass(frozen=True, slots=True)
class Rewrite:
    """One row: ``match(args, params)`` gives the replacement (rule name, args, params), or None."""

    rule: str
    says: str
    match: Callable[[Args, Args], tuple[str, Args, Args] | None]


def _form(a: Any, form: str) -> Any:
    """The origin of an operand if it has that form."""
    origin = getattr(a, "origin", None)
    return origin if origin is not None and origin.form == form else None


def _is(a: Any, number: float) -> bool:
    return isinstance(a, float | int) and a == number


# --- notes: rule name -> (args, params) -> origin of the result, or None -------------------------


def _unary(form: str) -> Callable[[Args, Args], Origin | None]:
    return lambda args, params: Origin(form, (args[0].forgetful(),))


def _log(args: Args, params: Args) -> Origin | None:
    a = args[0]
    return Origin("log", (a if _form(a, "part") else a.forgetful(),))


def _part(args: Args, params: Args) -> Origin | None:
    return Origin("part", (args[0].forgetful(),), params)


def _product(args: Args, params: Args) -> Origin | None:
    a, b = args
    return Origin("square", (a.forgetful(),)) if a is b else None


def _sum_of_two(args: Args, params: Args) -> Origin | None:
    a, b = args
    exp = (_is(a, 1.0) and _form(b, "exp")) or (_is(b, 1.0) and _form(a, "exp"))
    if exp:
        return Origin("1 + exp", exp.operands)
    first, second = _form(a, "square"), _form(b, "square")
    if first and second and a.shape == b.shape:
        return Origin("two squares", (*first.operands, *second.operands))
    return None


def _sum_of_many(args: Args, params: Args) -> Origin | None:
    square = _form(args[0], "square")
    return Origin("sum of squares", square.operands, params) if square else None


NOTES: dict[str, Callable[[Args, Args], Origin | None]] = {
    "exp": _unary("exp"),
    "log": _log,
    "index": _part,
    "square": _unary("square"),
    "multiply": _product,
    "add": _sum_of_two,
    "sum": _sum_of_many,
}
# those that make a form of any operand; the others, like the rows, find something only where an
# operand has an origin or both operands are one array: elsewhere they need not be asked
TELLING = frozenset({"exp", "log", "index", "square"})

# --- the rows ------------------------------------------------------------------------------------


def _from(form: str, rule: str, *more: Any) -> Callable[[Args, Args], Any]:
    """Replace by ``rule`` of what stands inside the form."""

    def match(args: Args, params: Args) -> tuple[str, Args, Args] | None:
        origin = _form(args[0], form)
        return (rule, (*origin.operands, *more), origin.params) if origin else None

    return match


def _logistic(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    below = _form(args[1], "1 + exp")
    return ("expit", (-below.operands[0],), ()) if below and _is(args[0], 1.0) else None


def _same(a: Any, b: Any) -> bool:
    """Whether two operands are one traced array, or the same entry of one."""
    if _one(a, b):
        return True
    first, second = _form(a, "part"), _form(b, "part")
    if not (first and second and _one(first.operands[0], second.operands[0])):
        return False
    keys = [*first.params[0], *second.params[0]]
    return all(type(k) is int for k in keys) and first.params == second.params


def _one(a: Any, b: Any) -> bool:
    if getattr(a, "trace", a) is not getattr(b, "trace", b):
        return False
    return a is b or a.node is b.node or (type(a.node) is int and a.node == b.node)


def _times_log(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    for x, other in (args, args[::-1]):
        log = _form(other, "log")
        if log and _same(x, log.operands[0]):
            return "xlogx", (x,), ()
    return None


def _same_twice(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    return ("xlogx", (args[0],), ()) if _same(*args) else None


_ROWS = (
    Rewrite("log", "log(1 + exp(x)) is logaddexp(x, 0)", _from("1 + exp", "logaddexp", 0.0)),
    Rewrite("log1p", "log1p(exp(x)) is logaddexp(x, 0)", _from("exp", "logaddexp", 0.0)),
    Rewrite("divide", "1 / (1 + exp(x)) is expit(-x)", _logistic),
    Rewrite("sqrt", "sqrt(x^2) is abs(x)", _from("square", "abs")),
    Rewrite("sqrt", "sqrt(a^2 + b^2) is hypot(a, b)", _from("two squares", "hypot")),
    Rewrite("sqrt", "sqrt(sum x^2) is the norm of x", _from("sum of squares", "norm")),
    Rewrite("exp", "exp(log(x)) is x", _from("log", "positive")),
    Rewrite("multiply", "x log(x) has the slope 1 + log(x), -inf at 0", _times_log),
    Rewrite("xlogy", "xlogy(x, x) has the slope 1 + log(x), -inf at 0", _same_twice),
)
REWRITES: dict[str, tuple[Rewrite, ...]] = {
    row.rule: tuple(r for r in _ROWS if r.rule == row.rule) for row in _ROWS
}

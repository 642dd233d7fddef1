"""Rewrite rows: what no local rule can differentiate well is replaced when it is recorded.

Some compositions have a derivative that the product of their parts' partials cannot give:
``log(1 + exp(x))`` at 1000 is inf / inf, the square root of a sum of squares at 0 is 0 / 0. A
row of REWRITES that finds such a form (:mod:`diffbench.ad.origins`) among its operands records
another primitive of the same value instead. Every row holds for real numbers, in all modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from diffbench.ad.origins import SQUARES, form, is_number, same
from diffbench.ad.rules import RULES
from diffbench.ad.traced import Traced

__all__ = ["REWRITES", "Rewrite"]

Args = tuple[Any, ...]
Match = Callable[[Args, Args], "tuple[str, Args, Args] | None"]


@final
@dataclass(frozen=True, slots=True)
class Rewrite:
    """One row: ``match(args, params)`` gives the replacement (rule name, args, params), or None."""

    rule: str
    says: str
    match: Match


def _made(name: str, *args: Any) -> Any:
    """Another primitive, recorded on the way to the replacement."""
    traced = next(a for a in args if type(a) is Traced)
    return traced.trace.record(RULES[name], args)


def _from(name: str, rule: str, *more: Any) -> Match:
    """Replace by ``rule`` of what stands inside the form."""

    def match(args: Args, params: Args) -> tuple[str, Args, Args] | None:
        origin = form(args[0], name)
        return (rule, (*origin.operands, *more), origin.params) if origin else None

    return match


# --- the logistic function and its logarithm -----------------------------------------------------


def _exp_over(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    over, below = form(args[0], "exp"), form(args[1], "1 + exp")
    if over and below and same(over.operands[0], below.operands[0]):
        return "expit", below.operands, ()
    return None


def _over(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    below = form(args[1], "1 + exp")
    if not below:
        return None
    negative = -below.operands[0]
    if is_number(args[0], 1.0):
        return "expit", (negative,), ()
    return "multiply", (args[0], _made("expit", negative)), ()


def _reciprocal(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    below = form(args[0], "1 + exp")
    return ("expit", (-below.operands[0],), ()) if below else None


def _power(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    return _reciprocal(args, params) if is_number(args[1], -1.0) else None


def _log_expit(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    inside = form(args[0], "expit")
    return ("negative", (_made("logaddexp", 0.0, -inside.operands[0]),), ()) if inside else None


# --- logarithms ----------------------------------------------------------------------------------


def _times_log(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    for x, other in (args, args[::-1]):
        log = form(other, "log")
        if log and same(x, log.operands[0]):
            return "xlogx", (x,), ()
    return None


def _same_twice(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    return ("xlogx", (args[0],), ()) if same(*args) else None


# --- square roots of sums of squares -------------------------------------------------------------


def _root(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    return ("root", args[:1], ()) if any(form(args[0], name) for name in SQUARES) else None


def _half(args: Args, params: Args) -> tuple[str, Args, Args] | None:
    return _root(args, params) if is_number(args[1], 0.5) else None


_ROWS = (
    Rewrite("log", "log(1 + exp(x)) is logaddexp(x, 0)", _from("1 + exp", "logaddexp", 0.0)),
    Rewrite("log1p", "log1p(exp(x)) is logaddexp(x, 0)", _from("exp", "logaddexp", 0.0)),
    Rewrite("log", "log(expit(x)) is -logaddexp(0, -x)", _log_expit),
    Rewrite("divide", "exp(x) / (1 + exp(x)) is expit(x)", _exp_over),
    Rewrite("divide", "a / (1 + exp(x)) is a expit(-x)", _over),
    Rewrite("reciprocal", "the reciprocal of 1 + exp(x) is expit(-x)", _reciprocal),
    Rewrite("pow", "(1 + exp(x))^-1 is expit(-x)", _power),
    Rewrite("sqrt", "sqrt(x^2) is abs(x)", _from("square", "abs")),
    Rewrite("sqrt", "sqrt(a^2 + b^2) is hypot(a, b)", _from("two squares", "hypot")),
    Rewrite("sqrt", "sqrt(sum x^2) is the norm of x", _from("sum of squares", "norm")),
    Rewrite("sqrt", "of any other sum of squares the root has the slope 0 at 0", _root),
    Rewrite("pow", "so has its power 0.5", _half),
    Rewrite("exp", "exp(log(x)) has the slope 1", _from("log", "explog")),
    Rewrite("multiply", "x log(x) has the slope 1 + log(x), -inf at 0", _times_log),
    Rewrite("xlogy", "xlogy(x, x) has the slope 1 + log(x), -inf at 0", _same_twice),
)
REWRITES: dict[str, tuple[Rewrite, ...]] = {
    row.rule: tuple(r for r in _ROWS if r.rule == row.rule) for row in _ROWS
}

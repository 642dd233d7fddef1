"""The same rules where zero times infinity must not arise: a zero direction stays zero.

In floating point 0 times inf is NaN, so that one overflow in a branch that was not taken would
spoil a whole gradient. A sweep therefore runs with the plain rules first; only where its result
is not finite it runs again with GUARDED: every partial of every row then leaves a zero direction
zero, whatever it is. A finite result is the same either way, since no arithmetic turns NaN back
into a number, and a choice that drops it drops the guarded zero as well. An infinite direction
times a zero partial stays NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from diffbench.ad import floats
from diffbench.ad.kinds import Bilinear, Elementwise, Factor, Inverse, Kind, Solve
from diffbench.ad.rules import RULES, Rule
from diffbench.ad.traced import Traced, plain, shape_of

__all__ = ["GUARDED", "TRACED_AS", "finite", "guarded"]


# In a compiled program nobody can look at numbers while it is traced: it is said beforehand.
TRACED_AS: ContextVar[str] = ContextVar("traced as", default="")  # "plain", "guarded" or neither


def finite(kernels: dict[str, Any], out: Any) -> bool:
    """Whether a result, under all levels of tracing, has no infinite entry and no NaN."""
    said = TRACED_AS.get()
    if said:
        return said == "plain"
    value = plain(out)
    if isinstance(value, float) or (type(value) is np.ndarray and value.dtype.kind == "f"):
        return floats.finite(value)
    found = kernels["isfinite"](value)
    return bool(found.all()) if type(found) is np.ndarray else bool(found)


def guarded(rules: list[Any]) -> list[Any]:
    """The guarded rules of a trace; of its own rules (loops) the same."""
    return [rule and GUARDED.get(rule.name, rule) for rule in rules]


def _zeros(direction: Any) -> Any:
    """Which entries are exactly zero."""
    return direction == 0 if type(direction) is Traced else np.asarray(direction == 0)


def _met(xp: Any, value: Any, letters: str, direction: Any, its: str) -> Any:
    """The value, 0 in those entries that a product over shared letters meets with zeros only."""
    lib = xp if type(direction) is Traced else np
    gone = tuple(i for i, c in enumerate(its) if c not in letters)
    dead = lib.all(_zeros(direction), axis=gone) if gone else _zeros(direction)
    shared = [c for c in its if c in letters]
    dead = lib.permute_dims(dead, tuple(shared.index(c) for c in letters if c in shared))
    wide = [n if c in shared else 1 for c, n in zip(letters, shape_of(value), strict=True)]
    return xp.where(lib.reshape(dead, tuple(wide)), 0.0, value)


@final
@dataclass(frozen=True, slots=True)
class Factored:
    """Sums of products: a factor counts as zero where it meets only zeros of the direction."""

    kind: Bilinear

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                one = [t if j == i else None for j in range(2)]
                factors = list(args)
                factors[1 - i] = _met(xp, args[1 - i], params[1 - i], t, " " + params[i])
                term = self.kind.push(xp, rule, one, y, factors, params)
                total = term if total is None else total + term
        return total

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        factors = list(args)
        factors[1 - i] = _met(xp, args[1 - i], params[1 - i], g, params[2])
        return self.kind.pull(xp, rule, i, g, y, factors, params)


@final
@dataclass(frozen=True, slots=True)
class Whole:
    """A kind whose directions mix all entries: a direction that is zero throughout stays zero."""

    kind: Kind

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        out = self.kind.push(xp, rule, tangents, y, args, params)
        given = [_still(xp, t) for t in tangents if t is not None]
        dead = functools.reduce(xp.logical_and, given)
        return xp.where(xp.reshape(dead, (-1, *(1 for _ in shape_of(y)))), 0.0, out)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        if type(g) is not Traced and np.all(_zeros(g)):
            return None
        part = self.kind.pull(xp, rule, i, g, y, args, params)
        return xp.where(xp.all(g == 0), 0.0, part) if type(g) is Traced else part


def _still(xp: Any, t: Any) -> Any:
    """Which of the k directions of a tangent are zero throughout."""
    lib = xp if type(t) is Traced else np
    return lib.all(_zeros(t), axis=tuple(range(1, len(shape_of(t)))))


def _masked(weight: Callable[..., Any]) -> Callable[..., Any]:
    return lambda xp, g, y, x, axes: xp.masked(g, weight(xp, g, y, x, axes))


def _guarded(rule: Rule) -> Rule:
    if rule.weight is not None:
        return replace(rule, weight=_masked(rule.weight))
    if isinstance(rule.kind, Elementwise):
        return replace(rule, singular=True)
    if isinstance(rule.kind, Bilinear):
        return replace(rule, kind=Factored(rule.kind))
    mixes = isinstance(rule.kind, Solve | Inverse | Factor)
    return replace(rule, kind=Whole(rule.kind)) if mixes else rule


GUARDED: dict[str, Rule] = {name: _guarded(rule) for name, rule in RULES.items()}

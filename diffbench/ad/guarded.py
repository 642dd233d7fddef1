"""The same rules where zero times infinity must not arise: a zero direction stays zero.

In floating point 0 times inf is NaN, so that one overflow in a branch that was not taken would
spoil a whole gradient. A sweep therefore runs with the plain rules first; only where its result
is not finite it runs again with GUARDED: every partial of every row then leaves a zero direction
zero, whatever it is. A finite result is the same either way, since no arithmetic turns NaN back
into a number, and a choice that drops it drops the guarded zero as well. An infinite direction
times a zero partial stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from diffbench.ad.kinds import Bilinear, Elementwise, Factor, Kind, Solve
from diffbench.ad.rules import RULES, Rule
from diffbench.ad.traced import plain, shape_of

__all__ = ["GUARDED", "finite"]


def finite(kernels: dict[str, Any], out: Any) -> bool:
    """Whether a result, under all levels of tracing, has no infinite entry and no NaN."""
    found = kernels["isfinite"](plain(out))
    return bool(found.all()) if type(found) is np.ndarray else bool(found)


def _zeros(direction: Any) -> Any:
    """Which entries are exactly zero, as plain booleans."""
    return np.asarray(plain(direction) == 0)


def _met(xp: Any, value: Any, letters: str, direction: Any, its: str) -> Any:
    """The value, 0 in those entries that a product over shared letters meets with zeros only."""
    dead = np.all(_zeros(direction), axis=tuple(i for i, c in enumerate(its) if c not in letters))
    shared = [c for c in its if c in letters]
    dead = np.transpose(dead, [shared.index(c) for c in letters if c in shared])
    dead = dead.reshape(
        [n if c in shared else 1 for c, n in zip(letters, shape_of(value), strict=True)]
    )
    return xp.where(dead, 0.0, value)


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
        given = [_zeros(t) for t in tangents if t is not None]
        dead = np.logical_and.reduce([np.all(z, axis=tuple(range(1, z.ndim))) for z in given])
        return xp.where(dead.reshape(-1, *(1 for _ in shape_of(y))), 0.0, out)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        return None if np.all(_zeros(g)) else self.kind.pull(xp, rule, i, g, y, args, params)


def _masked(weight: Callable[..., Any]) -> Callable[..., Any]:
    return lambda xp, g, y, x, axes: xp.masked(g, weight(xp, g, y, x, axes))


def _guarded(rule: Rule) -> Rule:
    if rule.weight is not None:
        return replace(rule, weight=_masked(rule.weight))
    if isinstance(rule.kind, Elementwise):
        return replace(rule, singular=True)
    if isinstance(rule.kind, Bilinear):
        return replace(rule, kind=Factored(rule.kind))
    return replace(rule, kind=Whole(rule.kind)) if isinstance(rule.kind, Solve | Factor) else rule


GUARDED: dict[str, Rule] = {name: _guarded(rule) for name, rule in RULES.items()}

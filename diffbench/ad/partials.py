"""Partials of the rule table that need more than a line, with their conventions.

Each says what a partial does to a direction ``g``, in the primitives themselves, like the ones
that stand in their row: ``partial(xp, g, y, *operands)``; of a reduction ``weight(xp, g, y, x,
axes)`` with the axes of y kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from diffbench.ad import kernels

__all__ = [
    "atan2",
    "chosen",
    "det_weight",
    "extreme_weight",
    "hypot",
    "logdet_weight",
    "norm_weight",
    "pow_base",
    "pow_exponent",
    "prod_weight",
    "root",
    "xlogy_second",
]

_TINY = float(np.finfo(np.float64).tiny)  # below it numbers have lost digits


def pow_base(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    """b a^(b - 1), and 0 for b = 0 even at a = 0."""
    if isinstance(b, int | float):
        return g * (b * a ** (b - 1)) if b else g * 0.0
    return g * xp.where(b == 0, 0.0, b * a ** xp.where(b == 0, 1.0, b - 1))


def pow_exponent(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    """y ln a, and its limit 0 at a = 0 for b > 0."""
    return g * (y * xp.log(xp.where(b > 0, xp.where(a == 0, 1.0, a), a)))


def _unit(xp: Any, x: Any, size: Any) -> Any:
    """x / size, and 0 at 0 in every order: along each ray from there the function is straight."""
    return xp.where(size == 0, 0.0, x / xp.where(size == 0, 1.0, size))


def atan2(xp: Any, g: Any, part: Any, a: Any, b: Any) -> Any:
    """g times part / (a^2 + b^2), without its squares, which overflow."""
    size = xp.hypot(a, b)
    return g * (part / size / size)


def xlogy_second(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    """a / b, and 0 for a = 0 even at b = 0."""
    return g * (a / xp.where(b == 0, xp.where(a == 0, 1.0, b), b))


def root(xp: Any, g: Any, y: Any, x: Any) -> Any:
    """g / 2y, and 0 at 0."""
    return xp.where(y == 0, 0.0, g / (2.0 * xp.where(y == 0, 1.0, y)))


def hypot(which: int) -> Callable[..., Any]:
    """One operand over the value."""
    return lambda xp, g, y, *ab: g * _unit(xp, ab[which], y)


def chosen(which: int, wins: str) -> Callable[..., Any]:
    """The whole direction to the operand that wins, half of it to each side of a tie.

    Compared by the names of xp, which balls decide or refuse; their own ``>`` is false in doubt.
    """

    def partial(xp: Any, g: Any, y: Any, *ab: Any) -> Any:
        mine, other = ab[which], ab[1 - which]
        tie = xp.where(xp.equal(mine, other), 0.5 * g, 0.0)
        return xp.where(getattr(xp, wins)(mine, other), g, tie)

    return partial


def prod_weight(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The product of all other factors: y / x, or prefix times suffix products near y = 0."""
    return g * (y / x if xp.all(abs(y) > _TINY) else kernels.others_product(xp, x, *axes))


def extreme_weight(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The adjoint in equal shares to all entries that attain the extreme."""
    hit = xp.where(xp.attains(x, y, axes), 1.0, 0.0)
    return xp.where(hit == 0, 0.0, g * (hit / xp.sum(hit, axis=axes, keepdims=True)))


def norm_weight(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Each entry over the norm."""
    return g * _unit(xp, x, y)


def det_weight(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The cofactors: det(A) A^-T, or the minors where A is singular."""
    if xp.all(y != 0):
        return g * (y * xp.matrix_transpose(xp.linalg.inv(x)))
    return g * kernels.cofactors(xp, x)


def logdet_weight(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """A^-T."""
    return g * xp.matrix_transpose(xp.linalg.inv(x))

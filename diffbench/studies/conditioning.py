"""Exact, but of what? The logistic map so deep that every correct method loses all digits.

f is l_depth of l_1 = x, l_(k+1) = 4 l_k (1 - l_k), at the double nearest to 0.2; its derivative is
the product of the slopes 4 - 8 l_k. With x = sin^2 t, l_k = sin^2(2^(k-1) t): each step doubles t,
so it doubles, on the whole, the derivative and also what the value has lost to rounding: a bit, or
log10(2) = 0.301 digits. A ball does not know that l and 1 - l carry the same error: its radius
grows by 4 (l + (1 - l)) = 4 a step, and that of the adjoint by 4 again on its way back, beside a
derivative that grows by 2: 4 4 / 2 = 8 are three bits. Once a ball is as wide as l, it is squared.

Rows: ``kind|depth`` for the kinds ``derivative``, ``value`` (digits of f in float64), ``program``
(digits of the float64 program's own derivative: the exact product of the slopes at the values that
it held) and ``proven`` (-log10 rad53_rel); of a method ``digits|depth|name`` beside the
mathematical derivative and ``own|depth|name`` beside the program's; ``rate|kind`` is a slope.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from diffbench.ad.namespace import NUMPY
from diffbench.errors import Unsupported
from diffbench.measure.reference import DOUBLE, enclosure
from diffbench.method import Method, gradient_by, variant_name
from diffbench.problem import Instance, Parts, lone
from diffbench.study import Study, StudyRow

__all__ = ["DEPTHS", "STUDY", "instance_at", "own_derivative"]

NAME = "conditioning"
X, ELSEWHERE = 0.2, 0.23
DEPTHS = tuple(range(4, 61, 4))
EACH = (20, 30, 40, 50, 60)  # of every method: some compile at each depth
BITS = 512  # 60 steps cost a ball 120
MOST_DIGITS = DOUBLE * math.log10(2.0)
LOST = {"value": 1, "program": 1, "proven": 3}  # bits a step, in theory
UNTIL = {"value": 48, "program": 48, "proven": 24}  # where digits are left, or balls are narrow


def _start(x: Any, xp: Any) -> Any:
    return x * 1.0


def _step(state: Any, xp: Any, i: Any) -> Any:
    return 4.0 * state * (1.0 - state)


def _finish(state: Any, xp: Any) -> Any:
    return state[0]


def f(x: Any, xp: Any, *, depth: int) -> Any:
    """The iterate number ``depth``, counted from l_1 = x."""
    state = _start(x, xp)
    for i in range(depth - 1):
        state = _step(state, xp, i)
    return _finish(state, xp)


def gradient(x: Any, *, depth: int) -> Any:
    """The product of the slopes, by hand."""
    held, product = float(x[0]), 1.0
    for _ in range(depth - 1):
        product *= 4.0 - 8.0 * held
        held = 4.0 * held * (1.0 - held)
    return np.array([product])


def instance_at(depth: int) -> Instance:
    """The map of that depth; methods prepare it at another point."""
    parts = Parts(
        f=functools.partial(f, depth=depth),
        x=np.array([X]),
        prepare_x=np.array([ELSEWHERE]),
        depth=depth - 1,
        answers={"gradient": functools.partial(gradient, depth=depth)},
        start=_start,
        step=_step,
        finish=_finish,
    )
    return lone(f"{NAME}[depth={depth}]", parts)


def own_derivative(depth: int) -> Fraction:
    """The product of the slopes at the values that the float64 program held, exactly."""
    held, product = X, Fraction(1)
    for _ in range(depth - 1):
        product *= 4 - 8 * Fraction(held)
        held = 4.0 * held * (1.0 - held)
    return product


@functools.cache
def true(depth: int, operator: str) -> Fraction:
    """Value or derivative of the mathematical map, to many more digits than a double has."""
    (ball,) = enclosure(instance_at(depth), operator, BITS).reshape(-1)
    mantissa, exponent = ball.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def digits(answer: float | Fraction, right: Fraction) -> float | None:
    """Minus the decimal logarithm of the relative error, at most those of a double."""
    if not math.isfinite(answer):
        return None
    error = abs(Fraction(answer) / right - 1)
    return MOST_DIGITS if error < Fraction(2) ** -DOUBLE else -math.log10(error)


def _proven(depth: int) -> float | None:
    """-log10 rad53_rel; None where the radius is no double any more."""
    (ball,) = enclosure(instance_at(depth), "gradient", DOUBLE)
    relative = float(ball.rad().upper()) / abs(float(true(depth, "gradient")))
    return -math.log10(relative) if math.isfinite(relative) else None


def _row(key: str, value: float | None, unit: str, **more: Any) -> StudyRow:
    return StudyRow(study=NAME, key=key, value=value, unit=unit, **more)


def run() -> Iterator[StudyRow]:
    """By depth what is true, what float64 holds of it and what balls prove; then the slopes."""
    found: dict[str, dict[int, float]] = {kind: {} for kind in LOST}
    for depth in DEPTHS:
        slope = true(depth, "gradient")
        value = float(instance_at(depth).f(np.array([X]), NUMPY))
        yield _row(f"derivative|{depth}", float(slope), "f'(x)")
        kinds = {
            "value": digits(value, true(depth, "value")),
            "program": digits(own_derivative(depth), slope),
            "proven": _proven(depth),
        }
        for kind, number in kinds.items():
            yield _row(f"{kind}|{depth}", number, "digits")
            if number is not None and depth <= UNTIL[kind]:
                found[kind][depth] = number
    growth = {depth: math.log10(abs(true(depth, "gradient"))) for depth in DEPTHS}
    yield from _rates({"growth": growth, **found}, {"growth": -1, **LOST})


def _rates(found: Mapping[str, Mapping[int, float]], lost: Mapping[str, int]) -> Iterable[StudyRow]:
    from scipy.stats import theilslopes

    for kind, points in found.items():
        fit = theilslopes(list(points.values()), list(points), 0.95)
        theory = -lost[kind] * math.log10(2.0)
        reason = f"{theory!r} in theory; Theil-Sen over depth {min(points)} to {max(points)}"
        yield _row(f"rate|{kind}", fit[0], "digits a step", low=fit[2], high=fit[3], reason=reason)


def each(method: Method) -> Iterator[StudyRow]:
    """The digits of one method's derivative, beside the true one and the program's own."""
    name = variant_name(method)
    for depth in EACH:
        instance = instance_at(depth)
        try:
            answer = gradient_by(method, instance)
        except Unsupported as error:
            yield _row(f"digits|{depth}|{name}", None, "unsupported", reason=str(error))
            continue
        (slope,) = answer.tolist()
        beside = {"digits": true(depth, "gradient"), "own": own_derivative(depth)}
        for kind, right in beside.items():
            yield _row(f"{kind}|{depth}|{name}", digits(slope, right), method.claim)


STUDY = Study(name=NAME, title="Digits of a derivative against depth", run=run, each=each)

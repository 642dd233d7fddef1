"""How a quantity grows: the exponent of a log-log line, and what theory says beside it.

The exponent is Theil and Sen's median of the pairwise slopes. Its interval takes the slopes at
the ranks given by the exact null distribution of Kendall's statistic (Sen 1968), so that small
samples get no interval narrower than 95 %: with fewer than five points the slope stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import final

__all__ = [
    "FLOOR",
    "LEAST_SLOPE",
    "TOLERANCE",
    "Fit",
    "exponent",
    "factors",
    "kind_of",
    "steps",
    "theory",
    "verdict",
]

FLOOR = 10.0  # times the empty call: below it a time is mostly the harness's own
TOLERANCE = 0.1  # DESIGN, growth claims: holds inside [p - 0.1, p + 0.1]
LEAST = 5  # points: with four, even all slopes together cover only 91.7 %
LEAST_SLOPE = 3  # points of a slope without an interval

# Exponent of (time of the method / time of its own primal) for the full first derivative
# (gradient for m = 1, jacobian else), by category of the method, against each axis.
THEORY: dict[str, dict[str, float]] = {
    "numerical": {"calls": 1.0, "m": 0.0, "depth": 0.0},  # n+1, 2n or n calls of the vector f
    "forward AD": {"n": 1.0, "m": 0.0, "depth": 0.0},  # n tangent directions
    "reverse AD": {"n": 0.0, "m": 1.0, "depth": 0.0},  # m sweeps
}


@final
@dataclass(frozen=True, slots=True)
class Fit:
    """An exponent with its 95 % interval; ``reason`` says why there is no interval."""

    exponent: float
    low: float
    high: float
    points: int
    dropped: int
    reason: str = ""


def kind_of(method: str, category: str) -> str:
    """The row of the theory table; a tool with both modes says in its name which one it is."""
    if category == "AD":
        return next(
            (f"{mode} AD" for mode in ("forward", "reverse") if f"mode={mode}" in method), ""
        )
    return category if category in THEORY else ""


def theory(method: str, category: str, axis: str) -> float | None:
    """The exponent that theory gives for the ratio to the own primal, or None.

    ``axis`` is n, m, depth or calls (of f): differences are fitted against their calls.
    """
    return THEORY.get(kind_of(method, category), {}).get(axis)


def exponent(
    x: Sequence[float],
    y: Sequence[float],
    floor: Sequence[float] | None = None,
    times: Sequence[Sequence[float]] = (),
    least: int = LEAST,
    bounds: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Fit:
    """The exponent p of ``y ~ x**p``.

    ``floor`` is the empty call (seconds) at each point, and ``times`` the series (seconds) that
    must reach ten times it there: points where one does not are dropped. Without ``times``,
    ``y`` itself is held against the floor. Points that are not positive and finite never count.
    Exact counts need no interval: for them ``least``, the fewest sizes, may be 2. ``bounds``, the
    95 % intervals of ``y``, give fewer sizes an interval: that of measuring, not of the law.
    """
    held = times or ((y,) if floor is not None else ())
    keep = [i for i in range(len(x)) if _usable(x[i], y[i]) and _above(i, floor, held)]
    sizes = [math.log(x[i]) for i in keep]
    slope, low, high = _theil_sen(sizes, [math.log(y[i]) for i in keep], least)
    reason = _why_not(sizes, least)
    if reason and bounds and math.isfinite(slope):
        low, high = _carried(sizes, *([edge[i] for i in keep] for edge in bounds))
        reason = f"{len(set(sizes))} usable sizes: the interval is that of their times alone"
    return Fit(slope, low, high, len(keep), len(x) - len(keep), reason)


def _usable(x: float, y: float) -> bool:
    return x > 0 and y > 0 and math.isfinite(x) and math.isfinite(y)


def _above(i: int, floor: Sequence[float] | None, times: Sequence[Sequence[float]]) -> bool:
    # Written so that a missing (NaN) time or floor drops the point.
    return floor is None or all(t[i] >= FLOOR * floor[i] for t in times)


def _why_not(x: Sequence[float], least: int) -> str:
    if len(set(x)) < least:
        return f"{len(set(x))} usable sizes; an interval of 95 % needs {least}"
    return ""


def _carried(
    x: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> tuple[float, float]:
    """The least and the largest median slope of points anywhere in their intervals."""
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if x[i] > x[j]]

    def steepest(upper: Sequence[float], lower: Sequence[float]) -> float:
        return median(math.log(upper[i] / lower[j]) / (x[i] - x[j]) for i, j in pairs)

    return steepest(low, high), steepest(high, low)


def _theil_sen(x: Sequence[float], y: Sequence[float], least: int) -> tuple[float, float, float]:
    if len(set(x)) < min(least, LEAST_SLOPE):
        return math.nan, math.nan, math.nan
    pairs = [(i, j) for i in range(len(x)) for j in range(i) if x[i] != x[j]]
    slopes = sorted((y[i] - y[j]) / (x[i] - x[j]) for i, j in pairs)
    slope = median(slopes)
    if len(set(x)) < least:
        return slope, math.nan, math.nan
    skip = min(_skipped(len(x)), (len(slopes) - 1) // 2)
    return slope, slopes[skip], slopes[len(slopes) - 1 - skip]


def _skipped(points: int) -> int:
    """How many of the smallest (and largest) slopes a two-sided 95 % interval leaves out.

    Leaving out k on each side misses with probability 2 P(at most k inversions), counted over
    all permutations by the Mahonian recursion.
    """
    counts = [1]
    for size in range(2, points + 1):
        counts = [sum(counts[max(0, i - size + 1) : i + 1]) for i in range(len(counts) + size - 1)]
    missed, total = 0, math.factorial(points)
    for k, count in enumerate(counts):
        missed += count
        if 40 * missed > total:
            return max(k - 1, 0)
    return 0


def verdict(fit: Fit, expected: float | None, tolerance: float = TOLERANCE) -> str:
    """*holds*, *does not hold* or *not decidable here*; empty where theory says nothing."""
    if expected is None:
        return ""
    low, high = expected - tolerance, expected + tolerance
    if fit.low >= low and fit.high <= high:
        return "holds"
    if fit.high < low or fit.low > high:
        return "does not hold"
    return "not decidable here"


def factors(values: Sequence[float]) -> list[float]:
    """The growth factor from each value to the next; NaN after a zero."""
    return [b / a if a else math.nan for a, b in pairwise(values)]


def steps(values: Sequence[float]) -> list[float]:
    """The increment from each value to the next."""
    return [b - a for a, b in pairwise(values)]

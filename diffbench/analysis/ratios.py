"""Medians, geometric means of paired ratios, their 95 % intervals, and ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Estimate", "geometric_mean", "median", "median_ratio", "paired_ratio", "tie"]


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its 95 % interval (NaN where the sample is too small for one), its sample size."""

    value: float
    low: float
    high: float
    count: int


EMPTY = Estimate(math.nan, math.nan, math.nan, 0)


def median(values: Sequence[float]) -> Estimate:
    """The median with the interval between order statistics that covers at least 95 %.

    It assumes nothing about the distribution; fewer than six values have no such interval.
    """
    sample = sorted(v for v in values if math.isfinite(v))
    if not sample:
        return EMPTY
    n, half = len(sample), len(sample) // 2
    middle = sample[half] if n % 2 else (sample[half - 1] + sample[half]) / 2
    rank = _rank(n)
    if rank is None:
        return Estimate(middle, math.nan, math.nan, n)
    return Estimate(middle, sample[rank], sample[n - 1 - rank], n)


def _rank(n: int) -> int | None:
    """The largest k with P(Binomial(n, 1/2) <= k) <= 2.5 %: how many to leave out below."""
    missed, best, ways = 0, None, 1
    for k in range(n // 2):
        missed += ways
        ways = ways * (n - k) // (k + 1)  # C(n, k + 1)
        if 40 * missed > 2**n:
            break
        best = k
    return best


def _logs(above: Sequence[float], below: Sequence[float]) -> list[float]:
    pairs = zip(above, below, strict=True)
    return [math.log(a / b) for a, b in pairs if a > 0 and b > 0 and math.isfinite(a / b)]


def _exp(e: Estimate) -> Estimate:
    return Estimate(math.exp(e.value), math.exp(e.low), math.exp(e.high), e.count)


def median_ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """The median of the paired ratios ``above[i] / below[i]``."""
    return _exp(median(_logs(above, below)))


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """The geometric mean of the paired ratios, with a t-interval over their logarithms."""
    return geometric_mean([math.exp(v) for v in _logs(above, below)])


def geometric_mean(values: Sequence[float]) -> Estimate:
    """The geometric mean of positive values with its t-interval; others are left out."""
    logs = [math.log(v) for v in values if v > 0 and math.isfinite(v)]
    n = len(logs)
    if not n:
        return EMPTY
    mean = math.fsum(logs) / n
    if n < 2:
        return Estimate(math.exp(mean), math.nan, math.nan, n)
    from scipy.special import stdtrit

    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in logs) / (n - 1) / n)
    half = float(stdtrit(n - 1, 0.975)) * spread
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), n)


def tie(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two intervals overlap; one that is not known overlaps everything."""
    return not (a[1] < b[0] or b[1] < a[0])

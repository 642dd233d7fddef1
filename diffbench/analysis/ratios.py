"""Medians, geometric means of paired ratios, their 95 % intervals, and ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import final

from diffbench.measure.intervals import student

__all__ = [
    "Estimate",
    "geometric_mean",
    "grouped_mean",
    "holm",
    "median",
    "median_ratio",
    "paired_ratio",
    "pooled",
    "tie",
]


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its 95 % interval (NaN where the sample is too small for one), its sample size."""

    value: float
    low: float
    high: float
    count: int


MODERATION = 4  # so many degrees of freedom has what is known beside a sample's own spread
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


def geometric_mean(values: Sequence[float], variance: float = 0.0, freedom: int = 0) -> Estimate:
    """The geometric mean of positive values with its t-interval; others are left out.

    A ``variance`` of logarithms that is known from elsewhere moderates the sample's own, with the
    weight of at most MODERATION of its degrees of ``freedom``.
    """
    logs = [math.log(v) for v in values if v > 0 and math.isfinite(v)]
    n, known = len(logs), min(MODERATION, freedom)
    if not n:
        return EMPTY
    mean = math.fsum(logs) / n
    if n < 2:
        return Estimate(math.exp(mean), math.nan, math.nan, n)
    squares = math.fsum((v - mean) ** 2 for v in logs) + known * variance
    half = student(n - 1 + known) * math.sqrt(squares / (n - 1 + known) / n)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), n)


def pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The variance of the logarithms of positive values within groups, and its freedom."""
    logs = [[math.log(v) for v in group] for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in logs)
    squares = math.fsum(math.fsum((v - fmean(g)) ** 2 for v in g) for g in logs)
    return (squares / freedom, freedom) if freedom else (0.0, 0)


def grouped_mean(groups: Sequence[Sequence[float]]) -> Estimate:
    """The geometric mean of positive values that come in groups which are alike within.

    Every value weighs the same, but the interval rests on the groups: the cluster-robust variance
    of a mean with Student's quantile for G - 1 degrees of freedom (Cameron and Miller, A
    practitioner's guide to cluster-robust inference, 2015). Groups of one value give
    ``geometric_mean``; a single group has no other.
    """
    if len(groups) < 2:
        return geometric_mean([v for group in groups for v in group])
    logs = [[math.log(v) for v in group] for group in groups]
    count, n = len(groups), sum(map(len, logs))
    mean = math.fsum(v for group in logs for v in group) / n
    squares = math.fsum(math.fsum(v - mean for v in group) ** 2 for group in logs)
    half = student(count - 1) * math.sqrt(squares * count / (count - 1)) / n
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979): what is below 5 % stands though all are asked at once."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def tie(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two intervals overlap; one that is not known overlaps everything."""
    return not (a[1] < b[0] or b[1] < a[0])

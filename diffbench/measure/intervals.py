"""Intervals of times and ratios: over generations, or calibrated by the run's own A/A pairs.

Everything is done with logarithms: noise of a clock is a factor. Rounds within one process are
not independent of its memory layout, so the unit of replication is the process. With several
generations: Student's interval over the generations' medians. With one: the spread within the
process, plus the spread between processes that ran *identical* code (f in numpy, which every
worker of a group samples), pooled over the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median
from typing import final

__all__ = ["Interval", "Spread", "between_processes", "interval", "paired", "relative_width"]

LEVEL = 0.95
MEDIAN_COST = math.sqrt(math.pi / 2)  # a median's standard error over a mean's, for normal noise
PRIOR_SPREAD = 0.03  # what is assumed of a machine before it is measured ...
PRIOR_PAIRS = 4  # ... with the weight of so many pairs


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """A positive number with its 95 % interval; the value lies inside."""

    value: float
    low: float
    high: float


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation of the logarithm between processes, and how many pairs tell it."""

    sigma: float
    pairs: int

    @property
    def half_width(self) -> float:
        """Of the 95 % interval of one process, in logarithms."""
        return student(self.pairs + PRIOR_PAIRS) * self.sigma


@cache
def student(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def between_processes(groups: Iterable[Sequence[float]]) -> Spread:
    """The spread of identical code over processes, pooled over groups.

    Each group holds one time a process (seconds a call). A prior of a few pairs keeps short runs
    from claiming that there is no spread.
    """
    squares, freedom = 0.0, 0
    for times in groups:
        logs = [math.log(t) for t in times if t > 0]
        if len(logs) > 1:
            mean = fmean(logs)
            squares += sum((value - mean) ** 2 for value in logs)
            freedom += len(logs) - 1
    pooled = (squares + PRIOR_PAIRS * PRIOR_SPREAD**2) / (freedom + PRIOR_PAIRS)
    return Spread(math.sqrt(pooled), freedom)


def interval(generations: Mapping[int, Sequence[float]], spread: Spread) -> Interval | None:
    """The median of a positive quantity with its interval; None without any number.

    ``generations`` maps each generation to the quantities that its rounds gave.
    """
    logs = {g: [math.log(v) for v in row if v > 0] for g, row in generations.items()}
    logs = {g: row for g, row in logs.items() if row}
    if not logs:
        return None
    medians = [median(row) for row in logs.values()]
    if len(medians) > 1:
        centre, half = fmean(medians), student(len(medians) - 1) * _error(medians)
    else:
        (row,) = logs.values()
        centre, half = medians[0], math.hypot(_within(row), spread.half_width)
    value = median(medians)
    low, high = min(centre - half, value), max(centre + half, value)
    return Interval(math.exp(value), math.exp(low), math.exp(high))


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    mean = fmean(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1) / len(values))


def _within(row: Sequence[float]) -> float:
    """Half the width of a median's interval over the rounds of one process."""
    return MEDIAN_COST * student(len(row) - 1) * _error(row) if len(row) > 1 else 0.0


def relative_width(row: Sequence[float]) -> float:
    """Half the interval within one process over the value: what more rounds can narrow."""
    logs = [math.log(v) for v in row if v > 0]
    return math.expm1(_within(logs)) if len(logs) > 1 else math.inf


def paired(
    above: Mapping[tuple[int, int], float], below: Mapping[tuple[int, int], float]
) -> dict[int, list[float]]:
    """Ratios of the rounds that both have, by generation; keys are (generation, round)."""
    ratios: dict[int, list[float]] = {}
    for key in sorted(above.keys() & below.keys()):
        if below[key] > 0:
            ratios.setdefault(key[0], []).append(above[key] / below[key])
    return ratios

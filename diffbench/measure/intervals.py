"""Intervals of times and ratios: over generations, or calibrated by the run's own A/A pairs.

Everything is done with logarithms: noise of a clock is a factor. Rounds within one process are
not independent of its memory layout, so the unit of replication is the process. With several
generations: Student's interval over the generations' medians. With one: the spread of the cell's
rounds, and the spread between processes that ran *identical* code (f in numpy, which every worker
of a group samples), pooled over the run. A few rounds tell little about their own spread, so it is
moderated by the run's: weighted means of both variances (Smyth, Linear models and empirical Bayes
methods, 2004). A few generations tell as little: many intervals that are asked at once may lean on
a prior of them all, with the weight that their likeness allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median
from typing import final

__all__ = [
    "Interval",
    "Prior",
    "Spread",
    "calibrated",
    "interval",
    "p_value",
    "paired",
    "prior",
    "quotient",
    "relative_width",
    "student",
    "wilson",
]

LEVEL = 0.95
MEDIAN_COST = math.sqrt(math.pi / 2)  # a median's standard error over a mean's, for normal noise
PRIOR_SPREAD = 0.03  # what is assumed between processes before it is measured ...
PRIOR_PAIRS = 4  # ... with the weight of so many pairs
MODERATION = 8  # so many degrees of freedom has the run's spread of rounds beside a cell's own
MODERATION_GENERATIONS = (
    4  # at most so many has the prior of many cells beside a cell's generations
)
MODERATED = 10  # fewer cells know little of what is typical of them


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """A positive number with its 95 % interval, in which it lies.

    ``freedom`` is the degrees of freedom of Student's distribution behind the width.
    """

    value: float
    low: float
    high: float
    freedom: float


@final
@dataclass(frozen=True, slots=True)
class Spread:
    """The noise of a run in logarithms: standard deviations between processes and of rounds.

    ``pairs`` and ``freedom`` are the degrees of freedom that they rest on.
    """

    sigma: float
    pairs: int
    rounds: float = 0.0
    freedom: int = 0

    @property
    def half_width(self) -> float:
        """What one process adds to a 95 % interval by its layout."""
        return student(self.pairs + PRIOR_PAIRS) * self.sigma

    def of_ratios(self) -> Spread:
        """The same for a ratio: each of its sides has its own layout and noise."""
        root = math.sqrt(2)
        return Spread(self.sigma * root, self.pairs, self.rounds * root, self.freedom)


@final
@dataclass(frozen=True, slots=True)
class Prior:
    """The variance of logarithms between generations that many cells share, and its freedom."""

    variance: float
    freedom: float


@cache
def student(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def wilson(hits: int, asked: int) -> tuple[float, float]:
    """The 95 % interval of a rate of ``hits`` among ``asked`` (Wilson, J. Am. Stat. Assoc., 1927).

    It holds for rates of 0 and 1 too; of nothing asked nothing is known.
    """
    if not asked:
        return 0.0, 1.0
    square = student(math.inf) ** 2
    middle = (hits + square / 2) / (asked + square)
    half = math.sqrt(square * (hits * (asked - hits) / asked + square / 4)) / (asked + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def calibrated(groups: Iterable[Sequence[Sequence[float]]]) -> Spread:
    """The noise that identical code shows: groups of processes, each with its rounds' times.

    What the medians of processes differ by is layout and the chance of their rounds; the second
    is known from the rounds and taken off. A prior of a few pairs keeps short runs from claiming
    that there is no spread.
    """
    within, freedom, between, chance, pairs = 0.0, 0, 0.0, 0.0, 0
    for group in groups:
        rows = [[math.log(t) for t in times if t > 0] for times in group]
        rows = [row for row in rows if row]
        within += sum(_squares(row) for row in rows)
        freedom += sum(len(row) - 1 for row in rows)
        if len(rows) > 1:
            between += _squares([median(row) for row in rows])
            pairs += len(rows) - 1
            chance += (len(rows) - 1) * fmean(1 / len(row) for row in rows)
    variance = within / freedom if freedom else 0.0
    net = max(0.0, between - chance * MEDIAN_COST**2 * variance)
    pooled = (net + PRIOR_PAIRS * PRIOR_SPREAD**2) / (pairs + PRIOR_PAIRS)
    return Spread(math.sqrt(pooled), pairs, math.sqrt(variance), freedom)


def _squares(values: Sequence[float]) -> float:
    """The sum of squared distances from the mean."""
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def interval(
    generations: Mapping[int, Sequence[float]], spread: Spread, known: Prior | None = None
) -> Interval | None:
    """The median of a positive quantity with its interval; None without any number.

    ``generations`` maps each generation to the quantities that its rounds gave. What is ``known``
    of cells like this one moderates the variance between several generations.
    """
    logs = _logs(generations)
    if not logs:
        return None
    medians = [median(row) for row in logs]
    if len(medians) > 1:
        variance, freedom = _between(medians, known)
        centre, half = fmean(medians), student(freedom) * math.sqrt(variance / len(medians))
    else:
        (row,) = logs
        freedom = _freedom(row, spread)
        centre, half = medians[0], math.hypot(_within(row, spread), spread.half_width)
    return _around(centre, half, median(medians), freedom)


def _logs(generations: Mapping[int, Sequence[float]]) -> list[list[float]]:
    """The logarithms of each generation that has any."""
    logs = [[math.log(v) for v in row if v > 0] for row in generations.values()]
    return [row for row in logs if row]


def _around(centre: float, half: float, value: float, freedom: float) -> Interval:
    """From logarithms; it is stretched to hold the value."""
    low, high = min(centre - half, value), max(centre + half, value)
    return Interval(math.exp(value), math.exp(low), math.exp(high), freedom)


def quotient(above: Interval, below: Interval) -> Interval:
    """The ratio of two quantities that were measured apart, with its interval.

    Variances of logarithms add; the degrees of freedom are those of Welch (1947).
    """
    parts = [_error(side) for side in (above, below)]
    freedom = _satterthwaite(parts)
    half = student(freedom) * math.sqrt(sum(variance for variance, _ in parts))
    value = math.log(above.value) - math.log(below.value)
    return _around(_centre(above) - _centre(below), half, value, freedom)


def _centre(found: Interval) -> float:
    return (math.log(found.low) + math.log(found.high)) / 2


def _error(found: Interval) -> tuple[float, float]:
    """The variance of its centre, in logarithms, and the degrees of freedom."""
    half = (math.log(found.high) - math.log(found.low)) / 2
    return (half / student(found.freedom)) ** 2, found.freedom


def prior(cells: Iterable[Mapping[int, Sequence[float]]]) -> Prior | None:
    """What is typical of the variances between generations of many cells; None of too few.

    Each cell maps its generations to the quantities of their rounds. The variance is robust: the
    median over the cells of theirs, each over the median of chi^2 per degree of freedom. Its
    freedom is that of the distribution from which such variances come (Smyth 2004, section 6.2):
    the less alike they are, the less one tells of another.
    """
    from scipy.special import chdtri, digamma, polygamma

    medians = [[median(row) for row in _logs(cell)] for cell in cells]
    known = [(_squares(row), len(row) - 1) for row in medians if len(row) > 1]
    known = [(squares, freedom) for squares, freedom in known if squares > 0]
    if len(known) < MODERATED:
        return None
    variance = median(squares / float(chdtri(freedom, 0.5)) for squares, freedom in known)
    seen = [math.log(squares / 2) - float(digamma(freedom / 2)) for squares, freedom in known]
    chance = fmean(float(polygamma(1, freedom / 2)) for _, freedom in known)
    return Prior(variance, _likeness(_squares(seen) / (len(seen) - 1) - chance))


def _likeness(variance: float) -> float:
    """The degrees of freedom at which logarithms of true variances vary so, within the limit.

    2 y where the trigamma function of y is that variance: Newton's way on its reciprocal, which
    is nearly straight and bends so that no step is too long.
    """
    from scipy.special import polygamma

    y = MODERATION_GENERATIONS / 2
    if variance <= polygamma(1, y):
        return MODERATION_GENERATIONS
    for _ in range(8):
        slope = float(polygamma(1, y))
        y += slope * (1 - slope / variance) / float(polygamma(2, y))
    return 2 * y


def p_value(found: Interval) -> float:
    """How likely a ratio whose truth is 1 comes out this far from it, by either side.

    The tail is Student's with the interval's own width and degrees of freedom: it is below 5 %
    exactly where 1 lies outside the interval.
    """
    low, high = math.log(found.low), math.log(found.high)
    if high == low:
        return 1.0 if low == 0.0 else 0.0
    from scipy.special import stdtr

    distance = abs(high + low) / (high - low)
    return 2 * float(stdtr(found.freedom, -distance * student(found.freedom)))


def _between(medians: Sequence[float], known: Prior | None) -> tuple[float, float]:
    """The variance of generations and its degrees of freedom, moderated by what is known."""
    squares, freedom = _squares(medians), len(medians) - 1
    if known is None:
        return squares / freedom, freedom
    total = freedom + known.freedom
    return (squares + known.freedom * known.variance) / total, total


def _rounds(row: Sequence[float], spread: Spread) -> tuple[float, int]:
    """The variance of a median over the rounds of one process, and its degrees of freedom."""
    own, known = len(row) - 1, min(MODERATION, spread.freedom)
    if not own + known:
        return 0.0, 0
    variance = (_squares(row) + known * spread.rounds**2) / (own + known)
    return MEDIAN_COST**2 * variance / len(row), own + known


def _within(row: Sequence[float], spread: Spread) -> float:
    """Half the width of a median's interval over the rounds of one process."""
    variance, freedom = _rounds(row, spread)
    return student(freedom) * math.sqrt(variance) if freedom else 0.0


def _freedom(row: Sequence[float], spread: Spread) -> float:
    return _satterthwaite([_rounds(row, spread), (spread.sigma**2, spread.pairs + PRIOR_PAIRS)])


def _satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """The degrees of freedom of a sum of variances that have their own (Satterthwaite 1946)."""
    total = sum(variance for variance, _ in parts)
    if not total:
        return PRIOR_PAIRS  # nothing varied: the width is zero whatever the tail
    return total**2 / sum(variance**2 / freedom for variance, freedom in parts if freedom)


def relative_width(row: Sequence[float], spread: Spread) -> float:
    """Half the interval within one process over the value: what more rounds can narrow."""
    logs = [math.log(v) for v in row if v > 0]
    return math.expm1(_within(logs, spread)) if len(logs) > 1 else math.inf


def paired(
    above: Mapping[tuple[int, int], float], below: Mapping[tuple[int, int], float]
) -> dict[int, list[float]]:
    """Ratios of the rounds that both have, by generation; keys are (generation, round)."""
    ratios: dict[int, list[float]] = {}
    for key in sorted(above.keys() & below.keys()):
        if below[key] > 0:
            ratios.setdefault(key[0], []).append(above[key] / below[key])
    return ratios

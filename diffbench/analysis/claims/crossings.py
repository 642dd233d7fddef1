"""From which n on reverse mode beats forward mode at a gradient, for each backend that has both.

Between two measured sizes the logarithm of the ratio of times is taken as a straight line in
log n. The interval of the crossing is a parametric bootstrap: times are drawn anew from their own
95 % intervals, which hold the spread between processes as well (Efron and Tibshirani, 1993).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from diffbench.analysis.cells import cuts, trusted
from diffbench.analysis.claims.cells import keys
from diffbench.analysis.claims.counts import LEAST_SIZES
from diffbench.analysis.claims.evidence import RECORDS, Evidence, Finding
from diffbench.analysis.crossover import BACKENDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["crossing", "crossings"]

Array = NDArray[np.float64]
TIMES, OTHER = ("run_s", "run_s_low", "run_s_high"), " of reverse"
DRAWS = 1000
NORMAL = 1.959964  # a 95 % interval reaches so many standard deviations to each side
MANY = 1000  # inputs: with so many forward mode must be behind


@final
@dataclass(frozen=True, slots=True)
class Race:
    """Forward against reverse mode on one family, by growing n, in logarithms of time ratios."""

    family: str
    n: Array
    ratio: Array
    spread: Array
    keys: tuple[str, ...]

    @property
    def won(self) -> bool | None:
        """Whether reverse mode is faster at the largest n, beyond its interval.

        Forward mode in front at fewer than MANY inputs leaves it open: they may cross later.
        """
        last, edge = self.ratio[-1], NORMAL * self.spread[-1]
        if last > edge:
            return True
        return False if last < -edge and self.n[-1] >= MANY else None

    def drawn(self, rng: np.random.Generator) -> Array:
        """The crossing in each of DRAWS draws of the times."""
        noise = rng.standard_normal((DRAWS, self.n.size))
        return np.array([crossing(self.n, row) for row in self.ratio + self.spread * noise])


def crossing(n: Array, ratio: Array) -> float:
    """The n from which on ``ratio`` stays positive: at most the smallest n, else infinite."""
    behind = np.flatnonzero(~(ratio > 0))
    if not behind.size:
        return float(n[0])
    last = int(behind[-1])
    if last + 1 == n.size:
        return math.inf
    share = ratio[last] / (ratio[last] - ratio[last + 1])
    return float(n[last] * (n[last + 1] / n[last]) ** share)


def crossings(evidence: Evidence) -> Iterator[Finding]:
    """One finding a backend: the median crossing over the families that vary n at m = 1."""
    rows = trusted(evidence.records)
    rows = rows[(rows["operator"] == "gradient") & (rows["run_s_low"] > 0)]
    for name, (forward, reverse) in BACKENDS.items():
        races = list(_races(*(rows[rows["method"] == mode] for mode in (forward, reverse))))
        if races:
            yield _finding(name, races)


def _races(slow: pd.DataFrame, fast: pd.DataFrame) -> Iterator[Race]:
    """Both modes on the same instances, along the longest cut of each family."""
    place = ["machine", "instance"]
    both = slow.merge(fast[[*place, "method", *TIMES]], on=place, suffixes=("", OTHER))
    for cut in cuts(both, "n", LEAST_SIZES) if len(both) else []:
        (above, a), (below, b) = _logs(cut.rows), _logs(cut.rows, OTHER)
        n = cut.rows["n"].to_numpy(float)
        yield Race(cut.name, n, above - below, np.hypot(a, b), _keys(cut.rows))


def _keys(race: pd.DataFrame) -> tuple[str, ...]:
    return keys(race) + keys(race.assign(method=race[f"method{OTHER}"]))


def _logs(race: pd.DataFrame, suffix: str = "") -> tuple[Array, Array]:
    """Logarithms of times, and their standard deviations."""
    middle, low, high = (np.log(race[f"{name}{suffix}"].to_numpy(float)) for name in TIMES)
    return middle, (high - low) / (2 * NORMAL)


def _bounds(drawn: Array) -> tuple[float, float]:
    found = np.sort(drawn)
    return float(found[round(0.025 * DRAWS)]), float(found[round(0.975 * DRAWS) - 1])


def _finding(name: str, races: list[Race]) -> Finding:
    rng = np.random.default_rng(0)
    drawn = [race.drawn(rng) for race in races]
    at = [crossing(race.n, race.ratio) for race in races]
    low, high = _bounds(np.median(drawn, axis=0))
    won = [race.won for race in races]
    said = [
        f"{race.family} {_shown(n, race)} ({_words(*_bounds(draws))})"
        for race, n, draws in zip(races, at, drawn, strict=True)
    ]
    return Finding(
        what=f"Reverse beats forward mode from this n on: {name}",
        number=median(at),
        unit=f"inputs, median of {len(races)} curves",
        low=low,
        high=high,
        wanted="reverse faster at the largest n of each",
        holds=False if False in won else None if None in won else True,
        source=RECORDS,
        keys=tuple(key for race in races for key in race.keys),
        reason=", ".join(said),
    )


def _shown(n: float, race: Race) -> str:
    return f"at most {n:g}" if n == race.n[0] else _words(n, n)


def _words(low: float, high: float) -> str:
    first, last = (f"{n:.3g}" if math.isfinite(n) else "beyond" for n in (low, high))
    return first if first == last else f"{first} to {last}"

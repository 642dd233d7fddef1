"""What k calls cost in all, and from which call on one method costs less than another.

k calls take ``start + (k - 1) * further``: the start is preparing and the first call, measured
once; a further call is the steady state, with its 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from diffbench.analysis.cells import dicts, trusted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Leader", "Spent", "break_even", "leaders", "spent"]


@final
@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds until the first answer, and seconds of each further call with their interval."""

    prepare: float
    first: float
    further: float
    low: float
    high: float

    @property
    def start(self) -> float:
        """Preparing and the first call."""
        return self.prepare + self.first

    def total(self, calls: float) -> float:
        """Seconds of so many calls, at least 1."""
        return self.start + (calls - 1) * self.further


def spent(rows: pd.DataFrame) -> dict[str, Spent]:
    """What each method spent on the cells of one instance and operator; wrong answers are out."""
    whole = trusted(rows)
    whole = whole[whole["prepare_s"].notna() & whole["first_call_s"].notna()]
    fields = ("prepare_s", "first_call_s", "run_s", "run_s_low", "run_s_high")
    return {row["method"]: Spent(*(float(row[k]) for k in fields)) for row in dicts(whole)}


def break_even(cheap: Spent, dear: Spent) -> tuple[float, float, float]:
    """(k, low, high): from call k on ``dear`` to start costs less; infinite where it never does.

    ``low`` and ``high`` let the further calls of both be anywhere in their intervals.
    """
    start = dear.start - cheap.start
    gains = (
        cheap.further - dear.further,
        cheap.high - dear.low,
        cheap.low - dear.high,
    )
    k, low, high = (_crossing(start, gain) for gain in gains)
    return k, low, high


def _crossing(start: float, gain: float) -> float:
    if not gain > 0:
        return math.inf
    return 1.0 + math.ceil(max(start, 0.0) / gain)


@final
@dataclass(frozen=True, slots=True)
class Leader:
    """A method that has spent least from a call on, and what it spends."""

    method: str
    call: float
    start: float
    further: float


def leaders(costs: Mapping[str, Spent]) -> list[Leader]:
    """Who has spent least, beginning with the first call."""
    if not costs:
        return []
    name, call = min(costs, key=lambda k: (costs[k].start, costs[k].further, k)), 1.0
    found: list[Leader] = []
    while name:
        mine = costs[name]
        if found and found[-1].call == call:  # it led for less than a whole call
            found.pop()
        found.append(Leader(name, call, mine.start, mine.further))
        name = _next(costs, mine)
        call = break_even(mine, costs[name])[0] if name else call
    return found


def _next(costs: Mapping[str, Spent], mine: Spent) -> str:
    """Whose line crosses this one first; empty where none ever does."""
    faster = [name for name, other in costs.items() if other.further < mine.further]
    return min(faster, key=lambda k: (_real(mine, costs[k]), costs[k].further, k), default="")


def _real(cheap: Spent, dear: Spent) -> float:
    """Where the lines cross, not rounded to a whole call."""
    return (dear.start - cheap.start) / (cheap.further - dear.further)

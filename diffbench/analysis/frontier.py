"""Accuracy against cost: who stands on the front, and who is cheapest with enough digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import answered, dicts, first_derivative
from diffbench.analysis.crossover import Winner, race, winner

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Midpoint", "cheapest", "costed", "front", "fronts", "largest", "midpoints"]

COST, GAIN = "ratio_numpy_primal", "digits"


@final
@dataclass(frozen=True, slots=True)
class Midpoint:
    """One method over its instances: quartiles of cost (evaluations of f) and of digits."""

    method: str
    instances: int
    cost: tuple[float, float, float]
    digits: tuple[float, float, float]


def costed(records: pd.DataFrame) -> pd.DataFrame:
    """First derivatives that have both a cost and correct digits.

    Neither negative controls are among them nor hand-written derivatives, which nobody can choose,
    nor cells that are too ill-conditioned to tell digits (*uninformative*).
    """
    ok = answered(records)
    ok = ok[(ok["claim"] != "control") & (ok["category"] != "manual")]
    ok = first_derivative(ok[ok["verdict"] != "uninformative"])
    return ok[ok[GAIN].notna() & (ok[COST] > 0)]


def midpoints(rows: pd.DataFrame) -> list[Midpoint]:
    """The quartiles of every method in ``rows``, by name."""
    found = []
    for method, mine in rows.groupby("method", sort=True):
        count = int(mine["instance"].nunique())
        found.append(Midpoint(str(method), count, _quartiles(mine[COST]), _quartiles(mine[GAIN])))
    return found


def _quartiles(values: pd.Series[float]) -> tuple[float, float, float]:
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which (cost, gain) no other beats at no more cost, by growing cost (Pareto).

    Of equal points the first counts.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    kept: list[int] = []
    for i in order:
        if not kept or points[i][1] > points[kept[-1]][1]:
            kept.append(i)
    return kept


def largest(rows: pd.DataFrame) -> dict[str, str]:
    """The largest instance of each family on which two methods can be compared."""
    several = rows.groupby("instance")["method"].transform("nunique") > 1
    ranked = rows[several].sort_values(["n", "m", "depth", "instance"])
    return {
        str(family): str(mine["instance"].iloc[-1]) for family, mine in ranked.groupby("family")
    }


def fronts(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The records on the front of each instance, by growing cost."""
    found = {}
    for instance, mine in rows.groupby("instance", sort=True):
        cells = dicts(mine.sort_values("method"))
        kept = front([(cell[COST], cell[GAIN]) for cell in cells])
        found[str(instance)] = [cells[i] for i in kept]
    return found


def cheapest(records: pd.DataFrame, instance: str, digits: Sequence[int]) -> dict[int, Winner]:
    """By least number of digits, the fastest way to the first derivative of an instance.

    Where no method has so many digits there is no entry.
    """
    rows = costed(race(records[records["instance"] == instance]))
    found = {k: winner(rows[rows[GAIN] >= k]) for k in digits}
    return {k: best for k, best in found.items() if best is not None}

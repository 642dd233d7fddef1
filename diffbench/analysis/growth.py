"""How each method grows along a cut, beside theory, and in words why it grows otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from diffbench.analysis.cells import Cut
from diffbench.analysis.scaling import TOLERANCE, Fit, exponent, kind_of, theory, verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COUNTED", "Growth", "growth", "operations", "over_own"]

# What a method of each kind counts in one call: its passes.
COUNTED = {"numerical": "calls_f", "forward AD": "directions", "reverse AD": "sweeps"}


@final
@dataclass(frozen=True, slots=True)
class Growth:
    """One method along one cut: the exponents of its time, of its time over its own f, its count.

    ``against`` is the axis, or calls_f for differences along n. ``counted`` is exact and None
    where the method's kind counts nothing; ``why`` is empty unless the verdict is a refusal.
    """

    cut: Cut
    method: str
    against: str
    time: Fit
    over: Fit
    counted: Fit | None
    expected: float | None
    verdict: str
    why: str


def growth(cut: Cut, method: str) -> Growth:
    """The growth of one method of a cut."""
    rows = cut.rows[cut.rows["method"] == method]
    category = str(rows["category"].iloc[0])
    by_calls = cut.axis == "n" and theory(method, category, "calls") is not None
    against = "calls_f" if by_calls else cut.axis
    expected = theory(method, category, "calls" if by_calls else cut.axis)
    x, y, floor = (_floats(rows, k) for k in (against, "run_s", "empty_call_s"))
    time = exponent(x, y, floor, bounds=_bounds(rows, "run_s"))
    over = over_own(rows, against)
    field = COUNTED.get(kind_of(method, category), "")
    count = None if not field or rows[field].isna().any() else _floats(rows, field)
    counted = None if count is None else exponent(_floats(rows, cut.axis), count, least=2)
    said = verdict(over, expected)
    why = ""
    if expected is not None and said == "does not hold":
        why = _why(over, expected, counted, cut.axis)
    return Growth(cut, method, against, time, over, counted, expected, said, why)


OVER = "ratio_own_primal"


def over_own(rows: pd.DataFrame, against: str) -> Fit:
    """The exponent of the time over the own f against a column of one method's rows of a cut."""
    x, y, floor, ratio = (_floats(rows, k) for k in (against, "run_s", "empty_call_s", OVER))
    primal = [a / b if b > 0 else 0.0 for a, b in zip(y, ratio, strict=True)]
    return exponent(x, ratio, floor, (y, primal), bounds=_bounds(rows, OVER))


def _floats(rows: pd.DataFrame, field: str) -> list[float]:
    return list(map(float, rows[field]))


def _bounds(rows: pd.DataFrame, field: str) -> tuple[Sequence[float], Sequence[float]]:
    return _floats(rows, f"{field}_low"), _floats(rows, f"{field}_high")


def _why(over: Fit, power: float, counted: Fit | None, axis: str) -> str:
    """What the counts say about an exponent that is not theory's."""
    counted = counted if counted is not None and math.isfinite(counted.exponent) else None
    if counted is not None and abs(counted.exponent - power) > 3 * TOLERANCE:
        return (
            f"its passes themselves grow like {axis} to the {counted.exponent:.2f}: it takes "
            f"{'fewer' if counted.exponent < power else 'more'} of them than theory's dense method"
        )
    agreed = "its passes grow as theory says, but " if counted is not None else ""
    if over.exponent < power:
        return (
            f"{agreed}time grows more slowly: what a call or a pass costs whatever the size "
            "still weighs at these sizes, or passes share work"
        )
    return f"{agreed}time grows faster: a single pass costs more of f as the size grows"


def operations(records: pd.DataFrame) -> pd.Series[float]:
    """Scalar operations of one call: counted, or for methods that only call f, calls times f's."""
    calls = (records["calls_f"] * records["primal_ops"]).where(records["category"] == "numerical")
    return records["graph_ops"].fillna(calls)

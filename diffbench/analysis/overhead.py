"""What a gradient costs over f: by operations and by time, cell by cell and by method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from diffbench.analysis.cells import dicts
from diffbench.analysis.claims import BOUND, LEAST_OPS
from diffbench.analysis.growth import operations
from diffbench.analysis.ratios import Estimate, median

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Overhead", "by_operations", "by_time", "overheads"]


@final
@dataclass(frozen=True, slots=True)
class Overhead:
    """The ratios of one method: their number, spread, how many lie above the bound, the worst."""

    method: str
    cells: int
    least: float
    middle: Estimate
    most: float
    above: int
    where: str


def by_operations(gradients: pd.DataFrame) -> pd.DataFrame:
    """The gradients whose operations are known, with ``ratio``: theirs over those of f."""
    rows = gradients.assign(ratio=operations(gradients) / gradients["primal_ops"])
    return rows[(rows["ratio"] > 0) & (rows["primal_ops"] >= LEAST_OPS)]


def by_time(gradients: pd.DataFrame) -> pd.DataFrame:
    """The timed gradients, with ``ratio``: their time over that of the method's own f."""
    return gradients.assign(ratio=gradients["ratio_own_primal"]).query("ratio > 0")


def overheads(rows: pd.DataFrame) -> dict[str, Overhead]:
    """The ratios by method; ties for the worst go to the last instance by name."""
    return {str(name): _overhead(str(name), mine) for name, mine in rows.groupby("method")}


def _overhead(name: str, rows: pd.DataFrame) -> Overhead:
    ratios = [float(v) for v in rows["ratio"]]
    worst = max(dicts(rows), key=lambda row: (row["ratio"], row["instance"]))
    above = sum(v > BOUND for v in ratios)
    middle, where = median(ratios), str(worst["instance"])
    return Overhead(name, len(ratios), min(ratios), middle, max(ratios), above, where)

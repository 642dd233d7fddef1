"""The claims that are counts, each with the rows it came from: those that stand at a glance.

Counts are exact: a claim holds where every cell agrees and does not hold where one disagrees.
Without cells it is not decidable here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from diffbench.analysis.cells import answered, cuts
from diffbench.analysis.claims.evidence import FAILS, HOLDS, OPEN
from diffbench.analysis.scaling import factors, steps

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BOUND", "LEAST_OPS", "LEAST_SIZES", "Claim", "Experiment", "claims", "swell_series"]

BOUND = 5.0  # operations of a gradient over those of f, all arithmetic counted (Baur and Strassen)
LEAST_SIZES = 3  # to speak of growth
LEAST_OPS = 3  # a primal of fewer operations has no ratio worth the name
DIFFERENCES = "finite_difference[scheme={}]"
TREE, GRAPH = "symbolic[cse=no]", "reverse"


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, the number that decides it with its interval, and where it came from.

    ``rows`` are (instance, operator, method) of the records behind the number. ``low`` and
    ``high`` equal ``number`` for exact counts and are None where nothing was measured.
    """

    name: str
    sentence: str
    number: float | None
    unit: str
    low: float | None
    high: float | None
    verdict: str
    reason: str
    rows: tuple[tuple[str, str, str], ...]


@final
@dataclass(frozen=True, slots=True)
class Experiment:
    """A claim before it is decided: ``decide(records)`` gives (number, holds, reason, rows)."""

    name: str
    sentence: str
    unit: str
    decide: Callable[[pd.DataFrame], tuple[float, bool, str, pd.DataFrame] | None]

    def claim(self, records: pd.DataFrame) -> Claim:
        """The claim as decided by those records."""
        found = self.decide(records)
        if found is None:
            reason = "this run holds too few cells to decide it"
            return Claim(self.name, self.sentence, None, self.unit, None, None, OPEN, reason, ())
        number, holds, reason, rows = found
        verdict = HOLDS if holds else FAILS
        keys = tuple(rows[["instance", "operator", "method"]].itertuples(index=False, name=None))
        return Claim(
            self.name, self.sentence, number, self.unit, number, number, verdict, reason, keys
        )


def _count(
    method: str, field: str, expected: Callable[[pd.DataFrame], pd.Series[float]], text: str
) -> Callable[[pd.DataFrame], tuple[float, bool, str, pd.DataFrame] | None]:
    """Decide ``field == expected`` in every full first derivative of one method."""

    def decide(records: pd.DataFrame) -> tuple[float, bool, str, pd.DataFrame] | None:
        rows = answered(records)
        full = rows["operator"].isin(["gradient", "jacobian"])
        rows = rows[full & (rows["method"] == method) & rows[field].notna()]
        if rows.empty:
            return None
        wrong = int((rows[field] != expected(rows)).sum())
        reason = f"{text} in {len(rows) - wrong} of {len(rows)} cells"
        return float(wrong), wrong == 0, reason, rows

    return decide


def _cheap_gradient(records: pd.DataFrame) -> tuple[float, bool, str, pd.DataFrame] | None:
    rows = answered(records)
    rows = rows[(rows["method"] == GRAPH) & (rows["operator"] == "gradient")]
    rows = rows[(rows["primal_ops"] >= LEAST_OPS) & rows["graph_ops"].notna()]
    if rows.empty:
        return None
    ratio = rows["graph_ops"] / rows["primal_ops"]
    worst = rows["instance"].iloc[int(ratio.to_numpy().argmax())]
    reason = f"largest of {len(rows)} ratios, at {worst}"
    return float(ratio.max()), bool(ratio.max() <= BOUND), reason, rows


def swell_series(
    records: pd.DataFrame, family: str, method: str, field: str, axis: str
) -> pd.DataFrame:
    """The gradient's expression sizes of one method along one cut of a family."""
    rows = answered(records)
    chosen = (rows["family"] == family) & (rows["method"] == method)
    rows = rows[chosen & (rows["operator"] == "gradient") & rows[field].notna()]
    found = [cut.rows for cut in cuts(rows, axis, least=1)]
    longest = max(found, key=len, default=rows)
    return longest.drop_duplicates(axis).sort_values(axis)


def _grown(records: pd.DataFrame, method: str, field: str) -> pd.DataFrame:
    """The series of the logistic map from where its iterate is a formula, not x itself."""
    rows = swell_series(records, "logistic", method, field, "depth")
    return rows[rows["primal_ops"] >= LEAST_OPS]


def _tree_swells(records: pd.DataFrame) -> tuple[float, bool, str, pd.DataFrame] | None:
    rows = _grown(records, TREE, "tree_ops")
    if len(rows) < LEAST_SIZES:
        return None
    depths, sizes = _series(rows, "tree_ops")
    pairs = zip(factors(sizes), steps(depths), strict=True)
    growth = [factor ** (1.0 / step) for factor, step in pairs]
    return min(growth), min(growth) >= 2.0, _listed("tree", depths, sizes), rows


def _graph_is_linear(records: pd.DataFrame) -> tuple[float, bool, str, pd.DataFrame] | None:
    rows = _grown(records, GRAPH, "graph_ops")
    if len(rows) < LEAST_SIZES:
        return None
    depths, sizes = _series(rows, "graph_ops")
    added = [more / step for more, step in zip(steps(sizes), steps(depths), strict=True)]
    return max(added), len(set(added)) == 1, _listed("graph", depths, sizes), rows


def _series(rows: pd.DataFrame, field: str) -> tuple[list[float], list[float]]:
    return rows["depth"].astype(float).tolist(), rows[field].astype(float).tolist()


def _listed(name: str, depths: list[float], sizes: list[float]) -> str:
    counts, at = (", ".join(f"{int(v)}" for v in values) for values in (sizes, depths))
    return f"{name} operations {counts} at depth {at}"


def _exact(method: str) -> Callable[[pd.DataFrame], tuple[float, bool, str, pd.DataFrame] | None]:
    def decide(records: pd.DataFrame) -> tuple[float, bool, str, pd.DataFrame] | None:
        rows = answered(records)
        rows = rows[
            (rows["method"] == method)
            & rows["verdict"].isin(["exact to rounding", "degraded", "wrong"])
        ]
        if rows.empty:
            return None
        bad = rows[rows["verdict"] != "exact to rounding"]
        good = len(rows) - len(bad)
        where = f"; not at {bad['instance'].iloc[0]}" if len(bad) else ""
        reason = f"exact to rounding in {good} of {len(rows)} informative cells{where}"
        return float(len(bad)), bad.empty, reason, rows

    return decide


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "forward differences",
        "Forward differences take n + 1 evaluations of f.",
        "cells that differ",
        _count(DIFFERENCES.format("forward"), "calls_f", lambda r: r["n"] + 1, "n + 1 calls"),
    ),
    Experiment(
        "central differences",
        "Central differences take 2 n evaluations of f.",
        "cells that differ",
        _count(DIFFERENCES.format("central"), "calls_f", lambda r: 2 * r["n"], "2 n calls"),
    ),
    Experiment(
        "forward mode",
        "Forward mode carries n tangent directions.",
        "cells that differ",
        _count("forward", "directions", lambda r: r["n"], "n directions"),
    ),
    Experiment(
        "reverse mode",
        "Reverse mode sweeps back m times: once for a gradient, whatever n.",
        "cells that differ",
        _count("reverse", "sweeps", lambda r: r["m"], "m sweeps"),
    ),
    Experiment(
        "cheap gradient",
        f"The gradient by reverse mode takes at most {BOUND:g} times the operations of f.",
        "operations of the gradient / operations of f, largest",
        _cheap_gradient,
    ),
    Experiment(
        "tree swells",
        "The expression tree of the logistic map's derivative at least doubles with each step.",
        "growth factor per step of depth, smallest",
        _tree_swells,
    ),
    Experiment(
        "graph does not",
        "The graph of the same derivative grows by the same number of operations each step.",
        "operations added per step of depth",
        _graph_is_linear,
    ),
    Experiment(
        "forward is exact",
        "Forward mode is exact to rounding.",
        "informative cells that are not",
        _exact("forward"),
    ),
    Experiment(
        "reverse is exact",
        "Reverse mode is exact to rounding.",
        "informative cells that are not",
        _exact("reverse"),
    ),
)


def claims(records: pd.DataFrame) -> list[Claim]:
    """Every count, decided by the records."""
    return [experiment.claim(records) for experiment in EXPERIMENTS]

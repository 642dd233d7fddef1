"""Findings in the records: counts, exactness, growth, and who takes what."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from diffbench.analysis.cells import FIRST_ORDER, Cut, answered, cuts, trusted
from diffbench.analysis.claims.counts import EXPERIMENTS, LEAST_OPS, LEAST_SIZES
from diffbench.analysis.claims.evidence import HOLDS, MAKES, OPEN, RECORDS, Evidence, Finding
from diffbench.analysis.growth import over_own
from diffbench.analysis.scaling import TOLERANCE, Fit, exponent, verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["careful", "classes", "counted", "growth", "keys", "ops_growth", "shared", "sizes"]

KNOWN = {experiment.name: experiment for experiment in EXPERIMENTS}
CLASSES = {
    # category of a method -> one of the lecture's four ways
    "manual": "by hand",
    "numerical": "numerical",
    "symbolic": "symbolic",
    "forward AD": "automatic",
    "reverse AD": "automatic",
    "AD": "automatic",
}
COMPLEX = "complex_step"
TREE = "symbolic[cse=no]"


def keys(rows: pd.DataFrame) -> tuple[str, ...]:
    """The rows as ``instance · operator · method``."""
    named = rows[["instance", "operator", "method"]].itertuples(index=False, name=None)
    return tuple(" · ".join(key) for key in named)


def counted(
    *names: str, wanted: str = "0", where: Callable[[pd.DataFrame], pd.Series[bool]] | None = None
) -> Callable[[Evidence], Iterator[Finding]]:
    """The experiments of those names, on the records that ``where`` keeps."""

    def find(evidence: Evidence) -> Iterator[Finding]:
        records = evidence.records
        chosen = records if where is None else records[where(records)]
        for name in names:
            claim = KNOWN[name].claim(chosen)
            if claim.verdict != OPEN and claim.number is not None:
                yield Finding(
                    what=claim.sentence.rstrip("."),
                    number=claim.number,
                    unit=claim.unit,
                    low=claim.number,
                    high=claim.number,
                    wanted=wanted,
                    holds=claim.verdict == HOLDS,
                    source=RECORDS,
                    keys=tuple(" · ".join(key) for key in claim.rows),
                    reason=claim.reason,
                )

    return find


# --- four ways ------------------------------------------------------------------------------------


def classes(evidence: Evidence) -> Iterator[Finding]:
    """Families that some method of each way takes, with a derivative that is not wrong.

    What was refused, or answered wrongly, ends the claim. What was not asked, or ran out of time
    or memory, leaves it open.
    """
    families = sorted(evidence.records["family"].unique())
    records = evidence.records[evidence.records["operator"] != "value"]
    way = records["category"].map(CLASSES)
    for name in dict.fromkeys(CLASSES.values()):
        asked = records[way == name]
        took = answered(asked)
        took = took[took["verdict"] != "wrong"]
        left = sorted({*families} - {*took["family"]})
        ended = asked.groupby("family")["status"].agg(lambda said: {*said} <= {"ok", "unsupported"})
        yield Finding.exact(
            f"Families that some method takes: {name}",
            len(families) - len(left),
            f"of {len(families)} families",
            _taken(left, ended) if len(asked) else None,
            wanted=f"{len(families)}",
            source=RECORDS,
            keys=keys(took.drop_duplicates("family")),
            reason=f"no right derivative of {', '.join(left)}" if left else "",
        )


def _taken(left: list[str], ended: pd.Series[bool]) -> bool | None:
    """Whether all families were taken; open where those left were not asked to their end."""
    if not left:
        return True
    return False if any(ended.get(family) for family in left) else None


def sizes(evidence: Evidence) -> Iterator[Finding]:
    """The family with the most inputs for one output: a description, which decides nothing."""
    rows = answered(evidence.records)
    rows = rows[rows["operator"] == "gradient"]
    if rows.empty:
        return
    largest = rows.loc[[rows["n"].idxmax()]]
    n = int(largest["n"].iloc[0])
    more = int((rows.drop_duplicates("instance")["n"] > 1).sum())
    yield Finding.exact(
        "Inputs of the largest function with one output",
        n,
        "inputs",
        None,
        source=RECORDS,
        keys=keys(largest),
        reason=f"{more} of {rows['instance'].nunique()} functions with a gradient have n > m",
        decides=False,
    )


# --- numerical and symbolic -----------------------------------------------------------------------


def careful(evidence: Evidence) -> Iterator[Finding]:
    """The complex step: cells that are not exact to rounding, and calls of f that are not n."""
    rows = answered(evidence.records)
    rows = rows[(rows["method"] == COMPLEX) & rows["operator"].isin(FIRST_ORDER)]
    judged = rows[rows["verdict"].isin(["exact to rounding", "degraded", "wrong"])]
    full = rows[rows["operator"].isin(["gradient", "jacobian"]) & rows["calls_f"].notna()]
    for what, chosen, bad in (
        (
            "First derivatives by the complex step that are not exact to rounding",
            judged,
            judged["verdict"] != "exact to rounding",
        ),
        (
            "Its gradients and Jacobians that do not take n calls",
            full,
            full["calls_f"] != full["n"],
        ),
    ):
        if len(chosen):
            wrong = int(bad.sum())
            where = f", as {keys(chosen[bad])[0]}" if wrong else ""
            yield Finding.exact(
                what,
                wrong,
                "cells",
                wrong == 0,
                wanted="0",
                source=RECORDS,
                keys=keys(chosen),
                reason=f"{wrong} of {len(chosen)} cells{where}",
            )


def shared(evidence: Evidence) -> Iterator[Finding]:
    """What sharing leaves of the deepest tree: it is the tree that swells."""
    rows = answered(evidence.records)
    rows = rows[(rows["family"] == "logistic") & (rows["method"] == TREE)]
    rows = rows[(rows["operator"] == "gradient") & rows["cse_ops"].notna()]
    if rows.empty:
        return
    deepest = rows.loc[[rows["depth"].idxmax()]]
    tree, left = (float(deepest[name].iloc[0]) for name in ("tree_ops", "cse_ops"))
    yield Finding.exact(
        f"Operations after shared subexpressions, at depth {deepest['depth'].iloc[0]}",
        left,
        "operations",
        None,
        source=RECORDS,
        keys=keys(deepest),
        reason=f"{left:.0f} of {tree:.0f} in the tree",
        decides=False,
    )


# --- growth ---------------------------------------------------------------------------------------


def growth(
    method: str, axis: str, field: str, expected: float, m: int | None = None
) -> Callable[[Evidence], Iterator[Finding]]:
    """The exponent of the time over the own f against ``field``, along the longest cut.

    Among equally long ones the one with the narrowest interval is taken.
    It stands beside the counts and decides nothing; without an interval it is left out.
    """

    def find(evidence: Evidence) -> Iterator[Finding]:
        records = trusted(evidence.records)
        mine = records[records["method"] == method]
        mine = mine if m is None else mine[mine["m"] == m]
        fits = [(cut, over_own(cut.rows, field)) for cut in cuts(mine, axis, LEAST_SIZES)]
        known = [(cut, fit) for cut, fit in fits if math.isfinite(fit.low)]
        if known:
            cut, fit = min(known, key=lambda pair: (-pair[1].points, pair[1].high - pair[1].low))
            yield _slope(cut, fit, method, field, expected)

    return find


def _slope(cut: Cut, fit: Fit, method: str, field: str, expected: float) -> Finding:
    against = "calls of f" if field == "calls_f" else field
    return Finding(
        what=f"Time of {method} over its own f on {cut.family}, against {against}",
        number=fit.exponent,
        unit="exponent",
        low=fit.low,
        high=fit.high,
        wanted=f"{expected - TOLERANCE:g} to {expected + TOLERANCE:g}",
        holds=MAKES.get(verdict(fit, expected)),
        source=RECORDS,
        keys=keys(cut.rows),
        reason=f"Theil and Sen over {fit.points} sizes; a time, so it stands beside the counts",
        decides=False,
    )


def ops_growth(evidence: Evidence) -> Iterator[Finding]:
    """The largest exponent in n of operations of the gradient over those of f, exact counts."""
    rows = answered(evidence.records)
    rows = rows[(rows["method"] == "reverse") & (rows["m"] == 1) & rows["graph_ops"].notna()]
    rows = rows[(rows["operator"] == "gradient") & (rows["primal_ops"] >= LEAST_OPS)]
    found = []
    for cut in cuts(rows, "n", LEAST_SIZES):
        ratio = (cut.rows["graph_ops"] / cut.rows["primal_ops"]).tolist()
        fit = exponent(cut.rows["n"].astype(float).tolist(), ratio, least=2)
        if math.isfinite(fit.exponent):
            found.append((fit.exponent, cut))
    if found:
        largest, cut = max(found, key=lambda pair: pair[0])
        yield Finding.exact(
            "Growth with n of the operations of the gradient over those of f, largest",
            largest,
            "exponent",
            largest <= TOLERANCE,
            wanted=f"at most {TOLERANCE:g}",
            source=RECORDS,
            keys=keys(cut.rows),
            reason=f"of {len(found)} families with {LEAST_SIZES} sizes or more; {cut.family}",
        )

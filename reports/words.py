"""The answers in words: which mode wins from which size on, how exact, how dear, how big."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diffbench.analysis.cells import answered, first_derivative
from diffbench.analysis.claims import BOUND, LEAST_OPS, claims
from diffbench.analysis.crossover import Border, border, mode_winners
from diffbench.analysis.ratios import median
from diffbench.reports.formats import blank, interval, plain, ranked
from diffbench.reports.styles import label, ordered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REFUSED", "answers"]

Answer = tuple[str, str, str]  # question, answer, what it was read from
REFUSED = ("unsupported", "skipped")  # no answer was tried: these are no failures


def answers(records: pd.DataFrame) -> Iterator[Answer]:
    """One answer a question that the cells of a run decide, the broadest first."""
    first = first_derivative(records)
    won, exact = (mode_winners(first, only) for only in (False, True))
    for question, where, axis in QUESTIONS:
        mine, its = (_asked(wins, where) for wins in (won, exact))
        if len(mine):
            yield question, _who(mine, axis), _evidence(mine, its, axis)
    yield from _digits(records)
    yield from _price(first)
    yield from _swell(records)
    yield from _refusals(records)


# question, which instances, the axis along which the border is sought
QUESTIONS = (
    ("Which mode for one output (m = 1, n > 1)?", "n > 1 and m == 1", "n"),
    ("Which mode for more outputs than inputs (m > n)?", "m > n", "m / n"),
    ("Which mode for more inputs than outputs (n > m > 1)?", "n > m and m > 1", "n / m"),
)


def _asked(wins: pd.DataFrame, where: str) -> pd.DataFrame:
    sizes = wins.astype({"n": float, "m": float})
    return sizes.query(where)


def _sizes(rows: pd.DataFrame, axis: str) -> pd.Series[float]:
    above, _, below = axis.partition(" / ")
    return rows[above] / rows[below] if below else rows[above]


def _who(rows: pd.DataFrame, axis: str) -> str:
    found = border(rows, _sizes(rows, axis))
    if found is None:
        return _most(rows)
    verb = "is never beaten" if found.alone < found.cells else "wins"
    return f"{_condition(found, axis)}, {found.mode} {verb}: {_held(found)}."


def _condition(found: Border, axis: str) -> str:
    if axis == "n":
        return f"For n ≥ {plain(found.at)}, m = 1"
    large, small = axis.split(" / ")
    return f"For {large} ≥ {plain(found.at)} {small}{'' if large == 'm' else ', m > 1'}"


def _held(found: Border) -> str:
    alone = f"alone in {found.alone} of {found.cells} instances"
    tied = found.cells - found.alone
    return f"{alone}, tied in {tied}" if tied else alone


def _evidence(rows: pd.DataFrame, exact: pd.DataFrame, axis: str) -> str:
    found = border(rows, _sizes(rows, axis))
    told = [f"{len(rows)} instances measured: {_tally(rows)}."]
    if found is not None and not math.isnan(found.before):
        told.append(
            f"The border lies between {axis} = {plain(found.before)} and {plain(found.at)}."
        )
    if found is not None and found.by:
        told.append(f"Alone by {', '.join(f'{label(name)} ({k})' for name, k in found.by[:3])}.")
    if len(exact) and _who(exact, axis) != _who(rows, axis):
        told.append(f"Among answers exact to rounding: {_who(exact, axis)}")
    return " ".join(told)


def _most(rows: pd.DataFrame) -> str:
    """The answer where there is no border."""
    if not rows["clear"].any():
        return f"No mode can be told from the others: ties in {len(rows)} of {len(rows)} instances."
    name, times = ranked(Counter(rows.loc[rows["clear"], "method"]))[0]
    often = f"most often it is {name}, alone in {times} of {len(rows)} instances"
    return f"No mode holds from some size on; {often}."


def _tally(rows: pd.DataFrame) -> str:
    alone = ranked(Counter(rows.loc[rows["clear"], "method"]))
    ties = int((~rows["clear"]).sum())
    parts = [f"{label(name)} alone in {times}" for name, times in alone]
    return ", ".join([*parts, *([f"ties in {ties}"] if ties else [])])


def _digits(records: pd.DataFrame) -> Iterator[Answer]:
    rows = answered(first_derivative(records))
    loose = rows[(rows["claim"] == "approximate") & rows["digits"].notna()]
    spread = {
        name: loose.loc[loose["method"] == name, "digits"] for name in ordered(loose["method"])
    }
    if spread:
        best = (f"{label(k)} {plain(float(v.max()), 2)}" for k, v in spread.items())
        rest = (
            f"{label(k)} {plain(float(v.median()), 2)} in the median of {len(v)} and "
            f"{plain(float(v.min()), 2)} at worst"
            for k, v in spread.items()
        )
        yield (
            "How exact are approximations?",
            f"Correct digits at best: {', '.join(best)}.",
            f"First derivatives against the proven reference: {'; '.join(rest)}.",
        )
    sure = rows[(rows["claim"] == "exact") & (rows["category"] != "manual")]
    sure = sure[~sure["verdict"].isin(["", "uninformative"])]
    if len(sure):
        bad = sure[sure["verdict"] != "exact to rounding"]
        names = ", ".join(f"{label(k)} ({v})" for k, v in ranked(Counter(bad["method"]))[:4])
        yield (
            "How exact is everything else?",
            f"Exact to rounding in {len(sure) - len(bad)} of {len(sure)} first derivatives.",
            f"Not so: {names}." if len(bad) else "No exception.",
        )


def _price(first: pd.DataFrame) -> Iterator[Answer]:
    """The cheap gradient, by operations and by time over the method's own f."""
    rows = answered(first)
    rows = rows[(rows["category"] == "reverse AD") & (rows["operator"] == "gradient")]
    counted = rows[rows["graph_ops"].notna() & (rows["primal_ops"] >= LEAST_OPS)]
    if counted.empty:
        return
    counted = counted.assign(ratio=counted["graph_ops"] / counted["primal_ops"])
    ratio = counted["ratio"]
    worst = counted.sort_values(["ratio", "instance", "method"]).iloc[-1]
    over = int((ratio > BOUND).sum())
    timed = median([float(v) for v in rows["ratio_own_primal"] if not blank(v)])
    spread = "" if blank(timed.low) else f" ({interval(timed.low, timed.high)})"
    by_time = f"{plain(timed.value, 2)} times the method's own f in the median{spread}"
    where = f"{worst['instance']} by {label(str(worst['method']))}"
    yield (
        "What does a gradient by reverse mode cost?",
        f"{plain(float(ratio.median()), 2)} times the operations of f in the median, "
        f"{plain(float(ratio.max()), 2)} at most.",
        f"The bound is {BOUND:g}: {over} of {len(counted)} gradients lie above it; the dearest is "
        f"{where}.{'' if blank(timed.value) else f' By time it is {by_time}.'}",
    )


def _swell(records: pd.DataFrame) -> Iterator[Answer]:
    found = {claim.name: claim for claim in claims(records)}
    tree, graph = (found.get(name) for name in ("tree swells", "graph does not"))
    if tree and graph and tree.number is not None and graph.number is not None:
        yield (
            "How big does a derivative get?",
            f"Written out as a tree it grows {plain(tree.number)} times a step or more; as a graph "
            f"it gains {plain(graph.number)} operations a step at most.",
            f"The logistic map: {tree.reason}; {graph.reason}.",
        )


def _refusals(records: pd.DataFrame) -> Iterator[Answer]:
    asked = records[records["claim"] != "control"]
    bad = asked[~asked["status"].isin(["ok", *REFUSED])]
    wrong = answered(asked)
    wrong = wrong[wrong["verdict"] == "wrong"]
    refused = int(asked["status"].isin(REFUSED).sum())
    names = ", ".join(f"{label(k)} ({v})" for k, v in ranked(Counter(wrong["method"]))[:4])
    failed = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in ranked(Counter(bad["status"])))
    yield (
        "What did not work?",
        f"{len(wrong)} wrong answers, {len(bad)} failures, {refused} refusals among "
        f"{len(asked)} cells{', controls apart' if len(asked) < len(records) else ''}.",
        f"{f'Wrong: {names}. ' if names else ''}{f'Failed: {failed}. ' if failed else ''}"
        "Each has its reason in the matrix below.",
    )

"""The answers in words: who is fastest at what, and how many digits the approximations give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from diffbench.analysis.cells import answered, first_derivative
from diffbench.analysis.crossover import winners
from diffbench.reports.formats import plain, ranked
from diffbench.reports.styles import label, ordered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sentences"]

MOST_NAMED = 3
EXACT = "among answers that are exact to rounding"


def sentences(records: pd.DataFrame) -> Iterable[str]:
    """One sentence a question on speed, then one a method on its digits."""
    first = first_derivative(records)
    every, exact = (_questions(winners(first, only)) for only in (False, True))
    for (question, axis, all_won), (_, _, exact_won) in zip(every, exact, strict=True):
        if len(all_won):
            yield _fastest(question, axis, all_won, exact_won)
    yield from _digits(records)


def _questions(wins: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    n, m = wins["n"], wins["m"]
    return [
        ("Gradient (m = 1, n > 1)", "n", wins[(m == 1) & (n > 1)]),
        ("Jacobian with more outputs than inputs (m > n)", "m", wins[m > n]),
        ("Jacobian with more inputs than outputs (n > m > 1)", "n", wins[(n > m) & (m > 1)]),
    ]


def _fastest(question: str, axis: str, won: pd.DataFrame, exact: pd.DataFrame) -> str:
    said, told = _tally(won, axis), _tally(exact, axis)
    same = f"the same {EXACT}" if told == said else f"{EXACT}, {told}"
    return f"{question}, fastest on {len(won)} instances: {said}; {same}."


def _tally(rows: pd.DataFrame, axis: str) -> str:
    """Who wins alone how often, how many are ties, and from which size on one method wins all."""
    clear = ranked(Counter(rows.loc[rows["clear"], "method"]))
    parts = [f"{label(name)} in {times}" for name, times in clear[:MOST_NAMED]]
    rest, ties = sum(times for _, times in clear[MOST_NAMED:]), int((~rows["clear"]).sum())
    parts += [f"others in {rest}"] * bool(rest) + [f"nobody alone in {ties}"] * bool(ties)
    return f"{', '.join(parts) or 'nobody'}{_from(rows, axis)}"


def _from(rows: pd.DataFrame, axis: str) -> str:
    """From which size on one method wins alone wherever it was measured, if at all."""
    best = ""
    for size in sorted(rows[axis].unique(), reverse=True):
        above = rows[rows[axis] >= size]
        if not above["clear"].all() or above["method"].nunique() > 1:
            break
        if len(above) == 1:  # one instance is no trend
            continue
        name = label(str(above["method"].iloc[0]))
        best = f" (from {axis} = {size} on, {name} in all {len(above)})"
    return best


def _digits(records: pd.DataFrame) -> Iterable[str]:
    rows = answered(first_derivative(records))
    rows = rows[(rows["claim"] == "approximate") & rows["digits"].notna()]
    for name in ordered(rows["method"]):
        digits = rows.loc[rows["method"] == name, "digits"]
        yield (
            f"Accuracy of {label(name)}: {plain(float(digits.median()))} correct digits in the "
            f"median, {plain(float(digits.min()))} at worst, {plain(float(digits.max()))} at best "
            f"({len(digits)} first derivatives)."
        )

"""What the lecture's claims need and no cell measures: see the page of the claims.

Each part yields rows ``what|...`` with a count or an error as their value; the parts are
``replay`` and ``accumulate`` (evaluation traces taken apart), ``chain``, ``product``,
``multiplications`` and ``formula`` (brackets of the chain rule), ``outputs``, ``passes``,
``owner`` and ``identity`` (seeds), ``backprop``, and ``careful`` (differences with care).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from diffbench.studies import backprop, brackets, seeds, wengert
from diffbench.studies.parts import NAME, row
from diffbench.studies.step_size import X, exact_derivatives, f
from diffbench.study import Study, StudyRow

__all__ = ["STUDY", "careful"]

FIRST, LEVELS = 0.1, 10  # of the steps, each half the one before


def careful() -> Iterator[StudyRow]:
    """Central differences extrapolated to h = 0, on f and x of the study ``step_size``.

    The entry of the Neville table whose neighbours agree best is taken, without knowing the
    answer. Source: Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982.
    """
    table: list[list[float]] = []
    best, agree = 0.0, float("inf")
    for k in range(LEVELS):
        h = FIRST / 2**k
        line = [(f(X + h) - f(X - h)) / (2 * h)]
        for j in range(k):
            line.append(line[j] + (line[j] - table[-1][j]) / (4.0 ** (j + 1) - 1.0))
            apart = max(abs(line[-1] - line[j]), abs(line[-1] - table[-1][j]))
            if apart < agree:
                best, agree = line[-1], apart
        table.append(line)
    true = exact_derivatives()[1]
    yield row("careful|error", float(abs(best - true)), "absolute error", f"Ridders, at x = {X!r}")
    yield row(
        "careful|calls", 2 * LEVELS, "calls of f", f"h = {FIRST:g}, halved {LEVELS - 1} times"
    )


PARTS: tuple[Callable[[], Iterator[StudyRow]], ...] = (
    wengert.replays,
    brackets.chains,
    seeds.passes,
    brackets.products,
    brackets.counts,
    seeds.owners,
    seeds.identity,
    wengert.accumulation,
    backprop.compared,
    careful,
)


def run() -> Iterator[StudyRow]:
    """Every part's rows."""
    for part in PARTS:
        yield from part()


STUDY = Study(name=NAME, title="Experiments behind the lecture's claims", run=run)

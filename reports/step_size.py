"""Error against step size: why differences cannot be had to full accuracy (the survey's figure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import study_rows
from diffbench.analysis.scaling import Fit, verdict
from diffbench.analysis.steps import envelope, errors, schemes, summary
from diffbench.page import Page
from diffbench.reports.charts import Axis, Ghost, curves
from diffbench.reports.early import ended
from diffbench.reports.formats import NONE, blank, fixed, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.styles import Style, style_of
from diffbench.reports.tones import CLAIMS

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

METHODS = {
    # scheme of the study -> the method whose look it takes, in the order of every legend
    "complex": "complex_step",
    "central": "finite_difference[scheme=central]",
    "forward": "finite_difference[scheme=forward]",
}
SLOPES = (
    # what the slope is called, its name in the study, theory by scheme
    ("truncation", "slope_truncation", {"forward": 1.0, "central": 2.0, "complex": 2.0}),
    ("round-off", "slope_roundoff", {"forward": -1.0, "central": -1.0}),
)
THINNED = 2  # of so many steps one is drawn; of ten that are drawn, one is in the table
DECADE = 50  # steps: one has a symbol
COMPLEX = (
    " The complex step subtracts nothing: as its step shrinks, only truncation is left, and then "
    "rounding."
)


def render(run: Run) -> list[Any]:
    """The figure, the minima and the slopes."""
    found = [s for s in METHODS if s in schemes(run.studies)]
    early = tuple(ended(study_rows(run.studies, "step_size")))
    if not found:
        missing = "No error was measured." if early else "The study step_size is not in this run."
        return [Text(paragraphs=(missing,), items=early)]
    looks = style_of(METHODS[s] for s in found)
    return [
        *([Text("Ended early", items=early)] if early else []),
        _figure(run.studies, found, looks),
        _minima(run.studies, found, looks),
        _slopes(run.studies, found, looks),
    ]


def _figure(studies: pd.DataFrame, found: list[str], looks: dict[str, Style]) -> Figure:
    rows, table = [], []
    for scheme in found:
        style = looks[METHODS[scheme]]
        measured = errors(studies, scheme)
        measured["top"] = envelope(measured)
        rows += _curve(style.name, measured) + _optimum(studies, scheme, style.name)
        for h, error, top in measured.iloc[:: 10 * THINNED].itertuples(index=False):
            table.append([style.label, number(h), number(error), number(top)])
    spec = curves(
        rows,
        list(looks.values()),
        Axis("step h", ticks="power"),
        Axis("absolute error of the derivative", ticks="power"),
        [Ghost(*line, below=True) for line in _asymptotes(studies, found)],
    )
    columns = (
        Column("Scheme"),
        Column("Step h", True),
        Column("Absolute error", True),
        Column("Largest error within half a decade", True),
    )
    caption = "Error at some of the steps; studies.csv has them all"
    return Figure(
        "error against step size",
        "Error of a difference quotient against its step",
        "The derivative of the logistic map l₄ at x = 0.2. Thin lines: the error at every other "
        "step; thick lines: the largest error within half a decade, which one can rely on "
        "(single steps are lucky). Right of the minimum the formula's truncation dominates and "
        "falls with the step, by h for forward and h² for central differences (thin dots); left of "
        "it the subtraction's round-off grows like 1/h. Large empty symbols: the best step and its "
        "error as theory predicts them. No difference gives all 16 digits."
        + (COMPLEX if "complex" in found else ""),
        spec,
        Table("error against step size", caption, columns, table),
        tuple(looks.values()),
        x="x",
        y="y",
    )


def _curve(name: str, measured: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the thin line and its envelope; one a decade says what it is."""
    rows = []
    for i, (h, error, top) in enumerate(measured.iloc[::THINNED].itertuples(index=False)):
        # A logarithm has no place for an error of exactly zero: the table shows it.
        row = {"s": name, "x": h, "y": error or None, "e": top or None}
        if i % (DECADE // THINNED) == 0:
            row |= _told(h, f"{plain(error)}; within half a decade {plain(top)}", "measured")
        rows.append(row)
    return rows


def _optimum(studies: pd.DataFrame, scheme: str, name: str) -> list[dict[str, Any]]:
    """The step that theory calls best, at the error that it predicts; none for the complex step."""
    h, error = (summary(studies, key, scheme)[0] for key in ("theory_step", "theory_error"))
    if blank(h) or blank(error):
        return []
    return [{"s": name, "x": h, "o": error, **_told(h, plain(error), "predicted optimum")}]


def _told(h: float, error: str, what: str) -> dict[str, Any]:
    return {"xt": plain(h), "yt": error, "v": what}


def _asymptotes(
    studies: pd.DataFrame, found: list[str]
) -> list[tuple[str, tuple[tuple[float, float], ...]]]:
    """Theory's truncation lines, through the error at the largest fitted step of each scheme."""
    lines = []
    for scheme, (power, text) in {"forward": (1, "∝ h"), "central": (2, "∝ h²")}.items():
        rows = errors(studies, scheme)
        rows = rows[(rows["h"] >= 1e-4) & (rows["h"] <= 2e-3)]
        if scheme in found and len(rows):
            last = rows.iloc[-1]
            at = [float(last["h"]) * f for f in (30.0, 1.0, 1e-2)]  # labelled at the low end
            lines.append((text, tuple((h, last["error"] * (h / last["h"]) ** power) for h in at)))
    return lines


def _minima(studies: pd.DataFrame, found: list[str], looks: dict[str, Style]) -> Table:
    columns = (
        Column("Scheme"),
        Column("Smallest envelope, absolute error", True),
        Column("at step h", True),
        Column("Theory, absolute error", True),
        Column("at step h", True),
        Column("Luckiest single step, absolute error", True),
    )
    names = ("envelope_minimum", "envelope_argmin", "theory_error", "theory_step", "raw_minimum")
    rows = [
        [looks[METHODS[s]].label, *(number(summary(studies, name, s)[0]) for name in names)]
        for s in found
    ]
    return Table(
        "minima",
        "The best that each scheme can do, and what theory predicts from f, f'' and f'''",
        columns,
        rows,
        plain=True,
    )


def _slopes(studies: pd.DataFrame, found: list[str], looks: dict[str, Style]) -> Table:
    columns = (
        Column("Scheme"),
        Column("Branch"),
        Column("Slope", True),
        Column("95 % interval"),
        Column("Theory", True),
        Column("Verdict"),
    )
    rows = []
    for title, name, theory in SLOPES:
        for scheme in found:
            value, low, high, _ = summary(studies, name, scheme)
            if not blank(value):
                said = verdict(Fit(value, low, high, 0, 0), theory.get(scheme))
                rows.append(
                    [
                        looks[METHODS[scheme]].label,
                        title,
                        fixed(value, 4),
                        NONE if blank(low) else f"{low:.4f} to {high:.4f}",
                        number(theory.get(scheme)),
                        Cell(said, None, CLAIMS.get(said, "")),
                    ]
                )
    return Table(
        "slopes",
        "Slopes of the two branches in the log-log plot beside theory; the claim holds where the "
        "interval lies within 0.1 of it",
        columns,
        rows,
        plain=True,
    )


PAGE = Page(name="step_size", title="Step size", order=30, render=render)

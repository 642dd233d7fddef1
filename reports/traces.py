"""The lecture's traces at (2, 5): primal, tangents for both seeds, adjoints line by line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import dicts
from diffbench.page import Page
from diffbench.reports.formats import exact
from diffbench.reports.sections import Cell, Column, Grid, Table, Text

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

SEPARATOR = " ⟂ "
INDEX = re.compile("([vx][\u0307\u0304]?)(-?[0-9]+)")  # v-1, v with a dot or a bar and its index
SUBSCRIPTS = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")
MODES = {
    "forward": (
        "Forward mode",
        "The tangents are carried along with the values: one sweep forward a seed. The first "
        "seed gives ∂y/∂x₁, the second ∂y/∂x₂; n inputs take n sweeps.",
    ),
    "reverse": (
        "Reverse mode",
        "The values come first, then the adjoints in one sweep back, read downwards in the order "
        "of execution. A variable that is used twice receives its adjoint in two lines: the "
        "second adds to the first. One sweep gives both derivatives.",
    ),
}
COLUMNS = (
    Column("Variable"),
    Column("Equation"),
    Column("With numbers"),
    Column("Value", True),
)


def render(run: Run) -> list[Any]:
    """For each mode its parts: one table a role, in the order of execution."""
    rows = run.studies
    rows = rows[rows["study"] == "lecture_trace"] if len(rows) else rows
    if not len(rows):
        return [Text(paragraphs=("The study lecture_trace is not in this run.",))]
    blocks: list[Any] = [
        Text(
            paragraphs=(
                "y = ln x₁ + x₁ x₂ - sin x₂ at x₁ = 2, x₂ = 5, as the lecture works it by hand. "
                "Every line can be recomputed from the numbers printed in it; values show all "
                "digits that a double has.",
            )
        )
    ]
    for mode, (title, sentence) in MODES.items():
        mine = rows[rows["key"].str.startswith(f"{mode}|")]
        if len(mine):
            blocks += [Text(title, (sentence,)), Grid(tuple(_tables(mode, mine)))]
    return blocks


def _tables(mode: str, rows: pd.DataFrame) -> list[Table]:
    order = rows["key"].str.partition("|")[2].str.partition("|")[0].astype(int)
    rows = rows.iloc[order.argsort(kind="stable").to_numpy()]
    return [
        Table(f"trace {mode} {role}", _caption(str(role)), COLUMNS, [_line(r) for r in part], True)
        for role, part in _by_role(rows).items()
    ]


def _by_role(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in dicts(rows):
        found.setdefault(row["unit"], []).append(row)
    return found


def _caption(role: str) -> str:
    return role[:1].upper() + role[1:]


def _line(row: dict[str, Any]) -> list[Any]:
    parts = (row["reason"] or row["key"]).split(SEPARATOR)
    written = [Cell(_typeset(part), part) for part in (*parts, "", "", "")[:3]]
    return [*written, exact(row["value"])]


def _typeset(text: str) -> str:
    """Indices as subscripts and a sign of multiplication; the CSV keeps the text as it came."""
    lowered = INDEX.sub(lambda found: found[1] + found[2].translate(SUBSCRIPTS), text)
    return lowered.replace(" * ", " × ")


PAGE = Page(name="traces", title="Traces", order=60, render=render)

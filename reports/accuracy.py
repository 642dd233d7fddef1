"""How accurate: correct digits and verdicts by method and family, and accuracy against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import FIRST_ORDER, answered, dicts, first_derivative
from diffbench.page import Page
from diffbench.reports.charts import Axis, points, strip
from diffbench.reports.formats import NONE, blank, count, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.styles import label, ordered, style_of

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

DIGITS = Axis("correct decimal digits", log=False, domain=(-0.5, 16.5))
VERDICTS = ("exact to rounding", "degraded", "wrong", "uninformative")
WORST_FIRST = ["digits", "instance", "operator"]
INTRODUCTION = (
    "The reference of every cell is a proven enclosure (ball arithmetic at the exact binary "
    "input). Correct digits are minus the decimal logarithm of the norm-wise relative error, at "
    "most the 15.95 that a double holds. The verdict compares each entry with four times the "
    "larger of its 53-bit enclosure's radius and half a unit in the last place: inside, it is "
    "exact to rounding. Where the derivative is too ill-conditioned to tell, it is uninformative, "
    "whatever the method."
)


def render(run: Run) -> list[Any]:
    """Digits by method, verdicts by method and family, digits against cost."""
    ok = answered(run.records)
    ok = ok[ok["digits"].notna() & (ok["operator"] != "value")]
    if ok.empty:
        return [Text(paragraphs=("No cell of this run has a certified error.",))]
    return [
        Text(paragraphs=(INTRODUCTION,)),
        _by_method(ok),
        _verdicts(run.records),
        _by_family(ok),
        _cost(ok),
    ]


def _tooltip(row: dict[str, Any]) -> dict[str, Any]:
    return {"s": row["method"], "i": row["instance"], "v": row["verdict"], "yt": row["operator"]}


def _by_method(ok: pd.DataFrame) -> Figure:
    rows = ok[ok["operator"].isin(FIRST_ORDER)]
    looks = list(style_of(rows["method"]).values())
    data = [
        {**_tooltip(row), "x": row["digits"], "xt": plain(row["digits"])} for row in dicts(rows)
    ]
    return Figure(
        "digits by method",
        "Correct digits of every first derivative",
        "Each symbol is one cell: an operator of first order (gradient, Jacobian, or a product "
        "with one) on one instance. Methods that differentiate the program stand near 16 "
        "digits; differences lose half of them (forward) or a third (central) to the step.",
        strip(data, looks, DIGITS),
        _spread(rows),
        tuple(looks),
    )


def _spread(rows: pd.DataFrame) -> Table:
    columns = (
        Column("Method"),
        Column("Cells", True),
        Column("Fewest digits", True),
        Column("Median digits", True),
        Column("Most digits", True),
        Column("Where it is worst"),
    )
    table = []
    for name in ordered(rows["method"]):
        mine = rows[rows["method"] == name]
        worst = mine.sort_values(WORST_FIRST).iloc[0]
        digits = mine["digits"]
        table.append(
            [
                label(name),
                count(len(mine)),
                *(number(float(v)) for v in (digits.min(), digits.median(), digits.max())),
                f"{worst['operator']} of {worst['instance']}",
            ]
        )
    return Table("digits by method", "Correct digits by method, first order", columns, table)


def _verdicts(records: pd.DataFrame) -> Table:
    columns = (
        Column("Method"),
        Column("Claim"),
        *(Column(f"{verdict}, cells", True) for verdict in VERDICTS),
        Column("no verdict, cells", True),
        Column("no answer, cells", True),
    )
    rows = []
    for name in ordered(records["method"]):
        mine = records[records["method"] == name]
        ok = answered(mine)
        counts = [int((ok["verdict"] == v).sum()) for v in VERDICTS]
        none = int((ok["verdict"] == "").sum())
        rows.append(
            [
                label(name),
                str(mine["claim"].iloc[0]),
                *(count(c) for c in (*counts, none, len(mine) - len(ok))),
            ]
        )
    return Table("verdicts", "Verdicts by method, all operators", columns, rows, plain=True)


def _by_family(ok: pd.DataFrame) -> Table:
    families = sorted(ok["family"].unique())
    columns = (Column("Method"), *(Column(f"{family}, digits", True) for family in families))
    shown = ["method", "family", "operator", "instance", "verdict", "digits", "command"]
    groups = dict(list(ok[shown].groupby(["method", "family"])))
    rows = [
        [label(name), *(_fewest(groups.get((name, family))) for family in families)]
        for name in ordered(ok["method"])
    ]
    return Table(
        "digits by family",
        "Fewest correct digits by method and family, over all operators but value; cells that "
        "are uninformative are left out. Unfold for the cell.",
        columns,
        rows,
        plain=True,
    )


def _fewest(rows: pd.DataFrame | None) -> Cell:
    rows = None if rows is None else rows[rows["verdict"] != "uninformative"]
    if rows is None or rows.empty:
        return Cell(NONE, "", "mute")
    worst = rows.sort_values(WORST_FIRST).iloc[0]
    tones = {"exact to rounding": "good", "degraded": "warn", "wrong": "bad"}
    tone = next((tones[v] for v in ("wrong", "degraded") if (rows["verdict"] == v).any()), "good")
    where = f"{worst['operator']} of {worst['instance']}: {worst['verdict']}"
    digits = float(worst["digits"])
    return Cell(plain(digits), digits, tone, (where,), str(worst["command"]))


def _cost(ok: pd.DataFrame) -> Figure:
    rows = first_derivative(ok[ok["claim"] != "control"])
    rows = rows[rows["ratio_numpy_primal"].notna() & (rows["ratio_numpy_primal"] > 0)]
    looks = list(style_of(rows["method"]).values())
    data = [
        {
            **_tooltip(row),
            "x": row["ratio_numpy_primal"],
            "y": row["digits"],
            "xt": f"{plain(row['ratio_numpy_primal'])} evaluations of f",
            "yt": plain(row["digits"]),
        }
        for row in dicts(rows)
    ]
    return Figure(
        "accuracy against cost",
        "Accuracy against cost",
        "Each symbol is the first derivative of one instance: how many evaluations of f in numpy "
        "it costs, and how many digits it gives. Up and to the left is better.",
        points(data, looks, Axis("time, in evaluations of f (numpy)"), DIGITS),
        _cost_table(rows),
        tuple(looks),
        x="x",
    )


def _cost_table(rows: pd.DataFrame) -> Table:
    columns = (
        Column("Method"),
        Column("Instance"),
        Column("Operator"),
        Column("Time, evaluations of f", True),
        Column("Correct digits", True),
        Column("Verdict"),
    )
    place = {name: i for i, name in enumerate(ordered(rows["method"]))}
    table = [
        [
            Cell(label(row["method"])),
            row["instance"],
            row["operator"],
            number(row["ratio_numpy_primal"]),
            number(None if blank(row["digits"]) else row["digits"]),
            row["verdict"],
        ]
        for row in sorted(dicts(rows), key=lambda r: (place[r["method"]], r["instance"]))
    ]
    return Table(
        "accuracy against cost", "Accuracy and cost of each first derivative", columns, table
    )


PAGE = Page(name="accuracy", title="Accuracy", order=20, render=render)

"""How accurate: correct digits and verdicts by method and family, and accuracy against cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import FIRST_ORDER, answered
from diffbench.analysis.frontier import (
    Midpoint,
    cheapest,
    costed,
    front,
    fronts,
    largest,
    midpoints,
)
from diffbench.page import Page
from diffbench.reports.charts import Axis, frontier
from diffbench.reports.formats import NONE, count, interval, number, plain, ranked
from diffbench.reports.sections import Cell, Column, Figure, Slider, Table, Text
from diffbench.reports.strips import counted
from diffbench.reports.styles import label, ordered, style_of
from diffbench.reports.tones import VERDICTS

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.analysis.crossover import Winner
    from diffbench.records.run import Run

__all__ = ["PAGE"]

BIN = 0.25  # digits
LEAST_DIGITS = range(1, 16)
ON_PAPER = (3, 6, 9, 12, 15)
COST = "evaluations of f"
DIGITS = Axis("correct decimal digits", log=False, domain=(-0.5, 16.5))
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
        *_against_cost(run.records),
    ]


def _by_method(ok: pd.DataFrame) -> Figure:
    rows = ok[ok["operator"].isin(FIRST_ORDER)]
    looks = list(style_of(rows["method"]).values())
    data = [_bin(mine) for _, mine in rows.groupby(["method", rows["digits"] // BIN], sort=True)]
    return Figure(
        "digits by method",
        "Correct digits of every first derivative",
        "Cells are an operator of first order (gradient, Jacobian, or a product with one) on one "
        "instance; a symbol is all of them within a quarter of a digit, the larger the more. "
        "Methods that differentiate the program stand near 16 "
        "digits; differences lose half of them (forward) or a third (central) to the step.",
        counted(data, looks, DIGITS),
        _spread(rows),
        tuple(looks),
    )


def _bin(rows: pd.DataFrame) -> dict[str, Any]:
    worst = rows.sort_values(WORST_FIRST).iloc[0]
    low = float(worst["digits"] // BIN) * BIN
    verdicts = ranked(rows["verdict"].value_counts().to_dict())
    return {
        "s": str(worst["method"]),
        "x": low + BIN / 2,
        "c": len(rows),
        "xt": f"{low:g} to {low + BIN:g}",
        "yt": f"{len(rows)}",
        "i": f"{worst['instance']} ({plain(worst['digits'])} digits)",
        "v": ", ".join(f"{times} {verdict}" for verdict, times in verdicts),
    }


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
    graver = (v for v in ("wrong", "degraded") if (rows["verdict"] == v).any())
    tone = VERDICTS[next(graver, "exact to rounding")]
    where = f"{worst['operator']} of {worst['instance']}: {worst['verdict']}"
    digits = float(worst["digits"])
    # What is as it should be needs no command here: the status matrix has one for every pair.
    return Cell(
        plain(digits), digits, tone, (where,), str(worst["command"]) if tone != "good" else ""
    )


# --- against cost -----------------------------------------------------------------------------


def _against_cost(records: pd.DataFrame) -> list[Any]:
    """The front over all instances, that of each family, and the cheapest for so many digits."""
    rows = costed(records)
    if rows.empty:
        return [Text(paragraphs=("No first derivative of this run has both a time and digits.",))]
    chosen = largest(rows)
    return [_cost(rows), _fronts(rows, chosen), _cheapest(records, chosen)]


def _cost(rows: pd.DataFrame) -> Figure:
    points = {point.method: point for point in midpoints(rows)}
    looks = style_of(points)
    return Figure(
        "accuracy against cost",
        "Accuracy against cost",
        "The first derivative by each method: how many evaluations of f in numpy it costs and how "
        "many digits it gives, the medians over its instances with bars from quartile to quartile. "
        "Up and to the left is better. Ringed symbols are the front: no other method that is shown "
        "gives more digits for less time, and the steps say what a given time buys. Hand-written "
        "derivatives are left out.",
        frontier(
            [_point(points[name]) for name in looks],
            list(looks.values()),
            Axis(f"time, in {COST} (numpy)"),
            DIGITS,
        ),
        _cost_table(rows, [points[name] for name in looks]),
        tuple(looks.values()),
        x="x",
    )


def _point(point: Midpoint) -> dict[str, Any]:
    (a, cost, b), (low, digits, high) = point.cost, point.digits
    return {
        "s": point.method,
        "x": cost,
        "a": a,
        "b": b,
        "y": digits,
        "l": low,
        "h": high,
        "i": f"{point.instances} instances",
        "xt": f"{plain(cost)} {COST} ({interval(a, b)})",
        "yt": f"{plain(digits)} ({interval(low, high)})",
    }


def _cost_table(rows: pd.DataFrame, points: list[Midpoint]) -> Table:
    columns = (
        Column("Method"),
        Column("Instances", True),
        Column(f"Median time, {COST}", True),
        Column("Quartiles"),
        Column("Median digits", True),
        Column("Quartiles"),
        Column("On the front"),
        Column("On the front of its instance, instances", True),
    )
    kept = front([(point.cost[1], point.digits[1]) for point in points])
    own = Counter(cell["method"] for cells in fronts(rows).values() for cell in cells)
    table = [
        [
            label(point.method),
            count(point.instances),
            number(point.cost[1]),
            interval(point.cost[0], point.cost[2]),
            number(point.digits[1]),
            interval(point.digits[0], point.digits[2]),
            "yes" if i in kept else "no",
            count(own[point.method]),
        ]
        for i, point in enumerate(points)
    ]
    return Table(
        "accuracy against cost",
        "Cost and digits of each method; a method stands on the front of an instance where no "
        "other gives more digits for less time",
        columns,
        table,
        plain=True,
    )


def _fronts(rows: pd.DataFrame, chosen: dict[str, str]) -> Table:
    columns = (Column("Family"), Column("Instance"), Column("The front, from cheap to accurate"))
    found = fronts(rows[rows["instance"].isin(list(chosen.values()))])
    table = [
        [family, instance, "; ".join(_step(cell) for cell in found[instance])]
        for family, instance in chosen.items()
    ]
    return Table(
        "fronts",
        "Accuracy against cost on the largest instance of each family: the methods that none "
        f"beats, with their time in {COST} and their correct digits",
        columns,
        table,
        plain=True,
    )


def _step(cell: dict[str, Any]) -> str:
    cost, digits = plain(cell["ratio_numpy_primal"]), plain(cell["digits"])
    return f"{label(cell['method'])} {cost} × for {digits}"


def _cheapest(records: pd.DataFrame, chosen: dict[str, str]) -> Slider:
    rows = [
        (Cell(family), Cell(instance), cheapest(records, instance, LEAST_DIGITS))
        for family, instance in chosen.items()
    ]
    return Slider(
        "Correct digits wanted, at least",
        _digits_table("cheapest with digits", rows, LEAST_DIGITS),
        _digits_table("cheapest with chosen digits", rows, ON_PAPER),
        first=2,
        values=LEAST_DIGITS,
        start=12,
    )


def _digits_table(
    name: str, rows: list[tuple[Cell, Cell, dict[int, Winner]]], digits: Sequence[int]
) -> Table:
    columns = (
        Column("Family"),
        Column("Instance"),
        *(Column(f"At least {k} digits") for k in digits),
    )
    return Table(
        name,
        "The cheapest method with at least so many correct digits of the first derivative, on the "
        "largest instance of each family, and its time; methods that cannot be told from the "
        "fastest are joined by =. Hand-written derivatives do not compete.",
        columns,
        [
            (family, instance, *(_best(found.get(k)) for k in digits))
            for family, instance, found in rows
        ],
        plain=True,
    )


def _best(best: Winner | None) -> Cell:
    if best is None:
        return Cell("no method", None, "mute")
    names = " = ".join(label(name) for name in ordered((best.method, *best.tied)))
    return Cell(f"{names}: {plain(best.run_s * 1e6)} µs", best.run_s * 1e6)


PAGE = Page(name="accuracy", title="Accuracy", order=20, render=render)

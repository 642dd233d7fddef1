"""Two runs beside each other: the ratios of their times, B over A, with what stands by chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from diffbench.analysis.book import Book
from diffbench.analysis.compare import Comparison, Group, Ratio, compare_runs, slowest
from diffbench.page import Page
from diffbench.records.environment import changed
from diffbench.reports.charts import Axis
from diffbench.reports.formats import NONE, count, interval, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.strips import counted
from diffbench.reports.styles import label, ordered, style_of
from diffbench.reports.tones import OUTCOMES

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

SAID = {"faster": "B is faster", "tie": "neither is faster", "slower": "B is slower"}
LABELS = {"RUN_A": "A", "RUN_B": "B"}
INTRODUCTION = (
    "A ratio is the time of B over the time of A, each over that of f in numpy in the same rounds, "
    "which cancels what happened to the machine in between; below 1, B is faster. A cell is a tie "
    "unless its difference stands at 5 % over all cells (Holm). Means are geometric, with 95 % "
    "intervals: within a family from its cells, over families from these. What slows a method "
    "more than it slows numpy does not cancel: measure again before you believe a small difference."
)


def render(run_a: Run, run_b: Run) -> list[Any]:
    """Which is which, the means, the cells that differ, and every cell in a figure."""
    books = Book.of(run_b), Book.of(run_a)
    methods = ordered({name for book in books for name in book.records})
    made = compare_runs(*books, methods)
    named = f"A is the run {run_a.folder.name}, B the run {run_b.folder.name}."
    if not made.cells:
        return [Text(paragraphs=(f"{named} They have no cell in common.",)), *_left_out(made)]
    return [
        Text(paragraphs=(named, INTRODUCTION)),
        Text("In words", items=tuple(map(_sentence, made.totals))),
        *_groups("means", "Geometric means of the ratios", made.totals, "Cells"),
        *_groups("two runs by family", "Ratios family by family", made.families, "Family"),
        *_groups("two runs by method", "Ratios method by method", made.methods, "Method"),
        _different(made),
        _every(made),
        *_left_out(made),
        _changes(run_a, run_b),
    ]


def _sentence(group: Group) -> str:
    ratio = group.ratio
    return (
        f"Over {_cells(group)}, {SAID[group.outcome]} in the geometric mean: it takes "
        f"{plain(ratio.value)} × the time of A ({interval(ratio.low, ratio.high)}). B is faster in "
        f"{group.count('faster')} of them, ties in {group.count('tie')} and is slower in "
        f"{group.count('slower')}."
    )


def _cells(group: Group) -> str:
    where = "" if group.name == "all" else f" with {group.name}"
    return f"{len(group.cells)} cells{where}"


# --- tables ---------------------------------------------------------------------------------------


def _groups(name: str, caption: str, groups: Iterable[Group], of: str) -> Iterator[Table]:
    columns = (
        Column(of),
        Column("Cells", True),
        Column("Time of B over A, ×", True),
        Column("95 % interval, ×"),
        *(Column(f"B is {outcome}" if outcome != "tie" else "Tie", True) for outcome in OUTCOMES),
        Column("Worst cell"),
        Column("Its ratio, ×", True),
    )
    rows = [
        [
            label(group.name),
            count(len(group.cells)),
            number(group.ratio.value),
            interval(group.ratio.low, group.ratio.high),
            *(count(group.count(outcome)) for outcome in OUTCOMES),
            group.worst.cell,
            number(group.worst.value),
        ]
        for group in groups
    ]
    if rows:
        yield Table(name, caption, columns, rows, plain=True)


CELLS = (
    Column("Instance"),
    Column("Operator"),
    Column("Method"),
    Column("Time of B over A, ×", True),
    Column("95 % interval, ×"),
    Column("p (Holm)", True),
    Column("B is"),
)


def _row(cell: Ratio) -> list[Any]:
    return [
        cell.instance,
        cell.operator,
        label(cell.method),
        number(cell.value),
        interval(cell.low, cell.high),
        number(cell.p, 2),
        Cell(cell.outcome, None, OUTCOMES[cell.outcome]),
    ]


def _different(made: Comparison) -> Table:
    caption = (
        f"The cells that differ, the slowest of B first: {len(made.different)} of "
        f"{len(made.cells)}; every cell stands behind the chart below"
    )
    return Table("cells that differ", caption, CELLS, [_row(cell) for cell in made.different])


def _every(made: Comparison) -> Figure:
    looks = list(style_of(cell.method for cell in made.cells).values())
    rows = [
        {
            "s": cell.method,
            "x": cell.value,
            "c": 1,
            "i": cell.instance,
            "xt": f"{plain(cell.value)} × ({interval(cell.low, cell.high)})",
            "yt": cell.operator,
            "v": cell.outcome,
        }
        for cell in made.cells
    ]
    return Figure(
        "two runs",
        "Every cell that both runs timed",
        "Each symbol is one cell: the time of B over that of A, on a logarithmic axis. Right of 1, "
        "B is slower; how far symbols scatter around it shows what the machine alone does.",
        counted(rows, looks, Axis("time of B over time of A, ×", holds=(0.9, 1.1))),
        Table(
            "two runs",
            "Every cell, the slowest of B first",
            CELLS,
            [_row(cell) for cell in slowest(made.cells)],
        ),
        tuple(looks),
        x="x",
    )


def _left_out(made: Comparison) -> Iterator[Table]:
    if made.left_out:
        rows = [[_labelled(reason), count(times)] for reason, times in made.left_out.items()]
        columns = (Column("Why"), Column("Cells", True))
        yield Table("cells left out", "Cells without a ratio", columns, rows, plain=True)


def _labelled(reason: str) -> str:
    for name, short in LABELS.items():
        reason = reason.replace(name, short)
    return reason


def _changes(run_a: Run, run_b: Run) -> Table:
    """What the environments differ by."""
    rows = [list(fact) for fact in changed(run_a.environment, run_b.environment)]
    columns = (Column("Fact"), Column("A"), Column("B"))
    caption = "In what the environments differ" if rows else "The environments are the same"
    return Table("environments", caption, columns, rows or [[NONE] * 3], plain=True)


PAGE = Page(name="two_runs", title="Two runs", order=5, render=render, runs=2)

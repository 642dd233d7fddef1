"""The time of k calls: preparing, the first and further ones, and where two methods break even."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diffbench.analysis.calls import Spent, leaders, spent
from diffbench.analysis.cells import spelled
from diffbench.reports.charts import Axis, lines
from diffbench.reports.formats import NONE, count, interval, micro, plain
from diffbench.reports.sections import Choice, Column, Figure, Option, Table, Text, Versus
from diffbench.reports.strips import PARTS, split
from diffbench.reports.styles import Style, label, style_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calls"]

CALLS = (1, 1_000_000)
# The viewer makes the lines: half decades of calls, and start + (calls - 1) * further of each.
TOTALS = [
    {"calculate": "sequence(0, 6.25, 0.5)", "as": "e"},
    {"flatten": ["e"]},
    {"calculate": "pow(10, datum.e)", "as": "x"},
    {"calculate": "datum.a + (datum.x - 1) * datum.r", "as": "y"},
    {"calculate": "format(datum.x, ',.4~r') + ' calls'", "as": "xt"},
    {"calculate": "format(datum.y * 1e3, '.3~r') + ' ms'", "as": "yt"},
]
STARTS = (
    "Deriving, tracing or compiling is paid once. A method that prepares long and answers fast "
    "pays off from some call on: where its line falls below the other's. Preparing and the first "
    "call are single measurements; further calls have intervals, and so have the break-evens."
)


def calls(ok: pd.DataFrame) -> list[Any]:
    """The largest instance of each variant: its split, its totals; all cells in the tables."""
    cells = {_cell(rows): spent(rows) for rows in _largest(ok)}
    cells = {cell: costs for cell, costs in cells.items() if costs}
    if not cells:
        return []
    looks = style_of({name for costs in cells.values() for name in costs})
    options = tuple(
        Option((cell,), (_split(cell, costs, looks), *_totals(cell, costs, looks)))
        for cell, costs in cells.items()
    )
    return [
        Text("Prepare, first call, further calls", (STARTS,)),
        Choice("calls", ("Cell",), options, tuple(looks.values())),
        *_leaders(cells),
        *_versus(cells, looks),
    ]


def _cell(rows: pd.DataFrame) -> str:
    return f"{rows['operator'].iloc[0]} of {rows['instance'].iloc[0]}"


def _largest(ok: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Of each variant the records of its largest instance, on the machine that has the most."""
    for _, _, rows in spelled(ok):
        sizes = rows.assign(work=rows["n"] * rows["m"] * rows["depth"])
        by = sizes.groupby(["instance", "machine"])
        held = by.agg(work=("work", "max"), methods=("method", "nunique"))
        instance, machine = held.sort_values(["work", "methods"]).index[-1]
        yield rows[(rows["instance"] == instance) & (rows["machine"] == machine)]


def _split(cell: str, costs: dict[str, Spent], looks: dict[str, Style]) -> Figure:
    name = f"split {cell}"
    shown = {method: costs[method] for method in looks if method in costs}
    rows = [
        {"s": method, "i": cell, **{told: getattr(times, part) for part, told, *_ in PARTS}}
        for method, times in shown.items()
    ]
    columns = (
        Column("Method"),
        *(Column(f"{told.capitalize()}, µs", True) for _, told, *_ in PARTS),
        Column("95 % interval of a further call, µs"),
    )
    table = [
        [
            label(method),
            *(micro(getattr(times, part)) for part, *_ in PARTS),
            interval(times.low, times.high, scale=1e6),
        ]
        for method, times in shown.items()
    ]
    return Figure(
        name,
        f"Prepare, first call, further calls: {cell}",
        "Each line is one method: the square is its preparing (deriving, tracing, compiling), the "
        "triangle its first call, the circle the median of further calls.",
        split(rows, [looks[method] for method in shown]),
        Table(name, f"Where the time goes: {cell}", columns, table, plain=True),
    )


def _totals(cell: str, costs: dict[str, Spent], looks: dict[str, Style]) -> Iterator[Figure]:
    """The lines of all methods; nothing where only the hand-written derivative ran."""
    order = leaders(_asked(costs))
    if not order:
        return
    name = f"calls {cell}"
    shown = {method: costs[method] for method in looks if method in costs}
    rows = [
        {"s": method, "i": cell, "a": times.start, "r": times.further}
        for method, times in shown.items()
    ]
    ends = [{"x": k, "y": t.total(k)} for t in shown.values() for k in CALLS]
    spec = lines(
        ends,
        list(looks.values()),
        Axis("calls", ticks="short"),
        Axis("time of all calls and preparing", ticks="seconds"),
    )
    layers = [{**layer, "transform": TOTALS} for layer in spec["layer"]]
    spec = {**spec, "layer": layers, "datasets": {"rows": rows}}
    columns = (
        Column("Cheapest in all"),
        Column("from call", True),
        Column("Until the first answer, µs", True),
        Column("A further call, µs", True),
    )
    table = [[label(b.method), count(b.call), micro(b.start), micro(b.further)] for b in order]
    told = ", then ".join(f"{label(b.method)} from call {plain(b.call)}" for b in order)
    yield Figure(
        name,
        f"Time of k calls, preparing included: {cell}",
        f"Where two lines cross is the break-even of their methods. Cheapest in all: {told}. The "
        "hand-written derivative prepares nothing and is not counted there.",
        spec,
        Table(name, f"Who costs least: {cell}", columns, table, plain=True),
        x="x",
        y="y",
    )


def _asked(costs: dict[str, Spent]) -> dict[str, Spent]:
    """Without the hand-written derivative, which no method can be expected to beat."""
    return {name: times for name, times in costs.items() if name != "manual"}


def _leaders(cells: dict[str, dict[str, Spent]]) -> Iterator[Table]:
    columns = (
        Column("Cell"),
        Column("Cheapest for one call"),
        Column("Its time, µs", True),
        Column("Then, from call"),
        Column("Cheapest for ever"),
        Column("from call", True),
        Column("A call of it, µs", True),
    )
    rows = []
    for cell, costs in cells.items():
        order = leaders(_asked(costs))
        if not order:
            continue
        first, last = order[0], order[-1]
        between = ", ".join(f"{label(b.method)} from {plain(b.call)}" for b in order[1:-1])
        rows.append(
            [
                cell,
                label(first.method),
                micro(first.start),
                between or NONE,
                label(last.method),
                count(last.call),
                micro(last.further),
            ]
        )
    if rows:
        yield Table(
            "break-even",
            "Which method costs least in all, from which call on: preparing, the first call and "
            "all further ones, at the largest size of each family. Any two methods can be set side "
            "by side below.",
            columns,
            rows,
            plain=True,
        )


def _versus(cells: dict[str, dict[str, Spent]], looks: dict[str, Style]) -> list[Versus]:
    """The widget of any two methods; it starts with those that most often begin and end."""
    ends = [leaders(_asked(costs)) for costs in cells.values()]
    pairs = [(order[0].method, order[-1].method) for order in ends if len(order) > 1]
    names = list(looks)
    if len(names) < 2:
        return []
    rows = tuple(
        (cell, {k: (v.start, v.further, v.low, v.high) for k, v in costs.items()})
        for cell, costs in cells.items()
    )
    caption = (
        "From which call on does the one cost less in all than the other? Calls in brackets: the "
        "range that the intervals of further calls leave open."
    )
    series = tuple((s.name, s.label) for s in looks.values())
    chosen = max(sorted(set(pairs)), key=pairs.count, default=(names[0], names[1]))
    return [Versus("break-even of two methods", caption, series, rows, chosen)]

"""Cost: gradient over primal by operations and time, from which call on a start pays, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import Cut, answered, cuts, dicts, first_derivative
from diffbench.analysis.claims import BOUND
from diffbench.analysis.overhead import by_operations, by_time, overheads
from diffbench.page import Page
from diffbench.reports.calls import calls
from diffbench.reports.charts import Axis, lines
from diffbench.reports.formats import count, interval, number, plain
from diffbench.reports.sections import Choice, Column, Figure, Option, Table, Text
from diffbench.reports.strips import bounded
from diffbench.reports.styles import Style, label, ordered, style_of

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

INTRODUCTION = (
    "What a gradient costs beside f, what it costs before the first answer, and what it keeps in "
    f"memory. In theory reverse mode takes at most {BOUND:g} times the operations of f, whatever "
    "n; how much time that is depends on the machine that runs them."
)


def render(run: Run) -> list[Any]:
    """Ratios to the primal, the split of the time with break-evens, and memory against depth."""
    ok = answered(first_derivative(run.records))
    ok = ok[(ok["claim"] != "control") & ok["run_s"].notna()]
    if ok.empty:
        return [Text(paragraphs=("No first derivative of this run was timed.",))]
    return [
        Text(paragraphs=(INTRODUCTION,)),
        *_ratios(ok),
        *calls(ok),
        *_memory(ok),
    ]


# --- ratios -----------------------------------------------------------------------------------


def _ratios(ok: pd.DataFrame) -> list[Any]:
    """Gradients (one output) over their primal: by operations, and by time."""
    rows = ok[ok["operator"] == "gradient"]
    made = [
        (by_operations(rows), "operations", "Operations of a gradient over those of f", OPERATIONS),
        (by_time(rows), "time", "Time of a gradient over that of the method's own f", TIME),
    ]
    made = [case for case in made if len(case[0])]
    if not made:
        return []
    looks = style_of(name for case in made for name in case[0]["method"])
    option = Option(("Operations, time",), tuple(_ratio(*case, looks) for case in made))
    return [Text("Gradient over primal"), Choice("ratios", ("",), (option,), tuple(looks.values()))]


OPERATIONS = (
    "Each symbol is the gradient of one instance with one output: its scalar operations over "
    "those of f, exact counts. Methods that only call f count as their calls. The dashed line is "
    "the bound of the cheap gradient, which speaks of reverse mode alone."
)
TIME = (
    "The same gradients by the clock: median time over that of the method's own f, measured in "
    "the same rounds. The dashed line is the bound on operations: time may lie on either side, "
    "for compiled operations cost less and interpreted ones more."
)


def _ratio(
    rows: pd.DataFrame, what: str, title: str, sentence: str, looks: dict[str, Style]
) -> Figure:
    mine = [looks[name] for name in ordered(rows["method"])]
    data = [
        {
            "s": row["method"],
            "x": row["ratio"],
            "i": row["instance"],
            "xt": f"{plain(row['ratio'])} ×",
            "v": row["verdict"] or "no verdict",
        }
        for row in dicts(rows)
    ]
    spec = bounded(data, mine, f"{what}, in those of f (×)", BOUND)
    return Figure(f"ratio of {what}", title, sentence, spec, _spread(rows, what, title), x="x")


def _spread(rows: pd.DataFrame, what: str, title: str) -> Table:
    columns = (
        Column("Method"),
        Column("Gradients", True),
        Column("Least, ×", True),
        Column("Median, ×", True),
        Column("95 % interval, ×"),
        Column("Most, ×", True),
        Column(f"Above {BOUND:g}", True),
        Column("Where it is most"),
    )
    found = overheads(rows)
    table = [
        [
            label(name),
            count(found[name].cells),
            number(found[name].least),
            number(found[name].middle.value),
            interval(found[name].middle.low, found[name].middle.high),
            number(found[name].most),
            count(found[name].above),
            found[name].where,
        ]
        for name in ordered(found)
    ]
    return Table(f"ratio of {what}", f"{title}, by method", columns, table)


# --- memory -----------------------------------------------------------------------------------

KINDS = {
    "tape_bytes": ("Tape", "bytes that the method's own tape holds, as it counts them"),
    "peak_bytes": ("Peak", "peak resident memory of one call above that before it"),
}


def _memory(ok: pd.DataFrame) -> list[Any]:
    """Memory against depth, or n where a family's depth is its n."""
    figures: dict[str, list[tuple[Cut, str]]] = {}
    for field in KINDS:
        rows = ok[ok[field] > 0]
        for cut in cuts(rows, "depth") if len(rows) else []:
            figures.setdefault(cut.name, []).append((cut, field))
        for cut in cuts(rows, "n") if len(rows) else []:
            # Where n grows beside the depth, the growth would not be the depth's alone.
            if (cut.rows["depth"] == cut.rows["n"]).all() and cut.name not in figures:
                figures[cut.name] = [(cut, field)]
    if not figures:
        return [Text("Memory", ("No method of this run counts memory along a depth.",))]
    drawn = [cut for several in figures.values() for cut, _ in several]
    looks = style_of(name for cut in drawn for name in cut.rows["method"])
    options = tuple(
        Option((name,), tuple(_memory_of(cut, field, looks) for cut, field in several))
        for name, several in sorted(figures.items(), key=_telling)
    )
    return [
        Text("Memory against depth"),
        Choice("memory", ("Family",), options, tuple(looks.values())),
    ]


def _telling(found: tuple[str, list[tuple[Cut, str]]]) -> tuple[int, str]:
    """Where most methods were measured at most depths comes first."""
    name, several = found
    return -sum(len(cut.rows[["method", "depth"]].drop_duplicates()) for cut, _ in several), name


def _memory_of(cut: Cut, field: str, looks: dict[str, Style]) -> Figure:
    title, what = KINDS[field]
    name = f"{title.lower()} {cut.name}"
    found = {(row["method"], row["depth"]): row[field] for row in dicts(cut.rows)}
    rows = [
        {
            "s": method,
            "x": depth,
            "y": value,
            "i": cut.name,
            "xt": f"{depth}",
            "yt": f"{plain(value)} bytes",
            "v": "",
        }
        for (method, depth), value in found.items()
    ]
    sizes = sorted({depth for _, depth in found})
    columns = (Column("Method"), *(Column(f"depth {d}, bytes", True) for d in sizes))
    table = [
        [label(m), *(count(found.get((m, d))) for d in sizes)] for m in ordered(cut.rows["method"])
    ]
    held = f" ({cut.held})" if cut.held else ""
    axes = Axis("depth", sizes=True), Axis("bytes", ticks="short")
    return Figure(
        name,
        f"{title}: {cut.operator} of {cut.name} against depth{held}",
        f"Memory of one {cut.operator} of {cut.name} against depth{held}: {what}. A tape grows "
        "with the length of the computation unless a method recomputes parts of it.",
        lines(rows, list(looks.values()), *axes),
        Table(name, f"{title} of {cut.name} against depth", columns, table, plain=True),
        x="x",
        y="y",
    )


PAGE = Page(name="cost", title="Cost", order=54, render=render)

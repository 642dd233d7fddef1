"""Scaling: time and operations against n, m and depth, and the fitted exponents beside theory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import HELD, Cut, answered, cuts, dicts
from diffbench.analysis.growth import COUNTED, Growth, growth, operations
from diffbench.analysis.scaling import LEAST_SLOPE, Fit, kind_of
from diffbench.page import Page
from diffbench.reports.charts import Axis, Ghost, lines
from diffbench.reports.formats import (
    NONE,
    blank,
    count,
    fixed,
    interval,
    micro,
    number,
    plain,
    ranked,
)
from diffbench.reports.sections import Cell, Choice, Column, Figure, Option, Table, Text
from diffbench.reports.styles import Style, label, ordered, style_of
from diffbench.reports.tones import CLAIMS

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

AXES = {
    "n": ("Against n, the number of inputs", "n inputs"),
    "m": ("Against m, the number of outputs", "m outputs"),
    "depth": ("Against depth, the length of the computation", "depth"),
}
POWERS = {1: "", 2: "²"}
UNEXPECTED = {"does not hold": "unexpected"}
INTRODUCTION = (
    "Cost of one first derivative, logarithmic on both axes: a power law is a straight line and "
    "its exponent is the slope. Bars are 95 % intervals; dotted lines grow like the first and "
    "the second power. At small sizes every method pays a fixed price a call, and lines are "
    "flat: exponents are fitted to what lies above ten empty calls. Operations are exact counts "
    "and stand beside the times; claims about growth are decided on counts first."
)


def render(run: Run) -> list[Any]:
    """For each axis the curves of every family that has one, then the exponents."""
    records = answered(run.records)
    records = records[records["run_s"].notna()]
    found = {axis: cuts(records, axis) if len(records) else [] for axis in HELD}
    every = [cut for several in found.values() for cut in several]
    if not every:
        return [Text(paragraphs=("No family of this run has two sizes to draw a line through.",))]
    blocks: list[Any] = [Text(paragraphs=(INTRODUCTION,))]
    for axis, (title, _) in AXES.items():
        if found[axis]:
            blocks += [Text(title), _choice(axis, found[axis])]
    long = [cut for cut in every if cut.rows[cut.axis].nunique() >= LEAST_SLOPE]
    grown = [growth(cut, name) for cut in long for name in _methods(cut)]
    return [*blocks, Text("Exponents beside theory"), *_unexpected(grown), _exponents(grown)]


def _methods(cut: Cut) -> list[str]:
    names: list[str] = ordered(cut.rows.loc[cut.rows["claim"] != "control", "method"])
    return names


# --- figures ----------------------------------------------------------------------------------


def _choice(axis: str, found: list[Cut]) -> Choice:
    """The family with the most sizes comes first: without JavaScript it is the one that shows."""
    found = sorted(found, key=lambda cut: (-cut.rows[axis].nunique(), cut.name))
    looks = style_of(name for cut in found for name in cut.rows["method"])
    options = tuple(Option((cut.name,), tuple(_figures(cut, looks))) for cut in found)
    return Choice(f"scaling {axis}", ("Family",), options, tuple(looks.values()))


def _figures(cut: Cut, looks: dict[str, Style]) -> Iterator[Figure]:
    held = f" ({cut.held})" if cut.held else ""
    asked = f"{cut.operator} of {cut.name}"
    yield _figure(
        cut,
        looks,
        f"time {cut.name} {cut.axis}",
        f"Time: {asked} against {cut.axis}{held}",
        f"Median time of one {asked} by each method, with 95 % intervals, against "
        f"{cut.axis}{held}; dotted lines grow like {cut.axis} and {cut.axis}².",
        [_timed(cut, row) for row in dicts(cut.rows)],
        Axis("time of one call", ticks="seconds"),
        _times,
    )
    rows = cut.rows.assign(operations=operations(cut.rows))
    counted = [_counted(cut, row) for row in dicts(rows[rows["operations"] > 0])]
    if counted:
        yield _figure(
            cut,
            looks,
            f"operations {cut.name} {cut.axis}",
            f"Operations: {asked} against {cut.axis}{held}",
            f"Scalar operations of one {asked}, exact: counted by the methods that count, and for "
            "those that only call f their calls times its operations. Dotted lines grow like "
            f"{cut.axis} and {cut.axis}²; lines that coincide cover each other.",
            counted,
            Axis("operations of one call", ticks="short"),
            _operations,
        )


def _figure(
    cut: Cut,
    looks: dict[str, Style],
    name: str,
    title: str,
    sentence: str,
    rows: list[dict[str, Any]],
    y: Axis,
    table: Any,
) -> Figure:
    controls = set(cut.rows.loc[cut.rows["claim"] == "control", "method"])
    ghosts = _ghosts(cut.axis, [row for row in rows if row["s"] not in controls])
    spec = lines(rows, list(looks.values()), Axis(AXES[cut.axis][1], sizes=True), y, ghosts)
    return Figure(name, title, sentence, spec, table(name, title, cut, rows), (), x="x", y="y")


def _timed(cut: Cut, row: dict[str, Any]) -> dict[str, Any]:
    low, high = row["run_s_low"], row["run_s_high"]
    return {
        "s": row["method"],
        "x": row[cut.axis],
        "y": row["run_s"],
        "l": None if blank(low) else low,
        "h": None if blank(high) else high,
        "i": row["instance"],
        "xt": f"{row[cut.axis]}",
        "yt": f"{plain(row['run_s'] * 1e6)} µs ({interval(low, high, scale=1e6)})",
        "v": row["verdict"] or "no verdict",
    }


def _counted(cut: Cut, row: dict[str, Any]) -> dict[str, Any]:
    called = blank(row["graph_ops"])
    return {
        "s": row["method"],
        "x": row[cut.axis],
        "y": row["operations"],
        "i": row["instance"],
        "xt": f"{row[cut.axis]}",
        "yt": f"{plain(row['calls_f'])} × {plain(row['primal_ops'])}"
        if called
        else plain(row["graph_ops"]),
        "whole": None if called else int(row["graph_ops"]),
        "v": row["verdict"] or "no verdict",
    }


def _ghosts(axis: str, rows: list[dict[str, Any]]) -> list[Ghost]:
    """Lines of slope 1 and 2 that start at the cheapest point of the smallest size."""
    first, last = (edge((row["x"] for row in rows), default=0) for edge in (min, max))
    if first <= 0:
        return []
    top, start = max(r["y"] for r in rows), min(r["y"] for r in rows if r["x"] == first)
    ends = {k: min(last, first * (top / start) ** (1.0 / k)) for k in POWERS}
    return [
        Ghost(f"∝ {axis}{POWERS[k]}", ((first, start), (end, start * (end / first) ** k)))
        for k, end in ends.items()
    ]


# --- tables behind them -----------------------------------------------------------------------


def _times(name: str, title: str, cut: Cut, rows: list[dict[str, Any]]) -> Table:
    columns = (
        Column("Method"),
        Column(cut.axis, True),
        Column("Time of one call, µs", True),
        Column("95 % interval, µs"),
        Column("Over own f, ×", True),
        Column("Passes of one call", True),
        Column("Verdict"),
    )
    place = {name: i for i, name in enumerate(ordered(cut.rows["method"]))}
    found = sorted(dicts(cut.rows), key=lambda r: (place[r["method"]], r[cut.axis]))
    table = [
        [
            label(row["method"]),
            count(row[cut.axis]),
            micro(row["run_s"]),
            interval(row["run_s_low"], row["run_s_high"], scale=1e6),
            number(row["ratio_own_primal"]),
            _passes(row),
            row["verdict"] or NONE,
        ]
        for row in found
    ]
    caption = f"{title}; passes are calls of f, tangent directions or reverse sweeps"
    return Table(name, caption, columns, table)


def _passes(row: dict[str, Any]) -> Cell:
    field = COUNTED.get(kind_of(row["method"], row["category"]), "")
    return count(row[field] or None) if field else Cell(NONE, "")


def _operations(name: str, title: str, cut: Cut, rows: list[dict[str, Any]]) -> Table:
    sizes = sorted({row["x"] for row in rows})
    # A number as it was counted; a product, of calls and operations of f, by its factors.
    found = {(row["s"], row["x"]): Cell(row["yt"], row["whole"]) for row in rows}
    columns = (Column("Method"), *(Column(f"{cut.axis} = {size}", True) for size in sizes))
    table = [
        [label(method), *(found.get((method, size), NONE) for size in sizes)]
        for method in ordered(row["s"] for row in rows)
    ]
    return Table(name, title, columns, table, plain=True)


# --- exponents --------------------------------------------------------------------------------


def _unexpected(grown: Sequence[Growth]) -> Iterator[Text | Table]:
    """How many exponents are theory's, and by method and axis those that are not."""
    flagged = [g for g in grown if g.verdict in UNEXPECTED]
    asked = [g for g in grown if g.verdict]
    if not asked:
        return
    tally = {said: sum(g.verdict == said for g in asked) for said in CLAIMS}
    told = ", ".join(f"{UNEXPECTED.get(said, said)} in {times}" for said, times in tally.items())
    yield Text(paragraphs=(f"{len(asked)} exponents have a theory: {told}.",))
    columns = (
        Column("Method"),
        Column("Against"),
        Column("Exponent of time over own f"),
        Column("Theory", True),
        Column("Unexpected"),
        Column("On"),
        Column("Why"),
    )
    rows = []
    for key in dict.fromkeys(map(_curve, flagged)):
        mine, tested = ([g for g in some if _curve(g) == key] for some in (flagged, asked))
        rows.append(_explained(mine, len(tested)))
    caption = "Times that do not grow as theory says, and why: counts of passes tell, where known"
    if rows:
        yield Table("unexpected", caption, columns, rows, plain=True)


def _curve(g: Growth) -> tuple[str, str]:
    return g.cut.axis, g.method


def _explained(mine: Sequence[Growth], tested: int) -> list[Any]:
    first = mine[0]
    powers = [g.over.exponent for g in mine]
    why, _ = ranked(Counter(g.why for g in mine))[0]
    spread = f"{min(powers):.2f} to {max(powers):.2f}" if len(powers) > 1 else number(powers[0])
    names = ", ".join(g.cut.name for g in mine[:4]) + (" and others" if len(mine) > 4 else "")
    curves = f"{len(mine)} of {tested} curve{'s' * (tested != 1)}"
    theory = number(first.expected)
    return [label(first.method), _against(first), spread, theory, curves, names, why]


def _against(g: Growth) -> str:
    return "calls of f" if g.against == "calls_f" else g.against


def _exponents(grown: Sequence[Growth]) -> Table:
    columns = (
        Column("Family"),
        Column("Method"),
        Column("Against"),
        Column("Exponent of the time", True),
        Column("95 % interval"),
        Column("Exponent of time over own f", True),
        Column("95 % interval"),
        Column("Theory", True),
        Column("Verdict"),
        Column("Exponent of its passes", True),
        Column("Sizes used"),
    )
    return Table(
        "exponents",
        "Fitted exponents (Theil and Sen) with 95 % intervals beside theory. Theory speaks of the "
        "time over the method's own f; differences are fitted against their calls of f. A claim "
        "holds where the interval lies within 0.1 of theory, is unexpected where it lies outside, "
        "else it is not decidable here. With fewer than five sizes the interval is only that of "
        f"the times, and with fewer than {LEAST_SLOPE} there is no exponent. The exponent of a "
        "method's own passes is exact.",
        columns,
        [_row(g) for g in grown],
    )


def _row(g: Growth) -> list[Any]:
    said = UNEXPECTED.get(g.verdict, g.verdict) or "no claim"
    more = tuple(filter(None, (g.why, g.over.reason))) if g.verdict else ()
    counted = g.counted if g.counted and not blank(g.counted.exponent) else None
    return [
        g.cut.name,
        label(g.method),
        _against(g),
        fixed(g.time.exponent),
        _bounds(g.time),
        fixed(g.over.exponent),
        _bounds(g.over),
        number(g.expected),
        Cell(said, None, CLAIMS.get(g.verdict, ""), more),
        fixed(counted.exponent) if counted else Cell(NONE, ""),
        f"{g.over.points} of {g.over.points + g.over.dropped}",
    ]


def _bounds(fit: Fit) -> str:
    return NONE if blank(fit.low) else f"{fit.low:.3f} to {fit.high:.3f}"


PAGE = Page(name="scaling", title="Scaling", order=50, render=render)

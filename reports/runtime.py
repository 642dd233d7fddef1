"""Runtime against n, m and depth, with fitted exponents beside theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import Cut, answered, cuts, dicts
from diffbench.analysis.scaling import Fit, exponent, kind_of, theory, verdict
from diffbench.page import Page
from diffbench.reports.charts import Axis, Ghost, lines
from diffbench.reports.formats import NONE, blank, count, fixed, interval, micro, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Grid, Table, Text
from diffbench.reports.styles import label, ordered, style_of

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

AXES = {
    "n": ("Against n, the number of inputs", "n inputs"),
    "m": ("Against m, the number of outputs", "m outputs"),
    "depth": ("Against depth, the length of the computation", "depth"),
}
POWERS = {1: "", 2: "²"}
TONES = {"holds": "good", "does not hold": "bad", "not decidable here": "mute", "": ""}
COUNTS = ("calls_f", "directions", "sweeps")
COUNTED = {"numerical": "calls_f", "forward AD": "directions", "reverse AD": "sweeps"}
INTRODUCTION = (
    "Time of one first derivative, logarithmic on both axes: a power law is a straight line and "
    "its exponent is the slope. Bars are 95 % intervals; dotted lines grow like the first and "
    "the second power. At small sizes every method pays a fixed price a call, and lines are "
    "flat: exponents are fitted to what lies above ten empty calls. Times are shown beside "
    "counts, and claims about growth are decided on counts first."
)


def render(run: Run) -> list[Any]:
    """For each axis the curves of every family that has one, then the exponents."""
    records = answered(run.records)
    records = records[records["run_s"].notna()]
    found = {axis: cuts(records, axis) if len(records) else [] for axis in AXES}
    # A family whose depth is its n (a product of n factors) is shown against n alone.
    shown = {cut.family for cut in found["n"]}
    found["depth"] = [cut for cut in found["depth"] if cut.family not in shown]
    blocks: list[Any] = [Text(paragraphs=(INTRODUCTION,))]
    for axis, (title, _) in AXES.items():
        if found[axis]:
            blocks += [Text(title), Grid(tuple(_figure(cut) for cut in found[axis]))]
    every = [cut for cut_list in found.values() for cut in cut_list]
    if not every:
        return [Text(paragraphs=("No family of this run has two sizes to draw a line through.",))]
    return [*blocks, Text("Exponents beside theory"), _exponents(every)]


# --- figures ----------------------------------------------------------------------------------


def _figure(cut: Cut) -> Figure:
    looks = list(style_of(cut.rows["method"]).values())
    rows = [_point(cut, row) for row in dicts(cut.rows)]
    held = f" ({cut.held})" if cut.held else ""
    spec = lines(
        rows,
        looks,
        Axis(AXES[cut.axis][1]),
        Axis("time of one call", ticks="seconds"),
        _ghosts(cut),
    )
    return Figure(
        f"runtime {cut.family} {cut.axis}",
        f"{cut.family}: {cut.operator} against {cut.axis}{held}",
        f"Median time of one {cut.operator} of {cut.family} by each method, with 95 % intervals, "
        f"against {cut.axis}{held}; dotted lines grow like {cut.axis} and {cut.axis}².",
        spec,
        _table(cut),
        tuple(looks),
        x="x",
        y="y",
    )


def _point(cut: Cut, row: dict[str, Any]) -> dict[str, Any]:
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


def _ghosts(cut: Cut) -> list[Ghost]:
    """Lines of slope 1 and 2 that start at the fastest cell of the smallest size."""
    sizes = cut.rows[cut.axis].astype(float)
    first, last = float(sizes.min()), float(sizes.max())
    smallest = cut.rows[(sizes == first) & (cut.rows["claim"] != "control")]["run_s"]
    top = float(cut.rows["run_s"].max())
    if not len(smallest) or first <= 0:
        return []
    start = float(smallest.min())
    found = []
    for power, mark in POWERS.items():
        end = min(last, first * (top / start) ** (1.0 / power))
        found.append(
            Ghost(f"∝ {cut.axis}{mark}", ((first, start), (end, start * (end / first) ** power)))
        )
    return found


def _table(cut: Cut) -> Table:
    columns = (
        Column("Method"),
        Column(cut.axis, True),
        Column("Instance", shown=False),
        Column("Time of one call, µs", True),
        Column("95 % interval, µs"),
        Column("Over own f, ×", True),
        Column("Over f in numpy, ×", True),
        Column("Calls of f", True),
        Column("Directions", True, shown=False),
        Column("Sweeps", True, shown=False),
        Column("Verdict"),
    )
    place = {name: i for i, name in enumerate(ordered(cut.rows["method"]))}
    rows = sorted(dicts(cut.rows), key=lambda r: (place[r["method"]], r[cut.axis]))
    table = [
        [
            label(row["method"]),
            count(row[cut.axis]),
            row["instance"],
            micro(row["run_s"]),
            interval(row["run_s_low"], row["run_s_high"], scale=1e6),
            number(row["ratio_own_primal"]),
            number(row["ratio_numpy_primal"]),
            *(count(row[name]) for name in COUNTS),
            row["verdict"] or NONE,
        ]
        for row in rows
    ]
    name = f"runtime {cut.family} {cut.axis}"
    return Table(name, f"{cut.operator} of {cut.family} against {cut.axis}", columns, table)


# --- exponents --------------------------------------------------------------------------------


def _exponents(every: list[Cut]) -> Table:
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
        Column("Exponent of its count", True),
        Column("Sizes used"),
    )
    rows = [
        row
        for cut in every
        for name in ordered(cut.rows["method"])
        for row in _fits(cut, name, cut.rows[cut.rows["method"] == name])
    ]
    return Table(
        "exponents",
        "Fitted exponents (Theil and Sen) with 95 % intervals beside theory. Theory speaks of the "
        "time over the method's own f; differences are fitted against their calls of f. A claim "
        "holds where the interval lies within 0.1 of theory, does not hold where it lies outside, "
        "else it is not decidable here; so it is with fewer than five sizes, which have no "
        "interval. A line is of one machine, the one with the most sizes. The exponent of the "
        "method's own count is exact.",
        columns,
        rows,
    )


def _fits(cut: Cut, name: str, rows: pd.DataFrame) -> list[list[Any]]:
    if rows["claim"].iloc[0] == "control":
        return []
    category = str(rows["category"].iloc[0])
    by_calls = cut.axis == "n" and theory(name, category, "calls") is not None
    against = "calls_f" if by_calls else cut.axis
    expected = theory(name, category, "calls" if by_calls else cut.axis)
    x, y, floor = (rows[k].astype(float).tolist() for k in (against, "run_s", "empty_call_s"))
    ratio = rows["ratio_own_primal"].astype(float).tolist()
    primal = [a / b if b > 0 else 0.0 for a, b in zip(y, ratio, strict=True)]
    time = exponent(x, y, floor)
    over = exponent(x, ratio, floor, (y, primal))
    said = verdict(over, expected)
    why = (over.reason,) if over.reason and said else ()
    return [
        [
            cut.family,
            label(name),
            "calls of f" if by_calls else cut.axis,
            fixed(time.exponent),
            _bounds(time),
            fixed(over.exponent),
            _bounds(over),
            number(expected),
            Cell(said or "no claim", None, TONES[said], why),
            _counted(cut, name, rows),
            f"{over.points} of {over.points + over.dropped}",
        ]
    ]


def _counted(cut: Cut, name: str, rows: pd.DataFrame) -> Cell:
    """The exponent of what the method's kind counts along the axis; dashes where it counts none."""
    field = COUNTED.get(kind_of(name, str(rows["category"].iloc[0])), "")
    if not field or rows[field].isna().any():
        return Cell(NONE, "")
    sizes, counts = (rows[k].astype(float).tolist() for k in (cut.axis, field))
    fit = exponent(sizes, counts, least=2)
    if blank(fit.exponent):
        return Cell(NONE, "")
    return Cell(f"{fit.exponent:.3f} ({field.replace('_', ' of ')})", fit.exponent)


def _bounds(fit: Fit) -> str:
    return NONE if blank(fit.low) else f"{fit.low:.3f} to {fit.high:.3f}"


PAGE = Page(name="runtime", title="Runtime", order=50, render=render)

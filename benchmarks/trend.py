"""The trend page: asv's results as one HTML file in the report's style; no JavaScript needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from benchmarks.results import Point, Trends
from diffbench.page import Page
from diffbench.reports.build import write
from diffbench.reports.charts import Axis, lines
from diffbench.reports.formats import interval, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Grid, Table, Text
from diffbench.reports.styles import label, ordered, style_of

__all__ = ["trend_page"]

NOISE = 1.1  # one process a cell: identical code may differ by this much
MEASURED = ("seconds", "ratio")  # units of what is drawn with an interval; the rest is counted
NOISY = (*MEASURED, "bytes")
SHOWN = {"seconds": (1e6, "µs"), "bytes": (2.0**-10, "KiB")}  # the scale and unit of a table
TICKS = {"seconds": "seconds"}
HOW = (
    "Every number is worse when it grows. What is counted (calls, operations, lost digits, ...) is "
    "exact, and any step is a change.",
    "Times, memory and ratios are those of one process a cell, where identical code differs from "
    f"one start to the next: a step is a change where it is more than {NOISE - 1:.0%} and the 99 % "
    "intervals, where there are any, do not overlap. Measure again before you blame a commit.",
    "The benchmarks are those of the checkout that made this page, run against each commit as it "
    "was installed in an environment of its own.",
)


def trend_page(trends: Trends, path: Path) -> Path:
    """Write the page to ``path`` and return it."""
    pages = (
        Page("changes", "What changed", 10, _changes),
        Page("times", "Times over commits", 20, _times),
        Page("numbers", "Every number", 30, _numbers),
        Page("made", "Commits and machine", 40, _made),
    )
    return write(trends, path, pages)


Key = tuple[str, str, str, str]


def _key(point: Point) -> Key:
    return point.title, point.unit, point.instance, point.method


def _cells(trends: Trends) -> dict[Key, list[Point]]:
    """The points of each cell, the oldest first; methods in the order of every legend."""
    place = {name: i for i, name in enumerate(ordered({p.method for p in trends.points}))}
    every = sorted(trends.points, key=lambda p: (*_key(p)[:3], place[p.method], p.place))
    return {key: list(points) for key, points in groupby(every, _key)}


# --- what changed -----------------------------------------------------------------------------


def step(before: Point, after: Point) -> str:
    """``rose``, ``fell``, or nothing where the two are the same or lie within the noise."""
    if after.unit in NOISY and not _apart(before, after):
        return ""
    return {1: "rose", -1: "fell"}.get(
        (after.value > before.value) - (after.value < before.value), ""
    )


def _apart(a: Point, b: Point) -> bool:
    small, large = sorted((a, b), key=lambda point: point.value)
    overlap = None not in (small.high, large.low) and large.low <= small.high
    return large.value > NOISE * small.value and not overlap


def _changes(trends: Trends) -> list[Any]:
    pairs = [pair for points in _cells(trends).values() for pair in pairwise(points)]
    # Over a commit without a number nobody knows which of the two it was.
    steps = [(a, b) for a, b in pairs if b.place == a.place + 1]
    changed = [(said, *pair) for pair in steps if (said := step(*pair))]
    columns = (
        Column("Commit"),
        Column("Benchmark"),
        Column("Instance"),
        Column("Method"),
        Column("Before", True),
        Column("After", True),
        Column("Unit"),
        Column("Step"),
    )
    found = f"{len(changed)} of {len(steps)} steps from one commit to the next are changes."
    caption = (
        f"The changes, by the commit that they came with ({len(changed)} of {len(steps)} steps)"
    )
    rows = [_change(trends, *row) for row in changed]
    return [Text("", (found,), HOW), Table("changes", caption, columns, rows)]


def _change(trends: Trends, said: str, before: Point, after: Point) -> list[Any]:
    commit = trends.commits[after.place - 1]
    factor = f", {plain(after.value / before.value)} ×" if before.value else ""
    risen = "warn" if after.unit in NOISY else "bad"
    return [
        Cell(commit.short, more=(commit.subject,)),
        after.title,
        after.instance,
        label(after.method),
        _shown(before),
        _shown(after),
        SHOWN.get(after.unit, (1.0, after.unit))[1],
        Cell(f"{said}{factor}", tone=risen if said == "rose" else "good"),
    ]


def _shown(point: Point | None) -> Cell:
    return number(None if point is None else point.value * SHOWN.get(point.unit, (1.0,))[0], 4)


# --- times ------------------------------------------------------------------------------------


def _times(trends: Trends) -> list[Any]:
    drawn = [points for key, points in _cells(trends).items() if key[1] in MEASURED]
    by_figure = groupby(drawn, lambda points: _key(points[0])[:3])
    figures = [_figure(trends, *key, list(group)) for key, group in by_figure]
    return [Grid(tuple(figures))] if figures else [Text(paragraphs=("Nothing was timed.",))]


def _figure(trends: Trends, title: str, unit: str, instance: str, cells: Any) -> Figure:
    looks = list(style_of(points[0].method for points in cells).values())
    rows = [_row(trends, point) for points in cells for point in points]
    spec = lines(
        rows,
        looks,
        Axis("commit, the oldest first", log=False),
        Axis(unit, ticks=TICKS.get(unit, "")),
    )
    _names_commits(spec, [commit.short for commit in trends.commits])
    return Figure(
        f"{title} {instance}",
        f"{title}: {instance}",
        f"{title} of {instance}, commit by commit, with asv's 99 % intervals where it gives any.",
        spec,
        _table(trends, f"{title} {instance}", f"{title}: {instance}", cells),
        tuple(looks),
        y="y",
    )


def _row(trends: Trends, point: Point) -> dict[str, Any]:
    scale, unit = SHOWN.get(point.unit, (1.0, ""))
    ends = "" if point.low is None else f" ({interval(point.low, point.high, scale=scale)})"
    return {
        "s": point.method,
        "x": point.place,
        "y": point.value,
        "l": point.low,
        "h": point.high,
        "i": point.instance,
        "xt": trends.commits[point.place - 1].short,
        "yt": f"{plain(point.value * scale)} {unit}{ends}",
        "v": "",
    }


def _names_commits(spec: dict[str, Any], names: list[str]) -> None:
    """Let the ticks be the commits: their places are numbers to the chart."""
    shown = {
        "values": list(range(1, len(names) + 1)),
        "labelExpr": f"{json.dumps(names)}[datum.value - 1]",
    }
    for layer in spec["layer"]:
        layer["encoding"]["x"]["axis"] = shown


# --- numbers and how they were made -----------------------------------------------------------


def _table(trends: Trends, name: str, caption: str, cells: Any) -> Table:
    commits = (Column(commit.short, True) for commit in trends.commits)
    heads = (Column("Benchmark"), Column("Instance"), Column("Method"), Column("Unit"), *commits)
    return Table(name, caption, heads, [list(_across(trends, points)) for points in cells])


def _across(trends: Trends, points: list[Point]) -> Iterator[Any]:
    """The cells of a row: what it is of, and a number a commit."""
    first, by_place = points[0], {point.place: point for point in points}
    yield from (first.title, first.instance, label(first.method))
    yield SHOWN.get(first.unit, (1.0, first.unit))[1]
    for place, _commit in enumerate(trends.commits, 1):
        yield _shown(by_place.get(place))


def _numbers(trends: Trends) -> list[Any]:
    caption = "Every number that asv keeps of these commits, the oldest on the left"
    return [_table(trends, "numbers", caption, _cells(trends).values())]


def _made(trends: Trends) -> list[Any]:
    commits = [[commit.hash, commit.subject] for commit in trends.commits]
    both = (Column("Commit"), Column("Its first line"))
    facts = [[key, value] for key, value in trends.machine.items()]
    return [
        Table("commits", "The commits, the oldest first", both, commits, plain=True),
        Table(
            "machine",
            "The machine, as asv knows it",
            (Column("Key"), Column("Value")),
            facts,
            plain=True,
        ),
    ]

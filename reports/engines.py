"""In-house against the field: the paired ratios of every engine of ours to every other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffbench.analysis.book import Book
from diffbench.analysis.cells import Cut, answered, cuts
from diffbench.analysis.compare import SMALL, Comparison, Group, Ratio, compare
from diffbench.analysis.scaling import kind_of
from diffbench.page import Page
from diffbench.reports.charts import Axis, Ghost, lines
from diffbench.reports.formats import NONE, count, interval, number, plain
from diffbench.reports.sections import Cell, Choice, Column, Figure, Option, Table, Text
from diffbench.reports.styles import Style, label, ordered, style_of
from diffbench.reports.tones import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

HOME = "diffbench"
ENGINES = ("forward AD", "reverse AD", "AD")  # categories of methods
AXES = {"n": "n inputs", "m": "m outputs", "depth": "depth"}
INTRODUCTION = (
    "Every engine of automatic differentiation that diffbench brings against every other one of "
    "the run, by time of one call. All are pinned to the same core, get their own arrays, answer "
    "in double precision and are waited for; compilation and the first call are not counted. A "
    "ratio is the median of the ratios of interleaved rounds; below 1 the in-house engine is "
    "faster. A cell is a tie unless its difference stands at 5 % over all cells of the pair "
    "(Holm). Means are geometric, over all derivatives of all sizes that both answered; their "
    "intervals come from the differences between families, or within one between its cells. "
    f"Up to n = {SMALL} the fixed price of a call decides, so those cells are also shown apart."
)


def render(run: Run) -> list[Any]:
    """The findings in words, the table of all pairs, the curves of like modes, the families."""
    records = run.records
    home, field = _sides(records)
    if not home or not field:
        missing = "in-house engine" if not home else "engine of another library"
        return [Text(paragraphs=(f"This run holds no {missing}: there is nothing to compare.",))]
    book = Book.of(run)
    made = [compare(book, of, to) for of in home for to in field]
    made = [pair for pair in made if pair.cells]
    if not made:
        return [Text(paragraphs=("No cell of this run was timed for engines of both sides.",))]
    alike = _alike(made, records)
    return [
        Text(paragraphs=(INTRODUCTION,)),
        Text("In words", items=tuple(map(_sentence, _broad(alike)))),
        _pairs(made),
        *_curves(alike, records),
        _families(made),
    ]


def _sides(records: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The in-house engines of a run, and those of others."""
    engines = records[records["category"].isin(ENGINES)]
    ours = engines["library"] == HOME
    return ordered(engines.loc[ours, "method"]), ordered(engines.loc[~ours, "method"])


def _alike(made: list[Comparison], records: pd.DataFrame) -> list[Comparison]:
    """The pairs of one mode, and those with an engine of both; all pairs where there is none."""
    categories = dict(zip(records["method"], records["category"], strict=True))
    kinds = {name: kind_of(name, str(category)) for name, category in categories.items()}
    return [pair for pair in made if kinds[pair.to] in (kinds[pair.of], "")] or made


# --- words ------------------------------------------------------------------------------------


def _broad(pairs: list[Comparison]) -> list[Comparison]:
    """Those that compare over many families: of the others the table tells enough."""
    most = max((len(pair.families) for pair in pairs), default=0)
    return [pair for pair in pairs if 2 * len(pair.families) >= most]


def _sentence(pair: Comparison) -> str:
    whole, worst = pair.totals[0], pair.totals[0].worst
    of, to = label(pair.of), label(pair.to)
    said = {
        "faster": f"{of} is faster than {to}",
        "slower": f"{of} is slower than {to}",
        "tie": f"Neither {of} nor {to} is faster on the whole",
    }[whole.outcome]
    family = max(pair.families, key=lambda group: group.ratio.value)
    derived = f" ({of} has to derive its {worst.operator})" if worst.derived else ""
    return (
        f"{said}: {of} takes {_mean(whole)} the time, in the geometric mean over "
        f"{len(whole.cells)} cells of {len(pair.families)} families{_by_size(pair)}. It is faster "
        f"in {whole.count('faster')} cells, ties in {whole.count('tie')} and is slower in "
        f"{whole.count('slower')}. Its worst cell is {worst.cell}, {_times(worst.value)}{derived}; "
        f"its worst family {family.name}, {_times(family.ratio.value)}."
    )


def _by_size(pair: Comparison) -> str:
    """The means of small and large sizes, where there are both."""
    _, *halves = pair.totals
    if len(halves) < 2:
        return ""
    small, large = halves
    return f"; up to n = {SMALL} it is {_mean(small)}, above {_mean(large)}"


def _times(value: float) -> str:
    return f"{plain(value)}\u00a0×"


def _mean(group: Group) -> str:
    return f"{_times(group.ratio.value)} ({interval(group.ratio.low, group.ratio.high)})"


# --- tables -----------------------------------------------------------------------------------

TALLY = tuple(Column(outcome.capitalize(), True) for outcome in OUTCOMES)
WORST = (Column("Worst, ×", True),)


def _summary(group: Group) -> list[Any]:
    """Mean, interval, counts of outcomes, and the worst ratio, which unfolds its cell."""
    worst, ratio = group.worst, group.ratio
    return [
        number(ratio.value, tone=OUTCOMES[group.outcome]),
        interval(ratio.low, ratio.high),
        *(count(group.count(outcome)) for outcome in OUTCOMES),
        Cell(plain(worst.value), worst.value, "", (worst.cell,)),
    ]


def _pairs(made: list[Comparison]) -> Table:
    columns = (
        Column("Engine"),
        Column("Against"),
        Column("Cells", True),
        Column("Ratio of times, ×", True),
        Column("95 % interval, ×"),
        *TALLY,
        *WORST,
        Column(f"n ≤ {SMALL}, ×", True),
        Column(f"n > {SMALL}, ×", True),
        Column("Left out", True),
    )
    rows = [
        [
            label(pair.of),
            label(pair.to),
            count(len(pair.cells)),
            *_summary(pair.totals[0]),
            *(_half(pair, f"n {sign} {SMALL}") for sign in ("<=", ">")),
            _left_out(pair),
        ]
        for pair in made
    ]
    return Table(
        "engines",
        "Every in-house engine against every other: time of one call over time of one call. Means "
        "by size unfold their intervals, the worst ratio its cell, what was left out the reasons.",
        columns,
        rows,
        plain=True,
    )


def _half(pair: Comparison, name: str) -> Cell:
    """The mean of one half of the sizes; it unfolds its interval."""
    found = next((group for group in pair.totals if group.name == name), None)
    if found is None:
        return Cell(NONE, "")
    ratio = found.ratio
    more = f"{interval(ratio.low, ratio.high)} over {len(found.cells)} cells"
    return Cell(plain(ratio.value), ratio.value, "", (more,))


def _left_out(pair: Comparison) -> Cell:
    total = sum(pair.left_out.values())
    reasons = tuple(f"{times} × {reason}" for reason, times in pair.left_out.items())
    return Cell(str(total), total, "", reasons)


def _families(made: list[Comparison]) -> Table:
    columns = (
        Column("Engine"),
        Column("Against"),
        Column("Family"),
        Column("Cells", True),
        Column("Ratio of times, ×", True),
        Column("95 % interval, ×"),
        *TALLY,
        *WORST,
    )
    rows = [
        [label(pair.of), label(pair.to), group.name, count(len(group.cells)), *_summary(group)]
        for pair in made
        for group in pair.families
    ]
    return Table("engines by family", "Every pair of engines, family by family.", columns, rows)


# --- curves -----------------------------------------------------------------------------------


def _curves(pairs: list[Comparison], records: pd.DataFrame) -> list[Any]:
    """A chart for each family, along the first size that grows."""
    rows = answered(records)
    found: dict[str, Cut] = {}
    for axis in AXES:
        for cut in cuts(rows, axis) if len(rows) else []:
            found.setdefault(cut.name, cut)
    methods = style_of(name for pair in pairs for name in (pair.of, pair.to))
    looks = {(pair.of, pair.to): _look(pair, methods) for pair in pairs}
    drawn = {name: _drawn(found[name], pairs, looks) for name in sorted(found)}
    shown = {look for series in drawn.values() for look in series}
    legend = [look for look in looks.values() if look in shown]
    options = tuple(
        Option((name,), (_figure(found[name], series, legend),))
        for name, series in drawn.items()
        if series
    )
    if not options:
        return []
    heading = Text("First derivatives, family by family")
    return [heading, Choice("engines", ("Family",), options, tuple(legend))]


Drawn = dict[Style, list[tuple[int, Ratio]]]


def _drawn(cut: Cut, pairs: list[Comparison], looks: Mapping[tuple[str, str], Style]) -> Drawn:
    """The ratios of each pair along the cut, of those that have any."""
    sizes = dict(zip(cut.rows["instance"], cut.rows[cut.axis], strict=True))
    series = {looks[pair.of, pair.to]: _along(cut, sizes, pair) for pair in pairs}
    return {look: ratios for look, ratios in series.items() if ratios}


def _figure(cut: Cut, series: Drawn, legend: list[Style]) -> Figure:
    rows = [_point(look, at, cell) for look, ratios in series.items() for at, cell in ratios]
    held = f" ({cut.held})" if cut.held else ""
    xs = [row["x"] for row in rows]
    spec = lines(
        rows,
        legend,
        Axis(AXES[cut.axis], sizes=True),
        Axis("in-house over the other, ×", holds=(0.9, 1.1)),
        [Ghost("equally fast", ((min(xs), 1.0), (max(xs), 1.0)))],
    )
    return Figure(
        f"engines {cut.name}",
        f"{cut.name}: {cut.operator} against {cut.axis}{held}",
        f"Time of one {cut.operator} of {cut.name} by an in-house engine over that by the other "
        f"engine, with 95 % intervals, against {cut.axis}{held}. Below the dotted line the "
        "in-house engine is faster; colour tells it, symbol and dash tell the other.",
        spec,
        _table(cut, series),
        x="x",
        y="y",
    )


def _look(pair: Comparison, methods: Mapping[str, Style]) -> Style:
    """The colour of the in-house engine with the symbol and dash of the other."""
    of, to = methods[pair.of], methods[pair.to]
    name = f"{pair.of} over {pair.to}"
    return replace(
        of, name=name, label=f"{of.label} over {to.label}", dash=to.dash, symbol=to.symbol
    )


def _along(cut: Cut, sizes: dict[str, int], pair: Comparison) -> list[tuple[int, Ratio]]:
    """(size, ratio) of the pair at every size of the cut that it has."""
    mine = [c for c in pair.cells if c.operator == cut.operator and c.instance in sizes]
    return sorted(((sizes[c.instance], c) for c in mine), key=lambda found: found[0])


def _point(look: Style, at: int, cell: Ratio) -> dict[str, Any]:
    return {
        "s": look.name,
        "x": at,
        "y": cell.value,
        "l": cell.low,
        "h": cell.high,
        "i": cell.instance,
        "xt": f"{at}",
        "yt": f"{plain(cell.value)} × ({interval(cell.low, cell.high)})",
        "v": cell.outcome,
    }


def _table(cut: Cut, series: Drawn) -> Table:
    columns = (
        Column("Pair"),
        Column(cut.axis, True),
        Column("Ratio of times, ×", True),
        Column("95 % interval, ×"),
        Column("In-house is"),
    )
    rows = [[look.label, *_entry(*found)] for look, ratios in series.items() for found in ratios]
    name = f"engines {cut.name}"
    caption = f"{cut.operator} of {cut.name}, in-house over the other, against {cut.axis}"
    return Table(name, caption, columns, rows)


def _entry(at: int, cell: Ratio) -> Iterator[Any]:
    yield count(at)
    yield number(cell.value)
    yield interval(cell.low, cell.high)
    yield Cell(cell.outcome, None, OUTCOMES[cell.outcome])


PAGE = Page(name="engines", title="In-house against the field", order=55, render=render)

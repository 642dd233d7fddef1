"""Expression swell: every representation of a derivative side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import answered, study_rows, unfinished
from diffbench.analysis.expressions import Expression, expressions
from diffbench.analysis.scaling import factors
from diffbench.page import Page
from diffbench.reports.charts import Axis, lines
from diffbench.reports.elements import element
from diffbench.reports.expression_graphs import graph, tree
from diffbench.reports.formats import blank, count, plain
from diffbench.reports.formulas import typeset
from diffbench.reports.sections import Column, Drawing, Figure, Table, Text
from diffbench.reports.styles import SERIES, Style, label, ordered

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

PREFERRED = ("symbolic[cse=no]", "symbolic[cse=yes]", "reverse", "jax[mode=reverse]")
CASES = (
    # family, the size that grows, its scale, what is shown
    ("logistic", "depth", False, "the logistic map, iterated"),
    ("speelpenning", "n", True, "a product of n variables"),
)
READING = {
    False: "Up is logarithmic: growth by a factor each step is a straight line, growth by the "
    "same amount each step bends flat.",
    True: "Both axes are logarithmic: a power of n is a straight line, the higher the steeper.",
}
LESSON = (
    "The same derivative has many sizes. Written out as one expression (a tree) it repeats every "
    "part as often as it is used, and the product rule uses each factor twice: the tree swells. "
    "Kept as a graph, each intermediate result is stored once, and what is left grows like the "
    "function itself. Swell is a property of the tree, not of differentiation."
)


FORMS = (
    # name, what is typeset, what it is
    ("function", "l_{}", "the iterate"),
    ("derivative", "l_{}'", "its derivative by the product rule"),
    ("simplified", "l_{}'", "simplified"),
)
TYPESET = (
    "The survey's table 1, derived anew by sympy: l₁ = x, l₂ = 4 l₁ (1 - l₁) and so on; in l₃ and "
    "l₄ each factor is a polynomial. The number of operations is that of the line as it stands."
)
DRAWN = (
    "The derivative of the nested form l ← 4 l (1 - l) at each depth, once as the tree that it is "
    "when written out and once as a graph in which every subexpression stands once. Square, tinted "
    "nodes with a thick frame occur more than once in the tree; round ones occur once. All "
    "pictures have one scale."
)
SIZES = (
    Column("depth", True),
    Column("nodes of the tree", True),
    Column("operations of the tree", True),
    Column("characters", True),
    Column("unique nodes", True),
    Column("of these shared", True),
    Column("operations after shared subexpressions", True),
)


def render(run: Run) -> list[Any]:
    """The lesson, the expressions written out and drawn, and for each case figure and table."""
    figures = [block for case in CASES for block in _case(answered(run.records), *case)]
    written = expressions(run.studies)
    shown = [_formulas(written), _pictures(written), _sizes(written)] if written else []
    if not figures and not shown:
        return [Text(paragraphs=("No cell of this run carries expression sizes.",))]
    jobs = unfinished(study_rows(run.studies, "expressions"))
    early = (f"Not written out: {status}: {why}." for _, status, why in jobs)
    return [Text(paragraphs=(LESSON, *early)), *shown, *figures]


# --- written out and drawn ------------------------------------------------------------------------


def _formulas(written: list[Expression]) -> Drawing:
    entries = []
    for one in written:
        for name, symbol, what in FORMS:
            parts, operations = one.forms[name]
            said = f"{what}, {operations} operations"
            entries.append(element("dt", f"Depth {one.depth}, {said}"))
            entries.append(element("dd", typeset(symbol.format(one.depth), parts)))
    made = element("dl", *entries, class_="formulas")
    return Drawing("formulas", "The expressions themselves", TYPESET, (made,))


def _pictures(written: list[Expression]) -> Drawing:
    made = []
    for one in written:
        heads = (
            f"Depth {one.depth}, tree: {len(one.tree())} nodes",
            f"Depth {one.depth}, graph: {len(one.nodes)} nodes",
        )
        for head, draw in zip(heads, (tree, graph), strict=True):
            svg = draw(one, f"{draw.__name__}-{one.depth}")
            made.append(element("div", element("p", head), svg, class_="expression"))
    whole = element("div", *made, class_="expressions")
    return Drawing("trees and graphs", "Tree and graph of the derivative", DRAWN, (whole,))


def _sizes(written: list[Expression]) -> Table:
    rows = [
        [
            count(one.depth),
            count(len(one.tree())),
            count(one.sizes["tree_ops"]),
            count(one.sizes["string_length"]),
            count(len(one.nodes)),
            count(sum(times > 1 for times in one.occurrences.values())),
            count(one.sizes["cse_ops"]),
        ]
        for one in written
    ]
    caption = "Sizes of these derivatives, as drawn"
    return Table("swell drawn", caption, SIZES, rows, True)


# --- sizes that were counted ----------------------------------------------------------------------


def _case(ok: pd.DataFrame, family: str, axis: str, log: bool, shows: str) -> list[Any]:
    rows = ok[(ok["family"] == family) & (ok["operator"] == "gradient")]
    found = {s.name: _values(rows, axis, s.name) for s in SERIES}
    found = {name: values for name, values in found.items() if len(values) >= 2}
    if not found:
        return []
    looks = [s for s in SERIES if s.name in found]
    return [
        _figure(family, axis, log, shows, found, looks),
        Text(paragraphs=("Measured:",), items=tuple(_growth(axis, found, looks))),
    ]


def _values(rows: pd.DataFrame, axis: str, field: str) -> dict[int, tuple[int, str]]:
    """The size at each value of the axis, with the method it was counted from."""
    found: dict[int, tuple[int, str]] = {}
    here = rows[rows[field].notna()]
    names = [name for name in PREFERRED if name in set(here["method"])] or ordered(here["method"])
    for name in reversed(names):
        mine = here[here["method"] == name]
        found |= {int(k): (int(v), name) for k, v in zip(mine[axis], mine[field], strict=True)}
    return dict(sorted(found.items()))


def _figure(
    family: str,
    axis: str,
    log: bool,
    shows: str,
    found: dict[str, dict[int, tuple[int, str]]],
    looks: list[Style],
) -> Figure:
    rows = [
        {
            "s": style.name,
            "x": at,
            "y": value or None,
            "i": f"{family}[{axis}={at}]",
            "xt": at,
            "yt": f"{value:,}",
            "v": f"counted from {label(name)}",
        }
        for style in looks
        for at, (value, name) in found[style.name].items()
    ]
    spec = lines(
        rows, looks, Axis(f"{axis} of {family}", log), Axis("size of the derivative", ticks="short")
    )
    return Figure(
        f"swell {family}",
        f"Sizes of the gradient of {shows}",
        f"Every line is one way to write down the same derivative of {family}, counted in the "
        f"unit that its name says. {READING[log]}",
        spec,
        _table(family, axis, found, looks),
        tuple(looks),
        x="x" if log else "",
        y="y",
    )


def _table(
    family: str, axis: str, found: dict[str, dict[int, tuple[int, str]]], looks: list[Style]
) -> Table:
    columns = (Column(axis, True), *(Column(s.label, True) for s in looks))
    sizes = sorted({at for values in found.values() for at in values})
    none = (None, "")
    rows = [[count(at), *(count(found[s.name].get(at, none)[0]) for s in looks)] for at in sizes]
    return Table(f"swell {family}", f"Sizes of the gradient of {family}", columns, rows)


def _growth(
    axis: str, found: dict[str, dict[int, tuple[int, str]]], looks: list[Style]
) -> Iterator[str]:
    for style in looks:
        sizes = list(found[style.name])
        values = [float(v) for v, _ in found[style.name].values()]
        last = factors(values)[-1]
        if not blank(last):
            yield (
                f"{style.label}: from {plain(values[0])} to {plain(values[-1])} as {axis} goes "
                f"from {sizes[0]} to {sizes[-1]}; × {plain(last)} from {sizes[-2]} to {sizes[-1]}"
            )


PAGE = Page(name="swell", title="Expression swell", order=40, render=render)

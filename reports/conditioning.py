"""Exact, but of what? The logistic map so deep that every correct method loses all digits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import study_rows
from diffbench.page import Page
from diffbench.reports.charts import Axis, Ghost, lines
from diffbench.reports.early import ended
from diffbench.reports.formats import NONE, blank, count, fixed, interval, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.styles import label, ordered, style_of

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

Numbers = Mapping[str, Mapping[int, Any]]  # digits by kind and depth
BIT = math.log10(2.0)
UNDECIDED = -math.log10(1e-6 / 4)  # fewer proven digits than these are uninformative
FULL = 53 * BIT
NAMED = 32  # depth at which the program's line ends, with its name
KINDS = {
    "growth": "the derivative itself",
    "value": "digits of the value",
    "program": "digits of the program's own derivative",
    "proven": "digits that 53-bit balls prove",
}
WHY = (
    "The map l ← 4 l (1 - l) takes x = sin² t to sin² 2t: every step doubles the angle t, so the "
    "derivative grows by two a step, on the whole, and so does every rounding error that l "
    "already carries. A double has 53 bits; each step costs one of them (0.301 decimal digits), "
    "and after some fifty steps the number that the program holds has nothing to do with the map "
    "any more.",
    "Differentiation is not to blame. A correct method returns the product of the slopes 4 - 8 l "
    "at the values that the program held, to nearly all digits, at every depth: it is exact, but "
    "of the program that ran. That program's derivative differs from the derivative of the map as "
    "much as its value differs from the map's, and no method can know better; only more bits or "
    "another formula help.",
)
BALLS = (
    "The condition of a derivative is stated with every cell (rad53_rel): the radius of the same "
    "derivative in 53-bit balls over its size, which no honest rounding exceeds. Balls treat l and "
    "1 - l as if their errors were unrelated, so here they lose three bits a step (the value's "
    "radius grows by 4, the adjoint's by 4 again, the derivative by 2): they give up long before "
    "the digits are gone. Where four radii exceed a millionth of the derivative, fewer than "
    f"{UNDECIDED:.1f} digits can be proven, and the verdict on every method is uninformative: "
    "not that it is wrong, but that double precision cannot tell."
)


def render(run: Run) -> list[Any]:
    """Why, the figure, the digits by depth and by method, the slopes; the run's own conditions."""
    rows = study_rows(run.studies, "conditioning")
    own = _conditions(run.records)
    if not rows:
        return [Text(paragraphs=("The study conditioning is not in this run.",)), *own]
    kinds, methods = _numbers(rows)
    early = tuple(ended(rows))
    return [
        Text(paragraphs=WHY),
        *([Text("Ended early", items=early)] if early else []),
        _figure(kinds, methods),
        _by_method(methods, rows),
        Text("What uninformative means", paragraphs=(BALLS, *_first(kinds))),
        _by_depth(kinds),
        _slopes(rows),
        *own,
    ]


def _numbers(rows: Iterable[dict[str, Any]]) -> tuple[Numbers, Mapping[str, Numbers]]:
    """(by kind and depth, by method: digits and own by depth)."""
    kinds: dict[str, dict[int, Any]] = {}
    methods: dict[str, dict[str, dict[int, Any]]] = {}
    for row in rows:
        kind, _, rest = row["key"].partition("|")
        depth, _, name = rest.partition("|")
        if not depth.isdigit():
            continue
        into = methods.setdefault(name, {}) if name else kinds
        into.setdefault(kind, {})[int(depth)] = row["value"]
    return kinds, methods


def _answering(methods: Mapping[str, Numbers]) -> list[str]:
    """The methods that gave numbers, in the order of every legend."""
    return list(style_of(name for name, found in methods.items() if found.get("own")))


def _figure(kinds: Numbers, methods: Mapping[str, Numbers]) -> Figure:
    looks = style_of(_answering(methods))
    data = [
        {"s": name, "i": f"depth {depth}", "x": depth, "y": y, "xt": str(depth), "yt": plain(y)}
        for name in looks
        for depth, y in sorted(methods[name].get("digits", {}).items())
        if not blank(y)
    ]
    proven = [(float(d), y) for d, y in _known(kinds, "proven") if y > -1]
    program = [(float(d), y) for d, y in _known(kinds, "program") if d <= NAMED]
    drawn = (("proven", proven, True), ("program", program, False))
    spec = lines(
        data,
        list(looks.values()),
        Axis("depth: number of the iterate", log=False, holds=(0.0, 62.0)),
        Axis("correct decimal digits of the derivative", log=False, domain=(-1.5, 16.5)),
        [Ghost(text, tuple(line), below) for text, line, below in drawn if line],
    )
    columns = (
        Column("Method"),
        Column("Depth", True),
        Column("Digits, of the map's derivative", True),
        Column("Digits, of the program's own", True),
    )
    table = [
        [looks[name].label, count(depth), number(y), number(methods[name]["own"].get(depth))]
        for name in looks
        for depth, y in sorted(methods[name].get("digits", {}).items())
    ]
    return Figure(
        "digits against depth",
        "Correct digits of the derivative of the logistic map against its depth",
        "Each symbol is one method's derivative of the map at x = 0.2. Whatever differentiates the "
        "program stands on one line, which falls by a bit a step: it is the line of the program's "
        "own exact derivative. Balls, which must allow for the worst, give up sooner; "
        "differences, whose step is far wider than the map is smooth, never begin. Dots: what "
        "balls prove, and the program's own exact derivative.",
        spec,
        Table("digits against depth", "Digits at each depth", columns, table),
        tuple(looks.values()),
    )


def _known(kinds: Numbers, kind: str) -> list[tuple[int, Any]]:
    """The depths at which the study gave that kind a number."""
    return [(d, y) for d, y in sorted(kinds.get(kind, {}).items()) if not blank(y)]


def _by_method(methods: Mapping[str, Numbers], rows: Iterable[dict[str, Any]]) -> Table:
    depths = sorted({d for found in methods.values() for d in found.get("digits", ())})
    reasons = {row["key"].rpartition("|")[2]: row["reason"] for row in rows if row["reason"]}
    columns = (
        Column("Method"),
        *(Column(f"depth {depth}, digits", True) for depth in depths),
        Column("fewest digits, of the program's own derivative", True),
    )
    table = []
    for name in ordered(methods):
        found = methods[name]
        own = [y for y in found.get("own", {}).values() if not blank(y)]
        more = () if own else (reasons.get(name, ""),)
        shown = [_digits(found.get("digits", {}).get(depth)) for depth in depths]
        table.append(
            [
                Cell(label(name), None, "" if own else "mute", more),
                *shown,
                _digits(min(own, default=None)),
            ]
        )
    return Table(
        "digits by method and depth",
        "Correct digits of the derivative, of the map and of the program; unfold for why there "
        "is none",
        columns,
        table,
        plain=True,
    )


def _digits(value: Any) -> Cell:
    return fixed(None if blank(value) else max(0.0, value), 1)


def _first(kinds: Numbers) -> Iterator[str]:
    """From where on that is so; nothing where the study ended before it proved any."""
    proven = kinds.get("proven", {})
    lost = [d for d in sorted(proven) if blank(proven[d]) or proven[d] < UNDECIDED]
    kept = kinds.get("program", {}).get(lost[0]) if lost else None
    if proven and not lost:
        yield "At every depth here that many digits can be proven."
    elif lost:
        yield (
            f"Of the depths in the table that is so from {lost[0]} on, where the program's own "
            f"derivative still has {plain(kept)} right digits of the map's."
        )


def _by_depth(kinds: Numbers) -> Table:
    columns = (
        Column("Depth", True),
        Column("Derivative of the map", True),
        Column("its doublings, bits", True),
        Column("Value in double precision, digits", True),
        Column("The program's own derivative, digits", True),
        Column("Proven by 53-bit balls, digits", True),
        Column("Verdict on every method"),
    )
    rows = []
    for depth, slope in sorted(kinds.get("derivative", {}).items()):
        here = [kinds.get(kind, {}).get(depth) for kind in ("value", "program", "proven")]
        said = _decided(here[-1]) if depth in kinds.get("proven", {}) else Cell(NONE, "", "mute")
        doublings = fixed(math.log2(abs(slope)), 1)
        rows.append([count(depth), number(slope), doublings, *map(_digits, here), said])
    return Table(
        "digits by depth",
        "Value and derivative of the map, what double precision holds of them, what is proven",
        columns,
        rows,
        plain=True,
    )


def _decided(proven: Any) -> Cell:
    told = not blank(proven) and proven >= UNDECIDED
    return Cell("decided", None, "good") if told else Cell("uninformative", None, "mute")


def _slopes(rows: Iterable[dict[str, Any]]) -> Table:
    columns = (
        Column("What"),
        Column("Digits a step, measured", True),
        Column("95 % interval"),
        Column("Digits a step, in theory", True),
        Column("Fitted"),
    )
    table = []
    for row in rows:
        what, _, kind = row["key"].partition("|")
        if what == "rate" and kind in KINDS:
            theory, _, how = row["reason"].partition(" in theory; ")
            table.append(
                [
                    KINDS[kind],
                    fixed(row["value"], 3),
                    interval(row["low"], row["high"]),
                    fixed(float(theory), 3),
                    how,
                ]
            )
    return Table(
        "slopes of digits", "How fast digits go: one bit is 0.301", columns, table, plain=True
    )


# --- the run's own cells --------------------------------------------------------------------------


def _conditions(records: pd.DataFrame) -> list[Any]:
    """By family and operator the worst condition; nothing where no cell has one."""
    known = records[records["rad53_rel"].notna() & (records["operator"] != "value")]
    if known.empty:
        return []
    columns = (
        Column("Family"),
        Column("Operator"),
        Column("Instances", True),
        Column("Condition, at worst", True),
        Column("Proven, digits", True),
        Column("Uninformative", True),
        Column("Where"),
    )
    rows = []
    for (family, operator), mine in known.groupby(["family", "operator"], sort=True):
        each = mine.drop_duplicates("instance").sort_values(["rad53_rel", "instance"])
        worst = each.iloc[-1]
        relative = float(worst["rad53_rel"])
        proven = min(FULL, -math.log10(relative)) if 0 < relative < math.inf else None
        lost = int((each["verdict"] == "uninformative").sum())
        rows.append(
            [
                str(family),
                str(operator),
                count(len(each)),
                number(relative),
                NONE if proven is None else _digits(proven),
                count(lost),
                str(worst["instance"]),
            ]
        )
    caption = (
        "The condition of this run's derivatives, rad53 over the largest entry: the worst of each "
        "family and operator, the digits that it leaves, and how many instances are uninformative"
    )
    return [Table("conditions", caption, columns, rows, plain=True)]


PAGE = Page(name="conditioning", title="Exact, but of what?", order=22, render=render)

"""Crossover: who wins the first derivative at each measured size, mapped over n and m."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import dicts, first_derivative, spelled
from diffbench.analysis.crossover import BACKENDS, grid, mode, race, winners
from diffbench.page import Page
from diffbench.reports.formats import NONE, blank, count, interval, micro, number, plain
from diffbench.reports.maps import tiles
from diffbench.reports.sections import Cell, Choice, Column, Figure, Option, Table, Text
from diffbench.reports.styles import Style, label, style_of

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

# who competes: whether only exact answers do, and which methods; none named is all
AMONG: dict[str, tuple[bool, tuple[str, ...]]] = {
    "all methods": (False, ()),
    "those exact to rounding": (True, ()),
    **{f"forward and reverse mode, {name}": (False, both) for name, both in BACKENDS.items()},
}
LISTED = 6  # methods of a ranking that are written out
READING = (
    "Each measured size has its tile: colour and letters name the fastest method, the stronger "
    "the colour the larger its margin to the next. Lines over it tell the mode: rising for "
    "forward, falling for reverse, flat for numerical, upright for symbolic differentiation. A "
    "blank tile is a tie within the 95 % intervals: it names two, the table all. On the thick "
    "dotted line n = m; in theory forward mode wins above it, reverse mode below."
)
NO_MAP = (
    "No map can be drawn: it takes a family whose n and m were varied freely, on a filled grid of "
    "at least 2 by 3 sizes, like affine_tanh[n=2|16|256,m=1|16|256]."
)


def render(run: Run) -> list[Any]:
    """The maps of all families that have one, by who competes, and the table of winners."""
    first = first_derivative(run.records)
    options = [option for found in spelled(first) for option in _options(*found)]
    ties = {name for _, best in options for names in best["tied"] for name in names}
    won = {name for _, best in options for name in best["method"]}
    looks = style_of(won | ties)
    made = tuple(Option(key, (_map(key, best, first, looks),)) for key, best in options)
    series = tuple(replace(s, label=f"{s.letters}: {s.label}") for s in looks.values())
    maps = [Choice("map", ("Family", "Among"), made, series)] if made else [_none()]
    return [*maps, _winners(first)]


def _none() -> Text:
    return Text(paragraphs=(NO_MAP,))


def _options(
    family: str, words: str, rows: pd.DataFrame
) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """(key, winners) of a variant's map among each set of competitors that ran."""
    rows = grid(rows)
    name = f"{family}, {words}" if words else family
    for told, (exact, methods) in AMONG.items():
        if len(rows) and {*methods} <= {*rows["method"]}:
            best = winners(_among(rows, methods), exact)
            if best["n"].nunique() > 1 and best["m"].nunique() > 1:  # answers may fill it in part
                yield (name, told), best


def _among(rows: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    return rows[rows["method"].isin(methods)] if methods else rows


# --- map --------------------------------------------------------------------------------------


def _map(
    key: tuple[str, str], best: pd.DataFrame, first: pd.DataFrame, looks: dict[str, Style]
) -> Figure:
    family, told = key
    exact, methods = AMONG[told]
    ranking = _rankings(_among(first, methods), best, exact)
    cells = dicts(best.sort_values(["m", "n"]))
    categories = dict(zip(first["method"], first["category"], strict=True))
    rows = [_tile(row, ranking[row["instance"]], looks, categories) for row in cells]
    name = f"map of {family}, {told}"
    columns = (
        Column("n", True),
        Column("m", True),
        Column("Fastest"),
        Column("Tied with it"),
        Column("Margin to the next, ×", True),
        Column("Ranking"),
    )
    table = [
        [
            count(row["n"]),
            count(row["m"]),
            label(row["method"]),
            _folded(row["tied"]),
            number(row["margin"]),
            Cell(f"of {len(ranking[row['instance']])}", None, "", ranking[row["instance"]]),
        ]
        for row in cells
    ]
    return Figure(
        name,
        f"Who wins the first derivative of {family}, over n and m",
        READING,
        tiles(rows, list(looks.values())),
        Table(name, f"Winners on {family}, among {told}", columns, table),
    )


def _rankings(first: pd.DataFrame, best: pd.DataFrame, exact: bool) -> dict[str, tuple[str, ...]]:
    """For each instance its methods, the fastest first, with times and intervals."""
    rows = race(first[first["instance"].isin(best["instance"])], exact)
    found: dict[str, list[str]] = {}
    for row in dicts(rows.sort_values(["run_s", "method"])):
        mine = found.setdefault(row["instance"], [])
        spread = interval(row["run_s_low"], row["run_s_high"], scale=1e6)
        time = f"{plain(row['run_s'] * 1e6)} µs ({spread})"
        mine.append(f"{len(mine) + 1}. {label(row['method'])} {time}")
    return {instance: tuple(lines) for instance, lines in found.items()}


def _tile(
    row: dict[str, Any],
    ranking: tuple[str, ...],
    looks: dict[str, Style],
    categories: dict[str, str],
) -> dict[str, Any]:
    margin = 4.0 if blank(row["margin"]) else row["margin"]
    letters = [looks[name].letters for name in (row["method"], *row["tied"])]
    more = (f"and {len(ranking) - LISTED} more",) if len(ranking) > LISTED else ()
    clear = f"{plain(row['margin'])} × faster than the next" if row["margin"] > 1 else "alone"
    return {
        "x": row["n"],
        "y": row["m"],
        "s": row["method"],
        "o": min(0.6, 0.15 + 0.15 * (margin - 1.0)) if row["clear"] else 0.0,
        "h": mode(row["method"], categories[row["method"]]),
        "t": "=".join(letters[:2]) + ("…" if len(letters) > 2 else ""),
        "i": row["instance"],
        "r": "\n".join((*ranking[:LISTED], *more)),
        "v": clear if row["clear"] else "tie",
    }


# --- winners ----------------------------------------------------------------------------------


def _winners(first: pd.DataFrame) -> Table:
    columns = (
        Column("Instance"),
        Column("Operator"),
        Column("n", True),
        Column("m", True),
        Column("depth", True),
        Column("Fastest"),
        Column("Tied with it"),
        Column("Margin to the next, ×", True),
        Column("Time of one call, µs", True),
        Column("Fastest that is exact to rounding"),
    )
    exact = {row["instance"]: _first(row) for row in dicts(winners(first, exact=True))}
    rows = [
        [
            row["instance"],
            row["operator"],
            *(count(row[key]) for key in ("n", "m", "depth")),
            label(row["method"]),
            _folded(row["tied"]),
            number(row["margin"]),
            micro(row["run_s"]),
            _exact(_first(row), exact.get(row["instance"], ())),
        ]
        for row in dicts(winners(first).sort_values(["family", "m", "n", "depth", "instance"]))
    ]
    return Table(
        "winners",
        "Who is fastest at the first derivative of each instance. The hand-written derivative "
        "does not compete; methods whose 95 % intervals overlap the fastest are ties.",
        columns,
        rows,
    )


def _first(row: dict[str, Any]) -> tuple[str, ...]:
    """The fastest and all that cannot be told from it."""
    return row["method"], *row["tied"]


def _exact(names: tuple[str, ...], exact: tuple[str, ...]) -> Cell:
    same = bool(exact) and {*exact} == {*names}
    return Cell("the same", _folded(exact).value) if same else _folded(exact)


def _folded(names: tuple[str, ...]) -> Cell:
    """Names of methods; more than two unfold."""
    every = ", ".join(map(label, names))
    if len(names) <= 2:
        return Cell(every or NONE, every)
    return Cell(f"{label(names[0])} and {len(names) - 1} more", every, "", (every,))


PAGE = Page(name="crossover", title="Crossover", order=52, render=render)

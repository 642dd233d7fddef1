"""At a glance: the answers in words, who wins where, and how every method did on every family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import answered, dicts, first_derivative, trusted
from diffbench.analysis.claims import claims
from diffbench.analysis.crossover import winners
from diffbench.analysis.ratios import Estimate, paired_ratio, tie
from diffbench.page import Page
from diffbench.reports.charts import Axis, tiles
from diffbench.reports.formats import NONE, blank, count, interval, number, plain, ranked
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.styles import label, ordered, style_of
from diffbench.reports.words import sentences

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

VERDICT_TONES = {
    "holds": "good",
    "does not hold": "bad",
    "not decidable here": "mute",
    "exact to rounding": "good",
    "degraded": "warn",
    "wrong": "bad",
    "uninformative": "mute",
}
GRAVE = ("crashed", "out_of_memory", "failed", "timeout", "skipped", "unsupported")


def render(run: Run) -> list[Any]:
    """Sentences, claims, ranking, the map of winners, and the matrix family by method."""
    records = run.records
    if records.empty:
        return [Text(paragraphs=("This run holds no records yet.",))]
    return [
        Text(paragraphs=(f"{_facts(records)} {_origin(run)}".strip(),)),
        Text("In words", items=tuple(sentences(records))),
        _claims(records),
        *_map(records),
        _ranking(records),
        _winners(records),
        _matrix(records),
    ]


def _facts(records: pd.DataFrame) -> str:
    status = Counter(records["status"])
    others = ", ".join(f"{status[s]} {_spaced(s)}" for s in GRAVE if status[s])
    return (
        f"{len(records)} cells: {records['family'].nunique()} families, "
        f"{records['instance'].nunique()} instances, {records['method'].nunique()} methods, "
        f"{records['operator'].nunique()} operators. {status['ok']} answered"
        f"{'; ' + others if others else ''}."
    )


def _origin(run: Run) -> str:
    """Where and how it was measured, as far as the run says."""
    plan = [f"{key} {run.plan[key]}" for key in ("profile", "seed") if key in run.plan]
    facts = run.environment
    made = [str(facts[key]) for key in ("cpu", "system") if facts.get(key)]
    made += [f"{key} {facts[key]}" for key in ("python", "diffbench") if facts.get(key)]
    told = "; ".join(", ".join(part) for part in (plan, made) if part)
    return f"{told[:1].upper()}{told[1:]}." if told else ""


# --- claims -----------------------------------------------------------------------------------


def _claims(records: pd.DataFrame) -> Table:
    columns = (
        Column("Claim"),
        Column("Verdict"),
        Column("Number", number=True),
        Column("What the number is"),
        Column("From"),
    )
    rows = []
    for claim in claims(records):
        keys = tuple(" · ".join(key) for key in claim.rows[:12])
        more = (f"and {len(claim.rows) - 12} more",) if len(claim.rows) > 12 else ()
        origin = Cell(
            f"{len(claim.rows)} records", len(claim.rows), "", (claim.reason, *keys, *more)
        )
        verdict = Cell(claim.verdict, None, VERDICT_TONES[claim.verdict])
        rows.append([claim.sentence, verdict, number(claim.number), claim.unit, origin])
    return Table(
        "claims",
        "What the lecture claims, decided on counts. Counts are exact: their interval is a point.",
        columns,
        rows,
        plain=True,
    )


# --- who wins ---------------------------------------------------------------------------------


def _winners(records: pd.DataFrame) -> Table:
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
    first = first_derivative(records)
    exact = winners(first, exact=True)
    best = dict(zip(exact["instance"], _names(exact), strict=True))
    rows = []
    for row in dicts(winners(first).sort_values(["family", "m", "n", "depth"])):
        rows.append(
            [
                row["instance"],
                row["operator"],
                *(count(row[key]) for key in ("n", "m", "depth")),
                label(row["method"]),
                _folded(row["tied"]),
                number(row["margin"]),
                number(row["run_s"] * 1e6),
                best.get(row["instance"], NONE),
            ]
        )
    return Table(
        "winners",
        "Who is fastest at the first derivative of each instance. The hand-written derivative "
        "does not compete; methods whose 95 % intervals overlap the fastest are ties.",
        columns,
        rows,
    )


def _names(rows: pd.DataFrame) -> list[Cell]:
    return [_folded((row["method"], *row["tied"])) for row in dicts(rows)]


def _folded(names: tuple[str, ...]) -> Cell:
    """Names of methods; more than two unfold."""
    every = ", ".join(map(label, names))
    if len(names) <= 2:
        return Cell(every or NONE, every)
    return Cell(f"{label(names[0])} and {len(names) - 1} more", every, "", (every,))


def _ranking(records: pd.DataFrame) -> Table:
    rows = trusted(first_derivative(records))
    wide = rows.pivot_table(index="instance", columns="method", values="ratio_numpy_primal")
    if "manual" not in wide:
        return Table(
            "ranking", "No ranking: the hand-written derivatives did not run.", (), (), True
        )
    found = {
        name: paired_ratio(*_pairs(wide, name))
        for name in ordered(wide.columns)
        if name != "manual"
    }
    best = sorted(found.items(), key=lambda pair: pair[1].value)
    table = [
        [
            Cell(_rank(best, i), i + 1),
            label(name),
            number(e.value),
            interval(e.low, e.high),
            count(e.count),
        ]
        for i, (name, e) in enumerate(best)
    ]
    columns = (
        Column("Rank", True),
        Column("Method"),
        Column("Time over the hand-written derivative's, ×", True),
        Column("95 % interval, ×"),
        Column("Instances", True),
    )
    caption = (
        "Ranking by the geometric mean, over the instances that both answered, of the time of a "
        "first derivative over the hand-written one's. Overlapping intervals share a rank. "
        "Methods that refuse large instances are compared on small ones only: read the last column."
    )
    return Table("ranking", caption, columns, table, plain=True)


def _pairs(wide: pd.DataFrame, name: str) -> tuple[list[float], list[float]]:
    both = wide[[name, "manual"]].dropna()
    return both[name].tolist(), both["manual"].tolist()


def _rank(best: list[tuple[str, Estimate]], i: int) -> str:
    mine = best[i][1]
    tied = [k for k, (_, e) in enumerate(best) if tie((e.low, e.high), (mine.low, mine.high))]
    return f"{min(tied) + 1}" if len(tied) == 1 else f"{min(tied) + 1} to {max(tied) + 1}"


# --- map --------------------------------------------------------------------------------------


def _map(records: pd.DataFrame) -> list[Figure]:
    """The n by m map of each family in which both vary."""
    found = []
    for family, rows in first_derivative(records).groupby("family", sort=True):
        if rows["n"].nunique() >= 3 and rows["m"].nunique() >= 3:
            best = winners(rows)
            if len(best):
                found.append(_map_of(str(family), best))
    return found


def _map_of(family: str, best: pd.DataFrame) -> Figure:
    tied = {name for names in best["tied"] for name in names}
    looks = style_of({*best["method"], *tied})
    rows = [_tile(row, looks) for row in dicts(best.sort_values(["m", "n"]))]
    spec = tiles(rows, list(looks.values()), Axis("n inputs"), Axis("m outputs"))
    columns = (
        Column("n", True),
        Column("m", True),
        Column("Fastest"),
        Column("Tied with it"),
        Column("Margin to the next, ×", True),
    )
    table = [
        [
            count(row["n"]),
            count(row["m"]),
            label(row["method"]),
            _folded(row["tied"]),
            number(row["margin"]),
        ]
        for row in dicts(best.sort_values(["m", "n"]))
    ]
    named = [replace(s, label=f"{s.letters}: {s.label}") for s in looks.values()]
    return Figure(
        f"map {family}",
        f"Who wins the Jacobian of {family}, over n and m",
        "Each measured size has its tile: colour and letters name the fastest method, "
        "the stronger the colour the larger its margin to the next. A tile without colour is a "
        "tie within the 95 % intervals: it names two, the table all. In theory the border is "
        "n = m: forward wins above it (m > n), reverse below.",
        spec,
        Table(f"map {family}", f"Winners on {family}", columns, table),
        tuple(named),
    )


def _tile(row: dict[str, Any], looks: dict[str, Any]) -> dict[str, Any]:
    margin = 4.0 if blank(row["margin"]) else row["margin"]
    tied = (row["method"], *row["tied"])
    letters = [style_of([name])[name].letters for name in tied]
    return {
        "x": row["n"],
        "y": row["m"],
        "s": row["method"],
        "o": min(0.6, 0.15 + 0.15 * (margin - 1.0)) if row["clear"] else 0.0,
        "t": "=".join(letters[:2]) + ("…" if len(letters) > 2 else ""),
        "i": row["instance"],
        "xt": f"{row['n']}, {row['m']}",
        "yt": f"{plain(row['run_s'] * 1e6)} µs",
        "v": "clear" if row["clear"] else "tie",
    }


# --- matrix -----------------------------------------------------------------------------------


def _matrix(records: pd.DataFrame) -> Table:
    names = ordered(records["method"])
    columns = (Column("Family"), *(Column(label(name)) for name in names))
    groups = dict(list(records[SHOWN].groupby(["family", "method"], sort=True)))
    rows = [
        [family, *(_status(groups.get((family, name))) for name in names)]
        for family in sorted(records["family"].unique())
    ]
    return Table(
        "matrix",
        "Every family by every method: the worst verdict of its cells (exact: to rounding), with "
        "the fewest correct digits where degraded. Unfold a cell for the count of each status, "
        "the reasons, and the command that reproduces its worst cell.",
        columns,
        rows,
        plain=True,
    )


SHOWN = ["family", "method", "status", "reason", "verdict", "verdict_reason", "digits", "command"]
SEVERITY = ("wrong", "degraded", "exact to rounding", "uninformative")


def _status(rows: pd.DataFrame | None) -> Cell:
    if rows is None:
        return Cell("not run", None, "mute")
    ok = answered(rows)
    worst = next((v for v in SEVERITY if (ok["verdict"] == v).any()), "")
    failed = rows[~rows["status"].isin(["ok", "unsupported"])]
    text = _short(worst, ok) if len(ok) else _spaced(ranked(Counter(rows["status"]))[0][0])
    if len(failed) and len(ok):
        often = ranked(Counter(failed["status"]))
        text += "".join(f", {times} {_spaced(status)}" for status, times in often)
    tone = "bad" if len(failed) else VERDICT_TONES.get(worst, "mute")
    shown = failed if len(failed) else ok[ok["verdict"] == worst] if worst else rows
    command = str(shown.sort_values(["digits", "command"])["command"].iloc[0])
    return Cell(text, None, tone, tuple(_reasons(rows)), command)


def _spaced(status: str) -> str:
    return status.replace("_", " ")


def _short(verdict: str, ok: pd.DataFrame) -> str:
    if verdict != "degraded":
        return {"exact to rounding": "exact", "": "answered"}.get(verdict, verdict)
    return f"{plain(float(ok['digits'].min()), 2)} digits"


def _reasons(rows: pd.DataFrame) -> Iterable[str]:
    shown = rows["verdict"].where(rows["status"] == "ok", rows["status"])
    yield "; ".join(
        f"{times} {name or 'answered'}" for name, times in sorted(Counter(shown).items())
    )
    said = Counter(rows["reason"][rows["reason"] != ""]) + Counter(
        rows["verdict_reason"][rows["verdict_reason"] != ""]
    )
    for reason, times in ranked(said)[:4]:
        yield f"{times} × {reason}"
    if len(said) > 4:
        yield f"and {len(said) - 4} more reasons"


PAGE = Page(name="overview", title="At a glance", order=10, render=render)

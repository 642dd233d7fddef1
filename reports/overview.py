"""At a glance: the answers in words, the ranking, and how every method did on every family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from diffbench.analysis.cells import answered, first_derivative, trusted
from diffbench.analysis.ratios import Estimate, paired_ratio, tie
from diffbench.page import Page
from diffbench.reports.formats import NONE, blank, count, interval, number, plain, ranked
from diffbench.reports.sections import Answers, Cell, Column, Grid, Table, Text
from diffbench.reports.styles import label, ordered
from diffbench.reports.tones import VERDICTS
from diffbench.reports.words import REFUSED, answers

if TYPE_CHECKING:
    import pandas as pd

    from diffbench.records.run import Run

__all__ = ["PAGE"]

GRAVE = ("crashed", "out_of_memory", "failed", "timeout", "skipped", "unsupported")


def render(run: Run) -> list[Any]:
    """The answers beside the ranking, and the matrix family by method."""
    records = run.records
    if records.empty:
        return [Text(paragraphs=("This run holds no records yet.",))]
    return [
        Text(paragraphs=(f"{_facts(records)} {_origin(run)}".strip(),)),
        Grid((Answers(tuple(answers(records))), _ranking(records))),
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


# --- ranking ------------------------------------------------------------------------------------


def _ranking(records: pd.DataFrame) -> Table | Text:
    rows = trusted(first_derivative(records))
    wide = rows.pivot_table(index="instance", columns="method", values="ratio_numpy_primal")
    if "manual" not in wide:
        return Text(paragraphs=("No ranking: the hand-written derivatives did not run.",))
    found = {
        name: paired_ratio(*_pairs(wide, name))
        for name in ordered(wide.columns)
        if name != "manual"
    }
    # Without an interval, of fewer than two instances, an estimate would tie with every other.
    sure = [(name, e) for name, e in found.items() if not blank(e.low)]
    best = sorted(sure, key=lambda pair: pair[1].value)
    table = [_ranked(Cell(_rank(best, i), i + 1), *pair) for i, pair in enumerate(best)]
    table += [_ranked(Cell(NONE, ""), name, e) for name, e in found.items() if blank(e.low)]
    columns = (
        Column("Rank", True),
        Column("Method"),
        Column("Time, × hand-written", True),
        Column("95 % interval, ×"),
        Column("Instances", True),
    )
    caption = (
        "Time of a first derivative over the hand-written one's, in the geometric mean over the "
        "instances that both answered. Overlapping intervals share a rank; fewer than two "
        "instances have neither. Methods that refuse large instances are compared on small ones "
        "only: read the last column."
    )
    return Table("ranking", caption, columns, table, plain=True)


def _ranked(rank: Cell, name: str, e: Estimate) -> list[Any]:
    return [rank, label(name), number(e.value), interval(e.low, e.high), count(e.count)]


def _pairs(wide: pd.DataFrame, name: str) -> tuple[list[float], list[float]]:
    both = wide[[name, "manual"]].dropna()
    return both[name].tolist(), both["manual"].tolist()


def _rank(best: list[tuple[str, Estimate]], i: int) -> str:
    mine = best[i][1]
    tied = [k for k, (_, e) in enumerate(best) if tie((e.low, e.high), (mine.low, mine.high))]
    return f"{min(tied) + 1}" if len(tied) == 1 else f"{min(tied) + 1} to {max(tied) + 1}"


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
    failed = rows[~rows["status"].isin(["ok", *REFUSED])]
    text = _short(worst, ok) if len(ok) else _spaced(ranked(Counter(rows["status"]))[0][0])
    if len(failed) and len(ok):
        often = ranked(Counter(failed["status"]))
        text += "".join(f", {times} {_spaced(status)}" for status, times in often)
    tone = "bad" if len(failed) else VERDICTS.get(worst, "mute")
    shown = failed if len(failed) else ok[ok["verdict"] == worst] if worst else rows
    command = str(shown.sort_values(["digits", "command"])["command"].iloc[0])
    return Cell(text, None, tone, tuple(_reasons(rows)), command)


def _spaced(status: str) -> str:
    return status.replace("_", " ").replace("unsupported", "refused")


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

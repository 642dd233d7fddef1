"""Error prone? What a mistake in a hand-written derivative looks like, and which checks see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import study_rows
from diffbench.page import Page
from diffbench.reports.charts import Axis, lines
from diffbench.reports.formats import NONE, number, plain
from diffbench.reports.sections import Cell, Column, Figure, Table, Text
from diffbench.reports.styles import style_of

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

OURS = "diffbench"
Row = dict[str, Any]
INTRODUCTION = (
    "The lecture calls differentiation by hand error prone. How often people err is not measured "
    "here, but what their mistakes do is: each mistake of the table is planted in the hand-written "
    "answers of the smallest instances of every family, and checkers are asked whether they see "
    "it. This project's judge compares with a proven derivative and allows what rounding in double "
    "precision can do; the others compare with differences along one random direction or all, with "
    "their default tolerances. A mistake counts where 4 times the 53-bit radius of the entry that "
    "it changes is below a tenth of its relative size."
)


@final
@dataclass(frozen=True, slots=True)
class _Shares:
    """The shares of the study: (what, checker) -> its row, and the checkers in order."""

    rows: Mapping[tuple[str, str], Row]
    checkers: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> _Shares:
        kinds = ("rate|", "family|", "decade|", "alarms|")
        found = {_halves(row["key"]): row for row in rows if row["key"].startswith(kinds)}
        asked = {checker for what, checker in found if what == "rate|all"}
        checkers = sorted(asked, key=lambda c: (c != OURS, c))
        return cls(found, tuple(checkers))

    def named(self, kind: str) -> list[str]:
        """What stands behind ``kind|`` in some row, each once."""
        names = {what.removeprefix(kind) for what, _ in self.rows if what.startswith(kind)}
        return sorted(names)

    def cells(self, what: str, good: float = 1.0) -> list[Cell]:
        """One cell a checker: the counts with the interval below; tinted where it is not good."""
        return [self._cell(self.rows.get((what, checker)), good) for checker in self.checkers]

    def _cell(self, row: Row | None, good: float) -> Cell:
        if row is None:
            return Cell(NONE, "", "mute")
        tone = "good" if row["value"] == good else "warn" if row["value"] else "bad"
        tone = "bad" if good == 0 and row["value"] else tone
        return Cell(f"{row['reason']} ({_interval(row)})", row["value"], tone)


def _halves(key: str) -> tuple[str, str]:
    what, _, checker = key.rpartition("|")
    return what, checker


def _percent(share: float) -> str:
    return f"{plain(100 * share)} %"


def _interval(row: Row) -> str:
    return f"{plain(100 * row['low'])} to {_percent(row['high'])}"


def render(run: Run) -> list[Any]:
    """The verdict, mistakes against checkers, the size that they need, and what is left out."""
    rows = study_rows(run.studies, "mutants")
    shares = _Shares.of(rows)
    if not shares.named("rate|"):
        missing = "No mistake was planted." if rows else "The study mutants is not in this run."
        return [Text(paragraphs=(missing,), items=tuple(_unasked(rows)))]
    pairs = [(row["key"].split("|")[1:], row) for row in rows if row["key"].startswith("pair|")]
    planted = {
        row["key"].removeprefix("mutant|"): row for row in rows if row["key"][:7] == "mutant|"
    }
    planted = dict(sorted(planted.items(), key=lambda item: item[1]["value"]))
    return [
        Text(paragraphs=(INTRODUCTION,)),
        Text("The claim, measured", items=tuple(_verdict(planted, shares))),
        _by_mistake(planted, shares),
        _by_size(shares),
        _by_family(shares),
        _outcomes("mistakes unseen", "Mistakes that a checker let pass", pairs, {"survived"}),
        _outcomes(
            "mistakes that do not count",
            "Mistakes that do not count: they change nothing (equivalent), or no more than "
            "rounding may (uninformative)",
            pairs,
            {"equivalent", "uninformative"},
        ),
        Text("Not asked", items=tuple(_unasked(rows)) or ("Everything was asked.",)),
    ]


def _verdict(planted: Iterable[str], shares: _Shares) -> Iterable[str]:
    """A sentence a checker, then what they say of the claim."""
    for checker in shares.checkers:
        row, alarms = shares.rows["rate|all", checker], shares.rows.get(("alarms", checker))
        objects = f" and objects to {alarms['reason']} answers without one" if alarms else ""
        yield (
            f"{checker} sees {row['reason']} mistakes ({_percent(row['value'])}; 95 % interval "
            f"{_interval(row)}){objects}."
        )
    others = [checker for checker in shares.checkers if checker != OURS]
    if not others:
        yield "Whether the usual checks would see them was not asked in this run."
        return
    blind = [name for name in planted if _unseen(shares, name, others)]
    if blind:
        yield (
            f"Error prone: yes, in that a derivative may be wrong and pass the usual check. Not "
            f"always seen by the others: {', '.join(blind)}."
        )
    else:
        yield "Error prone: not shown here; the usual checks saw every mistake that was planted."


def _unseen(shares: _Shares, name: str, checkers: Iterable[str]) -> bool:
    rows = (shares.rows.get((f"rate|{name}", checker)) for checker in checkers)
    return any(row is not None and row["value"] < 1 for row in rows)


def _by_mistake(planted: Mapping[str, Row], shares: _Shares) -> Table:
    body = [[name, row["reason"], *shares.cells(f"rate|{name}")] for name, row in planted.items()]
    body.append(["all", "", *shares.cells("rate|all")])
    body.append(["none", "nothing is planted: false alarms", *shares.cells("alarms", good=0.0)])
    return Table(
        "mistakes",
        "Mistakes seen, of those that count, with the 95 % interval of their share (Wilson)",
        (Column("Mistake"), Column("What it is"), *map(_share, shares.checkers)),
        body,
        plain=True,
    )


def _share(checker: str) -> Column:
    return Column(f"{checker}, share seen", True)


def _by_size(shares: _Shares) -> Figure:
    looks = style_of(shares.checkers)
    sizes = sorted(map(int, shares.named("decade|")))
    points = [
        (checker, k, shares.rows["decade|" + str(k), checker])
        for checker in looks
        for k in sizes
        if ("decade|" + str(k), checker) in shares.rows
    ]
    data = [
        {
            "s": checker,
            "x": 10.0 ** (k + 0.5),
            "y": 100 * row["value"],
            "l": 100 * row["low"],
            "h": 100 * row["high"],
            "xt": _decade(k),
            "yt": row["reason"],
        }
        for checker, k, row in points
    ]
    columns = (Column("Checker"), Column("Relative size"), Column("Share seen", True))
    table = [
        [checker, _decade(k), Cell(f"{row['reason']} ({_interval(row)})", row["value"])]
        for checker, k, row in points
    ]
    return Figure(
        "mistakes by size",
        "Mistakes seen by their relative size",
        "The share of mistakes that a checker sees, by decade of their relative size, with 95 % "
        "intervals; mistakes of shape, type, NaN and infinity have no size and are left out. "
        "Differences cannot see below their own error, and the tolerances of checkers lie above "
        "it; a proven reference sees down to what rounding does.",
        lines(
            data,
            list(looks.values()),
            Axis("relative size of the mistake", ticks="power"),
            Axis("mistakes seen, %", log=False, domain=(-3.0, 103.0)),
        ),
        Table("mistakes by size", "Share seen by decade of the relative size", columns, table),
        tuple(looks.values()),
        x="x",
    )


def _decade(k: int) -> str:
    return "1 and more" if k == 0 else f"1e{k} to {plain(10.0 ** (k + 1))}"


def _by_family(shares: _Shares) -> Table:
    body = [[name, *shares.cells(f"family|{name}")] for name in shares.named("family|")]
    columns = (Column("Family"), *map(_share, shares.checkers))
    return Table("mistakes by family", "Mistakes seen by family", columns, body, plain=True)


def _outcomes(
    name: str, caption: str, pairs: list[tuple[list[str], Row]], outcomes: set[str]
) -> Table:
    columns = (
        Column("Instance"),
        Column("Operator"),
        Column("Mistake"),
        Column("Checker"),
        Column("Relative size", True),
        Column("Outcome"),
        Column("Reason"),
    )
    body = [
        [*where, number(row["value"]), row["unit"], row["reason"] or NONE]
        for where, row in pairs
        if row["unit"] in outcomes
    ]
    return Table(name, caption, columns, body)


def _unasked(rows: Iterable[Row]) -> Iterable[str]:
    """Checkers, families and answers that were left out, or a study that broke off."""
    for row in rows:
        kind, _, rest = row["key"].partition("|")
        if kind in ("absent", "sample", "left", "status"):
            yield f"{rest}: {row['reason']}"


PAGE = Page(name="error_prone", title="Error prone?", order=27, render=render)

"""The lecture, claim by claim: what it says, what was done, what came out, and the slips."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from diffbench.analysis.claims import FAILS, HOLDS, OPEN, SLIPS, Decided, Evidence, Finding, lecture
from diffbench.page import Page
from diffbench.reports.formats import NONE, blank, number, plain
from diffbench.reports.sections import Card, CardLine, Cards, Cell, Column, Table, Text
from diffbench.reports.tones import CLAIMS

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

OWN = "lecture_claims"
OUTCOMES = {True: HOLDS, False: FAILS, None: OPEN}
MOST_KEYS = 6
THIN = "\u202f"
INTRODUCTION = (
    "Every claim of the lecture in our own words, the experiment that decides it, and the numbers "
    "that this run measured. A claim holds where every number is what it had to be, and does not "
    "hold where one is not. Claims on growth are decided on counts, which are exact. What has a "
    "hollow bullet stands beside them and decides nothing: times with their 95 % intervals, sizes."
)
# where the rows of a source stand in the report
STUDIES = {
    "claims": "lecture",
    "lecture_claims": "t-experiments",
    "mutants": "error-prone",
    "programs": "programs",
    "step_size": "step-size",
    "traces": "traces",
}
RECORDS = {
    "1": "t-verdicts",
    "5": "t-exponents",
    "6b": "t-verdicts",
    "7": "swell",
    "12": "t-exponents",
    "11": "t-exponents",
    "14": "t-exponents",
    "22": "t-exponents",
}


def render(run: Run) -> list[Any]:
    """The verdicts, a card a claim, all numbers as a table, the slips, the study's own rows."""
    evidence = Evidence(run.records, run.studies)
    if evidence.records.empty and not len(evidence.studies):
        return [Text(paragraphs=("This run holds no records yet.",))]
    decided = lecture(evidence)
    return [
        Text(paragraphs=(INTRODUCTION, _summary(decided))),
        Cards("claims", "Verdicts by claim", tuple(map(_card, decided))),
        Text("Slips"),
        _slips(evidence),
        Text("The numbers behind the claims"),
        _numbers(decided),
        _experiments(evidence),
    ]


def _summary(decided: list[Decided]) -> str:
    counts = Counter(claim.verdict for claim in decided)
    settled = len(decided) - counts[OPEN]
    said = ", ".join(f"{counts[verdict]} {_plural(verdict, counts[verdict])}" for verdict in CLAIMS)
    return f"{settled} of {len(decided)} claims are decided by this run: {said}."


def _plural(verdict: str, count: int) -> str:
    words = {HOLDS: "hold", FAILS: "do not hold", OPEN: "are not decidable here"}
    one = {HOLDS: HOLDS, FAILS: FAILS, OPEN: "is not decidable here"}
    return one[verdict] if count == 1 else words[verdict]


# --- cards ----------------------------------------------------------------------------------------


def _card(claim: Decided) -> Card:
    said = claim.statement
    return Card(
        said.row,
        said.sentence,
        claim.verdict,
        CLAIMS[claim.verdict],
        claim.reason,
        said.experiment,
        tuple(_line(said.row, finding) for finding in claim.findings),
        tuple(str(i + 1) for i, slip in enumerate(SLIPS) if slip.row == said.row),
    )


def _line(row: str, finding: Finding) -> CardLine:
    return CardLine(
        finding.what,
        f"{_value(finding.number)} {finding.unit}{_interval(finding)}",
        finding.wanted,
        CLAIMS[OUTCOMES[finding.holds]] if finding.decides else "",
        not finding.decides,
        tuple(line for line in (finding.reason, *_keys(finding)) if line),
        STUDIES.get(finding.source, RECORDS.get(row, "t-matrix")),
        _source(finding),
    )


def _source(finding: Finding) -> str:
    count = len(finding.keys)
    if finding.source == "claims":
        return "The claims"
    kind = "record" if finding.source == "records" else "row"
    of = "" if finding.source == "records" else f" of the study {finding.source}"
    return f"{count} {kind}{'s' * (count != 1)}{of}"


def _keys(finding: Finding) -> Iterable[str]:
    yield from finding.keys[:MOST_KEYS]
    if len(finding.keys) > MOST_KEYS:
        yield f"and {len(finding.keys) - MOST_KEYS} more"


def _value(value: float) -> str:
    """Whole numbers in full; what is infinite lies beyond what was measured."""
    if math.isinf(value):
        return "beyond"
    whole = float(value).is_integer() and abs(value) < 2**53
    return f"{int(value):,}".replace(",", THIN) if whole else plain(value)


def _interval(finding: Finding) -> str:
    if blank(finding.low) or blank(finding.high) or finding.low == finding.high:
        return ""
    return f" ({_value(finding.low)} to {_value(finding.high)})"


# --- tables ---------------------------------------------------------------------------------------


def _numbers(decided: list[Decided]) -> Table:
    columns = (
        Column("Claim"),
        Column("What"),
        Column("Number", True),
        Column("Unit"),
        Column("From", True),
        Column("To", True),
        Column("Wanted"),
        Column("Says"),
        Column("Rows"),
    )
    table = [
        [
            claim.statement.row,
            finding.what,
            _number(finding.number),
            finding.unit,
            _number(finding.low),
            _number(finding.high),
            finding.wanted or NONE,
            Cell(OUTCOMES[finding.holds], None, CLAIMS[OUTCOMES[finding.holds]])
            if finding.decides
            else Cell("stands beside"),
            Cell(_source(finding), None, "", tuple(_keys(finding))),
        ]
        for claim in decided
        for finding in claim.findings
    ]
    caption = (
        "Every number that a claim was decided on, with its 95 % interval; the interval of a count "
        "is a point"
    )
    return Table("claim numbers", caption, columns, table)


def _number(value: float | None) -> Cell:
    shown = number(value)
    return shown if blank(value) else Cell(_value(float(value or 0.0)), shown.value)


def _slips(evidence: Evidence) -> Table:
    columns = (
        Column("Slip", True),
        Column("Claim"),
        Column("What stands there"),
        Column("What is right"),
        Column("What this run measured"),
    )
    rows = []
    for i, slip in enumerate(SLIPS):
        found = slip.measured(evidence)
        shown = (
            Cell(NONE, "") if found is None else Cell(found.text, None, "", found.keys[:MOST_KEYS])
        )
        rows.append([Cell(str(i + 1), i + 1), slip.row, slip.slip, slip.right, shown])
    caption = "Footnotes: slips of the slides and of the survey that they follow"
    return Table("slips", caption, columns, rows, plain=True)


def _experiments(evidence: Evidence) -> Table:
    columns = (Column("Row"), Column("Value", True), Column("Unit"), Column("What was done"))
    rows = [
        [row["key"], _number(row["value"]), row["unit"], row["reason"]]
        for row in evidence.study(OWN).values()
    ]
    caption = "The study lecture_claims: experiments that no cell of the run makes"
    return Table("experiments", caption, columns, rows)


PAGE = Page(name="lecture", title="The lecture, claim by claim", order=12, render=render)

"""Loops, branches, recursion, look-ups, solvers: which programs each method differentiates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import SEPARATOR, study_rows
from diffbench.analysis.claims import FAILS, HOLDS, OPEN
from diffbench.analysis.programs import needs_closed_form
from diffbench.page import Page
from diffbench.reports.early import ended
from diffbench.reports.formats import NONE, count, plain
from diffbench.reports.sections import Cell, Column, Table, Text
from diffbench.reports.styles import label, ordered
from diffbench.reports.tones import CLAIMS as CLAIM_TONES

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

RIGHT, REFUSES = "right", "refuses"
TONES = {
    # verdict -> tone, in the order of the columns that count them
    RIGHT: "good",
    "frozen branch": "bad",
    "wrong": "bad",
    REFUSES: "mute",
}
CLAIMS = (
    # the lecture's sentence, and the methods that decide it
    ("Symbolic differentiation requires a closed form.", "symbolic"),
    ("Manual differentiation requires a closed form.", "manual"),
)
INTRODUCTION = (
    "A loop that ends when a value is large enough, or a branch on a value, leaves a program "
    "without a closed form: which formula it is shows only when it runs. Here each of these is "
    "differentiated where it takes another path than where methods prepare; who keeps that path "
    "answers with a frozen branch, which is wrong. What is right is proven in ball arithmetic. "
    "Manual answers are what a person wrote; unfold a program for its text and for what that is."
)
Answers = dict[tuple[str, str], dict[str, Any]]


@final
@dataclass(frozen=True, slots=True)
class _Program:
    """One program: the decisions by values on its path, its derivative by hand, its text."""

    name: str
    decisions: int
    by_hand: str
    text: str
    right: tuple[float, ...]


def render(run: Run) -> list[Any]:
    """The claim decided, programs by methods, counts, and the sentences why not."""
    rows = study_rows(run.studies, "programs")
    if not rows:
        return [Text(paragraphs=("The study programs is not in this run.",))]
    programs = _programs(rows)
    answers: Answers = {}
    for row in rows:
        kind, *key = row["key"].split("|")
        if kind == "answer":
            answers[key[0], key[1]] = row
    methods = ordered({method for _, method in answers})
    taking = [m for m in methods if any(_said(answers, p, m) != REFUSES for p in programs)]
    return [
        Text(paragraphs=(INTRODUCTION,)),
        _claims(programs, methods, answers),
        _table(programs, taking, answers),
        _counts(programs, methods, answers),
        _refusals(programs, methods, answers),
        Text("Beside the table", items=tuple(_sentences(rows))),
    ]


def _programs(rows: list[dict[str, Any]]) -> list[_Program]:
    """By the decisions that values take in them: without any first."""
    entries: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["key"].startswith("right|"):
            _, name, i = row["key"].split("|")
            entries.setdefault(name, {})[int(i)] = row["value"]
    found = []
    for row in rows:
        if row["key"].startswith("program|"):
            name = row["key"].partition("|")[2]
            by_hand, _, text = row["reason"].partition(SEPARATOR)
            right = tuple(value for _, value in sorted(entries.get(name, {}).items()))
            found.append(_Program(name, int(row["value"]), by_hand, text, right))
    return sorted(found, key=lambda program: (program.decisions, program.name))


def _said(answers: Answers, program: _Program, method: str) -> str:
    row = answers.get((program.name, method))
    return row["unit"] if row else ""


# --- the claim ------------------------------------------------------------------------------------


def _claims(programs: list[_Program], methods: list[str], answers: Answers) -> Table:
    columns = (Column("Claim"), Column("Verdict"), Column("Decided by"))
    rows = []
    for sentence, family in CLAIMS:
        asked = [m for m in methods if m.partition("[")[0] == family]
        right = {p.name for p in programs if _taken(p, asked, answers)} if asked else None
        needs, reason = needs_closed_form({p.name: p.decisions for p in programs}, right)
        verdict = {True: HOLDS, False: FAILS, None: OPEN}[needs]
        rows.append([sentence, Cell(verdict, None, CLAIM_TONES[verdict]), reason])
    caption = "The lecture: manual and symbolic differentiation require a closed form"
    return Table("claims on programs", caption, columns, rows, plain=True)


def _taken(program: _Program, asked: list[str], answers: Answers) -> bool:
    return any(_said(answers, program, method) == RIGHT for method in asked)


# --- tables ---------------------------------------------------------------------------------------


def _table(programs: list[_Program], methods: list[str], answers: Answers) -> Table:
    columns = (
        Column("Program"),
        Column("Decisions by values", True),
        Column("Right gradient"),
        *(Column(label(method)) for method in methods),
    )
    rows = [
        [
            Cell(program.name, None, "", (f"By hand: {program.by_hand}.",), program.text),
            count(program.decisions),
            ", ".join(plain(value) for value in program.right),
            *(_answer(answers.get((program.name, method))) for method in methods),
        ]
        for program in programs
    ]
    caption = "What each method makes of each program; unfold for its text or the sentence why not"
    return Table("programs", caption, columns, rows)


def _answer(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NONE, "", "mute")
    said = row["unit"]
    if said == REFUSES:
        return Cell(said, None, TONES[said], (row["reason"],))
    off = () if said == RIGHT else (f"it misses by {plain(row['value'])} of the largest entry",)
    return Cell(said, None, TONES[said], off)


def _counts(programs: list[_Program], methods: list[str], answers: Answers) -> Table:
    by_values = [program for program in programs if program.decisions]
    columns = (
        Column("Method"),
        *(Column(f"{verdict}, programs", True) for verdict in TONES),
        Column(f"right, of {len(by_values)} whose path values decide", True),
    )
    rows = []
    for method in methods:
        said = [_said(answers, program, method) for program in programs]
        decided = sum(_taken(program, [method], answers) for program in by_values)
        totals = [count(said.count(verdict)) for verdict in TONES]
        rows.append([label(method), *totals, count(decided)])
    return Table("verdicts on programs", "Verdicts by method", columns, rows, plain=True)


def _refusals(programs: list[_Program], methods: list[str], answers: Answers) -> Table:
    """Each sentence once, with the programs and methods that it was said of."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for method in methods:
        for program in programs:
            if _said(answers, program, method) == REFUSES:
                reason = answers[program.name, method]["reason"].replace(program.name, "f")
                whom, what = found.setdefault(reason, ({}, {}))
                whom[label(method)] = what[program.name] = None
    columns = (Column("Why not"), Column("Programs"), Column("Methods"))
    rows = [
        [reason, "all" if len(what) == len(programs) else ", ".join(what), ", ".join(whom)]
        for reason, (whom, what) in found.items()
    ]
    return Table("why not", "The sentences of those who refuse", columns, rows, plain=True)


def _sentences(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    """What an iteration nears, then the methods that broke off."""
    for row in rows:
        kind, _, name = row["key"].partition("|")
        if kind == "implicit":
            yield (
                f"{name}: the derivative of the root itself, by the implicit function theorem, "
                f"lies {plain(row['value'])} {row['unit']} away from that of the program which "
                "nears it; right is here that of the program."
            )
    yield from ended(rows)


PAGE = Page(name="programs", title="Programs", order=26, render=render)

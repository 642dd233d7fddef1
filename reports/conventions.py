"""Kinks, ties and overflows: what each method answers beside the set of right answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import SEPARATOR, study_rows
from diffbench.page import Page
from diffbench.reports.early import ended
from diffbench.reports.formats import NONE, count
from diffbench.reports.sections import Cell, Column, Table, Text
from diffbench.reports.styles import label, ordered

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["PAGE"]

TONES = {
    # verdict -> tone, in the order of the columns that count them
    "valid": "good",
    "other convention": "",
    "outside the set": "bad",
    "NaN": "bad",
    "error": "warn",
    "unsupported": "mute",
}
SILENT = ("error", "unsupported")  # no number came
INTRODUCTION = (
    "Where a function has a kink or a tie there is no single derivative but a set of right "
    "answers (its subgradients), and methods legitimately differ in which one they take: valid "
    "is the one that this project's own modes take, other convention another one of the set. An "
    "answer outside the set is wrong, and so is NaN where a right answer exists. These points "
    "enter no accuracy average; none of them is rare in practice."
)
EXPLAINED = "Explained: what the derivative of the program that runs cannot give"


@final
@dataclass(frozen=True, slots=True)
class _Case:
    """One pitfall: its number, function and point, right answers in words, why they are missed."""

    number: int
    name: str
    right: str
    why: str


def render(run: Run) -> list[Any]:
    """The table of answers, its counts by method, and what cannot be right."""
    rows = study_rows(run.studies, "conventions")
    if not rows:
        return [Text(paragraphs=("The study conventions is not in this run.",))]
    cases = [_case(row) for row in rows if row["key"].startswith("case|")]
    cases.sort(key=lambda case: case.number)
    answers = _answers(rows)
    given = {method for (_, method), entries in answers.items() if entries[0]["unit"] not in SILENT}
    methods = ordered(given)
    return [
        Text(paragraphs=(INTRODUCTION,)),
        _table(cases, methods, answers),
        _counts(cases, methods, answers),
        Text(EXPLAINED, items=tuple(_sentences(cases, rows))),
    ]


def _case(row: dict[str, Any]) -> _Case:
    right, _, why = row["reason"].partition(SEPARATOR)
    _, _, name = row["key"].partition("|")
    return _Case(int(row["value"]), name, right, why)


def _answers(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The entries of each (case, method), in order."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if not row["key"].startswith(("case|", "status|")):
            case, method, _ = row["key"].rsplit("|", 2)
            found.setdefault((case, method), []).append(row)
    return {
        key: sorted(entries, key=lambda row: int(row["key"].rpartition("|")[2]))
        for key, entries in found.items()
    }


def _table(
    cases: list[_Case], methods: list[str], answers: dict[tuple[str, str], list[dict[str, Any]]]
) -> Table:
    columns = (
        Column("Function and point"),
        Column("Right gradient"),
        *(Column(label(method)) for method in methods),
    )
    rows = [
        [
            Cell(case.name, case.number, more=(case.why,) if case.why else ()),
            case.right,
            *(_answer(answers.get((case.name, method))) for method in methods),
        ]
        for case in cases
    ]
    caption = "Gradients and their verdicts; unfold for why an answer is missing or cannot be right"
    return Table("conventions", caption, columns, rows)


def _answer(entries: list[dict[str, Any]] | None) -> Cell:
    if entries is None:
        return Cell(NONE, "", "mute")
    said, reason = entries[0]["unit"], entries[0]["reason"]
    numbers = "" if said in SILENT else ", ".join(_entry(row["value"]) for row in entries)
    shown = numbers if said == "NaN" else f"{numbers}: {said}".removeprefix(": ")
    return Cell(shown, None, TONES.get(said, ""), (reason,) if reason else ())


def _entry(value: Any) -> str:
    if value is None or math.isnan(value):
        return "NaN"  # the database keeps no NaN
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3g}"


def _counts(
    cases: list[_Case], methods: list[str], answers: dict[tuple[str, str], list[dict[str, Any]]]
) -> Table:
    columns = (Column("Method"), *(Column(f"{verdict}, cases", True) for verdict in TONES))
    rows = []
    for method in methods:
        said = [
            answers[case.name, method][0]["unit"]
            for case in cases
            if (case.name, method) in answers
        ]
        rows.append([label(method), *(count(said.count(verdict)) for verdict in TONES)])
    return Table("verdicts on conventions", "Verdicts by method", columns, rows, plain=True)


def _sentences(cases: list[_Case], rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    """The cases that are explained, then the methods that broke off."""
    for case in cases:
        if case.why:
            yield f"{case.name}: {case.why}"
    yield from ended(rows)


PAGE = Page(name="conventions", title="Conventions", order=25, render=render)

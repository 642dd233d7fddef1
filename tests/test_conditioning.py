"""Exact, but of what: the study against closed forms, and the page that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import mpmath
import pandas as pd
import pytest
import synthetic
from small_runs import plain_record

from diffbench.records.record import Record
from diffbench.registry import discover
from diffbench.reports.conditioning import PAGE
from diffbench.reports.sections import Table, Text
from diffbench.studies.conditioning import DEPTHS, EACH, STUDY, own_derivative, true
from diffbench.study import StudyRow

METHODS = discover(kinds=("methods",))
BIT = 0.30102999566
EXACT = ("manual", "reverse", "forward", "complex_step", "autograd")


@cache
def table() -> dict[str, StudyRow]:
    return {row.key: row for row in STUDY.run()}


@cache
def rows_of(name: str) -> tuple[StudyRow, ...]:
    (method,) = METHODS.methods(name)
    assert STUDY.each is not None
    return tuple(STUDY.each(method))


def number(key: str) -> float:
    found = table()[key].value
    assert found is not None
    return found


@pytest.mark.parametrize("depth", DEPTHS)
def test_what_is_true_is_the_closed_form(depth: int) -> None:
    """l = sin^2(2^(depth - 1) t), l' = 2^(depth - 1) sin(2^depth t) / sin(2 t)."""
    with mpmath.workdps(60):
        t = mpmath.asin(mpmath.sqrt(mpmath.mpf(0.2)))
        slope = 2 ** (depth - 1) * mpmath.sin(2**depth * t) / mpmath.sin(2 * t)
        for operator, closed in (
            ("value", mpmath.sin(2 ** (depth - 1) * t) ** 2),
            ("gradient", slope),
        ):
            found = true(depth, operator)
            assert abs(mpmath.mpf(found.numerator) / found.denominator / closed - 1) < 1e-30
    assert number(f"derivative|{depth}") == float(slope)


def test_a_bit_is_lost_at_each_step_and_three_by_balls() -> None:
    for kind, theory in (("growth", BIT), ("value", -BIT), ("program", -BIT)):
        row = table()[f"rate|{kind}"]
        assert row.low is not None
        assert row.high is not None
        assert row.low <= theory <= row.high
        assert row.high - row.low < 0.1
        assert float(row.reason.split()[0]) == pytest.approx(theory, abs=1e-8)
    assert number("rate|proven") == pytest.approx(-0.90309, abs=0.05)
    assert number("program|4") > 15
    assert number("program|60") < 1
    assert number("value|60") < 1
    assert number("proven|12") > 6.6 > number("proven|16")
    assert table()["proven|60"].value is None


@pytest.mark.parametrize("name", EXACT)
def test_methods_are_exact_but_of_the_program(name: str) -> None:
    rows = {row.key: row.value for row in rows_of(name)}
    assert len(rows) == 2 * len(EACH)
    for depth in EACH:
        digits, own = rows[f"digits|{depth}|{name}"], rows[f"own|{depth}|{name}"]
        assert digits is not None
        assert own is not None
        assert own > 14
        if f"program|{depth}" in table():
            assert digits == pytest.approx(number(f"program|{depth}"), abs=0.01)
    assert float(own_derivative(4)) == pytest.approx(9.0660864, rel=1e-15)


def test_a_method_without_an_answer_says_why() -> None:
    rows = rows_of("symbolic[cse=yes]")
    assert [row.unit for row in rows] == ["unsupported"] * len(EACH)
    assert "2621438 nodes as a tree" in rows[0].reason


# --- the page -------------------------------------------------------------------------------------


class _Run:
    def __init__(self, rows: Iterable[StudyRow], records: Iterable[Record] = ()) -> None:
        self.studies: pd.DataFrame = synthetic.frame(list(rows), StudyRow)
        self.records: pd.DataFrame = synthetic.frame(list(records), Record)


def test_the_page_shows_the_study() -> None:
    names = (*EXACT, "finite_difference[scheme=forward]", "symbolic[cse=yes]")
    rows = [*table().values(), *(row for name in names for row in rows_of(name))]
    why, figure, methods, meaning, depths, slopes = PAGE.render(_Run(rows))
    assert "exact, but of the program that ran" in why.paragraphs[1]
    assert [series.name for series in figure.series] == [
        "manual",
        "forward",
        "reverse",
        "autograd",
        "complex_step",
        "finite_difference[scheme=forward]",
    ]
    assert len(figure.table.rows) == 6 * len(EACH)
    shown = {row[0].text: [cell.text for cell in row[1:]] for row in methods.cells()}
    assert shown["reverse"] == ["10.6", "7.1", "3.8", "1.3", "0.0", "14.1"]
    assert shown["symbolic (cse)"] == ["–"] * 6
    assert "from 16 on, where the program's own derivative still has 10.6" in meaning.paragraphs[1]
    said = {row[0].text: row[-1].text for row in depths.cells()}
    assert list(said.values()) == ["decided"] * 3 + ["uninformative"] * (len(DEPTHS) - 3)
    assert [row[3].text for row in slopes.cells()] == ["0.301", "-0.301", "-0.301", "-0.903"]


def test_a_study_that_ended_early_says_so_and_shows_what_came() -> None:
    whole = [*table().values(), *rows_of("reverse")]
    cut = [row for row in whole if row.key.startswith(("derivative|", "value|", "own|", "digits|"))]
    statuses = {"status|timeout": "not done", "status|crashed|forward": "signal 11"}
    broke = [StudyRow(study="conditioning", key=k, reason=r) for k, r in statuses.items()]
    _, early, figure, methods, meaning, depths, _ = PAGE.render(_Run([*cut, *broke]))
    assert early.title == "Ended early"
    assert early.items == ("the study: timeout, not done", "forward: crashed, signal 11")
    assert {row["s"] for row in figure.spec["datasets"]["rows"]} == {"reverse"}
    assert "ghosts" not in figure.spec["datasets"]
    assert [row[0].text for row in methods.cells()] == ["reverse"]
    assert len(meaning.paragraphs) == 1
    assert {tuple(cell.text for cell in row[4:]) for row in depths.cells()} == {("–", "–", "–")}


def test_the_page_states_the_condition_of_the_runs_own_cells() -> None:
    found = [
        plain_record(rad53_rel=1e-15, verdict="exact to rounding"),
        plain_record(
            instance="lecture[n=4]", rad53_rel=1e-3, verdict="uninformative", method="reverse"
        ),
        plain_record(instance="lecture[n=4]", rad53_rel=1e-3, verdict="uninformative"),
        plain_record(operator="hvp", rad53_rel=0.0, verdict="exact to rounding"),
        plain_record(operator="jvp"),
    ]
    text, conditions = PAGE.render(_Run([], found))
    assert isinstance(text, Text)
    assert text.paragraphs == ("The study conditioning is not in this run.",)
    assert isinstance(conditions, Table)
    assert [[cell.text for cell in row] for row in conditions.cells()] == [
        ["lecture", "gradient", "2", "0.00100", "3.0", "1", "lecture[n=4]"],
        ["lecture", "hvp", "1", "0", "–", "0", "lecture[n=2]"],
    ]

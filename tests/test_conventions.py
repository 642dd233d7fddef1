"""The 20 rows of FACTS 3.4: what ours, autograd and JAX answer, and the page that shows it.

The tables fail in either direction: a peer that mends its answer is news as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic

from diffbench.measure.subgradients import VERDICTS, Right, ball, exactly, hull, ties, verdict
from diffbench.method import variant_name
from diffbench.registry import discover
from diffbench.reports.conventions import PAGE
from diffbench.reports.sections import Table, Text
from diffbench.studies.conventions import CASES, STUDY
from diffbench.study import StudyRow

VALID, OTHER, OUTSIDE, NAN = VERDICTS
REFUSED, RAISES = "unsupported", "error"
CASE_KEYS = [case.key for case in CASES]
EXPLAINED = {case.key for case in CASES if case.why}

# method -> case -> (verdict, its cause); every case that is not named is valid
KINKS = {
    "2 √(x²) at 0": (NAN, "1/(2·0) times 2·0"),
    "2 norm(x) at (0, 0)": (NAN, "x over its norm, 0/0"),
    "2 √(Σ x²) at (0, 0)": (NAN, "1/(2·0) times 2·0"),
}
OVERFLOWS = {
    "12 log1p(eˣ) at 1000": (NAN, "eˣ/(1 + eˣ), inf/inf"),
    "12 ln(1 + eˣ) at 1000": (NAN, "eˣ/(1 + eˣ), inf/inf"),
    "12 1/(1 + e⁻ˣ) at -1000": (NAN, "eˣ/(1 + eˣ)², inf/inf"),
}
LEAKS = {
    "10 where(x > 0, √x, 0) at -1": (NAN, "0 times the slope of √ at -1"),
    "11 where(x = 0, 1, sin x / x) at 0": (NAN, "0 times the slope of 0/0"),
}
UNSOLVED = {
    "15 (1 - cos x)/x² at 1e-8": (OUTSIDE, "f has lost its digits"),
    "16 where(x = 0, 0, x) at 0": (OUTSIDE, "the branch of one point"),
}
BRANCH = "16 0 if x = 0 else x, at 0"
SCALED = "17 (1e200 x)²/1e300/1e100 at 1"
JAX = {
    **KINKS,
    **OVERFLOWS,
    **UNSOLVED,
    "3 abs(x) at 0": (OTHER, "select(x >= 0, 1, -1)"),
    "3 abs(x) at -0": (OTHER, "select(x >= 0, 1, -1)"),
    "7 x**0. at 0": (NAN, "0 times 0**-1"),
    "9 x ln x at 0": (NAN, "0 times 1/0 beside ln 0"),
    "9 xlogy(x, x) at 0": (NAN, "0/0 beside ln 0"),
    "13 tanh x at 20": (OUTSIDE, "1 - tanh² cancels"),
    BRANCH: (REFUSED, "jit traces one branch only"),
    "18 exp(ln x) at 1e-320": (NAN, "numbers below 2^-1022 are flushed to 0"),
    "19 std(x) at (1, 1)": (NAN, "0/0 in the root of the variance"),
    "19 hypot(x, y) at (0, 0)": (OTHER, "both halves of a maximum"),
}
EXPECTED: dict[str, dict[str, tuple[str, str]]] = {
    "reverse": {
        **UNSOLVED,
        BRANCH: (OUTSIDE, "the branch of one point"),
        SCALED: (OUTSIDE, "the adjoint underflows to 0"),
    },
    "forward": {
        **UNSOLVED,
        BRANCH: (OUTSIDE, "the branch of one point"),
        SCALED: (OUTSIDE, "the tangent overflows to inf"),
    },
    "autograd": {
        **KINKS,
        **OVERFLOWS,
        **LEAKS,
        **UNSOLVED,
        "6 clip(x, 0, 1) at 0": (OTHER, "no slope at the bounds"),
        "9 x ln x at 0": (NAN, "0 times 1/0 beside ln 0"),
        BRANCH: (OUTSIDE, "the branch of one point"),
        SCALED: (OUTSIDE, "the adjoint underflows to 0"),
        "19 std(x) at (1, 1)": (NAN, "0/0 in the root of the variance"),
        "19 hypot(x, y) at (0, 0)": (NAN, "0/0: it has no forward rule, so it is √(x² + y²) here"),
    },
    "jax[mode=reverse]": {
        **JAX,
        **LEAKS,
        SCALED: (OUTSIDE, "the adjoint underflows to 0"),
    },
    "jax[mode=forward]": {
        # SCALED is valid: XLA multiplies the constant factors first
        **JAX,
        "8 x**y at (-2, 2)": (NAN, "0 times the slope that does not exist"),
    },
}


def _key(row: StudyRow) -> tuple[str, str]:
    case, method, _ = row.key.rsplit("|", 2)
    return case, method


@cache
def _rows(method: str) -> tuple[StudyRow, ...]:
    (chosen,) = discover(kinds=("methods",)).methods(method)
    assert variant_name(chosen) == method
    assert STUDY.each is not None
    return tuple(STUDY.each(chosen))


@pytest.mark.parametrize("method", EXPECTED)
def test_verdicts_are_those_of_the_table(method: str) -> None:
    assert set(EXPECTED[method]) <= set(CASE_KEYS)
    found = {_key(row)[0]: row.unit for row in _rows(method)}
    wanted = {case: EXPECTED[method].get(case, (VALID, ""))[0] for case in CASE_KEYS}
    assert found == wanted


def test_ours_fail_only_where_it_is_explained() -> None:
    for method in ("forward", "reverse"):
        assert set(EXPECTED[method]) == EXPLAINED
        failed = [row for row in _rows(method) if row.unit != VALID]
        assert {_key(row)[0] for row in failed} == EXPLAINED
        assert all(len(row.reason.split()) > 10 for row in failed)
    assert sorted({case.number for case in CASES if case.why}) == [15, 16, 17]


def test_every_row_of_the_facts_has_a_case() -> None:
    assert sorted({case.number for case in CASES}) == list(range(1, 21))
    assert len(set(CASE_KEYS)) == len(CASES)
    asked = list(STUDY.run())
    assert [row.key for row in asked] == [f"case|{key}" for key in CASE_KEYS]


def test_entries_carry_their_interval_and_refusals_their_sentence() -> None:
    rows = {row.key: row for row in _rows("jax[mode=forward]")}
    tie = rows["4 maximum(x, y) at (1, 1)|jax[mode=forward]|1"]
    assert (tie.value, tie.low, tie.high, tie.unit) == (0.5, 0.0, 1.0, VALID)
    refusal = rows[f"{BRANCH}|jax[mode=forward]|0"]
    assert refusal.value is None
    assert "which jit forbids" in refusal.reason
    raised = [row for row in _rows("symbolic[cse=no]") if row.unit == RAISES]
    assert any(row.reason == "ZeroDivisionError: float division by zero" for row in raised)


# --- sets and verdicts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "right", "expected"),
    [
        ([0.0], hull(-1, 1, 0), VALID),
        ([1.0], hull(-1, 1, 0), OTHER),
        ([1.1], hull(-1, 1, 0), OUTSIDE),
        ([math.nan], hull(-1, 1, 0), NAN),
        ([0.5, 0.5], ties(2), VALID),
        ([1.0, 0.0], ties(2), OTHER),
        ([0.0, 0.0], ties(2), OUTSIDE),  # what one library gives: no convex combination
        ([0.6, -0.6], ball(2), OTHER),
        ([0.8, 0.8], ball(2), OUTSIDE),
        ([math.inf], exactly(math.inf), VALID),
        ([1e308], exactly(math.inf), OUTSIDE),
        ([-math.inf], exactly(math.inf), OUTSIDE),
        ([-4.0, math.nan], exactly(-4, math.nan), VALID),
        ([-4.0, 0.0], exactly(-4, math.nan), OUTSIDE),
        ([math.nan, math.nan], exactly(-4, math.nan), NAN),
        ([0.0], exactly(1.7e-17), OUTSIDE),
        ([1.0 + 1e-14], exactly(1), VALID),
        ([1.0 + 1e-11], exactly(1), OUTSIDE),
    ],
)
def test_verdicts(answer: list[float], right: Right, expected: str) -> None:
    assert verdict(np.array(answer), right, "exact") == expected


def test_an_approximation_may_miss_by_its_nature() -> None:
    assert verdict([1.0 + 1e-5], exactly(1), "approximate") == VALID
    assert verdict([1.0 + 1e-3], exactly(1), "approximate") == OUTSIDE
    assert verdict([1e-8], exactly(0), "approximate") == VALID


# --- the page -------------------------------------------------------------------------------------


class _Run:
    def __init__(self, rows: Iterable[StudyRow]) -> None:
        self.studies: pd.DataFrame = synthetic.frame(list(rows), StudyRow)


def _cells(table: Table) -> dict[str, dict[str, Any]]:
    titles = [column.title for column in table.columns]
    return {row[0].text: dict(zip(titles, row, strict=True)) for row in table.cells()}


def test_the_page_shows_values_verdicts_and_explanations() -> None:
    broke = StudyRow(study="conventions", key="status|timeout|autograd", reason="not done")
    rows = [*STUDY.run(), *_rows("reverse"), *_rows("jax[mode=reverse]"), *_rows("manual"), broke]
    text, table, counts, explained = PAGE.render(_Run(rows))
    assert isinstance(text, Text)
    cells = _cells(table)
    assert list(cells) == CASE_KEYS
    assert set(cells[BRANCH]) == {
        "Function and point",
        "Right gradient",
        "reverse",
        "jax (reverse)",  # manual answers nothing here, so it has no column
    }
    shown = cells["3 abs(x) at 0"]
    assert shown["Right gradient"].text == "any in [-1, 1]"
    assert (shown["reverse"].text, shown["reverse"].tone) == ("0: valid", "good")
    assert (shown["jax (reverse)"].text, shown["jax (reverse)"].tone) == ("1: other convention", "")
    assert cells["9 x ln x at 0"]["reverse"].text == "-∞: valid"
    nothing = cells["2 norm(x) at (0, 0)"]["jax (reverse)"]
    assert (nothing.text, nothing.tone) == ("NaN, NaN", "bad")
    refused = cells[BRANCH]["jax (reverse)"]
    assert (refused.text, refused.tone) == ("unsupported", "mute")
    assert "which jit forbids" in refused.more[0]
    totals = {row[0].text: [int(c.value) for c in row[1:]] for row in counts.cells()}
    assert totals["reverse"] == [len(CASES) - len(EXPLAINED), 0, len(EXPLAINED), 0, 0, 0]
    assert sum(totals["jax (reverse)"]) == len(CASES)
    assert len(explained.items) == len(EXPLAINED) + 1
    assert explained.items[-1] == "autograd: timeout, not done"


def test_without_the_study_the_page_says_so() -> None:
    (text,) = PAGE.render(_Run([]))
    assert text.paragraphs == ("The study conventions is not in this run.",)

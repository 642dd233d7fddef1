"""The studies against FACTS 2.2 and 1.1."""

from __future__ import annotations

from fractions import Fraction

import pytest

from diffbench.registry import discover
from diffbench.studies import step_size
from diffbench.study import StudyRow


@pytest.fixture(scope="module")
def table() -> dict[str, StudyRow]:
    return {row.key: row for row in step_size.STUDY.run()}


def test_exact_derivatives_are_those_of_the_facts() -> None:
    value, first, second, third = step_size.exact_derivatives()
    assert float(first) == pytest.approx(9.066086400000000748, rel=1e-16)
    assert float(second) == pytest.approx(67.395584, rel=1e-14)
    assert float(third) == pytest.approx(-3948.87168, rel=1e-14)
    assert value == step_size.f(Fraction(step_size.X))


def test_801_steps_a_scheme(table: dict[str, StudyRow]) -> None:
    for scheme in step_size.SCHEMES:
        assert sum(key.startswith(f"{scheme}|") for key in table) == 801


@pytest.mark.parametrize(
    ("key", "expected", "tolerance"),
    [
        ("slope_truncation|forward", 1.0, 0.02),
        ("slope_truncation|central", 2.0, 0.02),
        ("slope_truncation|complex", 2.0, 0.02),
        ("slope_roundoff|forward", -1.0, 0.1),
        ("slope_roundoff|central", -1.0, 0.1),
    ],
)
def test_slopes(table: dict[str, StudyRow], key: str, expected: float, tolerance: float) -> None:
    row = table[key]
    assert row.value is not None
    assert row.low is not None
    assert row.high is not None
    assert abs(row.value - expected) <= tolerance
    assert row.low <= row.value <= row.high


@pytest.mark.parametrize(("scheme", "expected"), [("forward", 4.3e-7), ("central", 1.5e-9)])
def test_envelope_minima(table: dict[str, StudyRow], scheme: str, expected: float) -> None:
    value = table[f"envelope_minimum|{scheme}"].value
    assert value is not None
    assert expected / 3 <= value <= 3 * expected


def test_theory_is_that_of_the_facts(table: dict[str, StudyRow]) -> None:
    assert table["theory_step|forward"].value == pytest.approx(1.4e-9, rel=0.05)
    assert table["theory_step|central"].value == pytest.approx(2.9e-7, rel=0.05)
    assert table["theory_error|forward"].value == pytest.approx(9e-8, rel=0.1)
    assert table["theory_error|central"].value == pytest.approx(1.7e-10, rel=0.1)


def test_lecture_trace_holds_both_tables() -> None:
    rows = list(discover(kinds=("studies",)).studies["lecture_trace"].run())
    roles = [row.unit for row in rows]
    assert roles.count("primal") == 14
    assert roles.count("adjoint") == 9
    assert roles.count("tangent, seed (1, 0)") == roles.count("tangent, seed (0, 1)") == 7
    assert [row.value for row in rows if row.unit == "adjoint"][-2:] == [1.7163378145367738, 5.5]
    assert all(row.reason.count("⟂") == 2 for row in rows)

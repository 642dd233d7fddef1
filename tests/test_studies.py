"""The studies against FACTS 2.2 and 1.1."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

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


def test_the_lecture_s_trace_holds_all_tables() -> None:
    rows = list(discover(kinds=("studies",)).studies["traces"].run())
    roles = [row.unit for row in rows]
    assert roles.count("primal") == 7
    assert roles.count("adjoint") == 9
    assert roles.count("tangent, seed (1, 0)") == roles.count("tangent, seed (0, 1)") == 7
    assert [row.value for row in rows if row.unit == "adjoint"][-2:] == [1.7163378145367738, 5.5]
    assert {row.key: row.value for row in rows if row.unit == "partial"} == {
        "edge|lecture[n=2]|2.0": 0.5,
        "edge|lecture[n=2]|3.0": 5.0,
        "edge|lecture[n=2]|3.1": 2.0,
        "edge|lecture[n=2]|4.0": 0.28366218546322625,
        "edge|lecture[n=2]|5.0": 1.0,
        "edge|lecture[n=2]|5.1": 1.0,
        "edge|lecture[n=2]|6.0": 1.0,
        "edge|lecture[n=2]|6.1": -1.0,
    }


def test_small_instances_of_every_family_are_traced_or_it_is_said_why() -> None:
    """Also of a plugin's family, and one that fails takes no other with it."""
    found = discover(kinds=("problems",)).families
    broken = replace(found["logistic"], name="broken", build=lambda params, rng: 1 / 0)
    families = [found[name] for name in ("lecture", "rosenbrock", "mlp")]
    rows = list(discover(kinds=("studies",)).studies["traces"].over([broken, *families], "quick"))
    keys = {row.key: row for row in rows}
    assert keys["about|rosenbrock[n=2]"].value == 40
    assert sum(key.startswith("line|rosenbrock[n=2]|") for key in keys) == 40
    assert "at most 3 inputs and 60 lines" in keys["left|mlp"].reason
    assert keys["left|broken"].reason == "ZeroDivisionError: division by zero"
    assert not any("lecture" in key for key in keys)


# --- the expressions against FACTS 2.1 ------------------------------------------------------------


@pytest.fixture(scope="module")
def written() -> dict[str, StudyRow]:
    return {row.key: row for row in discover(kinds=("studies",)).studies["expressions"].run()}


@pytest.mark.parametrize(
    ("depth", "printed", "tree", "characters", "unique", "shared"),
    [(2, 2, 2, 7, 5, 2), (3, 19, 21, 80, 17, 12), (4, 57, 82, 315, 26, 27)],
)
def test_sizes_are_the_survey_s(
    written: dict[str, StudyRow],
    depth: int,
    printed: int,
    tree: int,
    characters: int,
    unique: int,
    shared: int,
) -> None:
    names = ("form|derivative", "tree_ops", "string_length", "graph", "cse_ops")
    found = [written[f"{name}|{depth}"].value for name in names]
    assert found == [printed, tree, characters, unique, shared]
    assert len(json.loads(written[f"graph|{depth}"].reason)) == unique


def _value(parts: Any, x: Fraction) -> Fraction:
    """An expression of the study at a point, exactly."""
    if isinstance(parts, int):
        return Fraction(parts)
    if parts == "x":
        return x
    sign, *operands = parts
    return _applied(sign, [_value(part, x) for part in operands], x)


def _applied(sign: Any, values: list[Fraction], x: Fraction) -> Fraction:
    if not values:
        return _value(sign, x)
    if sign == "^":
        return Fraction(values[0] ** int(values[1]))
    return sum(values, Fraction(0)) if sign == "+" else math.prod(values, start=Fraction(1))


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_every_form_has_the_value_of_the_loop_or_of_its_derivative(
    written: dict[str, StudyRow], depth: int
) -> None:
    x = Fraction(1, 5)
    value, first = x, Fraction(1)
    for _ in range(depth - 1):
        value, first = 4 * value * (1 - value), (4 - 8 * value) * first
    right = {"function": value, "derivative": first, "simplified": first}
    for name, expected in right.items():
        assert _value(json.loads(written[f"form|{name}|{depth}"].reason), x) == expected, name
    values: list[Fraction] = []
    for symbol, operands in json.loads(written[f"graph|{depth}"].reason):
        leaf = symbol if symbol == "x" or operands else int(symbol)
        values.append(_applied(leaf, [values[i] for i in operands], x))
    assert values[-1] == first

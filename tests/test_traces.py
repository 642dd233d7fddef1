"""Trace tables against FACTS' golden rows, and every printed equation against its operands."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from random_programs import Program, programs

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import ENTRYWISE, RULES
from diffbench.adjoint_program import program
from diffbench.errors import BadSize, UnknownName
from diffbench.problem import Instance
from diffbench.registry import Registry, discover
from diffbench.traces import DIGITS, FORMATS, MODES, TraceRow, edges, numbers, render, rows

PRIMAL = {
    "v1": "0x1.62e42fefa39efp-1",
    "v2": "0x1.4000000000000p+3",
    "v3": "-0x1.eaf81f5e09933p-1",
    "v4": "0x1.562e42fefa39fp+3",
    "v5": "0x1.74ddc4f4dad32p+3",
}
TANGENTS = {
    "tangent, seed (1, 0)": [1, 0, 0.5, 5, 0, 5.5, 5.5],
    "tangent, seed (0, 1)": [0, 1, 0, 2, 0.28366218546322625, 2, 1.7163378145367738],
}
ADJOINTS = [
    ("v̄5", False, 1.0),
    ("v̄4", False, 1.0),
    ("v̄3", False, -1.0),
    ("v̄1", False, 1.0),
    ("v̄2", False, 1.0),
    ("v̄0", False, -0.28366218546322625),
    ("v̄-1", False, 5.0),
    ("v̄0", True, 1.7163378145367738),
    ("v̄-1", True, 5.5),
]
SMALL = [
    "lecture[n=2]",
    "lecture[n=4]",
    "logistic[depth=4]",
    "rosenbrock[n=3]",
    "speelpenning[n=4]",
    "helmholtz[n=2]",
    "lse[n=2,R=10,form=stable]",
    "chebyshev[m=4]",
    "affine_tanh[n=2,m=3]",
    "mlp[batch=1,layers=2,width=2]",
]


@pytest.fixture(scope="module")
def families() -> Registry:
    return discover(kinds=("problems",))


def _instance(families: Registry, selection: str) -> Any:
    return families.instances(selection)[0]


def test_primal_rows_are_the_golden_ones(families: Registry) -> None:
    table = rows(_instance(families, "lecture[n=2]"), "forward")
    values = {r.name: r.value.hex() for r in table if r.role == "primal"}
    assert {name: values[name] for name in PRIMAL} == PRIMAL
    assert (values["v-1"], values["v0"]) == ((2.0).hex(), (5.0).hex())


def test_both_tangent_seeds_are_the_golden_ones(families: Registry) -> None:
    table = rows(_instance(families, "lecture[n=2]"), "forward")
    for role, expected in TANGENTS.items():
        assert [r.value for r in table if r.role == role] == expected


def test_adjoints_come_in_order_with_their_accumulation(families: Registry) -> None:
    table = rows(_instance(families, "lecture[n=2]"), "reverse")
    adjoints = [(r.name, r.update, r.value) for r in table if r.role == "adjoint"]
    assert adjoints == ADJOINTS
    assert adjoints[-2][2].hex() == "0x1.b761ea3e52d4ap+0"


def _recomputed(row: TraceRow, digits: str) -> float:
    def plain(part: float) -> str:
        shown = DIGITS[digits](part)
        return repr(float.fromhex(shown)) if digits == "hex" else shown

    text = "".join(p if isinstance(p, str) else f"({plain(p)})" for p in row.numbers)
    return float(eval(text, {name: RULES[name].numpy for name in ENTRYWISE}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("selection", SMALL)
def test_every_equation_recomputes_from_its_printed_operands(
    families: Registry, selection: str, mode: str
) -> None:
    table = rows(_instance(families, selection), mode)
    assert len(table) > 3
    for row in table:
        for digits in ("17", "hex"):
            assert _recomputed(row, digits) == row.value, (row, digits)
        assert numbers(row, "17").count("(") == numbers(row, "17").count(")")


def test_50_random_programs_recompute_line_by_line_and_as_adjoint_programs() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(programs(most_steps=5, inputs=(2, 3)))
    def one(f: Program) -> None:
        instance = oracle.instance_of(f, f.x, None if f.scalar else np.size(f(f.x, NUMPY)))
        for mode in MODES:
            for row in rows(instance, mode):
                seen[mode] += 1
                seen["accumulated"] += row.update
                for digits in ("17", "hex"):
                    assert _recomputed(row, digits) == row.value, (row, digits)
        assert _executed(instance) == _last_adjoints(instance)
        seen["programs"] += 1

    one()
    assert seen["programs"] >= 50
    assert min(seen[mode] for mode in MODES) > 2_000
    assert seen["accumulated"] > 200


def _last_adjoints(instance: Instance) -> list[list[float]]:
    """Row by row of the Jacobian, what the table ends in; 0 for what no sweep reaches."""
    last = {(row.role, row.name): row.value for row in rows(instance, "reverse")}
    roles = ["adjoint"] if instance.scalar else [f"adjoint of y{k + 1}" for k in range(instance.m)]
    names = [f"v̄{i + 1 - instance.n}" for i in range(instance.n)]
    return [[last.get((role, name), 0.0) for name in names] for role in roles]


def _executed(instance: Instance) -> list[list[float]]:
    """The answer of the derivative program, as Python runs it."""
    scope: dict[str, Any] = {}
    exec(program(instance), scope)
    answer = scope["gradient" if instance.scalar else "jacobian"](*instance.x.tolist())
    return [list(row) for row in ([answer] if instance.scalar else answer)]


@pytest.mark.parametrize("selection", SMALL)
def test_the_adjoint_program_gives_the_table_to_the_last_bit(
    families: Registry, selection: str
) -> None:
    instance = _instance(families, selection)
    assert _executed(instance) == _last_adjoints(instance)


def test_the_adjoint_program_of_the_lecture_reads_as_its_table(families: Registry) -> None:
    lines = program(_instance(families, "lecture[n=2]")).splitlines()
    assert lines[0] == "from numpy import cos, float64, log, sin"
    assert lines[-5:] == [
        "    v0_bar = v3_bar * cos(v0)",
        "    vm1_bar = v2_bar * v0",
        "    v0_bar += v2_bar * vm1",
        "    vm1_bar += v1_bar / vm1",
        "    return (vm1_bar, v0_bar)",
    ]


@pytest.mark.parametrize("selection", SMALL)
def test_the_partials_of_the_edges_carry_the_tangents(families: Registry, selection: str) -> None:
    """Each tangent is the sum over the edges that lead to it, and every one is needed."""
    instance = _instance(families, selection)
    table = [row for row in rows(instance, "forward") if row.role != "primal"]
    count = len(table) // instance.n
    for seed in range(instance.n):
        found = np.array([row.value for row in table[seed * count :][:count]])
        sums = np.zeros(count)
        sums[: instance.n] = found[: instance.n]
        for edge in edges(instance):
            sums[edge.target] += edge.value * found[edge.source]
        np.testing.assert_allclose(sums, found, rtol=1e-13, atol=1e-13)


def test_an_adjoint_that_is_taken_away_says_so(families: Registry) -> None:
    text = render(_instance(families, "lse[n=2,R=10,form=stable]"), "reverse", "3")
    assert "v̄1 -=" in text
    assert "v̄1 - " not in text


def test_constants_are_written_with_all_their_digits() -> None:
    instance = oracle.instance_of(lambda x, xp: x[0] * 0.1234567890123, np.array([3.0]))
    assert rows(instance, "forward")[1].equation == "v0 * 0.1234567890123"


@pytest.mark.parametrize("selection", SMALL)
def test_table_ends_in_the_derivative(families: Registry, selection: str) -> None:
    """The hand's scalar sweeps agree with the library's Jacobian to the last bits."""
    instance = _instance(families, selection)
    jacobian = ad.jacobian(instance.f)(instance.x, *instance.constants)
    np.testing.assert_allclose(_last_adjoints(instance), jacobian, rtol=1e-13, atol=1e-15)


def test_slides_show_three_digits(families: Registry) -> None:
    text = render(_instance(families, "lecture[n=2]"), "reverse", "3")
    for shown in ("0.693", "0.959", "11.652", "-0.284", "1.716", "5.5"):
        assert shown in text


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_every_line(families: Registry, format: str) -> None:
    instance = _instance(families, "lecture[n=2]")
    text = render(instance, "forward", "17", format)
    assert text.count("1.7163378145367738") == 1
    assert text.count("11.652071455223084") == 1
    assert len(re.findall("10.693147180559945", text)) == 2


def test_latex_braces_balance(families: Registry) -> None:
    text = render(_instance(families, "helmholtz[n=2]"), "reverse", "17", "latex")
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2


def test_what_cannot_be_shown_is_said(families: Registry) -> None:
    with pytest.raises(BadSize, match="at most 400"):
        rows(_instance(families, "rosenbrock[n=512]"), "reverse")
    with pytest.raises(UnknownName, match="did you mean 'reverse'"):
        rows(_instance(families, "lecture[n=2]"), "revers")
    with pytest.raises(UnknownName, match="did you mean 'latex'"):
        render(_instance(families, "lecture[n=2]"), "reverse", "17", "latx")

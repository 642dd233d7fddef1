"""Which programs each method takes, the proof of what is right there, and the page that shows it.

The table fails in either direction: a method that learns to take a program is news as well.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import synthetic

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.method import Instance, Kernel, Method, positional, variant_name
from diffbench.registry import discover
from diffbench.reports.programs import PAGE
from diffbench.reports.sections import Table, Text
from diffbench.studies.corpus import PROGRAMS, Program
from diffbench.studies.programs import STUDY, VERDICTS, frozen, instance_of, judged, proven
from diffbench.study import StudyRow

RIGHT, FROZEN, WRONG, REFUSES = VERDICTS
NAMES = [program.name for program in PROGRAMS]
BY_VALUES = {
    "while loop on values",
    "branch on values",
    "recursion on values",
    "table look-up",
    "look-up at the largest",
    "root finding",
}

# method -> program -> words of the sentence why not; every program that is not named is right
TRACED = {
    "array in place": "a traced array cannot be written in place (x[i] = ...)",
    "table look-up": "a traced array cannot be a Python index",
}
SYMBOLIC = dict.fromkeys(BY_VALUES, "has no closed form, a loop or branch depends on values")
JITTED = {
    **dict.fromkeys(BY_VALUES - {"look-up at the largest"}, "depends on values, which jit forbids"),
    "array in place": "JAX arrays are immutable",
}
EXPRESSION = dict.fromkeys(BY_VALUES, "is no expression, a loop or branch depends on values")
REFUSED: Mapping[str, Mapping[str, str]] = {
    "manual": {},
    "finite_difference[scheme=forward]": {},
    "finite_difference[scheme=central]": {},
    "forward": TRACED,
    "reverse": TRACED,
    "compiled_forward": TRACED,
    "compiled_reverse": TRACED,
    "sparse_forward": TRACED,
    "sparse_reverse": TRACED,
    "complex_step": {**TRACED, "look-up at the largest": "argmax, equal of"},
    "autograd": {
        "array in place": "'ArrayBox' object does not support item assignment",
        "table look-up": "int() argument must be",
    },
    "jax[mode=reverse]": JITTED,
    "jax[mode=forward]": JITTED,
    "symbolic[cse=no]": SYMBOLIC,
    "symbolic[cse=yes]": SYMBOLIC,
    "casadi": {**EXPRESSION, **TRACED},
    **{
        f"reverse_checkpointed[slots={slots}]": dict.fromkeys(NAMES, "offers no start, step")
        for slots in (4, 32, 256)
    },
}


@cache
def rows_of(method: str) -> tuple[StudyRow, ...]:
    (chosen,) = discover(kinds=("methods",)).methods(method)
    return answered(chosen)


def answered(method: Method) -> tuple[StudyRow, ...]:
    assert STUDY.each is not None
    return tuple(STUDY.each(method))


def by_program(rows: Iterable[StudyRow]) -> dict[str, StudyRow]:
    return {row.key.split("|")[1]: row for row in rows}


def test_every_method_but_the_controls_has_a_row() -> None:
    methods = discover(kinds=("methods",)).methods("all")
    assert {variant_name(m) for m in methods if m.claim != "control"} == set(REFUSED)


@pytest.mark.parametrize("method", REFUSED)
def test_verdicts_are_those_of_the_table(method: str) -> None:
    if method == "casadi" and importlib.util.find_spec("casadi") is None:
        pytest.skip("needs casadi: pip install 'diffbench[casadi]'")
    found = by_program(rows_of(method))
    assert {name: row.unit for name, row in found.items()} == {
        name: REFUSES if name in REFUSED[method] else RIGHT for name in NAMES
    }
    for name, words in REFUSED[method].items():
        assert words in found[name].reason
        assert found[name].value is None
    limit = 1e-15 if method == "manual" else 1e-6
    taken = [row for row in found.values() if row.unit == RIGHT]
    assert all(row.value is not None and row.value <= limit for row in taken)


# --- the corpus -----------------------------------------------------------------------------------

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)


@every_program
def test_right_is_proven_of_what_runs(program: Program) -> None:
    assert proven(program).claim == "certified"
    plain, proof = instance_of(program), instance_of(program, proof=True)
    for x in (plain.x, plain.prepare_x):
        values = [np.asarray(i.f(x, NUMPY)).item() for i in (plain, proof)]
        assert values[0] == values[1]
    assert np.max(np.abs(proven(program).radius)) < 1e-20


@every_program
def test_a_frozen_path_differs_where_values_decide_it(program: Program) -> None:
    instance, by_values = instance_of(program, proof=True), program.name in BY_VALUES
    assert bool(ad.trace(instance.f, instance.x).guards) == by_values
    for claim in ("exact", "approximate"):
        assert judged(frozen(program), program, claim) == (FROZEN if by_values else RIGHT)


def test_implicit_differentiation_has_another_answer() -> None:
    (row,) = (row for row in STUDY.run() if row.key.startswith("implicit|"))
    assert row.key == "implicit|root finding"
    assert row.value is not None
    assert 1e-4 < row.value < 1e-3
    (root,) = (program for program in PROGRAMS if program.implicit)
    assert root.implicit(np.array([2.0, 1.0])) == pytest.approx((0.25, -0.25), rel=1e-14)


def test_rows_say_what_was_asked() -> None:
    rows = {row.key: row for row in STUDY.run()}
    assert {key for key in rows if key.startswith("program|")} == {f"program|{n}" for n in NAMES}
    assert rows["program|while loop on values"].value == 4  # three rounds, then out
    assert rows["program|straight line"].reason == (
        "a formula ⟂ def straight_line(x, xp):\n"
        "    return xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1])"
    )
    slope = rows["right|straight line|0"]
    assert slope.low is not None
    assert slope.high is not None
    assert slope.low < 5.5 < slope.high < slope.low + 1e-14
    assert slope.unit == "certified, 128 bits"


# --- methods that lie -----------------------------------------------------------------------------


class Frozen:
    """Records the derivative program where it is prepared, and runs that ever after."""

    name: ClassVar[str] = "frozen"
    claim: ClassVar[str] = "exact"
    native: ClassVar[frozenset[str]] = frozenset({"gradient"})
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    factor: float = 1.0

    def why_not(self, instance: Instance, operator: str) -> str | None:
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        graph = ad.derivative_graph(instance.f, instance.prepare_x)
        return Kernel(lambda x: self.factor * graph.replay(x), positional)


class Off(Frozen):
    """The same, and off by a relative 1e-9."""

    name: ClassVar[str] = "off"
    factor = 1.0 + 1e-9


@pytest.mark.parametrize(("lying", "elsewhere"), [(Frozen(), RIGHT), (Off(), WRONG)])
def test_a_method_that_froze_the_path_is_found_out(lying: Any, elsewhere: str) -> None:
    found = by_program(answered(lying))
    for name in set(NAMES) - set(TRACED):
        expected = (FROZEN if elsewhere == RIGHT else WRONG) if name in BY_VALUES else elsewhere
        assert found[name].unit == expected


def test_answers_that_are_no_numbers_are_wrong() -> None:
    program = PROGRAMS[0]
    assert judged(np.array([np.nan, 1.0]), program, "exact") == WRONG
    assert judged(proven(program).hi, program, "exact") == RIGHT


# --- the page -------------------------------------------------------------------------------------


class Run:
    def __init__(self, rows: Iterable[StudyRow]) -> None:
        self.studies: pd.DataFrame = synthetic.frame(list(rows), StudyRow)


def texts(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.cells()}


def test_the_page_decides_the_claim_and_lists_the_sentences() -> None:
    methods = ("manual", "reverse", "symbolic[cse=no]", "reverse_checkpointed[slots=4]")
    broke = StudyRow(study="programs", key="status|timeout|autograd", reason="not done")
    answers = [row for method in methods for row in rows_of(method)]
    rows = [*STUDY.run(), *answers, *answered(Frozen()), broke]  # type: ignore[arg-type]  # a bare fake
    text, claims, table, counts, refusals, beside = PAGE.render(Run(rows))
    assert isinstance(text, Text)
    assert texts(claims) == {
        "Symbolic differentiation requires a closed form.": [
            "holds",
            "right in 0 of 6 programs whose path values decide, in 6 of 6 others",
        ],
        "Manual differentiation requires a closed form.": [
            "does not hold",
            "right in 6 of 6 programs whose path values decide, in 6 of 6 others; "
            "what it gives there is itself a program",
        ],
    }
    titles = [column.title for column in table.columns]
    assert titles == [
        "Program",
        "Decisions by values",
        "Right gradient",
        "manual",
        "reverse",
        "symbolic (tree)",
        "frozen",  # checkpoints refuse all: no column
    ]
    shown = texts(table)
    assert set(shown) == set(NAMES)
    assert shown["branch on values"] == ["1", "-0.624, 0.909", RIGHT, RIGHT, REFUSES, FROZEN]
    cells = {row[0].text: row for row in table.cells()}
    assert "y = y * x[1]" in cells["while loop on values"][0].code
    assert cells["while loop on values"][0].more[0].startswith("By hand: a formula, once")
    assert cells["branch on values"][6].tone == "bad"
    assert cells["branch on values"][6].more == ("it misses by 7.28 of the largest entry",)
    assert counts.columns[-1].title == "right, of 6 whose path values decide"
    assert texts(counts)["symbolic (tree)"] == ["6", "0", "0", "6", "0"]
    assert texts(counts)["frozen"] == ["5", "5", "0", "2", "0"]
    assert texts(counts)["reverse"] == ["10", "0", "0", "2", "5"]
    none = "symbolic: f has no closed form, a loop or branch depends on values"
    assert texts(refusals)[none][1] == "symbolic (tree)"
    assert set(texts(refusals)[none][0].split(", ")) == BY_VALUES
    checkpoints = "reverse_checkpointed: f offers no start, step and finish"
    assert texts(refusals)[checkpoints] == ["all", "checkpointed (4)"]
    assert "by the implicit function theorem, lies 4.14e-4" in beside.items[0]
    assert beside.items[1:] == ("autograd: timeout, not done",)


def test_without_its_methods_a_claim_is_open() -> None:
    _, claims, *_ = PAGE.render(Run([*STUDY.run(), *rows_of("reverse")]))
    assert [row[0] for row in texts(claims).values()] == ["not decidable here"] * 2


def test_a_symbolic_answer_where_values_decide_ends_the_claim() -> None:
    rows = [
        replace_unit(row) if row.key.startswith("answer|root finding") else row
        for row in rows_of("symbolic[cse=no]")
    ]
    _, claims, *_ = PAGE.render(Run([*STUDY.run(), *rows]))
    assert texts(claims)["Symbolic differentiation requires a closed form."][0] == "does not hold"


def replace_unit(row: StudyRow) -> StudyRow:
    return StudyRow(study=row.study, key=row.key, value=0.0, unit=RIGHT)


def test_without_the_study_the_page_says_so() -> None:
    (text,) = PAGE.render(Run([]))
    assert text.paragraphs == ("The study programs is not in this run.",)

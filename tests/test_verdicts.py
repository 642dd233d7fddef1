"""The grid of verdicts: our own methods are exact, and all that others miss stands in a table."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable

import pytest
import verdict_grid as grid
from expected_verdicts import DEVIATIONS

from diffbench.problem import Instance

FAMILIES = sorted(grid.plugins().families)
WHOLE = ("manual", "forward", "reverse")  # what they cannot answer, nobody wrote
PLAIN = (*WHOLE, "reverse_checkpointed[slots=4]")
COMPILED = ("compiled_forward", "compiled_reverse", "sparse_forward", "sparse_reverse")
OTHERS = (
    "autograd",
    "jax[mode=forward]",
    "jax[mode=reverse]",
    "symbolic[cse=no]",
    "symbolic[cse=yes]",
)
SMALLEST, MIDDLE = 0, 1  # of a family's three sizes

Cells = Iterable[tuple[Instance, str]]


def all_cells(family: str) -> Cells:
    """Three sizes, three seeds, every operator."""
    for seed in grid.SEEDS:
        for instance in grid.tiny(family, seed):
            for operator in grid.asked(instance):
                yield instance, operator


def few_cells(family: str, *operators: str, size: int = MIDDLE) -> Cells:
    """One size and seed, the whole derivative and those operators: for what must be compiled."""
    instance = grid.tiny(family, 0)[size]
    for operator in ("gradient" if instance.scalar else "jacobian", *operators):
        if operator in grid.asked(instance):
            yield instance, operator


# --- our own -------------------------------------------------------------------------------------


def _check_own(methods: Iterable[str], cells: Cells) -> Counter[str]:
    """Every answer is exact or uninformative outside of what the instance declares."""
    answered: Counter[str] = Counter()
    for instance, operator in cells:
        for name in methods:
            verdict, reason = grid.outcome(grid.method_of(name), instance, operator)
            if verdict == "unsupported":
                assert name not in WHOLE or _nobody_wrote(name, instance, operator), reason
                continue
            declared = operator in instance.expected
            assert verdict in grid.FINE or declared, (
                f"{name}: {operator} of {instance.name}, seed {instance.seed}: {verdict}, {reason}"
            )
            answered[name] += verdict == "exact to rounding"
    return answered


def _nobody_wrote(name: str, instance: Instance, operator: str) -> bool:
    return name == "manual" and operator not in {"value", *instance.answers}


@pytest.mark.parametrize("family", FAMILIES)
def test_manual_and_own_modes_are_exact_everywhere(family: str) -> None:
    answered = _check_own(PLAIN, all_cells(family))
    assert min(answered[name] for name in WHOLE) >= 9  # most are not uninformative


@pytest.mark.parametrize("family", FAMILIES)
def test_own_compiled_methods_are_exact(family: str) -> None:
    assert _check_own(COMPILED, few_cells(family))["compiled_reverse"] == 1
    _check_own(["compiled_reverse"], few_cells(family, "hvp"))


@pytest.mark.nightly
@pytest.mark.parametrize("family", FAMILIES)
def test_own_compiled_methods_are_exact_everywhere(family: str) -> None:
    assert _check_own(COMPILED, all_cells(family))["compiled_reverse"] >= 9


# --- others --------------------------------------------------------------------------------------


def _check_others(methods: Iterable[str], cells: Cells) -> None:
    """Each cell ends as the table says: with the verdict of its row, or fine without one."""
    for instance, operator in cells:
        for name in methods if operator != "value" else ():
            rows = [row for row in DEVIATIONS if row.holds(name, instance, operator)]
            assert len(rows) <= 1, f"two rows for {name}, {operator} of {instance.name}: {rows}"
            verdict, reason = grid.outcome(grid.method_of(name), instance, operator)
            expected = {row.verdict for row in rows} or set(grid.FINE)
            assert verdict in expected, (
                f"{name}: {operator} of {instance.name}, seed {instance.seed} is {verdict} "
                f"({reason}); tests/expected_verdicts.py says {' or '.join(sorted(expected))}"
            )


def _needed(methods: Iterable[str]) -> None:
    for name in methods:
        for package in grid.method_of(name).requires:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"needs {package}")


@pytest.mark.parametrize("family", FAMILIES)
def test_autograd_deviates_as_the_table_says(family: str) -> None:
    _needed(["autograd"])
    _check_others(["autograd"], all_cells(family))


@pytest.mark.parametrize("method", ["jax[mode=reverse]", "symbolic[cse=yes]"])
@pytest.mark.parametrize("family", FAMILIES)
def test_others_deviate_as_the_table_says(family: str, method: str) -> None:
    _needed([method])
    _check_others([method], few_cells(family, size=SMALLEST))


@pytest.mark.nightly
@pytest.mark.parametrize("family", FAMILIES)
def test_jax_deviates_as_the_table_says_in_second_order_and_forward_mode(family: str) -> None:
    modes = OTHERS[1:3]
    _needed(modes)
    _check_others(modes, few_cells(family, "hvp"))


@pytest.mark.nightly
@pytest.mark.parametrize("method", OTHERS[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_others_deviate_everywhere_as_the_table_says(family: str, method: str) -> None:
    _needed([method])
    _check_others([method], all_cells(family))


def test_every_row_is_of_the_grid_and_says_why() -> None:
    """Each names cells that exist, so that a row which no longer deviates is found out."""
    for row in DEVIATIONS:
        cells = all_cells(row.family)
        assert any(row.holds(name, *cell) for cell in cells for name in OTHERS), row
        assert row.verdict in ("degraded", "wrong", "failed", "unsupported"), row
        assert len(row.cause.split()) >= 4, row

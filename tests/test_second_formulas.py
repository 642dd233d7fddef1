"""Every family's derivatives by a second way: enclosures overlap, and by hand they are exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import second_formulas as second
import verdict_grid as grid
from flint import arb

from diffbench.measure.accuracy import judge
from diffbench.measure.reference import enclosure, precision
from diffbench.problem import Instance

BITS = 192
TIGHT = 2.0**-90  # of the largest entry
FAMILIES = sorted(grid.plugins().families)


def _flat(answer: Any) -> list[Any]:
    return [b if isinstance(b, arb) else arb(float(b)) for b in np.ravel(answer)]


def _overlap(one: Any, other: Any) -> None:
    """Both are tight, and each entry's balls have a number in common."""
    pairs = list(zip(_flat(one), _flat(other), strict=True))
    scale = max(abs(float(a.mid())) for a, _ in pairs)
    for a, b in pairs:
        assert a.overlaps(b), (a, b)
        for ball in (a, b):
            assert float(ball.rad()) <= TIGHT * scale, ball


def test_every_family_has_a_second_formula_or_says_why_not() -> None:
    for name in FAMILIES:
        assert (name in second.CLOSED) != (name in second.NO_FORM), (
            f"family {name!r}: add a second form of its derivative to CLOSED of "
            "tests/second_formulas.py, or to NO_FORM why there is none"
        )
    assert set(second.CLOSED) | set(second.NO_FORM) == set(FAMILIES)


@pytest.mark.parametrize("name", second.CLOSED)
def test_closed_forms_and_references_overlap(name: str) -> None:
    """Several sizes and seeds, value and all derivatives; and by hand they are exact to both."""
    for seed in grid.SEEDS:
        for instance in grid.tiny(name, seed):
            with precision(BITS):
                forms = second.CLOSED[name](instance)
            for operator, form in forms.items():
                with precision(BITS):
                    _overlap(enclosure(instance, operator, BITS), form)
                _by_hand(instance, operator, form)


def _by_hand(instance: Instance, operator: str, form: Any) -> None:
    """The answer by hand (of value: f itself) against the form, with the condition of f."""
    proven = grid.PROOFS.of(instance, operator)
    middle = np.array([float(b.mid()) for b in _flat(form)]).reshape(proven.hi.shape)
    nothing = np.zeros_like(middle)
    reference = replace(proven, hi=middle, lo=nothing, radius=nothing)
    judged = judge(instance.answer(operator), reference)
    assert judged.verdict == "exact to rounding", (instance.name, operator, judged.verdict_reason)


@pytest.mark.parametrize("name", FAMILIES)
def test_power_series_of_f_and_references_overlap(name: str) -> None:
    """Along a direction: J v of each, and v'H v where f is scalar."""
    for instance in grid.tiny(name, 1):
        with precision(BITS):
            first, bend = second.along(instance, instance.v)
            _overlap(enclosure(instance, "jvp", BITS), first)
            if instance.scalar:
                hv = enclosure(instance, "hvp", BITS)
                v = [arb(float(a)) for a in instance.v]
                _overlap(sum((a * b for a, b in zip(_flat(hv), v, strict=True)), arb(0)), bend)

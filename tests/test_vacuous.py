"""No reference is vacuous: what is not declared zero is not, and zeros are wrong there."""

from __future__ import annotations

import numpy as np
import pytest
import verdict_grid as grid

from diffbench.measure.accuracy import judge
from diffbench.measure.reference import Reference, certify
from diffbench.operators import OPERATORS
from diffbench.problem import Instance

FAMILIES = sorted(grid.plugins().families)
SMALLEST = 1e-8  # of the scale
MOST_WORK = 3000  # entries of a quick instance's answer: its proof takes a moment


def scale(instance: Instance, operator: str) -> float:
    """The size that a derivative has where f changes by itself as x does: |f| / |x|^order.

    In largest entries; times that of the seed, where there is one. A derivative much smaller than
    this is nothing but the rounding of f: no answer could be told from zero.
    """
    seed = instance.seed_of(operator)
    change = 1.0 if seed is None else float(np.max(np.abs(seed)))
    size = float(np.max(np.abs(instance.value())))
    return size / float(np.max(np.abs(instance.x))) ** OPERATORS[operator].order * change


def _check(instance: Instance, operator: str, proven: Reference) -> bool:
    """Whether the reference is certified; if so it is not vacuous."""
    if proven.claim != "certified":
        return False
    what = f"{operator} of {instance.name}, seed {instance.seed}"
    judged = judge(np.zeros(proven.shape), proven)
    norm = float(np.max(np.abs(proven.hi)))
    if operator in instance.zero:
        assert norm == 0.0, f"{what} is declared zero and is {norm:.1e}"
        assert judged.verdict == "exact to rounding"
        return True
    limit = SMALLEST * scale(instance, operator)
    assert norm > limit, f"{what} is {norm:.1e}, at most {limit:.1e}: a vacuous reference"
    assert judged.verdict in ("wrong", "uninformative"), what
    if judged.verdict == "uninformative":  # for its condition alone: no digit is left
        assert 4 * np.max(proven.rad53) > 1e-6 * norm, what
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_no_reference_of_a_tiny_or_quick_instance_is_vacuous(family: str) -> None:
    certified = 0
    for instance in (*grid.tiny(family, 0), *grid.plugins().instances(family, "quick")):
        for operator in grid.asked(instance):
            if np.prod(OPERATORS[operator].shape(instance.n, instance.y_shape)) <= MOST_WORK:
                proven = grid.PROOFS.of(instance, operator)
                certified += operator != "value" and _check(instance, operator, proven)
    assert certified >= 9


@pytest.mark.nightly
@pytest.mark.parametrize("family", FAMILIES)
def test_no_reference_of_a_standard_instance_is_vacuous(family: str) -> None:
    certified = 0
    for instance in grid.plugins().instances(family, "standard"):
        for operator in grid.asked(instance):
            if operator != "value":
                certified += _check(instance, operator, certify(instance, operator))
    assert certified >= 3  # a family may have one size by default

"""The cheap-gradient principle, in exact operation counts."""

from __future__ import annotations

import itertools

import pytest

from diffbench import ad
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
SCALAR = [i for i in FAMILIES.instances("all", "standard") if i.scalar and i.n <= 1024]
LEAST_OPERATIONS = 3  # below that a ratio says nothing: a product of two factors is one operation


@pytest.mark.parametrize("instance", SCALAR, ids=lambda i: i.name)
def test_gradient_takes_at_most_five_times_the_operations_of_f(instance: Instance) -> None:
    primal = ad.trace(instance.f, instance.x, *instance.constants).ops()
    gradient = ad.derivative_graph(instance.f, instance.x, "gradient", instance.constants).ops()
    assert gradient <= 5 * primal
    if primal >= LEAST_OPERATIONS:
        # numpy factors a matrix for its determinant and again for its inverse
        assert gradient <= (5 if instance.params.get("method") == "lu" else 4) * primal


def test_forward_pays_for_every_direction() -> None:
    """The tangent work of forward mode grows with n, the adjoint work does not."""
    ratios = {}
    for mode in ("forward", "reverse"):
        counts = [
            ad.derivative_graph(i.f, i.x, "gradient", mode=mode).ops() / ad.trace(i.f, i.x).ops()
            for i in FAMILIES.instances("lecture[n=2|8|32]")
        ]
        ratios[mode] = counts
    assert ratios["forward"][2] > 3.5 * ratios["forward"][1] > 3.5**2 * ratios["forward"][0] / 2
    assert max(ratios["reverse"]) < 2.0


def test_the_graph_of_the_logistic_map_grows_linearly() -> None:
    counts = [
        ad.derivative_graph(i.f, i.x, "gradient").ops()
        for i in FAMILIES.instances("logistic[depth=2:12]")
    ]
    assert {b - a for a, b in itertools.pairwise(counts)} == {8}

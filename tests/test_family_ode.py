"""The solver's steps: Taylor's series, order 4, and the parts of its loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def at(instance: Instance, x: list[float]) -> Instance:
    return replace(instance, x=np.array(x))


def butcher(x: Any, depth: int) -> Any:
    """The same steps from the tableau of the method, at 40 digits."""
    tableau = [[], [mp.mpf(1) / 2], [0, mp.mpf(1) / 2], [0, 0, 1]]
    a, b, c, d, prey, predators = x
    h, u = mp.mpf(2) / depth, [prey, predators]
    for _ in range(depth):
        k: list[Any] = []
        for row in tableau:
            p, q = (u[j] + h * sum(r * s[j] for r, s in zip(row, k, strict=True)) for j in (0, 1))
            k.append(((a - b * q) * p, (d * p - c) * q))
        u = [
            u[j] + h * sum(w * s[j] for w, s in zip((1, 2, 2, 1), k, strict=True)) / 6
            for j in (0, 1)
        ]
    return u


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("depth", [1, 3, 7])
def test_value_and_jacobian_from_the_tableau_at_forty_digits(depth: int, seed: int) -> None:
    instance = one(f"ode[depth={depth}]", seed)
    with mp.workdps(60):
        x, e = [mp.mpf(v) for v in instance.x.tolist()], mp.mpf(10) ** -20
        value = [float(v) for v in butcher(x, depth)]
        columns = []
        for j in range(6):
            up, down = ([v + s * e * (i == j) for i, v in enumerate(x)] for s in (1, -1))
            pairs = zip(butcher(up, depth), butcher(down, depth), strict=True)
            columns.append([float((p - q) / (2 * e)) for p, q in pairs])
    assert np.allclose(instance.value(), value, rtol=1e-14, atol=0)
    expected = np.array(columns).T
    assert np.allclose(instance.jacobian(), expected, rtol=1e-12, atol=1e-14)
    assert np.allclose(instance.jvp(), expected @ instance.v, rtol=1e-12, atol=1e-14)
    assert np.allclose(instance.vjp(), instance.w @ expected, rtol=1e-12, atol=1e-14)


def test_without_meetings_a_step_is_the_series_of_exp_to_fourth_order() -> None:
    alone = at(one("ode[depth=2]"), [0.5, 0.0, 1.0, 0.0, 3.0, 5.0])  # h = 1
    grow, die = 1 + 0.5 + 0.5**2 / 2 + 0.5**3 / 6 + 0.5**4 / 24, 1 - 1 + 1 / 2 - 1 / 6 + 1 / 24
    assert np.allclose(alone.value(), [3.0 * grow**2, 5.0 * die**2], rtol=1e-15)
    jacobian = alone.jacobian()
    slope = 1 + 0.5 + 0.5**2 / 2 + 0.5**3 / 6
    assert jacobian[0, 0] == pytest.approx(3.0 * 2.0 * grow * slope, rel=1e-15)
    assert jacobian[0, 4] == pytest.approx(grow**2, rel=1e-15)
    assert jacobian[1, 5] == pytest.approx(die**2, rel=1e-14)
    assert jacobian[0, 2] == jacobian[0, 3] == jacobian[1, 0] == jacobian[1, 1] == 0.0


def test_at_rest_nothing_moves() -> None:
    rest = at(one("ode[depth=5]"), [1.0, 2.0, 3.0, 4.0, 0.75, 0.5])
    assert rest.value().tolist() == [0.75, 0.5]
    assert np.all(rest.jacobian() != 0.0)


def test_the_derivative_is_of_the_steps_and_of_fourth_order() -> None:
    fine = one("ode[depth=1024]").jacobian()
    at_least = [np.max(np.abs(one(f"ode[depth={d}]").jacobian() - fine)) for d in (8, 16, 32)]
    ratios = np.array(at_least[:-1]) / at_least[1:]
    assert np.all((ratios > 12) & (ratios < 20))


def test_the_populations_and_their_invariant() -> None:
    instance = one("ode[depth=64]")
    a, b, c, d, prey, predators = instance.x.tolist()
    assert abs(a - b * predators) + abs(d * prey - c) > 0.01

    def invariant(p: float, q: float) -> float:
        return float(d * p - c * np.log(p) + b * q - a * np.log(q))

    p, q = instance.f(instance.x, NUMPY).tolist()
    assert invariant(p, q) == pytest.approx(invariant(prey, predators), rel=1e-7)


@pytest.mark.parametrize(
    ("selection", "words"),
    [("ode[depth=0]", ["depth >= 1", "got depth=0"]), ("ode[n=6]", ["'n'", "depth"])],
)
def test_impossible_sizes(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        one(selection)
    assert all(word in str(refused.value) for word in words)

"""The Brusselator: a step by Kronecker products, its point of rest, its pattern and colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
A, B, H, SPREAD = 1.0, 3.4, 0.03, 0.12


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def by_matrices(x: Any, cells: int, depth: int) -> tuple[Any, Any]:
    """Value and Jacobian: the Laplacian a Kronecker sum of circulants, the reaction diagonals."""
    line, unit, both = np.eye(cells), np.eye(cells), np.eye(2)
    second = np.roll(line, 1, 0) + np.roll(line, -1, 0) - 2.0 * line
    laplacian = np.kron(both, np.kron(second, unit) + np.kron(unit, second))
    jacobian = np.eye(x.size)
    for _ in range(depth):
        u, v = np.split(x, 2)
        uu, uv = u**2, 2.0 * u * v
        reaction = np.block([[np.diag(uv - B - 1.0), np.diag(uu)], [np.diag(B - uv), np.diag(-uu)]])
        jacobian = (np.eye(x.size) + laplacian * SPREAD + reaction * H) @ jacobian
        change = np.concatenate([A + uu * v - (B + 1.0) * u, B * u - uu * v])
        x = x + laplacian @ x * SPREAD + change * H
    return x, jacobian


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("cells", "depth"), [(2, 1), (3, 2), (5, 4)])
def test_against_kronecker_products(cells: int, depth: int, seed: int) -> None:
    instance = one(f"brusselator[cells={cells},depth={depth}]", seed)
    value, jacobian = by_matrices(instance.x, cells, depth)
    assert instance.n == instance.m == 2 * cells**2
    assert np.allclose(instance.value(), value, rtol=1e-14, atol=0)
    assert np.allclose(instance.jacobian(), jacobian, rtol=0, atol=1e-14)
    assert np.allclose(instance.jvp(), jacobian @ instance.v, rtol=0, atol=1e-13)
    assert np.allclose(instance.vjp(), instance.w @ jacobian, rtol=0, atol=1e-13)


def test_the_point_of_rest() -> None:
    instance = one("brusselator[cells=3,depth=4]")
    rest = np.repeat([A, B / A], 9)
    assert np.allclose(instance.f(rest, NUMPY, *instance.constants), rest, rtol=1e-15)


def test_spreading_keeps_the_sum_of_both() -> None:
    """u + v changes by h (a - u) a cell."""
    instance = one("brusselator[cells=4,depth=1]")
    gain = np.sum(A - instance.x[:16]) * H
    assert np.sum(instance.value()) - np.sum(instance.x) == pytest.approx(gain, rel=1e-11)


@pytest.mark.parametrize(("depth", "most"), [(1, 6), (2, 18)])
def test_few_nonzeros_a_row_whatever_n_is(depth: int, most: int) -> None:
    rows = np.count_nonzero(one(f"brusselator[cells=8,depth={depth}]").jacobian(), axis=1)
    assert rows.max() == most


def test_a_few_colours_whatever_n_is() -> None:
    for cells in (10, 20):
        instance = one(f"brusselator[cells={cells}]")
        plan = ad.sparse_jacobian(instance.f, "forward")
        answer = plan(instance.x, *instance.constants)
        assert answer.nnz == 6 * instance.n
        assert np.allclose(answer.toarray(), instance.jacobian(), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("brusselator[cells=1]", ["cells >= 2", "got cells=1"]),
        ("brusselator[depth=5]", ["depth <= 4", "got depth=5"]),
        ("brusselator[n=8]", ["'n'", "cells", "depth"]),
    ],
)
def test_impossible_sizes(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        one(selection)
    assert all(word in str(refused.value) for word in words)

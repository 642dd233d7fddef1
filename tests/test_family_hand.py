"""Hand tracking: 4 x 4 matrices bone by bone, the hand at rest, the pattern of its Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
HANDS = ["hand[fingers=1,points=1]", "hand[fingers=1,points=3]", "hand[fingers=3,points=7]"]


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def screw(axis: Any, joint: Any) -> Any:
    """The generator of a turn about an axis through a joint: its exponential is the turn."""
    x, y, z = axis
    hat = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.block([[hat, -(hat @ joint)[:, None]], [np.zeros((1, 4))]])


def one_by_one(instance: Instance) -> tuple[Any, Any]:
    """Value and Jacobian point by point: products of exponentials at the joints at rest."""
    fingers = int(instance.params["fingers"])
    axes, joints, corners, shares, measured = instance.constants
    x, split = instance.x, 3 + 3 * fingers
    value, jacobian = [], []
    for i, triangle in enumerate(corners):
        of, at = i % fingers, split + 2 * i
        u = x[at : at + 2]
        bends = x[3 + 3 * of : 6 + 3 * of]
        screws = [screw(axes[of], joints[of, k]) for k in range(3)]
        turns = [expm(bend * s) for bend, s in zip(bends, screws, strict=True)]
        rows = np.zeros((3, x.size))
        c, slopes = np.zeros((3, 3)), np.zeros((3, 3, 3))  # corner, (bend,) coordinate
        for corner in range(3):
            rest = np.append(triangle[corner], 1.0)
            for k in range(3):
                share = shares[i, corner, k]
                c[corner] += share * (np.linalg.multi_dot([np.eye(4), *turns[: k + 1]]) @ rest)[:3]
                for j in range(k + 1):
                    chain = [*turns[:j], screws[j], *turns[j : k + 1], rest]
                    slopes[corner, j] += share * np.linalg.multi_dot([np.eye(4), *chain])[:3]
        bary = np.array([u[0], u[1], 1.0 - u[0] - u[1]])
        rows[:, :3] = np.eye(3)
        rows[:, 3 + 3 * of : 6 + 3 * of] = np.einsum("c,cjd->dj", bary, slopes)
        rows[:, at : at + 2] = (c[:2] - c[2]).T
        value.append(x[:3] + bary @ c - measured[i])
        jacobian.append(rows)
    return np.concatenate(value), np.concatenate(jacobian)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("selection", HANDS)
def test_against_products_of_exponentials(selection: str, seed: int) -> None:
    instance = one(selection, seed)
    value, jacobian = one_by_one(instance)
    assert np.allclose(instance.value(), value, rtol=0, atol=1e-14)
    assert np.allclose(instance.jacobian(), jacobian, rtol=0, atol=1e-14)
    assert np.allclose(instance.jvp(), jacobian @ instance.v, rtol=0, atol=1e-13)
    assert np.allclose(instance.vjp(), instance.w @ jacobian, rtol=0, atol=1e-13)


def test_a_straight_hand_is_at_rest() -> None:
    instance = one("hand[fingers=2,points=5]")
    corners, measured = instance.constants[2], instance.constants[4]
    x = np.concatenate([[0.1, 0.2, 0.3], np.zeros(6), np.tile([1.0, 0.0], 5)])
    expected = np.array([0.1, 0.2, 0.3]) + corners[:, 0] - measured
    y = instance.f(x, NUMPY, *instance.constants)
    assert np.allclose(y, expected.reshape(-1), rtol=0, atol=1e-15)


def test_a_bent_finger_by_hand() -> None:
    """About x, the second joint at (0, 1, 0) bent by 90 degrees: (0, 2, 0) goes to (0, 1, 1)."""
    instance = one("hand[fingers=1,points=1]")
    joints = np.array([[[0.0, k, 0.0] for k in range(4)]])
    corners, shares = np.full((1, 3, 3), [0.0, 2.0, 0.0]), np.full((1, 3, 3), [0.0, 1.0, 0.0])
    data = (np.array([[1.0, 0.0, 0.0]]), joints, corners, shares, np.zeros((1, 3)))
    x = np.array([0.0, 0.0, 0.0, 0.0, np.pi / 2, 0.7, 0.2, 0.3])
    assert np.allclose(instance.f(x, NUMPY, *data), [0.0, 1.0, 1.0], rtol=0, atol=1e-15)
    bends = instance.answers["jacobian"](x, *data)[:, 3:6]
    expected = [[0.0, 0.0, 0.0], [-1.0, -1.0, 0.0], [1.0, 0.0, 0.0]]
    assert np.allclose(bends, expected, rtol=0, atol=1e-15)


def test_sizes_and_pattern() -> None:
    """A row has one of the shift, three bends and two of its point; all of it in its place."""
    instance = one("hand[fingers=3,points=20]")
    assert (instance.n, instance.m) == (3 + 9 + 40, 60)
    assert np.all(np.count_nonzero(instance.jacobian(), axis=1) == 6)
    answer = ad.sparse_jacobian(instance.f, "forward")(instance.x, *instance.constants)
    assert answer.nnz == 6 * 60
    assert np.allclose(answer.toarray(), instance.jacobian(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("hand[fingers=0]", ["fingers >= 1", "got fingers=0"]),
        ("hand[points=0]", ["points >= 1", "got points=0"]),
        ("hand[n=8]", ["'n'", "fingers", "points"]),
    ],
)
def test_impossible_sizes(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        one(selection)
    assert all(word in str(refused.value) for word in words)

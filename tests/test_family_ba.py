"""Bundle adjustment: the matrix exponential, another formula of the turn, 31 nonzeros."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
SCENES = ["ba[cameras=2,points=1]", "ba[cameras=2,points=3]", "ba[cameras=5,points=9]"]


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = FAMILIES.instances(selection, seed=seed)
    return instance


def hat(r: Any) -> Any:
    return np.array([[0.0, -r[2], r[1]], [r[2], 0.0, -r[0]], [-r[1], r[0], 0.0]])


def turn(r: Any) -> Any:
    """The exponential of the skew matrix of r, at 40 digits."""
    with mp.workdps(40):
        return np.array(mp.expm(mp.matrix(hat(r).tolist())).tolist(), dtype=float)


def one_by_one(instance: Instance) -> tuple[Any, Any]:
    """Value and Jacobian, an observation after the other.

    The turn's derivative is -R [d] (r r' + (R' - I) [r]) / r'r. Source: Gallego and Yezzi, A
    compact formula for the derivative of a 3-D rotation in exponential coordinates, 2015.
    """
    cameras, points = (int(instance.params[key]) for key in ("cameras", "points"))
    x, (pixels,) = instance.x, instance.constants
    value, jacobian = np.zeros(6 * points), np.zeros((6 * points, x.size))
    for i in range(2 * points):
        p = i // 2
        at_c, at_p = 11 * ((p + i % 2) % cameras), 11 * cameras + 3 * p
        at_w = 11 * cameras + 3 * points + i
        r, centre, focal, principal, (k1, k2) = np.split(x[at_c : at_c + 11], [3, 6, 7, 9])
        d, w, rotation = x[at_p : at_p + 3] - centre, x[at_w], turn(r)
        y = rotation @ d
        q = y[:2] / y[2]
        s = q @ q
        scale = 1.0 + k1 * s + k2 * s**2
        error = focal * scale * q + principal - pixels[i]
        of_q = focal * (scale * np.eye(2) + np.outer(q, (2 * k1 + 4 * k2 * s) * q))
        of_y = of_q @ np.array([[1.0, 0.0, -q[0]], [0.0, 1.0, -q[1]]]) / y[2]
        slope = -rotation @ hat(d) @ (np.outer(r, r) + (rotation.T - np.eye(3)) @ hat(r)) / (r @ r)
        rows = jacobian[2 * i : 2 * i + 2]
        rows[:, at_c : at_c + 3], rows[:, at_c + 3 : at_c + 6] = of_y @ slope, -of_y @ rotation
        rows[:, at_c + 6], rows[:, at_c + 7 : at_c + 9] = scale * q, np.eye(2)
        rows[:, at_c + 9], rows[:, at_c + 10] = focal * s * q, focal * s**2 * q
        rows[:, at_p : at_p + 3] = of_y @ rotation
        rows *= w
        rows[:, at_w] = error
        value[2 * i : 2 * i + 2] = w * error
        value[4 * points + i], jacobian[4 * points + i, at_w] = 1.0 - w**2, -2.0 * w
    return value, jacobian


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("selection", SCENES)
def test_against_one_observation_after_the_other(selection: str, seed: int) -> None:
    instance = one(selection, seed)
    value, jacobian = one_by_one(instance)
    assert np.allclose(instance.value(), value, rtol=0, atol=1e-14)
    assert np.allclose(instance.jacobian(), jacobian, rtol=0, atol=1e-13)
    assert np.allclose(instance.jvp(), jacobian @ instance.v, rtol=0, atol=1e-13)
    assert np.allclose(instance.vjp(), instance.w @ jacobian, rtol=0, atol=1e-12)


def test_sizes_and_nonzeros() -> None:
    """31 an observation, of which the two beside the principal point's ones are 0."""
    instance = one("ba[cameras=5,points=9]")
    assert (instance.n, instance.m) == (11 * 5 + 5 * 9, 6 * 9)
    observations = 2 * 9
    assert np.count_nonzero(instance.jacobian()) == (31 - 2) * observations


def test_a_quarter_turn_by_hand() -> None:
    """Turned about the line of sight by 90 degrees, (1, 2, 4) - 0 is seen at (-2, 1) / 4."""
    instance = one("ba[cameras=2,points=1]")
    camera = [0.0, 0.0, np.pi / 2, 0.0, 0.0, 0.0, 2.0, 0.5, 0.25, 0.0, 0.0]
    x = np.array([*camera, *camera, 1.0, 2.0, 4.0, 1.0, 3.0])
    y = instance.f(x, NUMPY, np.zeros((2, 2)))
    assert np.allclose(y, [-0.5, 0.75, -1.5, 2.25, 0.0, -8.0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_scenes_lie_before_turned_cameras(seed: int) -> None:
    instance = one("ba[cameras=16,points=64]", seed)
    for x in (instance.x, instance.prepare_x):
        cameras, points = x[: 11 * 16].reshape(16, 11), x[11 * 16 : 11 * 16 + 192].reshape(64, 3)
        angles = np.linalg.norm(cameras[:, :3], axis=1)
        assert np.all((angles >= 1.0) & (angles < 2.1))
        for camera in cameras:
            assert np.all((points - camera[3:6]) @ turn(camera[:3])[2] > 0.5)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("ba[cameras=1]", ["cameras >= 2", "got cameras=1"]),
        ("ba[points=0]", ["points >= 1", "got points=0"]),
        ("ba[n=27]", ["'n'", "cameras", "points"]),
    ],
)
def test_impossible_sizes(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        one(selection)
    assert all(word in str(refused.value) for word in words)

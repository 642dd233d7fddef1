"""Bundle adjustment: cameras and points that are to agree with what the cameras saw."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
CAMERA = 11  # rotation vector 3, centre 3, focal length, principal point 2, distortion 2
VIEWS = 2  # cameras that see a point


def _seen(cameras: int, points: int) -> tuple[Any, Any]:
    """The camera and the point of each observation: camera p + j sees point p for j < VIEWS."""
    i = np.arange(VIEWS * points)
    point = i // VIEWS
    return (point + i % VIEWS) % cameras, point


def _parts(x: Any, xp: Any, cameras: int, points: int) -> tuple[Any, Any, Any]:
    """Cameras (cameras, 11), points (points, 3) and a weight for each observation."""
    split = CAMERA * cameras
    end = split + 3 * points
    return xp.reshape(x[:split], (cameras, CAMERA)), xp.reshape(x[split:end], (points, 3)), x[end:]


def _cross(a: Any, b: Any, xp: Any) -> Any:
    """The vector products of the rows."""
    a0, a1, a2 = (a[:, j] for j in range(3))
    b0, b1, b2 = (b[:, j] for j in range(3))
    return xp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=1)


def _turned(r: Any, d: Any, xp: Any) -> Any:
    """d turned by the angle |r| about r: Rodrigues' formula, row by row."""
    angle = xp.sqrt(xp.sum(r * r, axis=1, keepdims=True))
    axis = r / angle
    cos = xp.cos(angle)
    along = xp.sum(axis * d, axis=1, keepdims=True) * (1.0 - cos)
    return cos * d + xp.sin(angle) * _cross(axis, d, xp) + along * axis


def f(x: Any, xp: Any, pixels: Any, *, cameras: int, points: int) -> Any:
    """w (focal (1 + k1 s + k2 s^2) p + principal - pixel), p = projection, s = p'p; 1 - w^2."""
    all_cameras, all_points, weights = _parts(x, xp, cameras, points)
    camera, point = _seen(cameras, points)
    c = xp.take(all_cameras, xp.asarray(camera), axis=0)
    d = xp.take(all_points, xp.asarray(point), axis=0) - c[:, 3:6]
    y = _turned(c[:, :3], d, xp)
    p = y[:, :2] / y[:, 2:]
    s = xp.sum(p * p, axis=1, keepdims=True)
    bent = (1.0 + c[:, 9:10] * s + c[:, 10:] * (s * s)) * p
    error = c[:, 6:7] * bent + c[:, 7:9] - pixels
    missed = xp.reshape(weights, (-1, 1)) * error
    return xp.concat([xp.reshape(missed, (-1,)), 1.0 - weights * weights])


# --- by hand ---------------------------------------------------------------------------------


class Blocks(NamedTuple):
    """The nonzeros of the Jacobian: each observation's rows, and the last row of its weight."""

    camera: Array  # (k, 2, 11)
    point: Array  # (k, 2, 3)
    weight: Array  # (k, 2)
    weights: Array  # (k,)


def _turn(r: Array, d: Array) -> tuple[Array, Array]:
    """R and the derivative of R d by r, each (k, 3, 3).

    R d = cos d + b r x d + g r (r'd) with b = sin / angle, g = (1 - cos) / angle^2, whose slopes
    by the angle are (cos - b) / angle and (b - 2 g) / angle.
    """
    square = np.sum(r * r, axis=1)[:, None, None]
    angle, unit = np.sqrt(square), np.eye(3)
    cos, b = np.cos(angle), np.sin(angle) / angle
    g = 2.0 * np.sin(0.5 * angle) ** 2 / square
    hat = -np.cross(r[:, None, :], unit)  # hat z = r x z
    turn = cos * unit + b * hat + g * r[:, :, None] * r[:, None, :]
    dot = np.sum(r * d, axis=1)[:, None, None]
    of_angle = -b * d[:, :, None] + ((cos - b) / square) * np.cross(r, d)[:, :, None]
    of_angle += ((b - 2.0 * g) / square) * dot * r[:, :, None]
    slope = of_angle * r[:, None, :] + b * np.cross(d[:, None, :], unit)
    return turn, slope + g * (dot * unit + r[:, :, None] * d[:, None, :])


def _blocks(x: Array, pixels: Array, cameras: int, points: int) -> Blocks:
    """The chain rule through turn, projection and distortion, for all observations at once."""
    all_cameras, all_points, w = _parts(x, np, cameras, points)
    camera, point = _seen(cameras, points)
    c = all_cameras[camera]
    r, focal, k1, k2 = c[:, :3], c[:, 6:7], c[:, 9:10], c[:, 10:]
    d = all_points[point] - c[:, 3:6]
    turn, turn_slope = _turn(r, d)
    y = (turn @ d[:, :, None])[:, :, 0]
    p = y[:, :2] / y[:, 2:]
    s = np.sum(p * p, axis=1, keepdims=True)
    scale = 1.0 + k1 * s + k2 * (s * s)
    of_p = scale[:, :, None] * np.eye(2)
    of_p = of_p + (2.0 * (k1 + 2.0 * k2 * s))[:, :, None] * (p[:, :, None] * p[:, None, :])
    wide = np.concatenate([np.broadcast_to(np.eye(2), (len(p), 2, 2)), -p[:, :, None]], axis=2)
    of_y = (w[:, None] * focal / y[:, 2:])[:, :, None] * (of_p @ wide)
    of_point = of_y @ turn
    lens = np.stack([s, s * s], axis=2) * p[:, :, None]
    shift = np.broadcast_to(w[:, None, None] * np.eye(2), (len(p), 2, 2))
    bent = w[:, None, None] * (scale * p)[:, :, None]
    own = [of_y @ turn_slope, -of_point, bent, shift, (w[:, None] * focal)[:, :, None] * lens]
    error = focal * (scale * p) + c[:, 7:9] - pixels
    return Blocks(np.concatenate(own, axis=2), of_point, error, -2.0 * w)


def jacobian(x: Array, pixels: Array, *, cameras: int, points: int) -> Array:
    """Every block in its place."""
    blocks = _blocks(x, pixels, cameras, points)
    camera, point = _seen(cameras, points)
    k, i = len(point), np.arange(len(point))
    out = np.zeros((3 * k, x.size))
    rows = out[: 2 * k].reshape(k, 2, x.size)
    split = CAMERA * cameras
    end = split + 3 * points
    rows[:, :, :split].reshape(k, 2, cameras, CAMERA)[i, :, camera] = blocks.camera
    rows[:, :, split:end].reshape(k, 2, points, 3)[i, :, point] = blocks.point
    rows[i, :, end + i] = blocks.weight
    out[2 * k + i, end + i] = blocks.weights
    return out


def jvp(x: Array, v: Array, pixels: Array, *, cameras: int, points: int) -> Array:
    """Each observation's blocks times its parts of v."""
    blocks = _blocks(x, pixels, cameras, points)
    camera, point = _seen(cameras, points)
    of_cameras, of_points, of_weights = _parts(v, np, cameras, points)
    moved = blocks.camera @ of_cameras[camera][:, :, None]
    moved += blocks.point @ of_points[point][:, :, None]
    moved += (blocks.weight * of_weights[:, None])[:, :, None]
    return np.concatenate([moved.reshape(-1), blocks.weights * of_weights])


def vjp(x: Array, w: Array, pixels: Array, *, cameras: int, points: int) -> Array:
    """Each observation's parts of w times its blocks, added up by camera and by point."""
    blocks = _blocks(x, pixels, cameras, points)
    camera, point = _seen(cameras, points)
    rows = w[: 2 * len(point)].reshape(-1, 1, 2)
    of_cameras, of_points = np.zeros((cameras, CAMERA)), np.zeros((points, 3))
    np.add.at(of_cameras, camera, (rows @ blocks.camera)[:, 0])
    np.add.at(of_points, point, (rows @ blocks.point)[:, 0])
    of_weights = (rows @ blocks.weight[:, :, None])[:, 0, 0] + blocks.weights * w[2 * len(point) :]
    return np.concatenate([of_cameras.reshape(-1), of_points.reshape(-1), of_weights])


# --- sizes -----------------------------------------------------------------------------------

LOW = np.array([-0.3, -0.3, 1.0, -0.5, -0.5, -4.5, 1.0, -0.1, -0.1, 0.05, 0.01])
HIGH = np.array([0.3, 0.3, 2.0, 0.5, 0.5, -3.5, 2.0, 0.1, 0.1, 0.2, 0.05])


def _scene(cameras: int, points: int, rng: np.random.Generator) -> Array:
    """Cameras turned by 1 to 2 about an axis near that of sight, 4 before points of size 1."""
    parts = (
        rng.uniform(LOW, HIGH, (cameras, CAMERA)),
        rng.uniform(-1.0, 1.0, (points, 3)),
        rng.uniform(0.5, 1.0, VIEWS * points),
    )
    return np.concatenate([part.reshape(-1) for part in parts])


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """A first guess: the pixels are where they may, far from what the cameras predict."""
    size = {"cameras": params["cameras"], "points": params["points"]}
    answers: dict[str, Function] = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp}
    return Parts(
        f=partial(f, **size),
        x=_scene(**size, rng=rng),
        prepare_x=_scene(**size, rng=rng),
        constants=(rng.uniform(-1.0, 1.0, (VIEWS * params["points"], 2)),),
        m=3 * VIEWS * params["points"],
        answers={name: partial(each, **size) for name, each in answers.items()},
    )


FAMILY = Family(
    name="ba",
    title="Bundle adjustment",
    shows="a block-sparse Jacobian: 31 entries an observation, however many cameras and points",
    reference="Triggs, McLauchlan, Hartley and Fitzgibbon, Bundle adjustment, 2000",
    latex=(
        r"f = \bigl(w_i (\phi_c (1 + \kappa_1 s + \kappa_2 s^2) p + \pi_c - z_i),"
        r" \; 1 - w_i^2\bigr)_i, \quad s = p^\top p, \quad"
        r" p = \frac{y_{1,2}}{y_3}, \quad y = R(r_c) (X_p - C_c)"
    ),
    parameters={
        "cameras": Parameter(2, "cameras of 11 numbers, seen by two each point", minimum=2),
        "points": Parameter(2, "points; n = 11 cameras + 5 points, m = 6 points", minimum=1),
    },
    sizes={
        "quick": "cameras=2,points=1|4",
        "standard": "cameras=2,points=8",
        "full": "cameras=2|8|32|128,points=4|64|1024|16384",
    },
    build=build,
    sparse=frozenset({"jacobian"}),
)

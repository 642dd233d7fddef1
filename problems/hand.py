"""A hand's skin over the bones of its fingers: where points on it are, and were measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
BONES = 3  # of a finger; all its joints bend about one axis


def _cross(a: Any, b: Any, xp: Any) -> Any:
    """The vector products over the last axis."""
    a0, a1, a2 = (a[..., j] for j in range(3))
    b0, b1, b2 = (b[..., j] for j in range(3))
    return xp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)


def _skin(x: Any, xp: Any, axes: Any, joints: Any, corners: Any, shares: Any, fingers: int) -> Any:
    """The three moved corners of every triangle, shape (points, 3, 3), by linear blending.

    Bone k turns by the sum of the first k bends; its joint is carried by the bone before it.
    """
    points = corners.shape[0]
    of = xp.asarray(np.arange(points) % fingers)
    bends = xp.reshape(x[3 : 3 + BONES * fingers], (fingers, BONES))
    axis, angle = xp.take(axes, of, axis=0), 0.0
    joint = xp.take(joints, of, axis=0)
    place, total = joint[:, 0, :], 0.0
    for k in range(BONES):
        angle = angle + xp.take(bends[:, k], of, axis=0)
        cos, sin = xp.cos(angle), xp.sin(angle)
        arms = xp.concat([corners, joint[:, k + 1 : k + 2, :]], axis=1) - joint[:, k : k + 1, :]
        turned = _turned(xp.expand_dims(axis, axis=1), arms, cos, sin, xp)
        moved = xp.expand_dims(place, axis=1) + turned[:, :3, :]
        total = total + shares[:, :, k : k + 1] * moved
        place = place + turned[:, 3, :]
    return total


def _turned(axis: Any, d: Any, cos: Any, sin: Any, xp: Any) -> Any:
    """d turned about a unit axis: cos d + sin axis x d + (1 - cos) axis (axis'd)."""
    cos, sin = xp.reshape(cos, (-1, 1, 1)), xp.reshape(sin, (-1, 1, 1))
    along = xp.sum(axis * d, axis=2, keepdims=True)
    return cos * d + sin * _cross(axis, d, xp) + ((1.0 - cos) * along) * axis


def f(
    x: Any,
    xp: Any,
    axes: Any,
    joints: Any,
    corners: Any,
    shares: Any,
    measured: Any,
    *,
    fingers: int,
) -> Any:
    """Shift + c_2 + u_0 (c_0 - c_2) + u_1 (c_1 - c_2) - measured, of the moved corners c."""
    c = _skin(x, xp, axes, joints, corners, shares, fingers)
    u = xp.reshape(x[3 + BONES * fingers :], (-1, 2))
    last = c[:, 2, :]
    on_skin = last + u[:, :1] * (c[:, 0, :] - last) + u[:, 1:] * (c[:, 1, :] - last)
    return xp.reshape(x[:3] + on_skin - measured, (-1,))


# --- by hand ---------------------------------------------------------------------------------


def _blocks(x: Array, data: tuple[Array, ...], fingers: int) -> tuple[Array, Array]:
    """The derivatives by the bends of the own finger and by u: (points, 3, 3), (points, 3, 2).

    A bend at joint j turns all that hangs on it: the sum of axis x (moved - joint j), by shares.
    """
    axes, joints, corners, shares, _ = data
    of = np.arange(len(corners)) % fingers
    u = x[3 + BONES * fingers :].reshape(-1, 2)
    bary = np.column_stack([u, 1.0 - u[:, 0] - u[:, 1]])
    angles = np.cumsum(x[3 : 3 + BONES * fingers].reshape(fingers, BONES), axis=1)[of]
    axis, joint = axes[of][:, None, :], joints[of]
    places, bones = [joint[:, 0]], []
    for k in range(BONES):
        cos, sin = np.cos(angles[:, k]), np.sin(angles[:, k])
        arms = np.concatenate([corners, joint[:, k + 1 : k + 2]], axis=1) - joint[:, k : k + 1]
        turned = _turned(axis, arms, cos, sin, np)
        bones.append(places[k][:, None] + turned[:, :3])
        places.append(places[k] + turned[:, 3])
    moved = np.stack(bones, axis=1)  # (points, bone, corner, 3)
    c = np.einsum("pck,pkcd->pcd", shares, moved)
    by_bone = np.einsum("pc,pck->pck", bary, shares)
    bend = np.empty((len(corners), 3, BONES))
    for j in range(BONES):
        arms = moved[:, j:] - places[j][:, None, None]
        arm = np.einsum("pck,pkcd->pd", by_bone[:, :, j:], arms)
        bend[:, :, j] = np.cross(axis[:, 0], arm)
    return bend, np.stack([c[:, 0] - c[:, 2], c[:, 1] - c[:, 2]], axis=2)


def jacobian(x: Array, *data: Array, fingers: int) -> Array:
    """The shift's ones, the bends of the own finger and the two columns of the own u."""
    bend, slide = _blocks(x, data, fingers)
    i, split = np.arange(len(bend)), 3 + BONES * fingers
    out = np.zeros((len(bend), 3, x.size))
    out[:, :, :3] = np.eye(3)
    out[:, :, 3:split].reshape(-1, 3, fingers, BONES)[i, :, i % fingers] = bend
    out[:, :, split:].reshape(-1, 3, len(bend), 2)[i, :, i] = slide
    return out.reshape(-1, x.size)


def jvp(x: Array, v: Array, *data: Array, fingers: int) -> Array:
    """Each point's blocks times its parts of v."""
    bend, slide = _blocks(x, data, fingers)
    split = 3 + BONES * fingers
    of = np.arange(len(bend)) % fingers
    bent = bend @ v[3:split].reshape(fingers, BONES)[of][:, :, None]
    slid = slide @ v[split:].reshape(-1, 2)[:, :, None]
    return np.asarray((v[:3] + (bent + slid)[:, :, 0]).reshape(-1))


def vjp(x: Array, w: Array, *data: Array, fingers: int) -> Array:
    """Each point's part of w times its blocks, added up by finger."""
    bend, slide = _blocks(x, data, fingers)
    rows = w.reshape(-1, 1, 3)
    bends = np.zeros((fingers, BONES))
    np.add.at(bends, np.arange(len(bend)) % fingers, (rows @ bend)[:, 0])
    shift = np.sum(rows[:, 0], axis=0)
    return np.concatenate([shift, bends.reshape(-1), (rows @ slide).reshape(-1)])


# --- sizes -----------------------------------------------------------------------------------


def _pose(fingers: int, points: int, rng: np.random.Generator) -> Array:
    """A shift, fingers half closed, and points inside of their triangles."""
    shift, bends = rng.uniform(-0.5, 0.5, 3), rng.uniform(0.2, 0.9, BONES * fingers)
    return np.concatenate([shift, bends, rng.uniform(0.1, 0.45, 2 * points)])


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Straight fingers side by side, with triangles around them blended over their bones."""
    fingers, points = params["fingers"], params["points"]
    axes = np.column_stack([np.ones(fingers), rng.uniform(-0.3, 0.3, (fingers, 2))])
    axes /= np.sqrt(np.sum(axes * axes, axis=1, keepdims=True))
    joints = rng.uniform(-0.1, 0.1, (fingers, BONES + 1, 3))
    joints[:, :, 0] += np.arange(fingers)[:, None]
    joints[:, :, 1] += np.arange(BONES + 1)
    of = np.arange(points) % fingers
    corners = joints[of, 0][:, None, :] + rng.uniform(
        [-0.3, 0.2, -0.3], [0.3, 3.0, 0.3], (points, 3, 3)
    )
    shares = rng.uniform(0.1, 1.0, (points, 3, BONES))
    shares /= np.sum(shares, axis=2, keepdims=True)
    measured = corners[:, 0] + rng.uniform(-1.0, 1.0, (points, 3))
    answers: dict[str, Function] = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp}
    return Parts(
        f=partial(f, fingers=fingers),
        x=_pose(fingers, points, rng),
        prepare_x=_pose(fingers, points, rng),
        constants=(axes, joints, corners, shares, measured),
        m=3 * points,
        answers={name: partial(each, fingers=fingers) for name, each in answers.items()},
    )


FAMILY = Family(
    name="hand",
    title="Hand tracking",
    shows="columns that many rows share beside a block of two a point: colours compress the block",
    reference="Taylor et al., User-specific hand modeling from monocular depth sequences, 2014",
    latex=(
        r"f_i = t + \sum_c \beta_c(u_i) \sum_k \omega_{ick} T_k(\theta)\, q_{ic} - z_i, \quad"
        r" \beta(u) = (u_1, u_2, 1 - u_1 - u_2), \quad"
        r" T_k: \text{turns by } \theta_1, \ldots, \theta_k \text{ about the joints}"
    ),
    parameters={
        "fingers": Parameter(2, "fingers of three joints", minimum=1),
        "points": Parameter(4, "points; n = 3 + 3 fingers + 2 points, m = 3 points", minimum=1),
    },
    sizes={
        "quick": "fingers=1,points=1|4",
        "standard": "fingers=2,points=8",
        "full": "fingers=1|5,points=8|64|512|4096|32768",
    },
    build=build,
    sparse=frozenset({"jacobian"}),
)

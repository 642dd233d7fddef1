"""The Brusselator on a periodic square of cells: two substances that react and spread."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
H = 0.03  # the length of a step
SPREAD = 0.12  # of a cell to each neighbour a step; stable up to 1/4, and no power of 2: the
# products round, as sums of a few seeds do not, whose exact cancelling would prove nothing


def _around(u: Any, xp: Any) -> Any:
    """The sum of the four neighbours over the last two axes, its own transpose."""
    sides = [xp.roll(u, shift, axis=axis) for axis in (-2, -1) for shift in (1, -1)]
    return (sides[0] + sides[1]) + (sides[2] + sides[3])


# --- f, whole and in its parts ---------------------------------------------------------------


def start(x: Any, xp: Any, a: Any, b: Any, *, cells: int) -> Any:
    """The two concentrations of every cell, shape (2, cells, cells)."""
    return xp.reshape(x, (2, cells, cells))


def step(z: Any, xp: Any, i: int, a: Any, b: Any) -> Any:
    """Euler's step of u' = a + u^2 v - (b + 1) u, v' = b u - u^2 v, beside the spreading."""
    u, v = z[0, :, :], z[1, :, :]
    made = u * u * v
    change = xp.stack([a + made - (b + 1.0) * u, b * u - made])
    return (1.0 - 4.0 * SPREAD) * z + SPREAD * _around(z, xp) + H * change


def finish(z: Any, xp: Any, a: Any, b: Any) -> Any:
    """The concentrations laid end to end."""
    return xp.reshape(z, (-1,))


def f(x: Any, xp: Any, a: Any, b: Any, *, cells: int, depth: int) -> Any:
    """The concentrations after ``depth`` steps."""
    z = start(x, xp, a, b, cells=cells)
    for i in range(depth):
        z = step(z, xp, i, a, b)
    return finish(z, xp, a, b)


# --- by hand ---------------------------------------------------------------------------------


def _states(x: Array, a: Array, b: Array, cells: int, depth: int) -> list[Array]:
    """The concentrations before each step."""
    states = [x.reshape(2, cells, cells)]
    for i in range(depth - 1):
        states.append(step(states[i], np, i, a, b))
    return states


def _spread(d: Array) -> Array:
    return np.asarray((1.0 - 4.0 * SPREAD) * d + SPREAD * _around(d, np))


def _jvps(x: Array, d: Array, a: Array, b: Array, cells: int, depth: int) -> Array:
    """Tangent steps along the k directions ``d``, shape (k, n): (k, n).

    A step's reaction moves u by (2 u v - b - 1) du + u^2 dv, v by (b - 2 u v) du - u^2 dv.
    """
    d = d.reshape(-1, 2, cells, cells)
    for u, v in _states(x, a, b, cells, depth):
        du, dv = d[:, 0], d[:, 1]
        made = 2.0 * u * v * du + u * u * dv
        d = _spread(d) + H * np.stack([made - (b + 1.0) * du, b * du - made], axis=1)
    return np.asarray(d.reshape(len(d), -1))


def jvp(x: Array, d: Array, a: Array, b: Array, **size: int) -> Array:
    """The tangent steps along one direction."""
    return np.asarray(_jvps(x, d[None], a, b, **size)[0])


def jacobian(x: Array, a: Array, b: Array, **size: int) -> Array:
    """The tangent steps along all n unit directions at once."""
    return _jvps(x, np.eye(x.size), a, b, **size).T


def vjp(x: Array, w: Array, a: Array, b: Array, *, cells: int, depth: int) -> Array:
    """Adjoint steps: spreading is symmetric, and the reaction of each cell is transposed."""
    p = w.reshape(2, cells, cells)
    for u, v in reversed(_states(x, a, b, cells, depth)):
        gain = p[0] - p[1]
        pull = np.stack([2.0 * u * v * gain - b * gain - p[0], u * u * gain])
        p = _spread(p) + H * pull
    return np.asarray(p.reshape(-1))


# --- sizes -----------------------------------------------------------------------------------


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Rough concentrations around the point of rest u = a, v = b / a."""
    size = {"cells": params["cells"], "depth": params["depth"]}
    n = 2 * params["cells"] ** 2
    answers: dict[str, Function] = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp}
    low, high = np.repeat([0.5, 2.5], n // 2), np.repeat([1.5, 4.5], n // 2)
    return Parts(
        f=partial(f, **size),
        x=rng.uniform(low, high),
        prepare_x=rng.uniform(low, high),
        constants=(np.array(1.0), np.array(3.4)),
        m=n,
        depth=params["depth"],
        answers={name: partial(each, **size) for name, each in answers.items()},
        start=partial(start, cells=params["cells"]),
        step=step,
        finish=finish,
    )


FAMILY = Family(
    name="brusselator",
    title="Brusselator on a square",
    shows="a sparse Jacobian in two dimensions: a few colours whatever n is, more with each step",
    reference="Hairer and Wanner, Solving Ordinary Differential Equations II, IV.10",
    latex=(
        r"\dot u = a + u^2 v - (b + 1) u + \alpha \Delta u, \quad"
        r" \dot v = b u - u^2 v + \alpha \Delta v,"
        r" \quad f(u, v) = (u, v)^{\mathrm{depth}} \text{ by Euler's steps},\ a = 1,\ b = 3.4"
    ),
    parameters={
        "cells": Parameter(4, "cells a side; n = 2 cells^2", minimum=2),
        "depth": Parameter(1, "number of time steps", minimum=1, maximum=4),
    },
    sizes={
        "quick": "cells=2,depth=1|2",
        "standard": "cells=2|6,depth=1",
        "full": "cells=2|8|16|32|64|256,depth=1|2|4",
    },
    build=build,
    sparse=frozenset({"jacobian"}),
)

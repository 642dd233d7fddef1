"""Bratu's problem on a line of grid points: a sparse system with a tridiagonal Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def _scale(x: Any) -> float:
    """1 / h^2 with h = 1 / (n + 1), a whole number."""
    return float(x.shape[0] + 1) ** 2


def _bend(x: Any, xp: Any) -> Any:
    """(x_{i-1} - 2 x_i + x_{i+1}) / h^2, with zeros at both ends."""
    end = xp.zeros((1,))
    wide = xp.concat([end, x, end])
    return _scale(x) * (wide[:-2] - 2.0 * x + wide[2:])


def f(x: Any, xp: Any, strength: Any) -> Any:
    """The residual of u'' + lambda e^u = 0 at the inner points, u = 0 at both ends."""
    return _bend(x, xp) + strength * xp.exp(x)


def jacobian(x: Array, strength: Array) -> Array:
    """J_ii = lambda e^{x_i} - 2 / h^2, beside it 1 / h^2."""
    out = np.diag(strength * np.exp(x) - 2.0 * _scale(x))
    i = np.arange(x.size - 1)
    out[i, i + 1] = out[i + 1, i] = _scale(x)
    return out


def jvp(x: Array, v: Array, strength: Array) -> Array:
    """The second difference of v and lambda e^x v; a product with the diagonal would cancel."""
    return np.asarray(_bend(v, np) + strength * np.exp(x) * v)


def vjp(x: Array, w: Array, strength: Array) -> Array:
    """The same: the Jacobian is symmetric."""
    return jvp(x, w, strength)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """A rough guess, as a solver might start from: neighbours differ, so that nothing cancels."""
    n = params["n"]
    return Parts(
        f=f,
        x=rng.uniform(0.25, 1.0, n),
        prepare_x=rng.uniform(0.25, 1.0, n),
        constants=(np.array(1.0),),
        m=n,
        answers={"jacobian": jacobian, "jvp": jvp, "vjp": vjp},
    )


FAMILY = Family(
    name="bratu",
    title="Bratu's problem",
    shows="a sparse Jacobian: three directions or sweeps give all of it, whatever n is",
    reference="Averick, Carter, More and Xue, The MINPACK-2 test problem collection, 1992",
    latex=(
        r"f_i(x) = \frac{x_{i-1} - 2 x_i + x_{i+1}}{h^2} + \lambda e^{x_i},"
        r" \quad x_0 = x_{n+1} = 0,\ h = \frac{1}{n + 1},\ \lambda = 1"
    ),
    parameters={"n": Parameter(8, "number of inner grid points", minimum=1)},
    sizes={
        "quick": "n=3|32",
        "standard": "n=3|16|256|4096",
        "full": "n=3|16|64|256|2048|16384|100000|1000000",
    },
    build=build,
    sparse=frozenset({"jacobian"}),
)

"""One dense layer tanh(Ax + b): inputs and outputs in any numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any, a: Any, b: Any) -> Any:
    """tanh(A x + b)."""
    return xp.tanh(xp.matmul(a, x) + b)


def _slope(x: Array, a: Array, b: Array) -> Array:
    """1 / cosh(z)^2 at z = A x + b; 1 - tanh(z)^2 would cancel for large z."""
    c = np.cosh(a @ x + b)
    return np.asarray(1.0 / (c * c))


def jacobian(x: Array, a: Array, b: Array) -> Array:
    """diag(1 / cosh^2) A."""
    return _slope(x, a, b)[:, None] * a


def jvp(x: Array, v: Array, a: Array, b: Array) -> Array:
    """diag(1 / cosh^2) (A v)."""
    return np.asarray(_slope(x, a, b) * (a @ v))


def vjp(x: Array, w: Array, a: Array, b: Array) -> Array:
    """A' (w / cosh^2)."""
    return np.asarray((w * _slope(x, a, b)) @ a)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Entries of A of either sign and size 1/sqrt(n): A x + b stays of size 1."""
    n, m = params["n"], params["m"]
    return Parts(
        f=f,
        x=rng.uniform(-1.0, 1.0, n),
        prepare_x=rng.uniform(-1.0, 1.0, n),
        constants=(rng.uniform(-1.0, 1.0, (m, n)) / np.sqrt(n), rng.uniform(-0.5, 0.5, m)),
        m=m,
        answers={"jacobian": jacobian, "jvp": jvp, "vjp": vjp},
    )


FAMILY = Family(
    name="affine_tanh",
    title="Dense tanh layer",
    shows="where forward and reverse mode cross over as inputs n and outputs m vary freely",
    reference="Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, chapter 3",
    latex=r"f(x) = \tanh(A x + b), \quad A \in \mathbb{R}^{m \times n}",
    parameters={
        "n": Parameter(8, "number of inputs", minimum=1),
        "m": Parameter(8, "number of outputs", minimum=1),
    },
    sizes={
        "quick": "n=4,m=2|16",
        "standard": "n=2|16|256,m=1|16|256",
        "full": "n=1|4|16|64|256|1024,m=1|4|16|64|256|1024",
    },
    build=build,
)

"""A sum of one function made of three polynomials: each entry of x takes a branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
RANGES = np.array([[-2.5, -1.25], [-0.75, 0.75], [1.25, 2.5]])  # of a piece, off the joints


def _piece(t: Any) -> Any:
    """-2t - 1 below -1, t^2 up to 1, (2t^3 + 1)/3 beyond: value and slope join."""
    if t < -1.0:
        return -2.0 * t - 1.0
    if t < 1.0:
        return t * t
    return (2.0 * (t * t * t) + 1.0) / 3.0


def f(x: Any, xp: Any) -> Any:
    """The sum of the pieces that the entries are in."""
    return xp.sum(xp.stack([_piece(x[i]) for i in range(x.shape[0])]))


def _chosen(x: Array, low: Any, middle: Any, high: Any) -> Array:
    return np.asarray(np.where(x < -1.0, low, np.where(x < 1.0, middle, high)))


def gradient(x: Array) -> Array:
    """-2, 2t or 2t^2."""
    return _chosen(x, -2.0, 2.0 * x, 2.0 * x * x)


def _bend(x: Array) -> Array:
    """The diagonal of the Hessian: 0, 2 or 4t."""
    return _chosen(x, 0.0, 2.0, 4.0 * x)


def hvp(x: Array, v: Array) -> Array:
    """The diagonal times v."""
    return _bend(x) * v


def hessian(x: Array) -> Array:
    """A diagonal matrix."""
    return np.diag(_bend(x))


def _within(first: int, n: int, rng: np.random.Generator) -> Array:
    """Entries in one piece after another, beginning with ``first``."""
    low, high = RANGES[(np.arange(n) + first) % len(RANGES)].T
    return np.asarray(rng.uniform(low, high))


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """All pieces in turn; where methods prepare, every entry is in the next one."""
    n = params["n"]
    return Parts(
        f=f,
        x=_within(1, n, rng),
        prepare_x=_within(2, n, rng),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="piecewise",
    title="Piecewise polynomials",
    shows="a branch on each value: what was prepared along other branches is wrong here",
    reference="Griewank and Walther, Evaluating Derivatives, 2008, chapter 14",
    latex=(
        r"f(x) = \sum_{i=1}^n p(x_i), \quad p(t) = \begin{cases} -2t - 1 & t < -1 \\ t^2 &"
        r" -1 \le t < 1 \\ (2 t^3 + 1)/3 & 1 \le t \end{cases}"
    ),
    parameters={"n": Parameter(3, "number of inputs", minimum=1)},
    sizes={"quick": "n=2|9", "standard": "n=3|32", "full": "n=3|32|256|2048|16384"},
    build=build,
    sparse=frozenset({"hessian"}),
)

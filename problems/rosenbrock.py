"""Rosenbrock's valley in its chained form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any) -> Any:
    """The sum of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 over neighbours."""
    left, right = x[:-1], x[1:]
    valley = right - left * left
    slope = 1.0 - left
    return xp.sum(100.0 * (valley * valley) + slope * slope)


def gradient(x: Array) -> Array:
    """With t_i = x_{i+1} - x_i^2: g_i = 200 t_{i-1} - 400 x_i t_i - 2 (1 - x_i)."""
    left = x[:-1]
    valley = x[1:] - left * left
    out = np.empty_like(x)
    out[:-1] = -400.0 * left * valley - 2.0 * (1.0 - left)
    out[-1] = 0.0
    out[1:] += 200.0 * valley
    return out


def _bands(x: Array) -> tuple[Array, Array]:
    """The diagonal, shape (n,), and the band beside it, shape (n - 1,), of the Hessian."""
    left = x[:-1]
    diagonal = np.zeros_like(x)
    diagonal[:-1] = 800.0 * left * left - 400.0 * (x[1:] - left * left) + 2.0
    diagonal[1:] += 200.0
    return diagonal, -400.0 * left


def hvp(x: Array, v: Array) -> Array:
    """The tridiagonal Hessian times v."""
    diagonal, band = _bands(x)
    out = diagonal * v
    out[:-1] += band * v[1:]
    out[1:] += band * v[:-1]
    return out


def hessian(x: Array) -> Array:
    """H_ii = 800 x_i^2 - 400 t_i + 2 + 200 [i > 0], H_{i,i+1} = -400 x_i."""
    diagonal, band = _bands(x)
    out = np.diag(diagonal)
    i = np.arange(band.size)
    out[i, i + 1] = out[i + 1, i] = band
    return out


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """The classical start (-1.2, 1), repeated, each pair moved a little."""
    n = params["n"]
    shift = 0.2 * (np.arange(n) // 2 / n)
    x = np.where(np.arange(n) % 2, 1.0, -1.2) + shift
    return Parts(
        f=f,
        x=x,
        prepare_x=x + rng.uniform(0.01, 0.1, n),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="rosenbrock",
    title="Rosenbrock's valley",
    shows="a cheap function of many inputs: reverse mode against the n passes of all other ways",
    reference="Rosenbrock, An automatic method for finding the greatest value of a function, 1960",
    latex=r"f(x) = \sum_{i=1}^{n-1} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2",
    parameters={"n": Parameter(2, "number of inputs", minimum=2)},
    sizes={
        "quick": "n=2|32",
        "standard": "n=2|8|32|256|4096",
        "full": "n=2|8|32|256|4096|32768|262144|1000000",
    },
    build=build,
    sparse=frozenset({"hessian"}),
)

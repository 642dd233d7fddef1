"""The Helmholtz free energy of a mixed fluid: the survey's measured example."""

from __future__ import annotations

from collections.abc import Mapping
from math import atanh, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
ROOT2, ROOT8 = sqrt(2.0), sqrt(8.0)
PLUS, MINUS = 1.0 + ROOT2, 1.0 - ROOT2


def f(x: Any, xp: Any, b: Any, a: Any) -> Any:
    """sum x_i log(x_i / (1 - b'x)) - x'Ax / (sqrt8 b'x) log((1 + PLUS b'x) / (1 + MINUS b'x))."""
    bx = xp.sum(b * x)
    quadratic = xp.sum(x * xp.matmul(a, x))
    mixing = xp.sum(x * xp.log(x / (1.0 - bx)))
    return mixing - quadratic / (ROOT8 * bx) * xp.log((1.0 + PLUS * bx) / (1.0 + MINUS * bx))


def _attraction(s: float) -> tuple[float, float, float]:
    """phi(s) = log((1 + PLUS s) / (1 + MINUS s)) / (sqrt8 s) and its two derivatives.

    The logarithm is 2 atanh(sqrt2 s / (1 + s)), which loses nothing for small s. The two
    denominators multiply to p = 1 + 2 s - s^2, and (PLUS - MINUS) / sqrt8 = 1.
    """
    p = 1.0 + 2.0 * s - s * s
    phi = 2.0 * atanh(ROOT2 * s / (1.0 + s)) / (ROOT8 * s)
    first = (1.0 / p - phi) / s
    second = -(2.0 * first + 2.0 * (1.0 - s) / (p * p)) / s
    return phi, first, second


def gradient(x: Array, b: Array, a: Array) -> Array:
    """log(x / (1 - s)) + 1 + b (sum x / (1 - s) - q phi') - phi (A + A') x, s = b'x, q = x'Ax."""
    s = float(np.sum(b * x))
    phi, first, _ = _attraction(s)
    ax = a @ x
    pull = np.sum(x) / (1.0 - s) - np.sum(x * ax) * first
    return np.asarray(np.log(x / (1.0 - s)) + 1.0 + b * pull - phi * (ax + x @ a))


def hvp(x: Array, v: Array, b: Array, a: Array) -> Array:
    """The Hessian of :func:`hessian` times v, without forming it."""
    s, bv = float(np.sum(b * x)), float(np.sum(b * v))
    phi, first, second = _attraction(s)
    ax = a @ x
    slope = ax + x @ a
    free = 1.0 - s
    bend = np.sum(x) / (free * free) - np.sum(x * ax) * second
    of_b = np.sum(v) / free + bv * bend - first * np.sum(slope * v)
    return np.asarray(v / x + bv / free + b * of_b - (first * bv) * slope - phi * (a @ v + v @ a))


def hessian(x: Array, b: Array, a: Array) -> Array:
    """diag(1/x) + b u' + u b' + bend b b' - phi (A + A').

    u = 1/(1 - s) - phi' (A + A') x, bend = sum x / (1 - s)^2 - q phi''.
    """
    s = float(np.sum(b * x))
    phi, first, second = _attraction(s)
    ax = a @ x
    free = 1.0 - s
    bend = np.sum(x) / (free * free) - np.sum(x * ax) * second
    side = 1.0 / free - first * (ax + x @ a)
    mixed = np.multiply.outer(b, side)
    out = mixed + mixed.T + bend * np.multiply.outer(b, b) - phi * (a + a.T)
    out[np.diag_indices_from(out)] += 1.0 / x
    return np.asarray(out)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """A_ij = 1/(1 + i + j), x_j = sqrt(1 + j)/n; b is scaled so that b'x < 1 for every n."""
    n = params["n"]
    j = np.arange(n, dtype=np.float64)
    x = np.sqrt(1.0 + j) / n
    b = 0.02 * (1.0 + np.abs(np.sin(j))) / np.sqrt(n)
    return Parts(
        f=f,
        x=x,
        prepare_x=x * rng.uniform(0.8, 0.9, n),
        constants=(b, 1.0 / (1.0 + j[:, None] + j)),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="helmholtz",
    title="Helmholtz free energy",
    shows="a function that costs n^2 itself: reverse mode stays a small multiple of it",
    reference="Baydin et al., Automatic differentiation in machine learning, 2018, figure 5",
    latex=(
        r"f(x) = \sum_i x_i \ln \frac{x_i}{1 - b^\top x} - \frac{x^\top A x}{\sqrt 8\, b^\top x}"
        r" \ln \frac{1 + (1 + \sqrt 2) b^\top x}{1 + (1 - \sqrt 2) b^\top x}"
    ),
    parameters={
        "n": Parameter(
            8, "number of components; A is dense with n^2 entries", minimum=1, maximum=4096
        )
    },
    sizes={
        "quick": "n=2|16",
        "standard": "n=2|16|256",
        "full": "n=1|2|8|32|128|512|2048|4096",
    },
    build=build,
)

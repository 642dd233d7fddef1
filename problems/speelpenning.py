"""Speelpenning's product of all inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any) -> Any:
    """The product of all entries."""
    return xp.prod(x)


def _before_and_after(x: Array) -> tuple[Array, Array]:
    """The products of all entries before and of all after each one, without a division."""
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[:-1], out=before[1:])
    np.cumprod(x[:0:-1], out=after[-2::-1])
    return before, after


def gradient(x: Array) -> Array:
    """g_i = prod over j != i of x_j, as prefix times suffix products; zeros do no harm."""
    before, after = _before_and_after(x)
    return before * after


def hvp(x: Array, v: Array) -> Array:
    """g_i times the sum over j != i of v_j / x_j, for x without zeros.

    The sum excludes its own term by prefix and suffix sums: taking the term off the whole sum
    would cancel.
    """
    ratio = v / x
    others = np.zeros_like(x)
    others[1:] = np.cumsum(ratio[:-1])
    others[:-1] += np.cumsum(ratio[:0:-1])[::-1]
    return gradient(x) * others


def hessian(x: Array) -> Array:
    """H_ij = product before i, between i and j, and after j; the diagonal is zero."""
    n = x.size
    before, after = _before_and_after(x)
    factors = np.where(np.tri(n, n, 1, dtype=bool), 1.0, np.roll(x, 1))
    upper = np.triu(before[:, None] * np.cumprod(factors, axis=1) * after, 1)
    return upper + upper.T


def _factors(n: int) -> Array:
    """exp(t_i) and exp(-t_i) in turn, t_i distinct and near 1/sqrt(n): the product stays near 1."""
    size = (0.75 + 0.5 * np.arange(n) / n) / np.sqrt(n)
    return np.asarray(np.exp(np.where(np.arange(n) % 2, -size, size)))


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Factors around 1 that neither overflow nor underflow together."""
    x = _factors(params["n"])
    return Parts(
        f=f,
        x=x,
        prepare_x=x * np.exp(rng.uniform(-0.1, 0.1, x.size) / np.sqrt(x.size)),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="speelpenning",
    title="Speelpenning's product",
    shows="a gradient whose n products share almost all their factors, which reverse mode reuses",
    reference="Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.3",
    latex=r"f(x) = \prod_{i=1}^{n} x_i",
    parameters={"n": Parameter(8, "number of factors", minimum=2)},
    sizes={
        "quick": "n=2|32",
        "standard": "n=2|8|32|1024",
        "full": "n=2|8|32|256|4096|32768|262144|1000000",
    },
    build=build,
)

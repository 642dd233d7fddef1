"""The lecture's example ln x1 + x1 x2 - sin x2, summed over pairs for larger n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any) -> Any:
    """The sum over pairs (a, b) of ln a + a b - sin b."""
    a, b = x[0::2], x[1::2]
    u = xp.log(a)
    w = a * b
    s = xp.sin(b)
    return xp.sum(u + w - s)


def _pairs(of_a: Array, of_b: Array) -> Array:
    """Both halves interleaved again: entry 2k belongs to a, entry 2k + 1 to b."""
    out = np.empty(2 * of_a.size)
    out[0::2], out[1::2] = of_a, of_b
    return out


def gradient(x: Array) -> Array:
    """(1/a + b, a - cos b) for every pair."""
    a, b = x[0::2], x[1::2]
    return _pairs(1.0 / a + b, a - np.cos(b))


def hvp(x: Array, v: Array) -> Array:
    """Every pair has the Hessian ((-1/a^2, 1), (1, sin b))."""
    a, b = x[0::2], x[1::2]
    p, q = v[0::2], v[1::2]
    return _pairs(q - p / (a * a), p + q * np.sin(b))


def hessian(x: Array) -> Array:
    """Two-by-two blocks ((-1/a^2, 1), (1, sin b)) on the diagonal."""
    a, b = x[0::2], x[1::2]
    out = np.zeros((x.size, x.size))
    even = np.arange(0, x.size, 2)
    out[even, even] = -1.0 / (a * a)
    out[even, even + 1] = out[even + 1, even] = 1.0
    out[even + 1, even + 1] = np.sin(b)
    return out


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """The point (2, 5), then the same pair moved by up to a half."""
    pairs = params["n"] // 2
    shift = np.arange(pairs) / (2.0 * pairs)
    return Parts(
        f=f,
        x=_pairs(2.0 + shift, 5.0 + shift),
        prepare_x=_pairs(2.5 + shift, 4.5 + shift) + rng.uniform(0.0, 0.1, 2 * pairs),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="lecture",
    title="The lecture's example",
    shows="both modes on the five operations that the lecture differentiates by hand at (2, 5)",
    reference="Baydin et al., Automatic differentiation in machine learning, 2018, table 2",
    latex=r"f(x) = \sum_{k=1}^{n/2} \ln x_{2k-1} + x_{2k-1} x_{2k} - \sin x_{2k}",
    parameters={"n": Parameter(2, "number of inputs, an even number", minimum=2, multiple_of=2)},
    sizes={
        "quick": "n=2|32",
        "standard": "n=2|8|32|256|4096",
        "full": "n=2|8|32|256|4096|32768|262144|1000000",
    },
    build=build,
)

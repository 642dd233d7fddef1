"""Linear least squares: a polynomial is fitted to the sign function, or to data of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts, published

Array = NDArray[np.float64]
PUBLIC = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8196, 16392)  # 8196: as it is there


def f(x: Any, xp: Any, powers: Any, signs: Any) -> Any:
    """1/2 sum_i (sign(t_i) - sum_j x_j t_i^j)^2."""
    miss = signs - xp.matmul(powers, x)
    return 0.5 * xp.sum(miss * miss)


def gradient(x: Array, powers: Array, signs: Array) -> Array:
    """V' (V x - s), V_ij = t_i^j."""
    return np.asarray((powers @ x - signs) @ powers)


def hvp(x: Array, v: Array, powers: Array, signs: Array) -> Array:
    """V' (V v), whatever x is."""
    return np.asarray((powers @ v) @ powers)


def hessian(x: Array, powers: Array, signs: Array) -> Array:
    """V' V, whatever x is."""
    return np.asarray(powers.T @ powers)


def _public(m: int, data: int) -> Array:
    """The draw for that many data after those for all fewer ones, from the seed 31337."""
    published("llsq", {"m": m, "N": data}, {"m": (128,), "N": PUBLIC})
    rng = np.random.RandomState(31337)
    for _ in PUBLIC[: PUBLIC.index(data)]:
        rng.rand(m)
    return rng.rand(m)


def _scaled(t: Array) -> Array:
    """The same laid into [-1, 1], where no power overflows."""
    middle, half = (t.max() + t.min()) / 2, (t.max() - t.min()) / 2
    return np.asarray((t - middle) / (half or 1.0))


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """t_i = -1 + 2 i / (N - 1), i = 0, ..., N - 1; the coefficients of t^0, ..., t^(m - 1)."""
    m, public = params["m"], params.get("generator") == "public"
    low = 0.0 if public else -1.0
    if "file" in params:
        t, signs = _scaled(params["file"][:, 0]), params["file"][:, 1]
    else:
        t = -1.0 + 2.0 * np.arange(params["N"]) / (params["N"] - 1)
        signs = np.sign(t)
    return Parts(
        f=f,
        x=_public(m, params["N"]) if public else rng.uniform(low, 1.0, m),
        prepare_x=rng.uniform(low, 1.0, m),
        constants=(np.vander(t, m, increasing=True), signs),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
    )


FAMILY = Family(
    name="llsq",
    title="Linear least squares",
    shows="a quadratic: its gradient costs two products with the data, its Hessian never changes",
    reference="Nocedal and Wright, Numerical Optimization, 2nd edition, 2006, section 10.2",
    latex=(
        r"f(x) = \tfrac12 \sum_{i=0}^{N-1} \Bigl(\operatorname{sgn} t_i"
        r" - \sum_{j=0}^{m-1} x_j t_i^j\Bigr)^2, \quad t_i = -1 + \frac{2 i}{N - 1}"
    ),
    parameters={
        "m": Parameter(128, "number of coefficients, which are the inputs: n = m", minimum=1),
        "N": Parameter(16, "number of data", minimum=2),
        "generator": Parameter(
            "own", "public: the inputs of the public suite, with m=128", choices=("own", "public")
        ),
        "file": Parameter(
            "",
            "a CSV with t and a value a line; t is laid into [-1, 1]",
            columns=(2, 2),
            replaces=("N", "generator"),
        ),
    },
    sizes={
        "quick": "m=2|8,N=16",
        "standard": "m=4|64,N=256",
        "full": "m=4|16|128,N=16|256|4096|16392",
    },
    build=build,
)

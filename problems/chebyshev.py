"""The Chebyshev polynomials T_1 to T_m by their recurrence: one input, many outputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any, *, m: int) -> Any:
    """(T_1, ..., T_m) at the one input: T_{j+1} = 2 t T_j - T_{j-1}."""
    t = x[0]
    twice, before, now = 2.0 * t, 1.0, t
    rows = [now]
    for _ in range(m - 1):
        before, now = now, twice * now - before
        rows.append(now)
    return xp.stack(rows)


def slopes(x: Array, m: int) -> Array:
    """T_j' = j U_{j-1}, shape (m,), with U_{j+1} = 2 t U_j - U_{j-1}."""
    twice, before, now = 2.0 * float(x[0]), 0.0, 1.0
    out = []
    for j in range(1, m + 1):
        out.append(j * now)
        before, now = now, twice * now - before
    return np.array(out)


def jacobian(x: Array, *, m: int) -> Array:
    """One column."""
    return slopes(x, m)[:, None]


def jvp(x: Array, v: Array, *, m: int) -> Array:
    """All outputs for one direction."""
    return slopes(x, m) * v


def vjp(x: Array, w: Array, *, m: int) -> Array:
    """The weighted sum of all slopes, shape (1,)."""
    return np.array([np.dot(w, slopes(x, m))])


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """The point 0.01: near 0 balls widen by 1 % a step, near 1 by a factor of 2.4."""
    m = params["m"]
    answers: dict[str, Function] = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp}
    return Parts(
        f=partial(f, m=m),
        x=np.array([0.01]),
        prepare_x=rng.uniform(0.011, 0.02, 1),
        m=m,
        answers={name: partial(answer, m=m) for name, answer in answers.items()},
    )


FAMILY = Family(
    name="chebyshev",
    title="Chebyshev polynomials",
    shows="one input and m outputs: forward mode needs one sweep, reverse mode m",
    reference="NIST Digital Library of Mathematical Functions, sections 18.7 and 18.9",
    latex=r"f(t) = (T_1(t), \dots, T_m(t)), \quad T_{j+1} = 2 t T_j - T_{j-1}",
    parameters={"m": Parameter(8, "number of outputs", minimum=1)},
    sizes={"quick": "m=2|8", "standard": "m=2|4|16", "full": "m=2|4|16|64|256|1024"},
    build=build,
)

"""Fisher's equation in explicit steps: how well a spreading population meets its target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
TIME = 2.0  # in generations; the steps are the shorter, the more there are
GROWTH = 1.0  # a generation
SPREAD = 0.5  # cells squared a generation; stable where SPREAD * TIME / depth <= 1/2


# --- f, whole and in its parts ---------------------------------------------------------------


def start(x: Any, xp: Any, target: Any) -> Any:
    """The population of each cell at first: x itself."""
    return x


def step(u: Any, xp: Any, i: int, target: Any, *, spread: float, growth: float) -> Any:
    """u_j + spread (u_{j-1} - 2 u_j + u_{j+1}) + growth u_j (1 - u_j); nobody leaves the ends.

    It is summed as a mean of neighbours, whose weights are positive and add up to one: so an
    error grows by no more than the population does.
    """
    wide = xp.concat([u[:1], u, u[-1:]])
    own = u * (1.0 - 2.0 * spread + growth * (1.0 - u))
    return own + spread * (wide[:-2] + wide[2:])


def finish(u: Any, xp: Any, target: Any) -> Any:
    """Half the sum of squares of what the target is missed by."""
    miss = u - target
    return 0.5 * xp.sum(miss * miss)


def f(x: Any, xp: Any, target: Any, *, depth: int, spread: float, growth: float) -> Any:
    """The miss after ``depth`` steps."""
    u = start(x, xp, target)
    for i in range(depth):
        u = step(u, xp, i, target, spread=spread, growth=growth)
    return finish(u, xp, target)


# --- by hand ---------------------------------------------------------------------------------


def _bend(u: Array) -> Array:
    """Second differences along the last axis, a symmetric map: its own transpose."""
    flow = np.diff(u, axis=-1)
    out = np.zeros_like(u)
    out[..., :-1] += flow
    out[..., 1:] -= flow
    return out


def _states(x: Array, depth: int, spread: float, growth: float) -> Array:
    """All states, shape (depth + 1, n)."""
    u = np.empty((depth + 1, x.size))
    u[0] = x
    for i in range(depth):
        u[i + 1] = u[i] + spread * _bend(u[i]) + growth * u[i] * (1.0 - u[i])
    return u


def gradient(x: Array, target: Array, *, depth: int, spread: float, growth: float) -> Array:
    """Adjoint steps: p_T = u_T - target, p <- p + spread bend(p) + growth (1 - 2 u) p."""
    u = _states(x, depth, spread, growth)
    p = u[depth] - target
    for i in reversed(range(depth)):
        p = p + spread * _bend(p) + growth * (1.0 - 2.0 * u[i]) * p
    return np.asarray(p)


def _hvps(x: Array, v: Array, target: Array, depth: int, spread: float, growth: float) -> Array:
    """The Hessian times k directions ``v``, shape (k, n): tangents on, adjoint tangents back.

    Each q of :func:`gradient` has its derivative dq; that of p gains -2 growth du p a step.
    Source: Le Dimet, Navon and Daescu, Second-order information in data assimilation, 2002.
    """
    u = _states(x, depth, spread, growth)
    du = [v]
    for i in range(depth):
        du.append(du[i] + spread * _bend(du[i]) + growth * (1.0 - 2.0 * u[i]) * du[i])
    p, dp = u[depth] - target, du[depth]
    for i in reversed(range(depth)):
        slope = growth * (1.0 - 2.0 * u[i])
        dp = dp + spread * _bend(dp) + slope * dp - (2.0 * growth) * du[i] * p
        p = p + spread * _bend(p) + slope * p
    return np.asarray(dp)


def hvp(x: Array, v: Array, target: Array, **steps: Any) -> Array:
    """The second-order adjoint along one direction."""
    return np.asarray(_hvps(x, v[None], target, **steps)[0])


def hessian(x: Array, target: Array, **steps: Any) -> Array:
    """The second-order adjoint along all n unit directions at once."""
    return _hvps(x, np.eye(x.size), target, **steps)


# --- sizes -----------------------------------------------------------------------------------


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """A front that falls from left to right, and as target one that is further on."""
    n, depth = params["n"], params["depth"]
    place = np.arange(n) / n
    rates = {"spread": SPREAD * TIME / depth, "growth": GROWTH * TIME / depth}
    answers: dict[str, Function] = {"gradient": gradient, "hvp": hvp, "hessian": hessian}
    return Parts(
        f=partial(f, depth=depth, **rates),
        x=1.0 / (1.0 + np.exp(6.0 * place - 2.0)),
        prepare_x=rng.uniform(0.2, 0.8, n),
        constants=(1.0 / (1.0 + np.exp(6.0 * place - 4.0)),),
        depth=depth,
        answers={name: partial(each, depth=depth, **rates) for name, each in answers.items()},
        start=start,
        step=partial(step, **rates),
        finish=finish,
    )


FAMILY = Family(
    name="fisher",
    title="Fisher's equation",
    shows="a deep loop: its tape grows with depth, checkpoints trade memory for recomputation",
    reference="Fisher, The wave of advance of advantageous genes, 1937",
    latex=(
        r"u^{k+1}_j = u^k_j + \tfrac{2}{\mathrm{depth}} \bigl("
        r"\tfrac12 (u^k_{j-1} - 2 u^k_j + u^k_{j+1}) + u^k_j (1 - u^k_j)\bigr), \quad"
        r" u^0 = x, \quad f(x) = \tfrac12 \lVert u^{\mathrm{depth}} - g \rVert^2"
    ),
    parameters={
        "n": Parameter(8, "number of cells", minimum=2),
        "depth": Parameter(8, "number of time steps", minimum=2),
    },
    sizes={
        "quick": "n=4,depth=2|8",
        "standard": "n=8,depth=2|8|32",
        "full": "n=8|64,depth=2|8|32|128|512|2048|10000",
    },
    build=build,
)

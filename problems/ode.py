"""Lotka and Volterra's predators and prey by Runge and Kutta's classical steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
TIME = 2.0  # a part of one cycle; the steps are the shorter, the more there are
LOW = np.array([0.5, 1.0, 0.75, 0.75, 0.75, 0.5])  # births, hunts, deaths, feeds, prey, predators
HIGH = np.array([0.75, 1.5, 1.25, 1.25, 1.5, 1.0])


# --- f, whole and in its parts ---------------------------------------------------------------


def start(x: Any, xp: Any) -> Any:
    """The four rates and the two populations at first: x itself."""
    return x


def _flow(rates: Any, u: Any, xp: Any) -> Any:
    """u_0' = a u_0 - b u_0 u_1, u_1' = d u_0 u_1 - c u_1 of the rates a, b, c, d."""
    meetings = u[0] * u[1]
    return xp.stack([rates[0] * u[0] - rates[1] * meetings, rates[3] * meetings - rates[2] * u[1]])


def step(z: Any, xp: Any, i: int, *, h: float) -> Any:
    """One step of length h; the rates stay."""
    rates, u = z[:4], z[4:]
    k1 = _flow(rates, u, xp)
    k2 = _flow(rates, u + 0.5 * h * k1, xp)
    k3 = _flow(rates, u + 0.5 * h * k2, xp)
    k4 = _flow(rates, u + h * k3, xp)
    return xp.concat([rates, u + (h / 6.0) * (k1 + 2.0 * (k2 + k3) + k4)])


def finish(z: Any, xp: Any) -> Any:
    """The two populations at last."""
    return z[4:]


def f(x: Any, xp: Any, *, depth: int, h: float) -> Any:
    """The populations after ``depth`` steps."""
    z = start(x, xp)
    for i in range(depth):
        z = step(z, xp, i, h=h)
    return finish(z, xp)


# --- by hand ---------------------------------------------------------------------------------


def _slope(z: Array) -> Array:
    """The derivative of the flow by the rates and populations, shape (6, 6): rates have none."""
    a, b, c, d, prey, predators = z.tolist()
    meetings = prey * predators
    out = np.zeros((6, 6))
    out[4] = prey, -meetings, 0.0, 0.0, a - b * predators, -b * prey
    out[5] = 0.0, 0.0, -predators, meetings, d * predators, d * prey - c
    return out


def _slopes(x: Array, depth: int, h: float) -> Iterator[list[Array]]:
    """The slope at each of the four stages of every step."""
    z = x.copy()
    for _ in range(depth):
        stages, shares, k = [], (0.0, 0.5 * h, 0.5 * h, h), np.zeros(2)
        total = np.zeros(2)
        for share, weight in zip(shares, (1.0, 2.0, 2.0, 1.0), strict=True):
            at = np.concatenate([z[:4], z[4:] + share * k])
            stages.append(_slope(at))
            k = _flow(at[:4], at[4:], np)
            total += weight * k
        z[4:] += (h / 6.0) * total
        yield stages


def jvp(x: Array, v: Array, *, depth: int, h: float) -> Array:
    """The discrete variational equation: the same steps with A_s (v + share k_{s-1}) as k_s.

    ``v`` holds one direction, or several as its columns.
    """
    for a1, a2, a3, a4 in _slopes(x, depth, h):
        k1 = a1 @ v
        k2 = a2 @ (v + 0.5 * h * k1)
        k3 = a3 @ (v + 0.5 * h * k2)
        k4 = a4 @ (v + h * k3)
        v = v + (h / 6.0) * (k1 + 2.0 * (k2 + k3) + k4)
    return np.asarray(v[4:])


def jacobian(x: Array, *, depth: int, h: float) -> Array:
    """All six directions at once."""
    return jvp(x, np.eye(6), depth=depth, h=h)


def vjp(x: Array, w: Array, *, depth: int, h: float) -> Array:
    """The discrete adjoint equation: the stages of each step from the last to the first.

    Source: Hager, Runge-Kutta methods in optimal control and the transformed adjoint system, 2000.
    """
    p = np.concatenate([np.zeros(4), w])
    for a1, a2, a3, a4 in reversed(list(_slopes(x, depth, h))):
        q4 = (h / 6.0 * p) @ a4
        q3 = (h / 3.0 * p + h * q4) @ a3
        q2 = (h / 3.0 * p + 0.5 * h * q3) @ a2
        q1 = (h / 6.0 * p + 0.5 * h * q2) @ a1
        p = p + (q1 + q2 + q3 + q4)
    return np.asarray(p)


# --- sizes -----------------------------------------------------------------------------------


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Rates and populations near 1, off the point of rest."""
    steps = {"depth": params["depth"], "h": TIME / params["depth"]}
    answers: dict[str, Function] = {"jacobian": jacobian, "jvp": jvp, "vjp": vjp}
    return Parts(
        f=partial(f, **steps),
        x=rng.uniform(LOW, HIGH),
        prepare_x=rng.uniform(LOW, HIGH),
        m=2,
        depth=params["depth"],
        answers={name: partial(each, **steps) for name, each in answers.items()},
        start=start,
        step=partial(step, h=steps["h"]),
        finish=finish,
    )


FAMILY = Family(
    name="ode",
    title="Lotka-Volterra by RK4",
    shows="the derivative of a solver's steps, exact for the steps whatever they miss of the flow",
    reference="Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, I.14 to II.1",
    latex=(
        r"u' = \begin{pmatrix} a u_0 - b u_0 u_1 \\ d u_0 u_1 - c u_1 \end{pmatrix}, \quad"
        r" f(a, b, c, d, u(0)) = \Phi_h^{\mathrm{depth}}(u(0)),"
        r" \quad h = \tfrac{2}{\mathrm{depth}},\ \Phi_h \text{ one RK4 step}"
    ),
    parameters={"depth": Parameter(8, "number of time steps", minimum=1)},
    sizes={
        "quick": "depth=1|3",
        "standard": "depth=1|4",
        "full": "depth=1|2|8|32|128|512|2048|10000",
    },
    build=build,
)

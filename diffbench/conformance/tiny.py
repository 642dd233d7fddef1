"""The tiny problems on which every method is tried, each with its derivative by hand.

Between them: one input and several, a scalar and a vector, as many outputs as inputs and more, a
derivative that is constant and one that vanishes, and a loop in its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from diffbench.problem import Family, Parameter, Parts

__all__ = ["TINY"]

Answers = Mapping[str, Callable[..., Any]]


def _wave(x: Any, xp: Any, c: Any) -> Any:
    return xp.sum(xp.sin(c * x)) + x[0] * x[1] * xp.exp(x[2])


def _wave_gradient(x: Any, c: Any) -> Any:
    e = np.exp(x[2])
    return c * np.cos(c * x) + e * np.array([x[1], x[0], x[0] * x[1]])


def _wave_hessian(x: Any, c: Any) -> Any:
    a, b, e = x[0], x[1], np.exp(x[2])
    crossed = np.array([[0.0, 1.0, b], [1.0, 0.0, a], [b, a, a * b]]) * e
    return crossed - np.diag(c * c * np.sin(c * x))


def _curve(x: Any, xp: Any) -> Any:
    return xp.concat([x * x, xp.exp(x)])


def _layer(x: Any, xp: Any, a: Any) -> Any:
    return xp.sin(xp.matmul(a, x))


def _layer_jacobian(x: Any, a: Any) -> Any:
    return a * np.cos(a @ x)[:, None]


def _plane(x: Any, xp: Any, c: Any) -> Any:
    return xp.sum(c * x)


def _start(x: Any, xp: Any, c: Any) -> Any:
    return x * 1.0


def _step(state: Any, xp: Any, i: Any, c: Any) -> Any:
    return state + 0.1 * c * state * state


def _finish(state: Any, xp: Any, c: Any) -> Any:
    return xp.sum(state)


def _loop(x: Any, xp: Any, c: Any) -> Any:
    return _finish(_step(_step(_start(x, xp, c), xp, 0, c), xp, 1, c), xp, c)


def _loop_slopes(x: Any, c: Any) -> tuple[Any, Any]:
    """First and second derivatives of two steps, entry by entry."""
    middle, slope = x + 0.1 * c * x * x, 1.0 + 0.2 * c * x
    outer = 1.0 + 0.2 * c * middle
    return outer * slope, 0.2 * c * (slope * slope + outer)


def _scalar(gradient: Callable[..., Any], hessian: Callable[..., Any]) -> Answers:
    return {
        "gradient": gradient,
        "hessian": hessian,
        "hvp": lambda x, v, *c: hessian(x, *c) @ v,
    }


def _vector(jacobian: Callable[..., Any]) -> Answers:
    return {
        "jacobian": jacobian,
        "jvp": lambda x, v, *c: jacobian(x, *c) @ v,
        "vjp": lambda x, w, *c: w @ jacobian(x, *c),
    }


# name: f, its answers, n, m, the shape of its constant, operators that vanish, its parts
_ROWS: dict[str, tuple[Any, ...]] = {
    "wave": (_wave, _scalar(_wave_gradient, _wave_hessian), 3, None, (3,)),
    "curve": (_curve, _vector(lambda x: np.concatenate([2.0 * x, np.exp(x)])[:, None]), 1, 2, None),
    "layer": (_layer, _vector(_layer_jacobian), 2, 3, (3, 2)),
    "plane": (
        _plane,
        _scalar(lambda x, c: c.copy(), lambda x, c: np.zeros((1, 1))),
        1,
        None,
        (1,),
        frozenset({"hvp", "hessian"}),
    ),
    "loop": (
        _loop,
        _scalar(lambda x, c: _loop_slopes(x, c)[0], lambda x, c: np.diag(_loop_slopes(x, c)[1])),
        2,
        None,
        (2,),
        frozenset(),
        {"start": _start, "step": _step, "finish": _finish, "depth": 2},
    ),
}


def _family(
    name: str,
    f: Any,
    answers: Answers,
    n: int,
    m: int | None,
    shape: Any,
    zero: frozenset[str] = frozenset(),
    parts: Mapping[str, Any] = MappingProxyType({}),
) -> Family:
    def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
        return Parts(
            f=f,
            x=rng.uniform(0.5, 1.0, n),
            prepare_x=rng.uniform(1.0, 1.5, n),
            constants=() if shape is None else (rng.uniform(0.5, 1.5, shape),),
            m=m,
            answers=answers,
            **parts,
        )

    return Family(
        name=name,
        title="A tiny problem",
        shows="what every method must do",
        reference="none",
        latex="f",
        parameters={"n": Parameter(n, "inputs", minimum=n, maximum=n)},
        sizes=dict.fromkeys(("quick", "standard", "full"), f"n={n}"),
        build=build,
        zero=zero,
    )


TINY: tuple[Family, ...] = tuple(_family(name, *row) for name, row in _ROWS.items())

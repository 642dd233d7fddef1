"""The logistic map iterated in a loop: the survey's example of expression swell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]


def f(x: Any, xp: Any, *, depth: int) -> Any:
    """The iterate number ``depth`` of l <- 4 l (1 - l), counted from l_1 = x."""
    l = x[0]  # noqa: E741  # the letter of the formula
    for _ in range(depth - 1):
        l = 4.0 * l * (1.0 - l)  # noqa: E741  # the letter of the formula
    return l


def gradient(x: Array, *, depth: int) -> Array:
    """l' <- (4 - 8 l) l', with the old l."""
    value, first = float(x[0]), 1.0
    for _ in range(depth - 1):
        first *= 4.0 - 8.0 * value
        value *= 4.0 * (1.0 - value)
    return np.array([first])


def hessian(x: Array, *, depth: int) -> Array:
    """l'' <- (4 - 8 l) l'' - 8 l'^2, with the old l and l'."""
    value, first, second = float(x[0]), 1.0, 0.0
    for _ in range(depth - 1):
        slope = 4.0 - 8.0 * value
        second = slope * second - 8.0 * first * first
        first *= slope
        value *= 4.0 * (1.0 - value)
    return np.array([[second]])


def hvp(x: Array, v: Array, *, depth: int) -> Array:
    """The second derivative times ``v``."""
    return np.asarray(hessian(x, depth=depth)[0] * v)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """The survey's point x = 0.2."""
    depth = params["depth"]
    answers: dict[str, Function] = {"gradient": gradient, "hvp": hvp, "hessian": hessian}
    return Parts(
        f=partial(f, depth=depth),
        x=np.array([0.2]),
        prepare_x=rng.uniform(0.21, 0.24, 1),
        depth=depth,
        answers={name: partial(answer, depth=depth) for name, answer in answers.items()},
    )


FAMILY = Family(
    name="logistic",
    title="Logistic map",
    shows="a loop whose derivative swells as an expression tree and stays linear as a program",
    reference="Baydin et al., Automatic differentiation in machine learning, 2018, table 1",
    latex=r"l_1 = x, \quad l_{k+1} = 4 l_k (1 - l_k), \quad f(x) = l_{\mathrm{depth}}",
    parameters={
        "depth": Parameter(4, "number of the iterate; its accuracy is decidable to 12", minimum=1)
    },
    sizes={
        "quick": "depth=2|5",
        "standard": "depth=2:8",
        "full": "depth=2:8|10|12|16|20|24|32|64",
    },
    build=build,
)

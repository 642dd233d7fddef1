"""The rate at which payments are worth 1, by Newton's method: a loop that its residual ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Function, Parameter, Parts

Array = NDArray[np.float64]
Step = tuple[float, Array, Array]


def f(x: Any, xp: Any, times: Any, *, digits: int) -> Any:
    """The rate r with sum x_i exp(-r t_i) - 1 <= 10^-digits, from r = 0 by Newton's steps.

    The residual is convex and falls, so that the rates rise to the root: no residual is negative.
    """
    rate, tolerance = 0.0, 10.0**-digits
    worth = x * xp.exp(-times * rate)
    residual = xp.sum(worth) - 1.0
    while residual > tolerance:
        rate = rate + residual / xp.sum(times * worth)
        worth = x * xp.exp(-times * rate)
        residual = xp.sum(worth) - 1.0
    return rate


def _steps(x: Array, times: Array, digits: int) -> Iterator[Step]:
    """Of each step: the residual, d = exp(-r t), and S_k = sum t^k x d for k = 0, ..., 3."""
    rate, powers = 0.0, times ** np.arange(4)[:, None]
    while True:
        discounts = np.exp(-times * rate)
        sums = (powers * (x * discounts)).sum(axis=1)
        residual = float(sums[0] - 1.0)
        if not residual > 10.0**-digits:
            return
        yield residual, discounts, sums
        rate += residual / float(sums[1])


def _slopes(step: Step, times: Array) -> tuple[float, Array]:
    """Of N(r, x) = r + q with q = residual / S_1: N_r = q S_2 / S_1, N_x = d (1 - q t) / S_1."""
    residual, discounts, sums = step
    q = residual / sums[1]
    return q * sums[2] / sums[1], discounts * (1.0 - q * times) / sums[1]


def _bends(step: Step, times: Array) -> tuple[float, Array, Array, Array]:
    """N_rr, N_rx, and (a, b) of N_xx = a b' + b a'.

    N_rr = (2 q S_2^2 / S_1 - q S_3 - S_2) / S_1, a = d t / S_1, b = d (q t - 1) / S_1,
    N_rx = d (S_2 / S_1 + q t^2 - 2 q t S_2 / S_1) / S_1.
    """
    residual, discounts, sums = step
    q, ratio, share = residual / sums[1], sums[2] / sums[1], discounts / sums[1]
    of_rate = 2.0 * q * ratio * ratio - q * sums[3] / sums[1] - ratio
    mixed = share * (ratio + q * times * (times - 2.0 * ratio))
    return of_rate, mixed, share * times, share * (q * times - 1.0)


def gradient(x: Array, times: Array, *, digits: int) -> Array:
    """g <- N_r g + N_x at each step; at the root N_r is 0, and N_x the root's own g, d / S_1."""
    g = np.zeros_like(x)
    for step in _steps(x, times, digits):
        inner, outer = _slopes(step, times)
        g = inner * g + outer
    return g


def hvp(x: Array, v: Array, times: Array, *, digits: int) -> Array:
    """h <- N_r h + N_rr g (g'v) + N_rx (g'v) + g (N_rx'v) + N_xx v, with the old g."""
    g, h = np.zeros_like(x), np.zeros_like(x)
    for step in _steps(x, times, digits):
        inner, outer = _slopes(step, times)
        bend, mixed, a, b = _bends(step, times)
        along = g @ v
        h = inner * h + (bend * along + mixed @ v) * g + along * mixed + (b @ v) * a + (a @ v) * b
        g = inner * g + outer
    return h


def hessian(x: Array, times: Array, *, digits: int) -> Array:
    """H <- N_r H + N_rr g g' + N_rx g' + g N_rx' + N_xx, with the old g."""
    g, h = np.zeros_like(x), np.zeros((x.size, x.size))
    for step in _steps(x, times, digits):
        inner, outer = _slopes(step, times)
        bend, mixed, a, b = _bends(step, times)
        half = np.outer(0.5 * bend * g + mixed, g) + np.outer(a, b)
        h = inner * h + half + half.T
        g = inner * g + outer
    return h


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Payments of 4 in all within a unit of time; methods prepare at 1.5, some steps fewer."""
    n, digits = params["n"], params["digits"]
    times = (np.arange(n) + 1.0) / n
    shares = rng.uniform(0.5, 1.5, (2, n))
    x, prepare_x = shares / shares.sum(axis=1, keepdims=True) * [[4.0], [1.5]]
    answers: dict[str, Function] = {"gradient": gradient, "hvp": hvp, "hessian": hessian}
    return Parts(
        f=partial(f, digits=digits),
        x=x,
        prepare_x=prepare_x,
        constants=(times,),
        depth=sum(1 for _ in _steps(x, times, digits)),
        answers={name: partial(answer, digits=digits) for name, answer in answers.items()},
    )


FAMILY = Family(
    name="newton_root",
    title="Internal rate of return",
    shows="a loop that values end: what runs has another derivative than the root that it nears",
    reference="Gilbert, Automatic differentiation and iterative processes, 1992",
    latex=(
        r"r_0 = 0, \quad r_{k+1} = r_k + \frac{\sum_i x_i e^{-r_k t_i} - 1}{\sum_i t_i x_i"
        r" e^{-r_k t_i}}, \quad f(x) = r_k: \sum_i x_i e^{-r_k t_i} - 1 \le"
        r" 10^{-\mathrm{digits}}"
    ),
    parameters={
        "n": Parameter(8, "number of payments", minimum=1),
        "digits": Parameter(8, "the loop ends at a residual of 10^-digits", minimum=1, maximum=10),
    },
    sizes={
        "quick": "n=2|16,digits=3",
        "standard": "n=4|64,digits=8",
        "full": "n=4|64|1024|16384|262144,digits=3|8",
    },
    build=build,
)

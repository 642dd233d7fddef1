"""The logarithm of a sum of exponentials, as it stands and with its largest input taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts, published

Array = NDArray[np.float64]
LARGEST, SMALLEST = float(np.log(np.finfo(float).max)), float(np.log(np.finfo(float).tiny))
PUBLIC = tuple(2500 * 2**i for i in range(13))  # the public suite's sizes
OPERATORS = ("value", "gradient", "jacobian", "jvp", "vjp", "hvp", "hessian")
OVERFLOW = "the sum of the exponentials is no double: beyond e^709.78 it is inf"
TINY = "entries are below 2^-1022, where doubles lose their digits one by one"
SQUARE = "the slope of log, differentiated again, divides by the sum twice: 1/sum^2 underflows"


def naive(x: Any, xp: Any) -> Any:
    """log sum exp(x_i)."""
    return xp.log(xp.sum(xp.exp(x)))


def stable(x: Any, xp: Any) -> Any:
    """a + log sum exp(x_i - a), a = max x: no exponential is larger than 1."""
    a = xp.max(x)
    return a + xp.log(xp.sum(xp.exp(x - a)))


FORMS: Mapping[str, Callable[..., Any]] = {"naive": naive, "stable": stable}


def gradient(x: Array) -> Array:
    """Softmax: exp(x_i - a) over their sum; what x_i - a loses to rounding is put back."""
    a = np.max(x)
    below = x - a
    back = below + a
    lost = (x - back) + ((back - below) - a)  # Knuth's two-sum: x - a = below + lost
    weight = np.exp(below) * (1.0 + lost)
    return np.asarray(weight / np.sum(weight))


def hvp(x: Array, v: Array) -> Array:
    """p_i (v_i - sum p_j v_j), all v less that of the largest p: where it is near 1 they cancel."""
    p = gradient(x)
    beside = v - v[np.argmax(p)]
    return np.asarray(p * (beside - np.sum(p * beside)))


def hessian(x: Array) -> Array:
    """diag(p) - p p'; on the diagonal p_i times the sum of all other p, without 1 - p near 1."""
    p = gradient(x)
    out = -np.outer(p, p)
    others, k = 1.0 - p, np.argmax(p)
    others[k] = np.sum(np.delete(p, k))
    np.fill_diagonal(out, p * others)
    return out


def out_of_range(form: str, x: Array) -> dict[str, str]:
    """The operators whose answer doubles cannot hold or the form may not reach, and why."""
    low, second = np.partition(x, 1)[:2]
    top = float(stable(x, np))
    found: dict[str, str] = {}
    if low + second - 2.0 * top < SMALLEST:
        found |= {"hessian": TINY}
    if low - top < SMALLEST:
        found |= dict.fromkeys(("gradient", "jacobian", "vjp", "hvp"), TINY)
    if form == "naive" and not (-2.0 * top >= SMALLEST):
        found |= dict.fromkeys(("hvp", "hessian"), SQUARE)
    if form == "naive" and not (top <= LARGEST):
        found |= dict.fromkeys(OPERATORS, OVERFLOW)
    return found


def _public(n: int) -> Array:
    """The draw of the size n after those of all smaller sizes, from the seed 31337."""
    published("lse", {"n": n}, {"n": PUBLIC})
    rng = np.random.RandomState(31337)
    for smaller in PUBLIC[: PUBLIC.index(n)]:
        rng.rand(smaller)
    return rng.rand(n)


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Inputs anywhere in [-R, R], the first is R; the public ones in [0, 1), whatever R is."""
    n, form, public = params["n"], params["form"], params["generator"] == "public"
    low, high = (0.0, 1.0) if public else (-params["R"], params["R"])
    x = _public(n) if public else np.append(high, rng.uniform(low, high, n - 1))
    return Parts(
        f=FORMS[form],
        x=x,
        prepare_x=rng.uniform(low, high, n),
        answers={"gradient": gradient, "hvp": hvp, "hessian": hessian},
        expected=out_of_range(form, x),
    )


FAMILY = Family(
    name="lse",
    title="Log-sum-exp",
    shows="one function as two programs: the naive one and its derivatives overflow, the other not",
    reference="Blanchard, Higham and Higham, Accurately computing log-sum-exp and softmax, 2021",
    latex=(
        r"f(x) = \ln \sum_{i=1}^{n} e^{x_i} = a + \ln \sum_{i=1}^{n} e^{x_i - a},"
        r" \quad a = \max_i x_i"
    ),
    parameters={
        "n": Parameter(8, "number of inputs", minimum=2),
        "R": Parameter(10, "inputs in [-R, R], one is R; naive overflows from 710", minimum=1),
        "form": Parameter("stable", "as it stands, or shifted", choices=("naive", "stable")),
        "generator": Parameter(
            "own", "public: the inputs of the public suite, in [0, 1)", choices=("own", "public")
        ),
    },
    sizes={
        "quick": "n=2|32,form=naive|stable",
        "standard": "n=8|512,form=naive|stable",
        "full": "n=2|8|32|256|2048|16384|131072|1000000,form=naive|stable,R=10|100",
    },
    build=build,
)

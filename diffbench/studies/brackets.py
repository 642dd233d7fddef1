"""The chain rule as a product of Jacobians: its two brackets, and what each multiplies.

F = D o C o B o A from n over p, q and r to m numbers. Forward mode forms D'(C'(B'A')), in
n (pq + qr + rm) multiplications; reverse mode ((D'C')B')A', in m (rq + qp + pn). Source: Griewank
and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench import ad
from diffbench.ad import Graph
from diffbench.studies.parts import row
from diffbench.study import StudyRow

__all__ = ["chains", "counts", "layered", "products"]

Array = NDArray[np.float64]
Bracket = tuple[Any, Any] | None  # None: one matrix
POINTS = 1000
PRODUCTS = 20
UNIT = 2.0**-53
BRACKETS: dict[str, Bracket] = {
    "D(C(BA))": (None, (None, (None, None))),
    "((DC)B)A": (((None, None), None), None),
    "(DC)(BA)": ((None, None), (None, None)),
    "D((CB)A)": (None, ((None, None), None)),
    "(D(CB))A": ((None, (None, None)), None),
}
FORWARD, REVERSE = "D(C(BA))", "((DC)B)A"
DIMENSIONS = {
    # those of the lecture (many inputs), and a chain with a waist
    "funnel": (1000, 500, 100, 50, 10),
    "waist": (1000, 100, 2, 100, 1000),
}


# --- the scalar chain -----------------------------------------------------------------------------


def scalar_chain(x: Any, xp: Any) -> Any:
    """y = tanh w2, w2 = exp w1, w1 = sin x, at every entry of x."""
    return xp.tanh(xp.exp(xp.sin(x)))


def chains() -> Iterator[StudyRow]:
    """How far the two brackets of dy/dw2 dw2/dw1 dw1/dx lie apart, and the order of operations."""
    x = np.random.default_rng(0).uniform(-3.0, 3.0, POINTS)
    ones = np.ones(POINTS)
    _, forward = ad.jvp(scalar_chain, x, ones)
    _, reverse = ad.vjp(scalar_chain, x, ones)
    ulps = np.abs(forward - reverse) / np.spacing(np.abs(forward))
    yield row("chain|apart", ulps.max(), "ulp at most", f"{POINTS} points in [-3, 3]")
    for name, operator in (("forward", "jvp"), ("reverse", "vjp")):
        graph = ad.derivative_graph(scalar_chain, x, operator, seed=ones)
        order = [rule.name for rule in graph.rules if rule is not None]
        yield row(f"chain|order|{name}", len(order), "operations", ", ".join(order))


# --- products of Jacobians ------------------------------------------------------------------------


def layered(x: Any, xp: Any, *weights: Any) -> Any:
    """h <- sin(W h) for each matrix W."""
    for w in weights:
        x = xp.sin(xp.matmul(w, x))
    return x


def _weights(widths: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, ...]:
    return tuple(rng.uniform(-1.0, 1.0, (b, a)) / np.sqrt(a) for a, b in pairwise(widths))


def _product(bracket: Bracket, matrices: list[Any], xp: Any) -> Any:
    if bracket is None:
        return matrices.pop(0)
    left = _product(bracket[0], matrices, xp)
    return xp.matmul(left, _product(bracket[1], matrices, xp))


def bracketed(bracket: Bracket) -> Any:
    """The Jacobian of :func:`layered` as a program that multiplies its factors in that order."""

    def program(x: Any, xp: Any, *weights: Any) -> Any:
        factors: list[Any] = []
        for w in weights:
            z = xp.matmul(w, x)
            factors.insert(0, xp.expand_dims(xp.cos(z), axis=1) * w)
            x = xp.sin(z)
        return _product(bracket, factors, xp)

    return program


def products() -> Iterator[StudyRow]:
    """The explicit product beside both modes: the norm-wise error over 8 u times 4 factors."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(PRODUCTS):
        n, p, q, r, m = (int(k) for k in rng.integers(1, 13, 5))
        weights, x = _weights((n, p, q, r, m), rng), rng.uniform(-1.0, 1.0, n)
        graph = ad.trace(bracketed(BRACKETS[FORWARD]), x, *weights)
        product = graph.values[graph.output or 0]
        for mode in ("forward", "reverse"):
            error = np.linalg.norm(product - ad.jacobian(layered, mode)(x, *weights))
            errors.append(error / np.linalg.norm(product))
    largest = float(np.max(errors))  # NaN, where one is
    said = f"{PRODUCTS} chains of four layers, widths 1 to 12; the largest error is {largest:.2g}"
    yield row("product|error", largest / (8 * UNIT * 4), "of 8 u k, k = 4 factors", said)


# --- counted multiplications ----------------------------------------------------------------------


def counted(graph: Graph) -> int:
    """Multiplications of all products of matrices and vectors in a trace."""
    total = 0
    for i, rule in enumerate(graph.rules):
        if rule is not None and rule.name == "contract":
            letters = "".join(graph.params[i][:2])
            lengths = [n for a in graph.arguments(i) for n in np.shape(a)]
            total += math.prod(dict(zip(letters, lengths, strict=True)).values())
    return total


def counts() -> Iterator[StudyRow]:
    """Of each chain what every bracket multiplies, what the modes do, and what formulas give."""
    rng = np.random.default_rng(0)
    for name, widths in DIMENSIONS.items():
        n, p, q, r, m = widths
        weights, x = _weights(widths, rng), rng.uniform(-1.0, 1.0, n)
        primal = counted(ad.trace(layered, x, *weights))
        shape = "-".join(map(str, widths))
        for text, bracket in BRACKETS.items():
            done = counted(ad.trace(bracketed(bracket), x, *weights)) - primal
            yield row(f"multiplications|{name}|{text}", done, "multiplications", shape)
        for mode in ("forward", "reverse"):
            graph = ad.derivative_graph(layered, x, "jacobian", weights, mode=mode)
            done = counted(graph) - primal
            yield row(f"multiplications|{name}|{mode} mode", done, "multiplications", shape)
        for text, formula, cost in (
            (FORWARD, "n (pq + qr + rm)", n * (p * q + q * r + r * m)),
            (REVERSE, "m (rq + qp + pn)", m * (r * q + q * p + p * n)),
            ("seed", "m m r, the seed I through D'", m * m * r),
        ):
            yield row(f"formula|{name}|{text}", cost, "multiplications", formula)

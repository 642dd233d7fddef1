"""Four layers D after C after B after A, of free widths: the Jacobian is a product of four."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts

Array = NDArray[np.float64]
WIDTHS = ("n", "p", "q", "r", "m")


def f(x: Any, xp: Any, *weights: Any) -> Any:
    """h <- sin(W h) for each of the four matrices W."""
    for w in weights:
        x = xp.sin(xp.matmul(w, x))
    return x


# --- brackets --------------------------------------------------------------------------------


def forward_cost(n: int, p: int, q: int, r: int, m: int) -> int:
    """Multiplications of D'(C'(B'A')): n (pq + qr + rm)."""
    return n * (p * q + q * r + r * m)


def reverse_cost(n: int, p: int, q: int, r: int, m: int) -> int:
    """Multiplications of ((D'C')B')A': m (rq + qp + pn)."""
    return m * (r * q + q * p + p * n)


@cache
def cheapest(*widths: int) -> tuple[int, Any]:
    """The fewest multiplications for a product of matrices (w_0, w_1), (w_1, w_2), ..., and how.

    A bracket is a pair of brackets, or None for a matrix. Source: Godbole, On efficient
    computation of matrix chain products, 1973.
    """
    if len(widths) == 2:
        return 0, None
    choices = []
    for i in range(1, len(widths) - 1):
        (left, a), (right, b) = cheapest(*widths[: i + 1]), cheapest(*widths[i:])
        choices.append((left + right + widths[0] * widths[i] * widths[-1], (a, b)))
    return min(choices, key=lambda choice: choice[0])


def multiply(bracket: Any, matrices: list[Any]) -> Any:
    """The product of the matrices in that order; they are taken off the list's front."""
    if bracket is None:
        return matrices.pop(0)
    left = multiply(bracket[0], matrices)
    return left @ multiply(bracket[1], matrices)


# --- by hand ---------------------------------------------------------------------------------


def _slopes(x: Array, weights: tuple[Array, ...]) -> list[Array]:
    """cos(W h) of each layer."""
    out = []
    for w in weights:
        z = w @ x
        out.append(np.cos(z))
        x = np.sin(z)
    return out


def jacobian(x: Array, *weights: Array) -> Array:
    """D' C' B' A' with W' = diag(cos(W h)) W, in the order that takes the fewest products."""
    layers = [s[:, None] * w for s, w in zip(_slopes(x, weights), weights, strict=True)][::-1]
    _, bracket = cheapest(*(len(layer) for layer in layers), x.size)
    return np.asarray(multiply(bracket, layers))


def jvp(x: Array, v: Array, *weights: Array) -> Array:
    """v <- cos(W h) (W v) from A to D."""
    layers = zip(_slopes(x, weights), weights, strict=True)
    return np.asarray(reduce(lambda u, layer: layer[0] * (layer[1] @ u), layers, v))


def vjp(x: Array, w: Array, *weights: Array) -> Array:
    """w <- W' (cos(W h) w) from D to A."""
    layers = list(zip(_slopes(x, weights), weights, strict=True))
    return np.asarray(reduce(lambda u, layer: (layer[0] * u) @ layer[1], layers[::-1], w))


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """Entries of either sign and size 1/sqrt(width): W h stays below 1 for most."""
    widths = [params[name] for name in WIDTHS]
    pairs = zip(widths[1:], widths[:-1], strict=True)
    return Parts(
        f=f,
        x=rng.uniform(-1.0, 1.0, params["n"]),
        prepare_x=rng.uniform(-1.0, 1.0, params["n"]),
        constants=tuple(rng.uniform(-1.0, 1.0, shape) / np.sqrt(shape[1]) for shape in pairs),
        m=params["m"],
        depth=len(widths) - 1,
        answers={"jacobian": jacobian, "jvp": jvp, "vjp": vjp},
    )


FAMILY = Family(
    name="matrix_chain",
    title="Chain of four Jacobians",
    shows="forward and reverse are two brackets of one product; neither need be the cheapest",
    reference="Griewank and Naumann, Accumulating Jacobians as chained sparse products, 2003",
    latex=(
        r"F = D \circ C \circ B \circ A: \mathbb{R}^n \to \mathbb{R}^p \to \mathbb{R}^q"
        r" \to \mathbb{R}^r \to \mathbb{R}^m, \quad F' = D' C' B' A', \quad A(h) = \sin(W_A h)"
    ),
    parameters={
        "n": Parameter(16, "inputs", minimum=1),
        "p": Parameter(8, "outputs of A", minimum=1),
        "q": Parameter(2, "outputs of B", minimum=1),
        "r": Parameter(8, "outputs of C", minimum=1),
        "m": Parameter(16, "outputs of D", minimum=1),
    },
    sizes={
        "quick": "n=2|8,p=2,q=1,r=3,m=2",
        "standard": "n=4|64,p=16,q=2,r=16,m=4|64",
        "full": "n=10|1000,p=100,q=2|50,r=100,m=10|1000",
    },
    build=build,
)

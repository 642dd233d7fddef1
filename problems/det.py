"""The determinant, by cofactor expansion and by linear algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.problem import Family, Parameter, Parts, published

Array = NDArray[np.float64]
Index = NDArray[np.int64]
PUBLIC = tuple(range(5, 12))  # the sides of the public suite's matrices


# --- by minors -----------------------------------------------------------------------------------


@cache
def _expansion(side: int) -> list[tuple[Index, Index, Array]]:
    """For the last 2, ..., side rows: the column of each term, the place of its minor, signs."""
    steps: list[tuple[Index, Index, Array]] = []
    for k in range(2, side + 1):
        place = {columns: i for i, columns in enumerate(combinations(range(side), k - 1))}
        chosen = list(combinations(range(side), k))
        rest = [place[columns[:j] + columns[j + 1 :]] for columns in chosen for j in range(k)]
        signs = np.where(np.arange(k) % 2, -1.0, 1.0)
        steps.append((np.ravel(chosen), np.array(rest), signs))
    return steps


def by_minors(x: Any, xp: Any, *, side: int) -> Any:
    """Laplace: from the last row up, every minor of the last k rows by those of k - 1.

    Written out it has side! products; each minor is computed once, so side 2^(side - 1) are left.
    """
    a = xp.reshape(x, (side, side))
    minors = a[side - 1, :]
    for k, (columns, rest, signs) in enumerate(_expansion(side), start=2):
        terms = xp.take(a[side - k, :], xp.asarray(columns)) * xp.take(minors, xp.asarray(rest))
        minors = xp.sum(xp.reshape(terms, (-1, k)) * xp.asarray(signs), axis=1)
    return minors[0]


def _dets(a: Array) -> Array:
    """The determinants of matrices, shape (..., k, k), each by its first row; 1 for k = 0."""
    k = a.shape[-1]
    if k < 2:
        return np.ones(a.shape[:-2]) if k == 0 else a[..., 0, 0]
    minors = a[..., k - 1, :]
    for size, (columns, rest, signs) in enumerate(_expansion(k), start=2):
        terms = a[..., k - size, columns] * minors[..., rest]
        minors = np.sum(terms.reshape(*terms.shape[:-1], -1, size) * signs, axis=-1)
    return minors[..., 0]


def _without(a: Array, gone: int) -> tuple[list[tuple[int, ...]], Array]:
    """The sets of ``gone`` lines, and the signed minor without those rows and those columns."""
    side = len(a)
    sets = list(combinations(range(side), gone))
    kept = np.array([[i for i in range(side) if i not in lines] for lines in sets], dtype=int)
    parts = a[kept[:, None, :, None], kept[None, :, None, :]]
    signs = np.array([(-1.0) ** sum(lines) for lines in sets])
    return sets, np.outer(signs, signs) * _dets(parts)


def minors_gradient(x: Array, *, side: int) -> Array:
    """The cofactors: (-1)^(i + j) times the minor without row i and column j."""
    return _without(x.reshape(side, side), 1)[1].ravel()


def minors_hessian(x: Array, *, side: int) -> Array:
    """By a_ij and a_kl: the signed minor without both rows and columns; 0 where one is shared."""
    sets, minors = _without(x.reshape(side, side), 2)
    i, k = np.array(sets).T
    out = np.zeros((side,) * 4)
    rows, columns = np.ix_(range(len(sets)), range(len(sets)))
    for first, second, sign in ((i, k, 1.0), (k, i, -1.0)):
        out[i[rows], first[columns], k[rows], second[columns]] = sign * minors
        out[k[rows], first[columns], i[rows], second[columns]] = -sign * minors
    return out.reshape(side * side, -1)


def minors_hvp(x: Array, v: Array, *, side: int) -> Array:
    """The Hessian, whose (side^2)^2 entries are few beside the cost of the minors, times v."""
    return np.asarray(minors_hessian(x, side=side) @ v)


# --- by linear algebra ---------------------------------------------------------------------------


def by_lu(x: Any, xp: Any, *, side: int) -> Any:
    """The product of the pivots of A = L U."""
    return xp.linalg.det(xp.reshape(x, (side, side)))


def _inverse(x: Array, side: int) -> tuple[float, Array]:
    """det A and the transposed inverse, which times det A is the matrix of cofactors."""
    a = x.reshape(side, side)
    return float(np.linalg.det(a)), np.asarray(np.linalg.inv(a).T)


def lu_gradient(x: Array, *, side: int) -> Array:
    """Jacobi: det(A) A^-T."""
    det, b = _inverse(x, side)
    return np.asarray(det * b.ravel())


def lu_hvp(x: Array, v: Array, *, side: int) -> Array:
    """det(A) (<B, V> B - B V' B), B = A^-T."""
    det, b = _inverse(x, side)
    move = v.reshape(side, side)
    return np.asarray((det * (np.sum(b * move) * b - b @ move.T @ b)).ravel())


def lu_hessian(x: Array, *, side: int) -> Array:
    """By a_ij and a_kl: det(A) (B_ij B_kl - B_il B_kj), B = A^-T."""
    det, b = _inverse(x, side)
    pairs = np.einsum("ij,kl->ijkl", b, b) - np.einsum("il,kj->ijkl", b, b)
    return np.asarray(det * pairs.reshape(side * side, -1))


# --- sizes ---------------------------------------------------------------------------------------

METHODS: Mapping[str, dict[str, Callable[..., Any]]] = {
    "minors": {
        "f": by_minors,
        "gradient": minors_gradient,
        "hvp": minors_hvp,
        "hessian": minors_hessian,
    },
    "lu": {"f": by_lu, "gradient": lu_gradient, "hvp": lu_hvp, "hessian": lu_hessian},
}


def _public(side: int) -> Array:
    """The draw of that side after those of all smaller sides, from the seed 31337."""
    published("det", {"l": side}, {"l": PUBLIC})
    rng = np.random.RandomState(31337)
    for smaller in PUBLIC[: PUBLIC.index(side)]:
        rng.rand(smaller * smaller)
    return rng.rand(side * side)


def _matrix(side: int, rng: np.random.Generator) -> Array:
    """The identity and a disturbance of it, row by row: well conditioned, determinant near 1."""
    noise = rng.uniform(-1.0, 1.0, (side, side)) / (2.0 * np.sqrt(side))
    return np.asarray((np.eye(side) + noise).ravel())


def build(params: Mapping[str, Any], rng: np.random.Generator) -> Parts:
    """A matrix of side l; its entries are the inputs, row by row."""
    side = params["l"]
    chosen = {name: partial(each, side=side) for name, each in METHODS[params["method"]].items()}
    return Parts(
        f=chosen.pop("f"),
        x=_public(side) if params["generator"] == "public" else _matrix(side, rng),
        prepare_x=_matrix(side, rng),
        depth=side,
        answers=chosen,
    )


FAMILY = Family(
    name="det",
    title="Determinant",
    shows="one function written as l! products, as l 2^l with shared minors, as l^3 by algebra",
    reference="Magnus and Neudecker, Matrix Differential Calculus, 3rd edition, 2019, section 8.3",
    latex=(
        r"f(A) = \det A = \sum_{j} (-1)^{1 + j} a_{1j} \det A_{1j}, \quad"
        r" \frac{\partial f}{\partial a_{ij}} = (-1)^{i + j} \det A_{ij} = \det(A) (A^{-1})_{ji}"
    ),
    parameters={
        "l": Parameter(4, "rows and columns; n = l^2", minimum=2),
        "method": Parameter("minors", "cofactors or algebra", choices=("minors", "lu")),
        "generator": Parameter(
            "own", "public: the inputs of the public suite, l = 5..11", choices=("own", "public")
        ),
    },
    sizes={
        "quick": "l=3|4,method=minors|lu",
        "standard": "l=3|5,method=minors|lu",
        "full": "l=2|3|4|5|6|8|10,method=minors|lu",
    },
    build=build,
)

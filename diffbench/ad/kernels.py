"""Values of the primitives that numpy has not, or not in the form that the table needs."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from diffbench.ad.errors import Undecided

__all__ = [
    "Contraction",
    "advanced",
    "after",
    "arg",
    "attains",
    "cofactors",
    "concat",
    "contract",
    "cumulative_sum",
    "decided",
    "det",
    "explog",
    "flip",
    "index_directions",
    "inverse",
    "logabsdet",
    "masked",
    "masked_scalar",
    "norm",
    "others_product",
    "reducer",
    "roll",
    "round_scalar",
    "scatter",
    "scatter_directions",
    "sech2",
    "special",
    "where_scalar",
    "xlogx",
]

Axes = tuple[int, ...]
Shape = tuple[int, ...]


def special(name: str) -> Callable[..., Any]:
    """A function of scipy.special, imported at its first call."""

    def call(*args: Any) -> Any:
        from scipy import special as functions

        return getattr(functions, name)(*args)

    return call


def xlogx(x: Any) -> Any:
    """x ln x, 0 at 0."""
    return special("xlogy")(x, x)


def explog(x: Any) -> Any:
    """x where it is not negative, else NaN."""
    return np.where(np.less(x, 0.0), np.nan, x)


def sech2(x: Any) -> Any:
    """1 / cosh(x)^2."""
    return 1.0 / np.square(np.cosh(x))


def reducer(function: Callable[..., Any]) -> Callable[[Any, Axes], Any]:
    """A numpy reduction that takes its axes as a tuple."""
    return lambda x, axes: function(x, axis=axes)


def arg(function: Callable[..., Any]) -> Callable[[Any, int | None], Any]:
    """numpy's argmax or argmin over one axis, or over all for None."""
    return lambda x, axis: function(x, axis=axis)


def after(axes: Axes) -> Axes:
    """The same axes behind a leading axis of directions."""
    return tuple(a + 1 for a in axes)


def inverse(axes: Axes) -> Axes:
    """The inverse of a permutation."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def flip(x: Any, axes: Axes) -> Any:
    """The entries in reverse order along the axes."""
    return np.flip(x, axis=axes)


def roll(x: Any, shift: Axes, axes: Axes) -> Any:
    """The entries rotated by ``shift`` along the axes."""
    return np.roll(x, shift, axis=axes)


def cumulative_sum(x: Any, axis: int) -> Any:
    """Running sums along one axis."""
    return np.cumsum(x, axis=axis)


def concat(*arguments: Any) -> Any:
    """Operands laid end to end; the axis comes last."""
    *parts, axis = arguments
    return np.concatenate(parts, axis=axis)


def norm(x: Any, axes: Axes) -> Any:
    """The Euclidean norm over the axes."""
    return np.sqrt(np.sum(np.square(x), axis=axes))


def det(x: Any, axes: Axes) -> Any:
    """The determinant of a matrix (over both its axes)."""
    return np.linalg.det(x)


def logabsdet(x: Any, axes: Axes) -> Any:
    """The logarithm of the size of the determinant of a matrix."""
    return np.linalg.slogdet(x)[1]


def attains(x: Any, y: Any, axes: Axes) -> Any:
    """Which entries attain the extreme ``y`` (with its axes kept) of their slice along ``axes``."""
    return x == y


# --- choices -------------------------------------------------------------------------------------


def masked(g: Any, c: Any) -> Any:
    """``c``, but 0 where the direction ``g`` it was made of is 0 and c is not finite."""
    return c if np.isfinite(c).all() else np.where(g == 0, 0.0, c)


def masked_scalar(g: Any, c: Any) -> Any:
    """The same on one ball: 0 where g is exactly 0."""
    return g if g == 0 else c


def where_scalar(condition: Any, a: Any, b: Any) -> Any:
    """The branch that is taken."""
    return a if condition else b


def round_scalar(x: Any) -> Any:
    """The nearest whole number, the even one of two."""
    up = (x + 0.5).floor()
    tie = up == x + 0.5
    return up - 1 if tie and (up / 2).floor() * 2 != up else up


def decided(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """A comparison of balls that raises Undecided where they overlap: more bits will tell.

    One and the same ball is one number, however wide it is.
    """
    opposite = {
        operator.lt: operator.ge,
        operator.le: operator.gt,
        operator.gt: operator.le,
        operator.ge: operator.lt,
        operator.eq: operator.ne,
        operator.ne: operator.eq,
    }[compare]

    def decide(a: Any, b: Any) -> bool:
        if a is b:
            return compare(0, 0)
        if compare(a, b):
            return True
        if opposite(a, b):
            return False
        raise Undecided(f"{a} and {b} overlap")

    return decide


# --- parts ---------------------------------------------------------------------------------------


def advanced(key: tuple[Any, ...]) -> bool:
    """Whether a key holds index arrays, so that an entry may be named twice."""
    for part in key:
        if type(part) is np.ndarray or type(part) is list:
            return True
    return False


def scatter(g: Any, key: tuple[Any, ...], shape: Shape) -> Any:
    """Zeros of that shape with ``g`` added at ``key``: the transpose of indexing."""
    dtype = getattr(g, "dtype", None) or (float if isinstance(g, float | int) else object)
    g = g[()] if isinstance(g, np.ndarray) else g  # numpy would store a 0-d object array whole
    out = np.zeros(shape, dtype=dtype)
    if advanced(key):
        np.add.at(out, key, g)
    else:
        out[key] = g
    return out


def _scattered_axes(key: tuple[Any, ...]) -> bool:
    """Whether index arrays stand apart, so that numpy moves their axis to the front."""
    arrays = [i for i, k in enumerate(key) if isinstance(k, np.ndarray | list | int)]
    return bool(arrays) and arrays[-1] - arrays[0] >= len(arrays)


def index_directions(xp: Any, t: Any, key: tuple[Any, ...]) -> Any:
    """Indexing of each of the k directions."""
    if _scattered_axes(key):
        return xp.stack([t[j][key] for j in range(t.shape[0])])
    return t[(slice(None), *key)]


def scatter_directions(xp: Any, t: Any, key: tuple[Any, ...], shape: Shape) -> Any:
    """The transpose of indexing for each of the k directions."""
    if _scattered_axes(key):
        return xp.stack([xp.scatter(t[j], key, shape) for j in range(t.shape[0])])
    return xp.scatter(t, (slice(None), *key), (t.shape[0], *shape))


# --- products ------------------------------------------------------------------------------------


def others_product(xp: Any, x: Any, axis: int) -> Any:
    """For each entry the product of all the others along the axis; exact where entries are 0."""
    n = x.shape[axis]
    before = (slice(None),) * axis
    one = xp.ones((*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    prefix = xp.concat(
        [one, xp.cumulative_prod(x[(*before, slice(0, n - 1))], axis=axis)], axis=axis
    )
    back = xp.flip(x, axis=axis)[(*before, slice(0, n - 1))]
    suffix = xp.concat([one, xp.cumulative_prod(back, axis=axis)], axis=axis)
    return prefix * xp.flip(suffix, axis=axis)


def cofactors(xp: Any, x: Any) -> Any:
    """The matrix of cofactors by minors: right where the inverse does not exist."""
    n = x.shape[0]
    keep = [[j for j in range(n) if j != i] for i in range(n)]
    rows = [
        [(-1.0) ** (i + j) * xp.linalg.det(x[np.ix_(keep[i], keep[j])]) for j in range(n)]
        for i in range(n)
    ]
    return xp.stack([xp.stack(row) for row in rows]) if n > 1 else xp.ones((1, 1))


@final
@dataclass(frozen=True, slots=True)
class Contraction:
    """How to sum products over letters: transpositions around one (batched) matrix product."""

    to_a: Axes
    to_b: Axes
    to_out: Axes
    batch: int
    left: int
    summed: int
    simple: bool  # already in the form of numpy's dot

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def of(a: str, b: str, out: str) -> Contraction:
        """The plan for operands with axes ``a`` and ``b`` and a result with axes ``out``."""
        summed = [c for c in a if c in b and c not in out]
        batch = [c for c in a if c in b and c in out]
        left, right = [c for c in a if c not in b], [c for c in b if c not in a]
        have = batch + left + right
        order_a, order_b = left + summed, summed + right
        simple = (
            not batch and len(summed) == 1 and [order_a, order_b, have] == [*map(list, (a, b, out))]
        )
        return Contraction(
            tuple(a.index(c) for c in batch + order_a),
            tuple(b.index(c) for c in batch + order_b),
            tuple(have.index(c) for c in out),
            len(batch),
            len(left),
            len(summed),
            simple,
        )

    def matrices(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The operands as stacks of matrices, (batch, left, summed) and (batch, summed, right)."""
        x, y = np.transpose(x, self.to_a), np.transpose(y, self.to_b)
        lead = math.prod(x.shape[: self.batch])
        inner = math.prod(y.shape[self.batch : self.batch + self.summed])
        return x.reshape(lead, -1, inner), y.reshape(lead, inner, -1)

    def shape(self, x: Any, y: Any) -> Shape:
        """The shape of the product before its axes are put in order: batch, left, right."""
        ours = tuple(x.shape[i] for i in self.to_a[: self.batch + self.left])
        return ours + tuple(y.shape[i] for i in self.to_b[self.batch + self.summed :])

    def assemble(self, product: Any, x: Any, y: Any) -> Any:
        """The stack of products with its axes apart and in the order of ``out``."""
        return np.transpose(product.reshape(self.shape(x, y)), self.to_out)


def contract(x: Any, y: Any, a: str, b: str, out: str) -> Any:
    """Sum of products over the letters that ``out`` lacks; ``ij, jk, ik`` is a matrix product."""
    plan = Contraction.of(a, b, out)
    if plan.simple:
        return np.dot(x, y)
    return plan.assemble(np.matmul(*plan.matrices(x, y)), x, y)

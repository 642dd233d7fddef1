"""An independent route to the derivatives of every row: power series of balls, and plain formulas.

A route gives the row's value on truncated power series x(t) = x + v t (flint's ``arb_series``,
whose coefficients it computes itself): it uses neither the partials of the table nor its balls.
What arb_series lacks is made of exp, log, sqrt and atan; arrays are lists of series, and their
linear algebra is that of school: Leibniz' sum, Cramer's rule, leading minors.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from flint import arb

Series = Any  # arb_series: the stubs of flint leave it untyped
Interval = tuple[float, float]


def _middle(x: Series) -> float:
    return float(x[0].mid())


def _sinh(x: Series) -> Series:
    return (x.exp() - (-x).exp()) / 2


def _cosh(x: Series) -> Series:
    return (x.exp() + (-x).exp()) / 2


def _by_sign(x: Series) -> Series:
    return x if _middle(x) > 0 else -x


def _atan2(a: Series, b: Series) -> Series:
    turn = arb.pi() * (1 if _middle(a) > 0 else -1) if _middle(b) < 0 else 0
    return (a / b).atan() + turn


def _sum(terms: Sequence[Series]) -> Series:
    return functools.reduce(operator.add, terms)


def _product(factors: Sequence[Series]) -> Series:
    return functools.reduce(operator.mul, factors)


# row -> its value on series; what is piecewise goes by the midpoints
SERIES: dict[str, Callable[..., Series]] = {
    "negative": lambda x: 0 - x,
    "abs": _by_sign,
    "square": lambda x: x**2,
    "sqrt": lambda x: x.sqrt(),
    "root": lambda x: (x.log() / 2).exp(),
    "reciprocal": lambda x: x.inv(),
    "exp": lambda x: x.exp(),
    "explog": lambda x: x,
    "expm1": lambda x: x.exp() - 1,
    "log": lambda x: x.log(),
    "log1p": lambda x: (1 + x).log(),
    "log2": lambda x: x.log() / arb(2).log(),
    "log10": lambda x: x.log() / arb(10).log(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tan": lambda x: x.tan(),
    "asin": lambda x: x.asin(),
    "acos": lambda x: arb.pi() / 2 - x.asin(),
    "atan": lambda x: x.atan(),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "sech2": lambda x: 4 / (x.exp() + (-x).exp()) ** 2,
    "asinh": lambda x: (x + (x * x + 1).sqrt()).log(),
    "acosh": lambda x: (x + (x * x - 1).sqrt()).log(),
    "atanh": lambda x: ((1 + x) / (1 - x)).log() / 2,
    "positive": lambda x: x,
    "expit": lambda x: x.exp() / (1 + x.exp()),
    "xlogx": lambda x: x * x.log(),
    "erf": lambda x: x.erf(),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: ((a + b) ** 2 - (a - b) ** 2) / 4,
    "divide": lambda a, b: a / b,
    "pow": lambda a, b: (b * a.log()).exp(),
    "atan2": _atan2,
    "hypot": lambda a, b: (a * a + b * b).sqrt(),
    "logaddexp": lambda a, b: (a.exp() + b.exp()).log(),
    "xlogy": lambda a, b: a * b.log(),
    "maximum": lambda a, b: a if _middle(a) > _middle(b) else b,
    "minimum": lambda a, b: a if _middle(a) < _middle(b) else b,
    "remainder": lambda a, b: a - math.floor(_middle(a) / _middle(b)) * b,
}

# row -> more intervals than its safe domain: the other side of a kink or a jump
ALSO: dict[str, tuple[Interval, ...]] = {
    "abs": ((-2.0, -0.5),),
    "atan2": ((-3.0, -0.5), (-2.0, -0.5)),
    "divide": ((-3.0, 3.0), (-2.0, -0.5)),
    "maximum": ((1.0, 3.0), (-3.0, -1.0)),
    "minimum": ((1.0, 3.0), (-3.0, -1.0)),
    "reciprocal": ((-2.0, -0.5),),
    "remainder": ((-5.9, -4.1), (2.0, 2.01)),
}

# --- rows over arrays ----------------------------------------------------------------------------


def det(a: Sequence[Sequence[Series]]) -> Series:
    """Leibniz: the signed sum over all permutations."""
    n = len(a)
    terms = []
    for order in itertools.permutations(range(n)):
        swaps = sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n))
        terms.append((-1) ** swaps * _product([a[i][order[i]] for i in range(n)]))
    return _sum(terms)


def matrix(x: Sequence[Series], columns: int) -> list[list[Series]]:
    """The entries by rows of that length."""
    return [list(x[i : i + columns]) for i in range(0, len(x), columns)]


def _cramer(x: Sequence[Series]) -> list[Series]:
    """The solution of A y = b by determinants; A is 3 by 3, then b."""
    a, b = matrix(x[:9], 3), x[9:]
    whole = det(a)
    swapped = [
        [[b[i] if j == k else a[i][j] for j in range(3)] for i in range(3)] for k in range(3)
    ]
    return [det(each) / whole for each in swapped]


def _inverse(x: Sequence[Series]) -> list[Series]:
    """Row by row: column j solves for the unit vector j."""
    units = [[0 * x[0] + int(i == j) for i in range(3)] for j in range(3)]
    columns = [_cramer([*x[:9], *unit]) for unit in units]
    return [columns[j][i] for i in range(3) for j in range(3)]


def _cholesky(x: Sequence[Series]) -> list[Series]:
    """l_ij = M_ij / sqrt(D_j D_{j-1}) with leading minors D, M_jj = D_j; of A + A'."""
    a = matrix(x, 3)
    s = [[a[i][j] + a[j][i] for j in range(3)] for i in range(3)]

    def minor(i: int, j: int) -> Series:
        """Of the first j columns and rows, and column j with row i."""
        return det([[s[p][q] for q in range(j + 1)] for p in (*range(j), i)])

    def entry(i: int, j: int) -> Series:
        before = minor(j - 1, j - 1) if j else 1
        return minor(i, j) / (minor(j, j) * before).sqrt()

    return [entry(i, j) if j <= i else 0 * x[0] for i in range(3) for j in range(3)]


def _matmul(x: Sequence[Series]) -> list[Series]:
    """Rows times columns: (2, 3) by (3, 2)."""
    a, b = matrix(x[:6], 3), matrix(x[6:], 2)
    return [_sum([a[i][k] * b[k][j] for k in range(3)]) for i in range(2) for j in range(2)]


@final
@dataclass(frozen=True)
class Whole:
    """A row over arrays: a program that runs it, and the same on a list of series.

    Points are about ``centre``, within a tenth.
    """

    program: Callable[..., Any]
    route: Callable[[Sequence[Series]], list[Series]]
    centre: tuple[float, ...]


SIX = (0.7, -1.3, 1.9, 0.4, -0.6, 1.1)
_NINE = (2.0, 0.3, -0.4, 0.3, 1.7, 0.2, -0.4, 0.2, 2.5)
_AT = np.array([0, 2, 2])
_INTO = np.array([0, 1, 1, 3, 4, 0])


def _grid(x: Any, xp: Any) -> Any:
    return xp.reshape(x, (2, 3))


ARRAYS: dict[str, Whole] = {
    "sum": Whole(
        lambda x, xp: xp.sum(_grid(x, xp), axis=1), lambda x: [_sum(x[:3]), _sum(x[3:])], SIX
    ),
    "prod": Whole(
        lambda x, xp: xp.prod(_grid(x, xp), axis=1),
        lambda x: [_product(x[:3]), _product(x[3:])],
        SIX,
    ),
    "max": Whole(
        lambda x, xp: xp.max(_grid(x, xp), axis=0),
        lambda x: [max(x[j], x[j + 3], key=_middle) for j in range(3)],
        SIX,
    ),
    "min": Whole(lambda x, xp: xp.min(x), lambda x: [min(x, key=_middle)], SIX),
    "norm": Whole(
        lambda x, xp: xp.linalg.vector_norm(_grid(x, xp), axis=0),
        lambda x: [(x[j] ** 2 + x[j + 3] ** 2).sqrt() for j in range(3)],
        SIX,
    ),
    "det": Whole(
        lambda x, xp: xp.linalg.det(xp.reshape(x, (3, 3))), lambda x: [det(matrix(x, 3))], _NINE
    ),
    "logabsdet": Whole(
        lambda x, xp: xp.linalg.slogdet(-xp.reshape(x, (3, 3))).logabsdet,
        lambda x: [det(matrix(x, 3)).log()],
        _NINE,
    ),
    "reshape": Whole(lambda x, xp: xp.reshape(x, (3, 2)), list, SIX),
    "broadcast_to": Whole(
        lambda x, xp: xp.broadcast_to(x[:2], (3, 2)), lambda x: [*x[:2]] * 3, SIX
    ),
    "permute_dims": Whole(
        lambda x, xp: xp.permute_dims(_grid(x, xp), (1, 0)),
        lambda x: [x[3 * i + j] for j in range(3) for i in range(2)],
        SIX,
    ),
    "flip": Whole(
        lambda x, xp: xp.flip(_grid(x, xp), axis=1),
        lambda x: [*reversed(x[:3]), *reversed(x[3:])],
        SIX,
    ),
    "roll": Whole(lambda x, xp: xp.roll(x, 2), lambda x: [x[i - 2] for i in range(6)], SIX),
    "index": Whole(lambda x, xp: x[_AT], lambda x: [x[i] for i in _AT], SIX),
    "scatter": Whole(
        lambda x, xp: xp.scatter(x, (_INTO,), (5,)),
        lambda x: [x[0] + x[5], x[1] + x[2], 0 * x[0], x[3], x[4]],
        SIX,
    ),
    "cumulative_sum": Whole(
        lambda x, xp: xp.cumulative_sum(x), lambda x: [_sum(x[: i + 1]) for i in range(6)], SIX
    ),
    "concat": Whole(
        lambda x, xp: xp.concat([x[4:], x[:2]]), lambda x: [x[4], x[5], x[0], x[1]], SIX
    ),
    "contract": Whole(
        lambda x, xp: xp.matmul(_grid(x[:6], xp), xp.reshape(x[6:], (3, 2))),
        _matmul,
        (*SIX, *SIX[::-1]),
    ),
    "solve": Whole(
        lambda x, xp: xp.linalg.solve(xp.reshape(x[:9], (3, 3)), x[9:]),
        _cramer,
        (*_NINE, 0.5, -1.0, 1.5),
    ),
    "inv": Whole(lambda x, xp: xp.linalg.inv(xp.reshape(x, (3, 3))), _inverse, _NINE),
    "cholesky": Whole(
        lambda x, xp: xp.linalg.cholesky(
            xp.reshape(x, (3, 3)) + xp.matrix_transpose(xp.reshape(x, (3, 3)))
        ),
        _cholesky,
        _NINE,
    ),
    "where": Whole(
        lambda x, xp: xp.where(x > 0, xp.exp(x), x * x),
        lambda x: [v.exp() if _middle(v) > 0 else v**2 for v in x],
        SIX,
    ),
    # the direction is 0 in one entry, where the mask keeps it, and passes the rest
    "masked": Whole(
        lambda x, xp: xp.masked(np.array([0.0, 1.0, 2.0]), xp.exp(x[:3])),
        lambda x: [0 * x[0], x[1].exp(), x[2].exp()],
        SIX,
    ),
}

# rows whose derivative is 0: row -> the exact value at numbers that are no jump of it
FIXED: dict[str, Callable[..., Any]] = {
    "sign": lambda a: math.copysign(1.0, a),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "round": round,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda a, b: bool(a and b),
    "logical_or": lambda a, b: bool(a or b),
    "logical_not": operator.not_,
    "isfinite": math.isfinite,
    "isnan": math.isnan,
}
# row -> a program over an array of six, and its exact value at numbers
FIXED_ARRAYS: dict[str, tuple[Callable[..., Any], Callable[[list[float]], Any]]] = {
    "attains": (
        lambda x, xp: xp.attains(x, xp.max(x, axis=0, keepdims=True), (0,)),
        lambda x: [v == max(x) for v in x],
    ),
    "all": (lambda x, xp: xp.all(x > -1.0), lambda x: all(v > -1.0 for v in x)),
    "any": (lambda x, xp: xp.any(x > 1.5), lambda x: any(v > 1.5 for v in x)),
    "argmax": (lambda x, xp: xp.argmax(x), lambda x: x.index(max(x))),
    "argmin": (lambda x, xp: xp.argmin(x), lambda x: x.index(min(x))),
}

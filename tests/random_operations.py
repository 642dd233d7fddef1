"""The operations of random programs: total functions of moderate slope, by what they take.

Each is written in primitives of the library as a user would write them: ``(xp, *operands,
*parameters) -> array``. Logarithms are of 1 + x^2, roots of 1 + x^2 or of sums of squares,
matrices are shifted until they are well conditioned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any

UNARY: dict[str, Callable[[Any, Array], Array]] = {
    "abs": lambda xp, a: abs(a),
    "negative": lambda xp, a: -a,
    "positive": lambda xp, a: xp.positive(a),
    "square": lambda xp, a: a**2,
    "cube": lambda xp, a: a**3,
    "sqrt": lambda xp, a: xp.sqrt(1.0 + a * a),
    "root": lambda xp, a: xp.sqrt(0.5 * (a * a)),
    "reciprocal": lambda xp, a: xp.reciprocal(1.0 + xp.square(a)),
    "exp": lambda xp, a: xp.exp(xp.tanh(a)),
    "expm1": lambda xp, a: xp.expm1(xp.sin(a)),
    "explog": lambda xp, a: xp.exp(xp.log(0.5 + a * a)),
    "log": lambda xp, a: xp.log(1.0 + xp.square(a)),
    "log1p": lambda xp, a: xp.log1p(xp.square(a)),
    "log2": lambda xp, a: xp.log2(1.5 + xp.cos(a)),
    "log10": lambda xp, a: xp.log10(1.5 + xp.cos(a)),
    "sin": lambda xp, a: xp.sin(a),
    "cos": lambda xp, a: xp.cos(a),
    "tan": lambda xp, a: xp.tan(0.5 * xp.sin(a)),
    "asin": lambda xp, a: xp.asin(0.75 * xp.sin(a)),
    "acos": lambda xp, a: xp.acos(0.75 * xp.cos(a)),
    "atan": lambda xp, a: xp.atan(a),
    "sinh": lambda xp, a: xp.sinh(xp.sin(a)),
    "cosh": lambda xp, a: xp.cosh(xp.cos(a)),
    "tanh": lambda xp, a: xp.tanh(a),
    "asinh": lambda xp, a: xp.asinh(a),
    "acosh": lambda xp, a: xp.acosh(1.5 + a * a),
    "atanh": lambda xp, a: xp.atanh(0.75 * xp.sin(a)),
    "expit": lambda xp, a: xp.expit(a),
    "sigmoid": lambda xp, a: 1.0 / (1.0 + xp.exp(-a)),
    "softplus": lambda xp, a: xp.log1p(xp.exp(a)),
    "entropy": lambda xp, a: xp.expit(a) * xp.log(xp.expit(a)),
    "xlogx": lambda xp, a: xp.xlogx(0.5 + a * a),
    "erf": lambda xp, a: xp.erf(a),
    "sign": lambda xp, a: xp.sign(a) * a,
    "floor": lambda xp, a: a - xp.floor(a),
    "ceil": lambda xp, a: xp.ceil(a) - a,
    "trunc": lambda xp, a: a * xp.trunc(2.0 * a),
    "round": lambda xp, a: a * xp.round(a),
    "clip": lambda xp, a: xp.clip(a, -0.8, 0.9),
    "finite": lambda xp, a: xp.where(xp.isnan(a), 0.0, xp.where(xp.isfinite(a), a * a, 0.0)),
}
BINARY: dict[str, Callable[[Any, Array, Array], Array]] = {
    "add": lambda xp, a, b: a + b,
    "subtract": lambda xp, a, b: a - b,
    "multiply": lambda xp, a, b: a * b,
    "divide": lambda xp, a, b: a / (1.5 + xp.sin(b)),
    "pow": lambda xp, a, b: (1.5 + xp.sin(a)) ** xp.tanh(b),
    "atan2": lambda xp, a, b: xp.atan2(a, 1.0 + b * b),
    "hypot": lambda xp, a, b: xp.hypot(a, 1.0 + b),
    "two squares": lambda xp, a, b: xp.sqrt(a * a + b * b),
    "logaddexp": lambda xp, a, b: xp.logaddexp(a, b),
    "xlogy": lambda xp, a, b: xp.xlogy(a, 1.0 + b * b),
    "maximum": lambda xp, a, b: xp.maximum(a, b + 0.125),
    "minimum": lambda xp, a, b: xp.minimum(a, b - 0.125),
    "remainder": lambda xp, a, b: a % (1.5 + xp.cos(b)),
    "where": lambda xp, a, b: xp.where(a > b + 0.25, xp.sin(a), a * b),
    "less": lambda xp, a, b: xp.where((a < 1.0) & (b <= 0.5), a, b),
    "or": lambda xp, a, b: xp.where((a >= 1.0) | ~(b != 0.5), a * b, b),
    "equal": lambda xp, a, b: xp.where(xp.equal(a, 7.25), a, b * a),
}
CONSTANT: dict[str, Callable[[Any, Array, Any], Array]] = {
    # with a number, or an array of the shape of the last axis
    "plus": lambda xp, a, c: c + a,
    "minus": lambda xp, a, c: c - a,
    "times": lambda xp, a, c: c * a,
    "over": lambda xp, a, c: a / (3.0 + c),
    "under": lambda xp, a, c: c / (1.5 + xp.cos(a)),
    "base": lambda xp, a, c: (3.0 + c) ** xp.tanh(a),
    "exponent": lambda xp, a, c: (1.0 + a * a) ** c,
    "at most": lambda xp, a, c: xp.minimum(c, a),
}
REDUCE: dict[str, Callable[[Any, Array, Any, bool], Array]] = {
    "sum": lambda xp, a, axis, keep: xp.sum(a, axis=axis, keepdims=keep),
    "prod": lambda xp, a, axis, keep: xp.prod(xp.tanh(a), axis=axis, keepdims=keep),
    "max": lambda xp, a, axis, keep: xp.max(a, axis=axis, keepdims=keep),
    "min": lambda xp, a, axis, keep: xp.min(a, axis=axis, keepdims=keep),
    "mean": lambda xp, a, axis, keep: xp.mean(a, axis=axis, keepdims=keep),
    "var": lambda xp, a, axis, keep: xp.var(a, axis=axis, keepdims=keep),
    "std": lambda xp, a, axis, keep: xp.sqrt(0.5 + xp.var(a, axis=axis, keepdims=keep)),
    "norm": lambda xp, a, axis, keep: xp.linalg.vector_norm(1.0 + a * a, axis=axis, keepdims=keep),
    "rms": lambda xp, a, axis, keep: xp.sqrt(xp.mean(a**2, axis=axis, keepdims=keep)),
    "any": lambda xp, a, axis, keep: xp.where(
        xp.any(a > 0.5, axis=axis, keepdims=keep), xp.sum(a, axis=axis, keepdims=keep), 0.25
    ),
    "all": lambda xp, a, axis, keep: xp.where(
        xp.all(a > -1.5, axis=axis, keepdims=keep), xp.mean(a, axis=axis, keepdims=keep), 0.75
    ),
}
AXIS: dict[str, Callable[[Any, Array, int], Array]] = {
    "flip": lambda xp, a, axis: xp.flip(a, axis=axis),
    "flip all": lambda xp, a, axis: xp.flip(a),
    "roll": lambda xp, a, axis: xp.roll(a, 1, axis=axis),
    "roll all": lambda xp, a, axis: xp.roll(a, axis + 1),
    "cumulative_sum": lambda xp, a, axis: xp.cumulative_sum(a, axis=axis),
    "cumulative_prod": lambda xp, a, axis: xp.cumulative_prod(xp.cos(a), axis=axis),
    "expand_dims": lambda xp, a, axis: xp.expand_dims(a, axis),
    "moveaxis": lambda xp, a, axis: xp.moveaxis(a, axis, 0),
    "take": lambda xp, a, axis: xp.take(a, np.array([-1, 0, -1]), axis=axis),
    "tile": lambda xp, a, axis: xp.tile(a, (2,) * (axis + 1)),
    "argmax": lambda xp, a, axis: xp.where(xp.argmax(a) > axis, a, xp.sin(a)),
    "argmin": lambda xp, a, axis: xp.where(xp.argmin(a) > axis, xp.cos(a), a),
}


def _matrix(xp: Any, a: Array, k: int) -> Array:
    """A k by k matrix of entries of a between -1 and 1, some more than once."""
    size = int(np.prod(a.shape, dtype=int))
    return xp.sin(xp.reshape(xp.reshape(a, (-1,))[np.arange(k * k) % size], (k, k)))


def _vector(xp: Any, a: Array, k: int) -> Array:
    return _matrix(xp, a, k)[:, -1]


def _positive(xp: Any, a: Array, k: int) -> Array:
    m = _matrix(xp, a, k)
    return xp.matmul(m, xp.matrix_transpose(m)) + 2.0 * np.eye(k)


MATRIX: dict[str, Callable[[Any, Array, Array, int], Array]] = {
    "matmul": lambda xp, a, b, k: xp.matmul(_matrix(xp, a, k), _matrix(xp, b, k)),
    "matrix times vector": lambda xp, a, b, k: xp.matmul(_matrix(xp, a, k), _vector(xp, b, k)),
    "batch": lambda xp, a, b, k: xp.matmul(
        xp.stack([_matrix(xp, a, k), 2.0 * _matrix(xp, b, k)]), _matrix(xp, b, k)
    ),
    "dot": lambda xp, a, b, k: xp.dot(_vector(xp, a, k), _vector(xp, b, k)),
    "vecdot": lambda xp, a, b, k: xp.vecdot(_matrix(xp, a, k), _matrix(xp, b, k)),
    "outer": lambda xp, a, b, k: xp.linalg.outer(_vector(xp, a, k), _vector(xp, b, k)),
    "tensordot": lambda xp, a, b, k: xp.tensordot(_matrix(xp, a, k), _matrix(xp, b, k), axes=1),
    "solve": lambda xp, a, b, k: xp.linalg.solve(
        _matrix(xp, a, k) + 4.0 * np.eye(k), _matrix(xp, b, k)
    ),
    "solve one": lambda xp, a, b, k: xp.linalg.solve(
        _matrix(xp, a, k) + 4.0 * np.eye(k), _vector(xp, b, k)
    ),
    "inv": lambda xp, a, b, k: xp.linalg.inv(_matrix(xp, b, k) + 4.0 * np.eye(k)),
    "det": lambda xp, a, b, k: xp.linalg.det(0.5 * _matrix(xp, a, k) + np.eye(k)),
    "slogdet": lambda xp, a, b, k: xp.linalg.slogdet(_positive(xp, a, k)).logabsdet,
    "cholesky": lambda xp, a, b, k: xp.linalg.cholesky(_positive(xp, b, k)),
    "triangles": lambda xp, a, b, k: xp.tril(_matrix(xp, a, k)) - xp.triu(_matrix(xp, b, k), 1),
    "diagonal": lambda xp, a, b, k: xp.linalg.diagonal(_matrix(xp, a, k), offset=1),
    "trace": lambda xp, a, b, k: xp.linalg.trace(_matrix(xp, b, k)),
}


def _branch(xp: Any, a: Array, b: Array, limit: float) -> Array:
    if xp.sum(a) > limit:
        return xp.sin(a) * 1.5
    return xp.sum(b) - a * a * 0.5


def _loop(xp: Any, a: Array, b: Array, times: int) -> Array:
    total = xp.sum(b) * 0.25
    for _ in range(times):
        a = xp.cos(a) + total * 0.5
    return a


def _while(xp: Any, a: Array, b: Array, limit: float) -> Array:
    rounds = 0
    while xp.sum(xp.square(a)) > 1.0 + limit * limit and rounds < 8:
        a, rounds = 0.7 * a + 0.1 * xp.tanh(xp.sum(b)), rounds + 1
    return a


SHAPE: dict[str, Callable[..., Array]] = {
    "index": lambda xp, a, *key: a[tuple(np.array(k) if isinstance(k, list) else k for k in key)],
    "reshape": lambda xp, a, *shape: xp.reshape(a, shape),
    "permute_dims": lambda xp, a, *axes: xp.permute_dims(a, axes),
    "broadcast_to": lambda xp, a, *shape: xp.broadcast_to(a, shape),
    "index small": lambda xp, a: xp.reshape(a, (-1,))[:6],
    "squeeze": lambda xp, a: xp.squeeze(a),
    "concat": lambda xp, a, b, axis: xp.concat([a, b, xp.sin(a)], axis=axis),
    "stack": lambda xp, a, b, axis: xp.stack([a, b], axis=axis),
}
CONTROL: dict[str, Callable[[Any, Array, Array, Any], Array]] = {
    "branch": _branch,
    "loop": _loop,
    "while": _while,
}
TABLES = (UNARY, BINARY, CONSTANT, REDUCE, AXIS, MATRIX, SHAPE, CONTROL)
OPERATIONS: dict[str, Callable[..., Array]] = {k: f for table in TABLES for k, f in table.items()}

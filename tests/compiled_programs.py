"""What the tests of ``ad.compile`` share: a point, when two answers agree, and some programs."""

from __future__ import annotations

from typing import Any

import numpy as np

X = np.array([0.3, 1.7, -0.4, 2.2])


def close(a: Any, b: Any) -> bool:
    """Equal to a few units in the last place of the largest entry."""
    return a.shape == b.shape and bool(np.all(abs(a - b) <= 1e-13 * max(1.0, np.max(abs(b)))))


def solves(x: Any, xp: Any) -> Any:
    a = xp.linalg.outer(x, x) + 3.0 * xp.eye(4)
    return xp.sum(xp.linalg.solve(a, xp.sin(x)) * x) + xp.linalg.det(a)


def factors(x: Any, xp: Any) -> Any:
    a = xp.linalg.outer(x, x) + 5.0 * xp.eye(4)
    return xp.sum(xp.linalg.cholesky(a)) + xp.linalg.slogdet(a).logabsdet


def picks(x: Any, xp: Any) -> Any:
    y = xp.take(xp.exp(x), xp.asarray([3, 0, 0, 2]))
    return xp.sum(y * xp.cumulative_sum(x)) + xp.max(x) * xp.min(x)


def moves(x: Any, xp: Any) -> Any:
    y = xp.reshape(x, (2, 2))
    z = xp.concat([xp.flip(y, axis=0), xp.matrix_transpose(y) * 2.0, xp.stack([x[1:3], x[::2]])])
    return xp.sum(xp.tanh(xp.matmul(z, y)) * xp.roll(z, 1, axis=1)) + xp.prod(x)


def chooses(x: Any, xp: Any) -> Any:
    y = xp.where(x > 0, xp.log(xp.where(x > 0, x, 1.0)), x * x)
    return xp.sum(y) + xp.sum(xp.logaddexp(x, 0.0) * xp.expit(-x)) + xp.sum(xp.erf(x) % 0.7)

"""Thirty programs: loops, branches, recursion, indexing, linear algebra, against 50 digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.measure.accuracy import judge

X = [0.7, -1.3, 1.9, 0.4, -0.6, 1.1]
POSITIVE = [0.7, 1.3, 1.9, 0.4, 0.6, 1.1, 0.9, 1.6, 0.8]


def newton_root(x: Any, xp: Any) -> Any:
    """A data-dependent loop: Newton's iteration for y^3 + y = x_0."""
    y = x[0] / 2.0
    while abs(y * y * y + y - x[0]) > 1e-12:
        y = y - (y * y * y + y - x[0]) / (3.0 * y * y + 1.0)
    return y * x[1]


def horner(x: Any, xp: Any) -> Any:
    total = x[0]
    for i in range(1, 6):
        total = total * 0.5 + x[i]
    return total * total


def recursive(x: Any, xp: Any) -> Any:
    def split(part: Any) -> Any:
        if len(part) == 1:
            return xp.sin(part[0])
        half = len(part) // 2
        return split(part[:half]) * 1.5 + split(part[half:]) * xp.exp(part[0])

    return split(x)


def branch(x: Any, xp: Any) -> Any:
    total = x[0] * 0.0
    for i in range(len(x)):
        total = total + (xp.exp(x[i]) if x[i] > 0 else x[i] * x[i])
    return total


def collatz(x: Any, xp: Any) -> Any:
    y, steps = x[0] * 10.0, 0
    while y > 1.0 and steps < 20:
        y, steps = (y / 2.0 if y % 2.0 < 1.0 else y * 0.7 + x[1]), steps + 1
    return y * y


def rk4(x: Any, xp: Any) -> Any:
    def slope(u: Any) -> Any:
        return xp.stack([u[0] * (x[2] - u[1]), -u[1] * (x[3] - u[0])])

    u, h = x[:2], 0.05
    for _ in range(5):
        a = slope(u)
        b = slope(u + h / 2 * a)
        c = slope(u + h / 2 * b)
        u = u + h / 6 * (a + 2.0 * b + 2.0 * c + slope(u + h * c))
    return xp.sum(u * u)


def gram_schmidt(x: Any, xp: Any) -> Any:
    a, b = x[:3], x[3:6]
    q = a / xp.linalg.vector_norm(a)
    r = b - xp.vecdot(q, b) * q
    return xp.linalg.vector_norm(r)


def least_squares(x: Any, xp: Any) -> Any:
    t = np.array([0.1, 0.5, 0.9])
    design = xp.stack([xp.ones((3,)), x[0] * t, xp.exp(x[1] * t)], axis=1)
    return xp.sum(xp.linalg.solve(design, x[3:6]) ** 2)


def tables(x: Any, xp: Any) -> Any:
    order = np.array([3, 1, 4, 1, 5])
    return xp.sum(xp.take(x, order) * x[order[::-1]]) + xp.prod(x[np.array([0, 2])])


def attention(x: Any, xp: Any) -> Any:
    m = xp.reshape(x, (3, 2))
    score = xp.matmul(m, xp.matrix_transpose(m))
    weight = xp.exp(score - xp.max(score, axis=1, keepdims=True))
    return xp.sum(xp.square(xp.matmul(weight / xp.sum(weight, axis=1, keepdims=True), m)))


def log_sum_exp(x: Any, xp: Any) -> Any:
    top = xp.max(x)
    return top + xp.log(xp.sum(xp.exp(x - top)))


def fold(x: Any, xp: Any) -> Any:
    total = x[0]
    for part in x[1:]:
        total = xp.logaddexp(total, part)
    return total


def padded(x: Any, xp: Any) -> Any:
    y = xp.concat([x[::-1], xp.roll(x, 2), xp.zeros((2,))])
    return xp.sum(xp.cumulative_sum(y) ** 2)


def mixed_shapes(x: Any, xp: Any) -> Any:
    column, row = xp.reshape(x[:3], (3, 1)), xp.reshape(x[3:6], (1, 3))
    return xp.sum(xp.tanh(column + row) * column / (2.0 + row * row))


def cholesky_logdet(x: Any, xp: Any) -> Any:
    m = xp.reshape(x, (3, 3))
    lower = xp.linalg.cholesky(xp.matmul(m, xp.matrix_transpose(m)) + 2.0 * xp.eye(3))
    return 2.0 * xp.sum(xp.log(xp.diagonal(lower)))


def fibonacci(x: Any, xp: Any) -> Any:
    def term(k: int) -> Any:
        return x[k] if k < 2 else term(k - 1) * 0.5 + term(k - 2) * x[1]

    return term(8)


# name -> (program, point)
PROGRAMS = {
    "lecture": (lambda x, xp: xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1]), [2.0, 5.0]),
    "newton_root": (newton_root, X),
    "horner": (horner, X),
    "recursive": (recursive, X),
    "branch": (branch, X),
    "collatz": (collatz, [0.83, 0.37]),
    "rk4": (rk4, [0.7, 1.3, 1.9, 0.4]),
    "gram_schmidt": (gram_schmidt, X),
    "least_squares": (least_squares, X),
    "tables": (tables, X),
    "attention": (attention, X),
    "log_sum_exp": (log_sum_exp, X),
    "fold": (fold, X),
    "padded": (padded, X),
    "mixed_shapes": (mixed_shapes, X),
    "cholesky_logdet": (cholesky_logdet, POSITIVE),
    "fibonacci": (fibonacci, X),
    "determinant": (lambda x, xp: xp.linalg.det(xp.reshape(x, (3, 3))), POSITIVE),
    "singular_determinant": (
        lambda x, xp: xp.linalg.det(xp.reshape(x, (3, 3))),
        [0.7, 0.0, 1.9, 0.4, 0.0, 1.1, 0.9, 0.0, 0.8],
    ),
    "inverse": (lambda x, xp: xp.sum(xp.linalg.inv(xp.reshape(x, (3, 3)))[0]), POSITIVE),
    "speelpenning_zero": (lambda x, xp: xp.prod(x) + xp.prod(x[1:]), [0.0, 2.0, 3.0, 0.5]),
    "two_zeros": (lambda x, xp: xp.prod(x * 2.0), [0.0, 2.0, 0.0, 0.5]),
    "tensordot": (
        lambda x, xp: xp.sum(
            xp.tensordot(xp.reshape(x, (1, 2, 3)), xp.reshape(xp.exp(x), (2, 3, 1))) ** 2
        ),
        X,
    ),
    "outer": (lambda x, xp: xp.sum(xp.sin(xp.outer(x[:3], x[2:]))), X),
    "batched": (
        lambda x, xp: xp.sum(
            xp.matmul(xp.reshape(x, (3, 1, 2)), xp.reshape(xp.cos(x), (3, 2, 1))) ** 2
        ),
        X,
    ),
    "statistics": (lambda x, xp: xp.std(x) / (2.0 + xp.mean(x)) + xp.var(x, correction=1.0), X),
    "clip": (lambda x, xp: xp.sum(xp.clip(x, -1.0, 1.5) ** 2), X),
    "power": (lambda x, xp: xp.sum(x**3 + x**-2 + 2.0**x) + xp.sum((x * x) ** 0.75), X),
    "tile": (
        lambda x, xp: xp.sum(xp.sin(xp.tile(x[:2], (2, 2)) * xp.reshape(x[2:6], (2, 2))[:, 0:1])),
        X,
    ),
    "entropy": (lambda x, xp: -xp.sum(xp.xlogy(x, x / xp.sum(x))), POSITIVE),
    "diagonal": (
        lambda x, xp: (
            xp.trace(xp.reshape(x, (3, 3))) * xp.sum(xp.diagonal(xp.reshape(x, (3, 3)), 1))
        ),
        POSITIVE,
    ),
    "geometry": (
        lambda x, xp: xp.atan2(x[0], x[1]) * xp.hypot(x[2], x[3]) + xp.asin(x[4] / 2.0),
        X,
    ),
}


def test_there_are_thirty_programs() -> None:
    assert len(PROGRAMS) >= 30


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradient_agrees_with_50_digits(name: str) -> None:
    f, x = PROGRAMS[name]
    instance = oracle.instance_of(f, x)
    reference = oracle.reference(instance, "gradient")
    assert reference.claim == "certified", reference.reason
    for ours in (ad.grad(f)(instance.x), ad.jacobian(f, "forward")(instance.x)[0]):
        verdict = judge(ours, reference)
        assert verdict.verdict == "exact to rounding", verdict


@pytest.mark.parametrize(
    "name", ["attention", "rk4", "recursive", "two_zeros", "least_squares", "branch"]
)
def test_hessian_agrees_with_50_digits(name: str) -> None:
    f, x = PROGRAMS[name]
    instance = oracle.instance_of(f, x)
    verdict = judge(ad.hessian(f)(instance.x), oracle.reference(instance, "hessian"))
    assert verdict.verdict == "exact to rounding", verdict

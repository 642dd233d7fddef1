"""The table is the test list: every row in both modes and to second order, against 50 digits."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.ad.rules import ENTRYWISE, RULES
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify

POINTS = 6
ROWS = [name for name in ENTRYWISE if RULES[name].domain]

# rows without an interval of their own: a program that exercises each, and its point
_MATRIX = [2.0, 0.3, -0.4, 0.3, 1.7, 0.2, -0.4, 0.2, 2.5]
_VECTOR = [0.7, -1.3, 1.9, 0.4, -0.6, 1.1]
PROGRAMS = {
    "where": (lambda x, xp: xp.sum(xp.where(x > 0, xp.exp(x), x * x)), _VECTOR),
    "masked": (lambda x, xp: xp.sum(xp.sqrt(xp.exp(x) + x * x)), _VECTOR),
    "sum": (lambda x, xp: xp.sum(xp.square(xp.sum(xp.reshape(x, (2, 3)), axis=1))), _VECTOR),
    "prod": (lambda x, xp: xp.sum(xp.prod(xp.reshape(x, (2, 3)), axis=1)), _VECTOR),
    "max": (lambda x, xp: xp.sum(xp.square(xp.max(xp.reshape(x, (2, 3)), axis=0))), _VECTOR),
    "min": (lambda x, xp: xp.exp(xp.min(x)), _VECTOR),
    "norm": (lambda x, xp: xp.linalg.vector_norm(x), _VECTOR),
    "det": (lambda x, xp: xp.linalg.det(xp.reshape(x, (3, 3))), _MATRIX),
    "logabsdet": (lambda x, xp: xp.linalg.slogdet(xp.reshape(x, (3, 3))).logabsdet, _MATRIX),
    "reshape": (lambda x, xp: xp.sum(xp.sin(xp.reshape(x, (3, 2)))[1, :] ** 2), _VECTOR),
    "broadcast_to": (lambda x, xp: xp.prod(xp.broadcast_to(x[:2], (3, 2))), _VECTOR),
    "permute_dims": (
        lambda x, xp: xp.sum(xp.permute_dims(xp.reshape(x, (2, 3)), (1, 0))[0] ** 3),
        _VECTOR,
    ),
    "flip": (lambda x, xp: xp.sum(xp.flip(x) * xp.exp(x)), _VECTOR),
    "roll": (lambda x, xp: xp.sum(xp.roll(x, 2) * xp.square(x)), _VECTOR),
    "index": (lambda x, xp: x[0] * x[-1] + xp.sum(x[np.array([0, 2, 2])] ** 3), _VECTOR),
    "scatter": (
        lambda x, xp: xp.sum(xp.square(xp.scatter(x, (np.array([0, 1, 1, 3, 4, 0]),), (5,)))),
        _VECTOR,
    ),
    "cumulative_sum": (lambda x, xp: xp.sum(xp.sin(xp.cumulative_sum(x))), _VECTOR),
    "concat": (lambda x, xp: xp.prod(xp.concat([x[:2] ** 2, xp.sin(x[3:])])), _VECTOR),
    "contract": (
        lambda x, xp: xp.sum(xp.matmul(xp.reshape(x, (2, 3)), xp.reshape(xp.sin(x), (3, 2)))[0]),
        _VECTOR,
    ),
    "solve": (
        lambda x, xp: xp.sum(xp.linalg.solve(xp.reshape(x, (3, 3)), xp.sin(x[:3])) ** 2),
        _MATRIX,
    ),
    "inv": (lambda x, xp: xp.sum(xp.sin(xp.linalg.inv(xp.reshape(x, (3, 3))))), _MATRIX),
    "cholesky": (
        lambda x, xp: xp.sum(
            xp.sin(
                xp.linalg.cholesky(
                    xp.reshape(x, (3, 3)) + xp.matrix_transpose(xp.reshape(x, (3, 3)))
                )
            )
        ),
        _MATRIX,
    ),
}


def _points(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(list(name.encode()))
    low, high = np.array(RULES[name].domain).T
    return list(rng.uniform(low, high, (POINTS, len(low))))


def _check(f: object, x: object) -> None:
    instance = oracle.instance_of(f, x)
    answers = {
        "gradient": [ad.grad(f)(instance.x), ad.jacobian(f, "forward")(instance.x)[0]],
        "jvp": [ad.jvp(f, instance.x, instance.v)[1]],
        "hvp": [ad.hvp(f, instance.x, instance.v)],
        "hessian": [ad.hessian(f)(instance.x)],
    }
    for operator, ours in answers.items():
        reference = oracle.reference(instance, operator)
        proven = certify(instance, operator)
        assert proven.claim == "certified", (operator, proven.reason)
        gap = np.abs((proven.hi - reference.hi) + (proven.lo - reference.lo))
        assert np.all(gap <= proven.radius + 1e-30 * (1 + np.abs(proven.hi))), operator
        for answer in ours:
            verdict = judge(answer, reference)
            assert verdict.verdict == "exact to rounding", (operator, verdict)


@pytest.mark.parametrize("name", ROWS)
def test_row_agrees_with_50_digits(name: str) -> None:
    count = len(RULES[name].domain)

    def f(x: object, xp: object) -> object:
        return getattr(xp, name)(*(x[i] for i in range(count)))

    for point in _points(name):
        _check(f, point)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_of_row_agrees_with_50_digits(name: str) -> None:
    f, x = PROGRAMS[name]
    assert name in ad.derivative_graph(f, np.array(x)).names() | ad.trace(f, np.array(x)).names()
    _check(f, x)


def test_every_row_is_on_the_list() -> None:
    """A new row is tested by being there: it has a domain, a program, or no derivative at all."""
    untested = set(RULES) - set(ROWS) - set(PROGRAMS)
    assert all(RULES[name].kind is RULES["sign"].kind for name in untested), untested


@pytest.mark.parametrize(
    "name", [n for n in RULES if RULES[n].kind is RULES["sign"].kind and n in ENTRYWISE]
)
def test_piecewise_constant_rows_pass_no_derivative(name: str) -> None:
    count = RULES[name].numpy.nin

    def f(x: object, xp: object) -> object:
        return xp.sum(xp.where(getattr(xp, name)(*[x] * count), 1.0, 2.0) * x)

    x = np.array([0.3, 1.6])
    assert np.array_equal(ad.grad(f)(x), np.where(RULES[name].numpy(*[x] * count), 1.0, 2.0))

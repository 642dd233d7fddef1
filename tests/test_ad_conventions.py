"""The pitfalls of FACTS 3.4 in both modes, and the rewrite rows that avoid them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.ad.counters import COUNTERS
from diffbench.ad.rewrites import REWRITES
from diffbench.ad.rules import RULES
from diffbench.measure.accuracy import EXACT, judge
from diffbench.measure.subgradients import verdict
from diffbench.method import why_not
from diffbench.registry import discover
from diffbench.studies.conventions import CASES, Case

INF = np.inf
MODES: dict[str, Callable[[Any, Any], Any]] = {
    "reverse": lambda f, x: ad.grad(f)(x),
    "forward": lambda f, x: ad.jacobian(f, "forward")(x)[0],
}
every_mode = pytest.mark.parametrize("mode", MODES)


@every_mode
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_both_modes_give_our_convention_or_are_explained(case: Case, mode: str) -> None:
    said = verdict(MODES[mode](case.f, case.x), case.right, "exact")
    assert said == ("outside the set" if case.why else "valid")


@every_mode
def test_integers_are_numbers(mode: str) -> None:
    assert MODES[mode](lambda x, xp: x[0] * x[0], [3]).tolist() == [6.0]


# --- zero directions ------------------------------------------------------------------------------

# f at x takes the first branch; its second has no finite value or slope there. With the gradient.
BRANCHES = {
    "exp": (lambda x, xp: xp.where(x[0] > 5, x[0], xp.exp(x[0])), [1000.0], [1]),
    "sinh": (lambda x, xp: xp.where(x[0] > 5, x[0], xp.sinh(x[0])), [1000.0], [1]),
    "square": (lambda x, xp: xp.where(x[0] > 5, 1.0, (x[0] * x[0]) ** 2), [1e100], [0]),
    "quotient": (lambda x, xp: xp.where(x[0] > 0, xp.sin(1 / x[0]) * x[0], x[0]), [0.0], [1]),
    "cos": (lambda x, xp: xp.where(x[0] > 0, xp.cos(1 / x[0]), x[0]), [0.0], [1]),
    "tanh": (lambda x, xp: xp.where(x[0] > 0, xp.tanh(xp.log(x[0])), x[0]), [-1.0], [1]),
    "expit": (lambda x, xp: xp.where(x[0] > 0, xp.expit(xp.log(x[0])), x[0]), [-1.0], [1]),
    "power": (lambda x, xp: xp.where(x[0] > 0, x[0] ** 1.5, x[0]), [-1.0], [1]),
    "sum": (lambda x, xp: xp.where(x[0] > 0, xp.sum(xp.exp(1 / x)), x[0]), [0.0, 1.0], [1, 0]),
    "prod": (lambda x, xp: xp.where(x[0] > 0, xp.prod(1 / x), x[0]), [0.0, 1.0], [1, 0]),
    "max": (lambda x, xp: xp.where(x[0] > 0, xp.max(xp.log(x)), x[0]), [-1.0, 1.0], [1, 0]),
    "norm": (
        lambda x, xp: xp.where(x[0] > 0, xp.linalg.vector_norm(1 / x), x[0]),
        [0.0, 1.0],
        [1, 0],
    ),
    "det": (
        lambda x, xp: xp.where(x[0] > 0, xp.linalg.det(xp.reshape(xp.log(x), (2, 2))), x[0]),
        [-1.0, 1.0, 1.0, 3.0],
        [1, 0, 0, 0],
    ),
    "solve": (
        lambda x, xp: xp.where(
            x[0] > 0, xp.linalg.solve(xp.reshape(xp.log(x), (2, 2)), x[:2])[0], x[0]
        ),
        [-1.0, 1.0, 1.0, 3.0],
        [1, 0, 0, 0],
    ),
    "product": (
        # the first row is not taken and holds an infinite factor, the second is
        lambda x, xp: xp.sum(
            xp.where(x[2:] > 0, xp.matmul(xp.reshape(1 / x, (2, 2)), x[1:3]), x[2:])
        ),
        [0.0, 1.0, -1.0, 2.0],
        [0, -1, 0.5, 0.25],
    ),
    "guarded root": (lambda x, xp: xp.sqrt(xp.where(x[0] > 0, x[0], 0.0)), [-1.0], [0]),
    "clipped log": (lambda x, xp: xp.log(xp.maximum(x[0], 1e-3)), [0.0], [0]),
    "other input": (lambda x, xp: x[0] + 0.0 * x[1] + xp.sqrt(x[1]), [1.0, 0.0], [1, INF]),
}


@every_mode
@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_that_is_not_taken_leaks_nothing(name: str, mode: str) -> None:
    f, x, expected = BRANCHES[name]
    assert MODES[mode](f, x).tolist() == expected


@pytest.mark.parametrize("name", set(BRANCHES) - {"product", "other input"})
def test_nor_does_it_to_second_order(name: str) -> None:
    f, x, _ = BRANCHES[name]
    assert np.array_equal(ad.hessian(f)(x), np.zeros((len(x), len(x))))


def test_a_finite_result_takes_one_sweep_and_any_other_two() -> None:
    for x, sweeps in ((4.0, 1), (0.0, 2)):
        before = COUNTERS.sweeps
        ad.grad(lambda x, xp: xp.sqrt(x[0]))([x])
        assert COUNTERS.sweeps - before == sweeps


def test_an_infinite_adjoint_times_a_zero_partial_stays_nan() -> None:
    """(x^3)^(1/3) at 0: its slope is 1, and 0 would be a silent lie."""
    assert np.isnan(ad.grad(lambda x, xp: (x[0] ** 3) ** (1 / 3))([0.0])[0])


def test_an_infinite_tangent_times_a_zero_partial_stays_nan() -> None:
    """The same the other way round, where forward mode meets the infinite partial first."""
    assert np.isnan(ad.jacobian(lambda x, xp: (x[0] ** (1 / 3)) ** 3, "forward")([0.0])[0, 0])


# --- rewrite rows ---------------------------------------------------------------------------------

SMOOTH = {
    "log(1 + exp(x)) is logaddexp(x, 0)": lambda x, xp: xp.sum(xp.log(1.0 + xp.exp(x))),
    "log1p(exp(x)) is logaddexp(x, 0)": lambda x, xp: xp.sum(xp.log1p(xp.exp(x))),
    "log(expit(x)) is -logaddexp(0, -x)": lambda x, xp: xp.sum(xp.log(1.0 / (1.0 + xp.exp(-x)))),
    "exp(x) / (1 + exp(x)) is expit(x)": lambda x, xp: xp.sum(xp.exp(x) / (1.0 + xp.exp(x))),
    "a / (1 + exp(x)) is a expit(-x)": lambda x, xp: (
        xp.sum(1.0 / (xp.exp(x) + 1.0)) + xp.sum(x / (1.0 + xp.exp(x)))
    ),
    "the reciprocal of 1 + exp(x) is expit(-x)": lambda x, xp: xp.sum(
        xp.reciprocal(1.0 + xp.exp(x))
    ),
    "(1 + exp(x))^-1 is expit(-x)": lambda x, xp: xp.sum((1.0 + xp.exp(x)) ** -1),
    "sqrt(x^2) is abs(x)": lambda x, xp: xp.sum(xp.sqrt(x**2)) + xp.sqrt(x[0] * x[0]),
    "sqrt(a^2 + b^2) is hypot(a, b)": lambda x, xp: xp.sqrt(x[0] ** 2 + x[1] * x[1]),
    "sqrt(sum x^2) is the norm of x": lambda x, xp: xp.sqrt(xp.sum(x * x)),
    "of any other sum of squares the root has the slope 0 at 0": lambda x, xp: xp.sqrt(
        xp.vecdot(x, x) + 2.0 * xp.mean(x**4) * x[0] ** 2
    ),
    "so has its power 0.5": lambda x, xp: xp.sum(x**2) ** 0.5,
    "exp(log(x)) has the slope 1": lambda x, xp: xp.sum(xp.exp(xp.log(x)) * x),
    "x log(x) has the slope 1 + log(x), -inf at 0": lambda x, xp: xp.sum(x * xp.log(x)),
    "xlogy(x, x) has the slope 1 + log(x), -inf at 0": lambda x, xp: xp.sum(xp.xlogy(x, x)),
}


@pytest.mark.parametrize(
    "row", [row for rows in REWRITES.values() for row in rows], ids=lambda row: row.says
)
def test_rewritten_programs_agree_with_50_digits(row: Any) -> None:
    f = SMOOTH[row.says]
    instance = oracle.instance_of(f, [0.4, 1.3, 2.1])
    written = ad.trace(f, instance.x, as_written=True).names()
    assert row.rule in written
    assert ad.trace(f, instance.x).names() - written  # something took its place
    for operator, answers in {
        "gradient": [ours(f, instance.x) for ours in MODES.values()],
        "hvp": [ad.hvp(f, instance.x, instance.v)],
    }.items():
        reference = oracle.reference(instance, operator)
        for answer in answers:
            judged = judge(answer, reference)
            assert judged.error_over_bound is not None, (operator, judged)
            assert judged.error_over_bound <= EXACT, (operator, judged)


def _loop(x: Any, xp: Any) -> Any:
    total = 0.0
    for i in range(3):
        total = total + x[i] ** 2
    return total


SQUARES: dict[str, Callable[[Any, Any], Any]] = {
    "one": lambda x, xp: x[0] * x[0],
    "two": lambda x, xp: x[0] * x[0] + x[1] * x[1],
    "three": lambda x, xp: x[0] ** 2 + x[1] ** 2 + x[2] ** 2,
    "loop": _loop,
    "sum": lambda x, xp: xp.sum(xp.square(x)),
    "sum of rows": lambda x, xp: xp.sum(xp.sum(xp.reshape(x * x, (3, 1)), axis=1)),
    "mean": lambda x, xp: xp.mean(x**2),
    "variance": lambda x, xp: xp.var(x),
    "dot": lambda x, xp: xp.dot(x, x),
    "matmul": lambda x, xp: x @ x,
    "weighted": lambda x, xp: xp.sum(np.array([1.0, 0.5, 2.0]) * x**2),
    "scaled": lambda x, xp: 2.0 * xp.sum(x**2) / 3.0,
    "stacked": lambda x, xp: xp.sum(xp.stack([x[0] ** 2, x[1] ** 2])),
    "fourth powers": lambda x, xp: xp.sum(x**4),
    "product": lambda x, xp: x[0] ** 2 * xp.sum(x**2),
}


@every_mode
@pytest.mark.parametrize("root", ["sqrt", "power"])
@pytest.mark.parametrize("name", SQUARES)
def test_roots_of_squares_have_the_slope_0_at_0(name: str, root: str, mode: str) -> None:
    def f(x: Any, xp: Any) -> Any:
        s = SQUARES[name](x, xp)
        return xp.sqrt(s) if root == "sqrt" else s**0.5

    assert MODES[mode](f, [0.0, 0.0, 0.0]).tolist() == [0.0, 0.0, 0.0]
    assert ad.hvp(f, [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]).tolist() == [0.0, 0.0, 0.0]


def test_what_is_no_sum_of_squares_keeps_its_infinite_slope() -> None:
    for f in (
        lambda x, xp: xp.sqrt(x[0] ** 2 + x[1]),
        lambda x, xp: xp.sqrt(x[0] ** 3 + x[1]),
        lambda x, xp: xp.sqrt(x[0] * x[1] + x[1]),
    ):
        assert "sqrt" in ad.trace(f, [1.0, 2.0]).names()


def test_a_form_that_only_looks_alike_is_left_alone() -> None:
    def f(x: Any, xp: Any) -> Any:
        y = xp.exp(x[1])
        return (
            xp.log(2.0 + xp.exp(x[0]))
            + x[0] * xp.log(x[1])
            + y / (2.0 + y)
            + xp.exp(x[0]) / (1.0 + y)
        )

    assert ad.trace(f, [1.0, 2.0]).names().isdisjoint({"logaddexp", "hypot", "xlogx", "abs"})


@every_mode
def test_two_values_with_one_tangent_are_two_values(mode: str) -> None:
    """x and x + 1 share their tangent: (x + 1) log x is no x log x."""

    def f(x: Any, xp: Any) -> Any:
        y = x[0]
        return (y + 1.0) * xp.log(y)

    assert MODES[mode](f, [2.0])[0] == pytest.approx(np.log(2.0) + 1.5, rel=1e-15)


@every_mode
def test_exp_of_log_is_undefined_below_zero(mode: str) -> None:
    assert np.isnan(MODES[mode](lambda x, xp: xp.exp(xp.log(x[0])), [-1.0])[0])
    assert np.isnan(ad.jvp(lambda x, xp: xp.exp(xp.log(x[0])), [-1.0], [1.0])[0])


def test_the_complex_step_is_asked_about_what_was_written() -> None:
    (method,) = discover(kinds=("methods",)).methods("complex_step")
    smooth = oracle.instance_of(
        lambda x, xp: xp.sqrt(xp.sum(x * x)) + xp.log1p(xp.exp(x[0])), [1.0]
    )
    assert why_not(method, smooth, "gradient") is None
    kinked = oracle.instance_of(lambda x, xp: xp.linalg.vector_norm(x), [1.0])
    assert "norm" in str(why_not(method, kinked, "gradient"))


# --- large arguments ------------------------------------------------------------------------------

# f and its derivative in mpmath
LARGE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]] = {
    "tanh": (lambda x, xp: xp.tanh(x[0]), lambda t: mpmath.sech(t) ** 2),
    "expit": (lambda x, xp: xp.expit(x[0]), lambda t: mpmath.sech(t / 2) ** 2 / 4),
    "1 / (1 + exp(-x))": (
        lambda x, xp: 1.0 / (1.0 + xp.exp(-x[0])),
        lambda t: mpmath.sech(t / 2) ** 2 / 4,
    ),
    "exp(x) / (1 + exp(x))": (
        lambda x, xp: xp.exp(x[0]) / (1.0 + xp.exp(x[0])),
        lambda t: mpmath.sech(t / 2) ** 2 / 4,
    ),
    "logaddexp": (
        lambda x, xp: xp.logaddexp(x[0], 0.0),
        lambda t: 1 / (1 + mpmath.exp(-t)),
    ),
    "log(1 + exp)": (
        lambda x, xp: xp.log(1.0 + xp.exp(x[0])),
        lambda t: 1 / (1 + mpmath.exp(-t)),
    ),
    "log(expit)": (
        lambda x, xp: xp.log(xp.expit(x[0])),
        lambda t: 1 / (1 + mpmath.exp(t)),
    ),
}


@every_mode
@pytest.mark.parametrize("size", [1.0, 20.0, 37.5, 340.0])
@pytest.mark.parametrize("name", LARGE)
def test_slopes_far_out_keep_their_digits(name: str, size: float, mode: str) -> None:
    f, slope = LARGE[name]
    with mpmath.workdps(400):
        for x in (size, -size):
            got = mpmath.mpf(float(MODES[mode](f, [x])[0]))
            exact = slope(mpmath.mpf(x))
            assert abs(got - exact) <= 2.0**-50 * exact


@pytest.mark.parametrize("name", LARGE)
def test_curvatures_far_out_vanish_and_are_no_nan(name: str) -> None:
    for x in (1000.0, -1000.0):
        assert ad.hessian(LARGE[name][0])([x]).tolist() == [[0.0]]


def test_a_product_near_the_smallest_number_keeps_its_digits() -> None:
    x = [1e-160, 3e-155, 7.0]
    got = ad.grad(lambda x, xp: xp.prod(x))(x)
    assert got[2] == x[0] * x[1]
    assert got[0] == x[1] * x[2]


def test_slopes_of_an_angle_need_no_squares() -> None:
    for size in (1e-200, 1e200):
        got = ad.grad(lambda x, xp: xp.atan2(x[0], x[1]))([size, size])
        assert got == pytest.approx([0.5 / size, -0.5 / size], rel=1e-15)


def test_powers_of_zero_have_the_limits_of_their_slopes() -> None:
    def f(x: Any, xp: Any) -> Any:
        return x[0] ** x[1]

    assert ad.grad(f)([0.0, 2.0]).tolist() == [0.0, 0.0]
    assert ad.grad(f)([0.0, 1.0]).tolist() == [1.0, 0.0]
    assert ad.grad(f)([0.0, 0.5]).tolist() == [INF, 0.0]
    assert ad.grad(f)([0.0, 0.0]).tolist() == [0.0, -INF]


def test_xlogy_of_zeros() -> None:
    got = ad.grad(lambda x, xp: xp.xlogy(x[0], x[1]))([0.0, 0.0])
    assert got.tolist() == [-INF, 0.0]
    assert ad.hessian(lambda x, xp: xp.xlogy(x[0], x[1]))([0.0, 2.0]).tolist() == [
        [0, 0.5],
        [0.5, 0],
    ]


def test_every_convention_is_a_sentence() -> None:
    for name in ("abs", "sqrt", "root", "maximum", "max", "prod", "pow", "hypot", "norm", "where"):
        assert RULES[name].convention

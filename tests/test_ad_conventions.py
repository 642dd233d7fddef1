"""The pitfalls of FACTS 3.4 in both modes, and the rewrite rows that avoid them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.ad.rewrites import REWRITES
from diffbench.ad.rules import RULES
from diffbench.measure.accuracy import judge

INF = np.inf


@dataclass(frozen=True)
class Pitfall:
    """f at a point, and the set of right answers: an interval for each entry of the gradient."""

    f: Callable[[Any, Any], Any]
    x: list[float]
    low: list[float]
    high: list[float]


def _exactly(f: Callable[[Any, Any], Any], x: list[float], answer: list[float]) -> Pitfall:
    return Pitfall(f, x, answer, answer)


TANH_20 = 1.6993417021166355e-17  # 1 / cosh(20)^2 to 17 digits

PITFALLS = {
    "1 sqrt at 0": _exactly(lambda x, xp: xp.sqrt(x[0]), [0.0], [INF]),
    "2 sqrt(x^2) at 0": Pitfall(lambda x, xp: xp.sqrt(x[0] ** 2), [0.0], [-1], [1]),
    "2 norm at 0": _exactly(lambda x, xp: xp.linalg.vector_norm(x), [0.0, 0.0], [0, 0]),
    "2 sqrt(sum x^2) at 0": _exactly(lambda x, xp: xp.sqrt(xp.sum(x * x)), [0.0, 0.0], [0, 0]),
    "3 abs at 0": Pitfall(lambda x, xp: abs(x[0]), [0.0], [-1], [1]),
    "3 abs at -0": Pitfall(lambda x, xp: abs(x[0]), [-0.0], [-1], [1]),
    "4 maximum at a tie": _exactly(lambda x, xp: xp.maximum(x[0], x[1]), [1.0, 1.0], [0.5, 0.5]),
    "5 max at a tie of three": _exactly(lambda x, xp: xp.max(x), [1.0] * 3, [1 / 3] * 3),
    "6 maximum(x, 0) at 0": Pitfall(lambda x, xp: xp.maximum(x[0], 0.0), [0.0], [0], [1]),
    "6 clip at 0": Pitfall(lambda x, xp: xp.clip(x[0], 0.0, 1.0), [0.0], [0], [1]),
    "7 x**0. at 0": _exactly(lambda x, xp: x[0] ** 0.0, [0.0], [0]),
    "8 x**y at (0, 2)": _exactly(lambda x, xp: x[0] ** x[1], [0.0, 2.0], [0, 0]),
    "9 x log x at 0": _exactly(lambda x, xp: x[0] * xp.log(x[0]), [0.0], [-INF]),
    "9 xlogy(x, x) at 0": _exactly(lambda x, xp: xp.xlogy(x[0], x[0]), [0.0], [-INF]),
    "10 where(x > 0, sqrt x, 0) at -1": _exactly(
        lambda x, xp: xp.where(x[0] > 0, xp.sqrt(x[0]), 0.0), [-1.0], [0]
    ),
    "11 where(x == 0, 1, sin x / x) at 0": _exactly(
        lambda x, xp: xp.where(x[0] == 0, 1.0, xp.sin(x[0]) / x[0]), [0.0], [0]
    ),
    "12 log1p(exp x) at 1000": _exactly(lambda x, xp: xp.log1p(xp.exp(x[0])), [1000.0], [1]),
    "12 log(1 + exp x) at 1000": _exactly(lambda x, xp: xp.log(1.0 + xp.exp(x[0])), [1000.0], [1]),
    "12 logistic at -1000": _exactly(lambda x, xp: 1.0 / (1.0 + xp.exp(-x[0])), [-1000.0], [0]),
    "12 logaddexp at 1000": _exactly(lambda x, xp: xp.logaddexp(x[0], 0.0), [1000.0], [1]),
    "13 tanh at 20": Pitfall(
        lambda x, xp: xp.tanh(x[0]), [20.0], [TANH_20 * (1 - 1e-15)], [TANH_20 * (1 + 1e-15)]
    ),
    "14 prod with a zero": _exactly(lambda x, xp: xp.prod(x), [0.0, 2.0, 3.0], [6, 0, 0]),
    "18 exp(log x) at 1e-320": _exactly(lambda x, xp: xp.exp(xp.log(x[0])), [1e-320], [1]),
    "19 std of equal entries": Pitfall(
        lambda x, xp: xp.std(x), [1.0, 1.0], [-0.5, -0.5], [0.5, 0.5]
    ),
    "19 hypot at 0": _exactly(lambda x, xp: xp.hypot(x[0], x[1]), [0.0, 0.0], [0, 0]),
    "20 integer input": _exactly(lambda x, xp: x[0] * x[0], [3], [6]),
}

# what no automatic differentiation in double precision can give, with the answer that it gives
EXPLAINED = {
    "15 (1 - cos x) / x^2 at 1e-8: f itself has lost all digits": (
        lambda x, xp: (1.0 - xp.cos(x[0])) / x[0] ** 2,
        [1e-8],
        1e8,
    ),
    "16 a branch that hides the slope": (
        lambda x, xp: x[0] * 0.0 if x[0] == 0 else x[0],
        [0.0],
        0.0,
    ),
}


@pytest.mark.parametrize("name", PITFALLS)
def test_both_modes_give_an_answer_that_is_right(name: str) -> None:
    case = PITFALLS[name]
    for got in (ad.grad(case.f)(case.x), ad.jacobian(case.f, "forward")(case.x)[0]):
        assert np.all(got >= np.array(case.low)), got
        assert np.all(got <= np.array(case.high)), got


@pytest.mark.parametrize("name", EXPLAINED)
def test_what_cannot_be_right_is_what_is_explained(name: str) -> None:
    f, x, got = EXPLAINED[name]
    assert ad.grad(f)(x)[0] == pytest.approx(got, rel=1e-7)


def test_an_infinite_adjoint_times_a_zero_partial_stays_nan() -> None:
    """(x^3)^(1/3) at 0: its slope is 1, and 0 would be a silent lie."""
    assert np.isnan(ad.grad(lambda x, xp: (x[0] ** 3) ** (1 / 3))([0.0])[0])


SMOOTH = {
    "log(1 + exp(x)) is logaddexp(x, 0)": lambda x, xp: xp.sum(xp.log(1.0 + xp.exp(x))),
    "log1p(exp(x)) is logaddexp(x, 0)": lambda x, xp: xp.sum(xp.log1p(xp.exp(x))),
    "1 / (1 + exp(x)) is expit(-x)": lambda x, xp: xp.sum(1.0 / (1.0 + xp.exp(x)) ** 1),
    "sqrt(x^2) is abs(x)": lambda x, xp: xp.sum(xp.sqrt(x**2)),
    "sqrt(a^2 + b^2) is hypot(a, b)": lambda x, xp: xp.sqrt(x[0] ** 2 + x[1] * x[1] ** 1),
    "sqrt(sum x^2) is the norm of x": lambda x, xp: xp.sqrt(xp.sum(x * x)),
    "exp(log(x)) is x": lambda x, xp: xp.sum(xp.exp(xp.log(x))),
    "x log(x) has the slope 1 + log(x), -inf at 0": lambda x, xp: xp.sum(x * xp.log(x)),
    "xlogy(x, x) has the slope 1 + log(x), -inf at 0": lambda x, xp: xp.sum(xp.xlogy(x, x)),
}


@pytest.mark.parametrize(
    "row", [row for rows in REWRITES.values() for row in rows], ids=lambda row: row.says
)
def test_rewritten_programs_agree_with_50_digits(row: Any) -> None:
    f = SMOOTH[row.says]
    instance = oracle.instance_of(f, [0.4, 1.3, 2.1])
    for operator, answers in {
        "gradient": [ad.grad(f)(instance.x), ad.jacobian(f, "forward")(instance.x)[0]],
        "hvp": [ad.hvp(f, instance.x, instance.v)],
    }.items():
        reference = oracle.reference(instance, operator)
        for answer in answers:
            verdict = judge(answer, reference)
            assert verdict.verdict == "exact to rounding", (operator, verdict)


def test_rewriting_is_seen_in_the_trace() -> None:
    names = ad.trace(lambda x, xp: xp.sqrt(xp.sum(x * x)) + xp.log(1.0 + xp.exp(x[0])), [1.0, 2.0])
    assert {"norm", "logaddexp"} <= names.names()


def test_a_form_that_only_looks_alike_is_left_alone() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.log(2.0 + xp.exp(x[0])) + xp.sqrt(x[0] ** 2 + x[1]) + x[0] * xp.log(x[1])

    assert ad.trace(f, [1.0, 2.0]).names().isdisjoint({"logaddexp", "hypot", "xlogx", "abs"})


def test_every_convention_is_a_sentence() -> None:
    for name in ("abs", "sqrt", "maximum", "max", "prod", "pow", "hypot", "norm", "where"):
        assert RULES[name].convention

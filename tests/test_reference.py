"""The proof and the verdict: enclosures, conditions, and every branch of the rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest

from diffbench.measure.accuracy import MOST_DIGITS, judge
from diffbench.measure.reference import Reference, certify
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
SMALL = "lecture[n=2],logistic[depth=4],helmholtz[n=2],affine_tanh[n=2,m=3],mlp[width=2]"
CASES = [
    (instance, operator)
    for instance in FAMILIES.instances(SMALL)
    for operator in ("jacobian", "jvp", "vjp")
]


def _reference(**more: Any) -> Reference:
    hi = np.array([2.0, -3.0])
    zeros = np.zeros(2)
    base = Reference(hi, zeros, zeros, np.full(2, 1e-15), "certified", 128, "", False)
    return replace(base, **more)


@pytest.mark.parametrize(("instance", "operator"), CASES, ids=lambda c: getattr(c, "name", c))
def test_enclosures_hold_the_oracles_answer(instance: Any, operator: str) -> None:
    if operator == "vjp":
        expected = np.asarray(instance.w).reshape(-1) @ oracle.answer(instance, "jacobian")
    else:
        expected = oracle.answer(instance, operator)
    proven = certify(instance, operator)
    assert proven.claim == "certified"
    assert _apart(proven, expected) <= 1e-33 * float(np.max(np.abs(proven.hi)))


def test_the_input_is_the_double_not_the_decimal() -> None:
    """l_4' at double(0.2), exactly; at 1/5 it is another number."""
    instance = FAMILIES.family("logistic").instance({"depth": 4})
    reference = certify(instance, "gradient")
    x = Fraction(float(instance.x[0]))
    poly = 64 * (1 - 42 * x + 504 * x**2 - 2640 * x**3 + 7040 * x**4 - 9984 * x**5)
    exact = poly + 64 * (7168 * x**6 - 2048 * x**7)
    gap = abs(Fraction(reference.hi[0]) + Fraction(reference.lo[0]) - exact)
    assert gap <= Fraction(float(reference.radius[0]))


def test_condition_of_the_logistic_map_grows_with_depth() -> None:
    rads = []
    for depth in (4, 8, 16, 24):
        reference = certify(FAMILIES.family("logistic").instance({"depth": depth}), "gradient")
        rads.append(float(reference.rad53[0] / abs(reference.hi[0])))
    assert rads == sorted(rads)
    assert rads[0] < 1e-13
    assert rads[-1] > 1e-4


def test_a_singular_point_has_no_claim() -> None:
    reference = certify(oracle.instance_of(lambda x, xp: xp.sqrt(x[0]), [0.0]), "gradient")
    assert reference.claim == "none"
    assert "singular point" in reference.reason


def _apart(proven: Reference, expected: Any) -> float:
    """How far an enclosure is from the exact answer beyond its radius, in the largest entry."""
    rows = zip(
        *(a.reshape(-1) for a in (proven.hi, proven.lo, proven.radius)),
        np.asarray(expected, dtype=object).reshape(-1),
        strict=True,
    )
    mpf = oracle.mp.mpf
    return max(
        float(abs(mpf(hi) + mpf(lo) - exact) - mpf(radius)) for hi, lo, radius, exact in rows
    )


@pytest.mark.parametrize("operator", ["gradient", "jacobian", "jvp", "hvp", "hessian"])
def test_seeds_are_balls_too(operator: str) -> None:
    """A seed of 1.0 that meets a 3.0 first gives a third, and not the double next to it."""

    def f(x: Any, xp: Any) -> Any:
        return x[0] / 3.0 * 0.1 + xp.mean(x) / 7.0 * x[1] + xp.std(x) / 3.0

    instance = oracle.instance_of(f, [0.3, 0.7, 0.2])
    proven = certify(instance, operator)
    assert proven.claim == "certified"
    assert _apart(proven, oracle.answer(instance, operator)) <= 1e-28


@pytest.mark.parametrize("operator", ["value", "gradient", "jvp", "jacobian"])
def test_a_negated_comparison_is_a_truth_value(operator: str) -> None:
    """In forward mode comparisons are plain, and ~ of Python's True is true."""

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(xp.where(~(x > 0.5), x * x, 3.0 * x))

    instance = oracle.instance_of(f, [0.3, 0.7])
    expected = {
        "value": f(instance.x, np),
        "gradient": [0.6, 3.0],
        "jacobian": [[0.6, 3.0]],
        "jvp": 0.6 * instance.v[0] + 3.0 * instance.v[1],
    }
    assert np.allclose(certify(instance, operator).hi, expected[operator], rtol=1e-15)


TIES = {
    # two numbers that are equal, but not to balls of any width
    "maximum": lambda a, b, xp: xp.maximum(a, b),
    "minimum": lambda a, b, xp: xp.minimum(a, b),
    "max": lambda a, b, xp: xp.max(xp.stack([a, b])),
    "argmax": lambda a, b, xp: xp.where(xp.argmax(xp.stack([a, b])) > 0, a, b * b),
    "argmin": lambda a, b, xp: xp.where(xp.argmin(xp.stack([a, b])) > 0, a, b * b),
    "where": lambda a, b, xp: xp.where(a > b, a, b * b),
}


@pytest.mark.parametrize("operator", ["gradient", "jvp", "hvp"])
@pytest.mark.parametrize("name", TIES)
def test_a_tie_that_balls_cannot_decide_has_no_claim(name: str, operator: str) -> None:
    instance = oracle.instance_of(lambda x, xp: TIES[name](x[0] / 3.0 * 3.0, x[0], xp), [0.7])
    proven = certify(instance, operator)
    assert (proven.claim, "overlap" in proven.reason) == ("none", True)


def test_nor_has_a_value_behind_such_a_branch() -> None:
    f = TIES["where"]
    instance = oracle.instance_of(lambda x, xp: f(x[0] / 3.0 * 3.0, x[0], xp), [0.7])
    assert certify(instance, "value").claim == "none"


def test_one_and_the_same_ball_ties_with_itself() -> None:
    def f(x: Any, xp: Any) -> Any:
        third = x[0] / 3.0
        return xp.maximum(third, third) + xp.max(xp.broadcast_to(third, (4,)))

    proven = certify(oracle.instance_of(f, [0.7]), "gradient")
    assert proven.claim == "certified"
    assert proven.hi[0] == pytest.approx(2 / 3, rel=1e-15)


def test_a_branch_that_balls_cannot_decide_has_no_claim() -> None:
    def f(x: Any, xp: Any) -> Any:
        third = x[0] / 3.0
        return third if third * 3.0 > x[0] else x[0] * x[0]

    reference = certify(oracle.instance_of(f, [1.0]), "gradient")
    assert reference.claim == "none"
    assert "cannot be decided" in reference.reason


def test_references_survive_the_disk(tmp_path: Path) -> None:
    reference = certify(FAMILIES.family("lecture").instance({"n": 4}), "hessian")
    reference.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    for name in ("hi", "lo", "radius", "rad53"):
        assert np.array_equal(getattr(reference, name), getattr(again, name))
    assert (again.claim, again.bits, again.reason, again.zero) == ("certified", 128, "", False)


# --- the verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (np.array([2.0, -3.0]), "exact to rounding", ""),
        (np.array([2.0, -3.0 - 3e-15]), "exact to rounding", ""),
        (np.array([2.0, -3.0 - 9e-15]), "degraded", "digits"),
        (np.array([2.0, -2.69]), "wrong", "of the largest entry"),
        (np.array([2.0, 3.0]), "wrong", "of the largest entry"),
        (np.array([2.0, -3.0 * (1 - 1e-9)]), "degraded", "9.1 digits"),
        (np.array([2.0, np.nan]), "wrong", "1 of 2 entries are not finite"),
        (np.array([np.inf, -3.0]), "wrong", "1 of 2 entries are not finite"),
        (np.array([[2.0, -3.0]]), "wrong", r"shape (1, 2), expected (2,)"),
        (np.array([2.0, -3.0], dtype=np.float32), "wrong", "dtype float32"),
        (np.array([2, -3]), "wrong", "dtype int64"),
        ([2.0, -3.0], "wrong", "no numpy array but list"),
        (None, "wrong", "NoneType"),
    ],
)
def test_verdicts(answer: Any, verdict: str, words: str) -> None:
    accuracy = judge(answer, _reference())
    assert accuracy.verdict == verdict
    assert words in accuracy.verdict_reason
    assert bool(accuracy.verdict_reason) == (verdict != "exact to rounding")


def test_nan_is_wrong_even_without_a_reference() -> None:
    none = _reference(claim="none", reason="singular point")
    assert judge(np.array([np.nan, 1.0]), none).verdict == "wrong"
    accuracy = judge(np.array([2.0, -3.0]), none)
    assert (accuracy.verdict, accuracy.verdict_reason) == ("uninformative", "singular point")
    assert accuracy.error_max_rel is None


def test_a_wide_radius_is_uninformative_whatever_the_answer() -> None:
    wide = _reference(rad53=np.array([1e-6, 0.0]))
    for answer in ([2.0, -3.0], [0.0, 0.0], [2.0, -2.0]):
        assert judge(np.array(answer), wide).verdict == "uninformative"


def test_zero_is_wrong_unless_the_answer_is_zero() -> None:
    assert judge(np.zeros(2), _reference()).verdict == "wrong"
    nothing = _reference(hi=np.zeros(2), rad53=np.zeros(2))
    assert judge(np.zeros(2), nothing).verdict == "exact to rounding"
    assert judge(np.array([0.0, 1e-300]), nothing).verdict != "exact to rounding"


def test_one_small_entry_counts_as_much_as_a_large_one() -> None:
    """Tolerances are componentwise and do not grow with the array."""
    hi = np.concatenate([np.full(10_000, 1e6), [1e-6]])
    reference = _reference(
        hi=hi, lo=np.zeros_like(hi), radius=np.zeros_like(hi), rad53=1e-16 * np.abs(hi)
    )
    answer = hi.copy()
    answer[-1] *= 1 + 1e-9
    accuracy = judge(answer, reference)
    assert accuracy.verdict == "degraded"
    assert accuracy.error_max_rel == pytest.approx(1e-9, rel=1e-3)


def test_digits_are_capped_at_those_of_a_double() -> None:
    assert judge(np.array([2.0, -3.0]), _reference()).digits == MOST_DIGITS


def test_an_exact_approximation_says_why() -> None:
    lucky = judge(np.array([2.0, -3.0]), _reference(), "approximate")
    assert lucky.verdict == "exact to rounding"
    assert "no higher terms" in lucky.verdict_reason
    wide = judge(
        np.array([2.0, -3.0 + 1e-9]), _reference(rad53=np.full(2, 1e-9 / 3)), "approximate"
    )
    assert "rounding alone" in wide.verdict_reason

"""lse, llsq and det: against other formulas of the same numbers, and the public suite's inputs."""

from __future__ import annotations

from itertools import permutations
from math import prod
from typing import Any

import mpmath
import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.ad.namespace import NUMPY
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.method import why_not
from diffbench.problem import Instance
from diffbench.registry import discover

FAMILIES = discover(kinds=("problems",))
METHODS = discover(kinds=("methods",))
EXACT = ("exact to rounding", "uninformative")
BOTH = "form=naive|stable"


def one(selection: str) -> Instance:
    (instance,) = FAMILIES.instances(selection)
    return instance


def draws(sizes: list[int]) -> list[Any]:
    """What the public suite draws for those sizes, one after the other."""
    rng = np.random.RandomState(31337)
    return [rng.rand(size) for size in sizes]


def names(selection: str) -> Any:
    """A test's instances of a selection, at two seeds."""
    found = [i for seed in (1, 2) for i in FAMILIES.instances(selection, seed=seed)]
    return pytest.mark.parametrize("instance", found, ids=lambda i: f"{i.name} {i.seed}")


@names(
    "lse[n=2|5,R=1|30|170,form=naive|stable],llsq[m=1|6,N=2|7],det[l=2|3|5,method=minors|lu],"
    "det[l=5,method=minors|lu,generator=public]"
)
def test_every_answer_by_hand_is_exact_to_rounding(instance: Instance) -> None:
    assert not instance.expected
    for operator in instance.answers:
        judged = judge(instance.answer(operator), oracle.certify(instance, operator))
        assert judged.verdict in EXACT, (operator, judged.verdict_reason)


# --- lse ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "instance", FAMILIES.instances(f"lse[n=9,R=1|40,{BOTH}]"), ids=lambda i: i.name
)
def test_lse_is_softmax_at_forty_digits(instance: Instance) -> None:
    with mpmath.workdps(40):
        weights = [mpmath.exp(mpmath.mpf(float(e))) for e in instance.x]
        p = np.array([w / mpmath.fsum(weights) for w in weights], dtype=object)
        hessian = np.diag(p) - np.outer(p, p)
        assert float(instance.value()) == pytest.approx(
            float(mpmath.log(mpmath.fsum(weights))), rel=2e-16
        )
        assert np.allclose(instance.gradient(), p.astype(float), rtol=2e-15, atol=0)
        assert np.allclose(instance.hessian(), hessian.astype(float), rtol=2e-15, atol=0)
        assert np.allclose(
            instance.hvp(), (hessian @ instance.v).astype(float), rtol=1e-13, atol=1e-16
        )


def test_lse_of_two_is_the_logistic_function() -> None:
    answers = one("lse[n=2]").answers
    x = np.array([np.log(3.0), 0.0])
    assert answers["gradient"](x) == pytest.approx([0.75, 0.25], rel=1e-15)
    assert answers["hessian"](x) == pytest.approx(
        np.array([[3.0, -3.0], [-3.0, 3.0]]) / 16.0, rel=1e-15
    )
    assert answers["hvp"](x, np.array([1.0, 0.0])) == pytest.approx([3 / 16, -3 / 16], rel=1e-15)


def test_lse_keeps_the_small_beside_one() -> None:
    far = np.array([0.0, -50.0])
    hessian = one("lse[n=2]").answers["hessian"](far)
    assert np.abs(hessian) == pytest.approx(np.full((2, 2), np.exp(-50.0)), rel=1e-14)


def test_naive_lse_overflows_where_the_stable_one_does_not() -> None:
    naive, stable = FAMILIES.instances(f"lse[n=40,R=710,{BOTH}]")
    with np.errstate(over="ignore", invalid="ignore"):
        assert float(naive.value()) == np.inf
        assert not ad.grad(naive.f)(naive.x)[1:].any()  # e^x / inf; e^R / inf is NaN past 709.78
    assert float(stable.value()) == pytest.approx(710.0, rel=1e-3)
    assert ad.grad(stable.f)(stable.x) == pytest.approx(stable.gradient(), rel=1e-12)
    assert set(naive.expected) == {"value", "jvp", *naive.answers, "jacobian", "vjp"}
    assert len(set(naive.expected.values())) == 1
    assert "inf" in naive.expected["value"]
    assert np.array_equal(naive.gradient(), stable.gradient())


def test_what_lse_declares_is_of_the_point_alone() -> None:
    declared = {
        (i.params["R"], i.params["form"]): set(i.expected)
        for i in FAMILIES.instances(f"lse[n=40,R=10|100|200|400,{BOTH}]")
    }
    assert declared[10, "naive"] == declared[100, "naive"] == declared[100, "stable"] == set()
    assert declared[200, "stable"] == declared[200, "naive"] == {"hessian"}
    assert declared[400, "naive"] >= {"hvp", "hessian"}


@pytest.mark.parametrize("profile", ["quick", "standard"])
def test_lse_of_a_profile_declares_nothing(profile: str) -> None:
    assert all(not i.expected for i in FAMILIES.instances("lse", profile))


# --- llsq -----------------------------------------------------------------------------------------


def test_llsq_of_three_points_by_hand() -> None:
    line = one("llsq[m=2,N=3]")
    powers, signs = line.constants
    assert powers.tolist() == [[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]
    assert signs.tolist() == [-1.0, 0.0, 1.0]
    x = np.array([2.0, 0.5])  # misses: -1 - 1.5, 0 - 2, 1 - 2.5
    assert float(line.f(x, NUMPY, *line.constants)) == 6.25
    assert line.answers["gradient"](x, *line.constants).tolist() == [6.0, -1.0]
    assert line.hessian().tolist() == [[3.0, 0.0], [0.0, 2.0]]


def test_llsq_is_the_double_sum() -> None:
    fit = one("llsq[m=6,N=9]")
    with mpmath.workdps(40):
        t = [mpmath.mpf(-1) + mpmath.mpf(2 * i) / 8 for i in range(9)]
        x = [mpmath.mpf(float(e)) for e in fit.x]
        miss = [mpmath.sign(s) - mpmath.polyval(x[::-1], s) for s in t]
        gradient = [-mpmath.fsum(r * s**j for r, s in zip(miss, t, strict=True)) for j in range(6)]
        assert float(fit.value()) == pytest.approx(
            float(mpmath.fsum(r * r for r in miss) / 2), rel=1e-15
        )
        assert fit.gradient() == pytest.approx([float(g) for g in gradient], rel=1e-13)


def test_the_normal_equations_solve_llsq() -> None:
    fit = one("llsq[m=5,N=40]")
    best = fit.x - np.linalg.solve(fit.hessian(), fit.gradient())
    assert np.max(np.abs(fit.answers["gradient"](best, *fit.constants))) < 1e-12
    assert best[::2] == pytest.approx([0.0, 0.0, 0.0], abs=1e-13)  # the sign function is odd


# --- det ------------------------------------------------------------------------------------------


def leibniz(a: Any) -> Any:
    """The sum over permutations: no minor, no elimination."""
    side = len(a)
    inversions = {
        p: sum(p[i] > p[j] for i in range(side) for j in range(i + 1, side))
        for p in permutations(range(side))
    }
    return sum((-1) ** k * prod(a[i][j] for i, j in enumerate(p)) for p, k in inversions.items())


@names("det[l=2|3|4|5,method=minors|lu]")
def test_det_is_the_sum_over_permutations(instance: Instance) -> None:
    side = int(instance.params["l"])
    with mpmath.workdps(40):
        exact = [mpmath.mpf(float(e)) for e in instance.x]
        a = [exact[i * side : (i + 1) * side] for i in range(side)]
        assert float(instance.value()) == pytest.approx(float(leibniz(a)), rel=1e-13)
        for i, j in ((0, 0), (side - 1, 0), (1, side - 1)):
            rest = [row[:j] + row[j + 1 :] for k, row in enumerate(a) if k != i]
            cofactor = float((-1) ** (i + j) * leibniz(rest))
            assert instance.gradient()[i * side + j] == pytest.approx(cofactor, rel=1e-12)


def test_det_of_three_by_hand() -> None:
    x = np.array([2.0, 0.0, 1.0, 1.0, 3.0, 2.0, 1.0, 1.0, 4.0])
    cofactors = [10.0, -2.0, -2.0, 1.0, 7.0, -2.0, -3.0, -3.0, 6.0]
    for method in ("minors", "lu"):
        d = one(f"det[l=3,method={method}]")
        assert float(d.f(x, NUMPY)) == pytest.approx(18.0, rel=1e-15)
        assert d.answers["gradient"](x) == pytest.approx(cofactors, rel=1e-14)
        hessian = d.answers["hessian"](x).reshape(3, 3, 3, 3)
        assert hessian[0, 0] == pytest.approx(
            np.array([[0.0, 0.0, 0.0], [0.0, 4.0, -1.0], [0.0, -2.0, 3.0]]), abs=1e-14
        )


def test_cofactors_by_minors_hold_at_a_singular_matrix() -> None:
    d = one("det[l=3,method=minors]")
    x = np.array([1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 1.0, 0.0, 1.0])
    assert float(d.f(x, NUMPY)) == 0.0
    assert d.answers["gradient"](x).tolist() == [4.0, 4.0, -4.0, -2.0, -2.0, 2.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("side", [2, 4, 6])
def test_both_determinants_and_their_derivatives_agree(side: int) -> None:
    lu, minors = (one(f"det[l={side},method={m}]") for m in ("lu", "minors"))
    assert np.array_equal(lu.x, minors.x)
    for operator in ("value", "gradient", "hvp", "hessian"):
        expected = lu.answer(operator)
        scale = np.max(np.abs(expected))
        assert np.max(np.abs(minors.answer(operator) - expected)) <= 1e-13 * scale
    zeros = minors.hessian().reshape((side,) * 4)
    assert all(not zeros[i, :, i].any() and not zeros[:, i, :, i].any() for i in range(side))


@pytest.mark.parametrize("side", [2, 3, 4, 5, 6, 7])
def test_shared_minors_leave_exponentially_many_operations(side: int) -> None:
    d = one(f"det[l={side},method=minors]")
    terms = side * 2 ** (side - 1) - side  # of all minors with two rows or more
    minors = 2**side - 1 - side
    assert ad.trace(d.f, d.x).ops() == 3 * terms - minors


# --- the public suite -----------------------------------------------------------------------------


def test_public_inputs_of_lse() -> None:
    for n, x in zip((2500, 5000, 10000), draws([2500, 5000, 10000]), strict=True):
        assert np.array_equal(one(f"lse[generator=public,n={n}]").x, x)


def test_public_inputs_of_llsq() -> None:
    sizes = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8196, 16392]
    drawn = draws([128] * len(sizes))
    for i in (0, 1, 5, 9):
        fit = one(f"llsq[generator=public,N={sizes[i]}]")
        assert fit.n == 128
        assert np.array_equal(fit.x, drawn[i])


def test_public_inputs_of_det() -> None:
    sides = range(5, 12)
    for side, x in zip(sides, draws([k * k for k in sides]), strict=True):
        for method in ("lu", "minors"):
            assert np.array_equal(one(f"det[generator=public,l={side},method={method}]").x, x)


def test_public_values_by_another_way() -> None:
    lse = one("lse[generator=public,n=2500]")
    assert float(lse.value()) == pytest.approx(float(np.logaddexp.reduce(lse.x)), rel=1e-13)
    fit = one("llsq[generator=public,N=64]")
    t = np.linspace(-1.0, 1.0, 64)
    miss = np.sign(t) - np.polynomial.polynomial.polyval(t, fit.x)
    assert float(fit.value()) == pytest.approx(0.5 * float(miss @ miss), rel=1e-12)
    lu, minors = FAMILIES.instances("det[generator=public,l=11,method=lu|minors]")
    assert float(lu.value()) == pytest.approx(float(minors.value()), rel=1e-11)


def test_public_inputs_are_the_same_at_every_seed_and_touch_no_global_state() -> None:
    state = np.random.get_state()[1].tolist()  # noqa: NPY002  # the global state is what is tested
    for name, size in (("lse", "n=2500"), ("llsq", "N=16"), ("det", "l=5")):
        public = f"{name}[generator=public,{size}]"
        a, b = (FAMILIES.instances(public, seed=s)[0] for s in (0, 5))
        assert np.array_equal(a.x, b.x)
        assert not np.array_equal(a.prepare_x, b.prepare_x)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002  # as above


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("lse[n=1]", ["n >= 2", "got n=1"]),
        ("lse[R=0]", ["R >= 1", "got R=0"]),
        ("lse[form=shifted]", ["naive, stable"]),
        ("lse[generator=others]", ["own, public"]),
        ("llsq[n=4]", ["'n'", "m, N, generator"]),
        ("llsq[N=1]", ["N >= 2", "got N=1"]),
        ("llsq[m=0]", ["m >= 1"]),
        ("lse[generator=public]", ["public suite has no n=8, only 2500, 5000, 10000", "n=2500]'"]),
        ("llsq[generator=public,m=9]", ["no m=9, only 128", "N=16,generator=public,m=128]'"]),
        ("llsq[generator=public,N=8192]", ["no N=8192, only 16, 32,", "4096, 8196, 16392;"]),
        ("det[generator=public]", ["no l=4, only 5, 6, 7, 8, 9, 10, 11;", "public,l=5]'"]),
        ("det[n=9]", ["'n'", "l, method, generator"]),
        ("det[l=1]", ["l >= 2", "got l=1"]),
        ("det[method=qr]", ["minors, lu"]),
    ],
)
def test_impossible_parameters_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    assert all(word in str(refused.value) for word in words)


# --- what symbolic says of a maximum --------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "operator", "words"),
    [
        ("lse[n=4,form=stable]", "gradient", None),
        ("lse[n=5,form=stable]", "gradient", "an extreme of 5 entries"),
        ("lse[n=2,form=stable]", "hessian", "Dirac delta"),
        ("lse[n=2,form=stable]", "hvp", "Dirac delta"),
        ("lse[n=5,form=naive]", "hessian", None),
    ],
)
def test_symbolic_says_why_it_cannot_do_an_extreme(
    selection: str, operator: str, words: str | None
) -> None:
    for method in METHODS.methods("symbolic"):
        reason = why_not(method, one(selection), operator)
        assert reason is None if words is None else words in str(reason)

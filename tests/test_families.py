"""Every family: its shapes, its hand-written derivatives against 50 digits, its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import oracle
import pytest

from diffbench.ad.namespace import NUMPY
from diffbench.conformance import examined
from diffbench.conformance.families import CHECKS, Trial
from diffbench.errors import BadSize, PluginError, Unsupported
from diffbench.measure.accuracy import judge
from diffbench.problem import Instance
from diffbench.registry import PROFILES, Registry, discover

FAMILIES = discover(kinds=("problems",))
SCALAR = {"gradient", "hvp", "hessian"}
VECTOR = {"jacobian", "jvp", "vjp"}
TIGHT = 1e-13
SMALL = (
    "lecture[n=2|4],logistic[depth=1|2|7],speelpenning[n=2|5],rosenbrock[n=2|5],helmholtz[n=1|3],"
    "chebyshev[m=1|2|9],bratu[n=1|4],affine_tanh[n=1,m=1],affine_tanh[n=3,m=2],affine_tanh[n=2,m=4],"
    "mlp[width=1],mlp[width=2,layers=2,batch=3],fisher[n=2,depth=2],fisher[n=3,depth=9],"
    "gmm[d=2,K=1,N=2],gmm[d=3,K=2,N=3],gmm[d=2,K=2,N=3,generator=public],kmeans[K=1,N=1,d=1],"
    "kmeans[K=3,N=9,d=2],matrix_chain[n=1,p=1,q=1,r=1,m=1],matrix_chain[n=3,p=2,q=1,r=4,m=2],"
    "matrix_chain[n=2,p=3,q=2,r=2,m=4],ode[depth=1|3],brusselator[cells=2,depth=1|2],"
    "brusselator[cells=3],ba[cameras=2,points=1],ba[cameras=3,points=2],hand[fingers=1,points=1],"
    "hand[fingers=2,points=3],black_scholes[assets=1,options=2],black_scholes[assets=3,options=2],"
    "attention[tokens=2,width=1],attention[tokens=3,width=2],dlstm[hidden=1,length=1],"
    "dlstm[hidden=2,layers=2,length=2],lse[n=2|5,R=3,form=naive|stable],llsq[m=1|3,N=4],"
    "det[l=2|3,method=minors|lu],newton_root[n=1|3,digits=1|3|8],piecewise[n=1|5]"
)
BUILT_IN = {
    "affine_tanh",
    "attention",
    "ba",
    "black_scholes",
    "bratu",
    "brusselator",
    "chebyshev",
    "det",
    "dlstm",
    "fisher",
    "gmm",
    "hand",
    "helmholtz",
    "kmeans",
    "lecture",
    "llsq",
    "logistic",
    "lse",
    "matrix_chain",
    "mlp",
    "newton_root",
    "ode",
    "piecewise",
    "rosenbrock",
    "speelpenning",
}


def one(selection: str) -> Instance:
    (instance,) = FAMILIES.instances(selection)
    return instance


def test_the_families_are_there(registry: Registry) -> None:
    assert set(registry.families) >= BUILT_IN
    for name in BUILT_IN:
        family = registry.families[name]
        assert all((family.title, family.shows, family.reference, family.latex))


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("name", sorted(FAMILIES.families))
def test_every_family_conforms(name: str, seed: int) -> None:
    """The checks of ``diffbench test FILE.py``; broken ones are in test_conformance.py."""
    trial = Trial(FAMILIES.families[name], seed)
    found = {check.name: examined(check, trial) for check in CHECKS}
    assert found == dict.fromkeys(found, "")
    assert len(found) == len(CHECKS)
    for made in trial.instances:  # what is built in has all of its derivatives by hand
        assert set(made.answers) == (SCALAR if made.scalar else VECTOR)


@pytest.mark.parametrize("instance", FAMILIES.instances(SMALL), ids=lambda i: i.name)
def test_all_derivatives_against_differences_at_120_digits(instance: Instance) -> None:
    if not instance.scalar:
        jacobian = oracle.answer(instance, "jacobian").astype(float)
        assert np.allclose(instance.jacobian(), jacobian, rtol=TIGHT, atol=1e-15)
        assert np.allclose(instance.vjp(), instance.w @ jacobian, rtol=TIGHT, atol=1e-15)
        return
    for name in ("gradient", "hvp", "hessian"):
        expected = oracle.answer(instance, name).astype(float)
        scale = np.max(np.abs(expected), initial=0.0)
        assert np.max(np.abs(instance.answer(name) - expected)) <= TIGHT * scale + 1e-25


@pytest.mark.parametrize("instance", FAMILIES.instances(SMALL), ids=lambda i: i.name)
def test_hand_written_answers_are_exact_to_rounding(instance: Instance) -> None:
    for name in instance.answers:
        judged = judge(instance.answer(name), oracle.certify(instance, name))
        assert judged.verdict == "exact to rounding", (name, judged.verdict_reason)


# --- the points and closed forms that are fixed ---------------------------------------------------


def test_lecture_at_two_and_five() -> None:
    lecture = one("lecture[n=2]")
    assert lecture.x.tolist() == [2.0, 5.0]
    assert float(lecture.value()) == 11.652071455223084
    assert lecture.gradient().tolist() == [5.5, 1.7163378145367738]
    assert one("lecture[n=64]").x[:2].tolist() == [2.0, 5.0]


def test_logistic_at_one_fifth() -> None:
    assert one("logistic[depth=4]").gradient()[0] == pytest.approx(9.0660864, rel=1e-15)
    assert one("logistic[depth=4]").hessian()[0, 0] == pytest.approx(67.395584, rel=1e-14)
    t = np.arcsin(np.sqrt(0.2))
    for depth in range(1, 10):
        logistic = one(f"logistic[depth={depth}]")
        closed = 2.0 ** (depth - 1) * np.sin(2.0**depth * t) / np.sin(2.0 * t)
        assert logistic.gradient()[0] == pytest.approx(closed, rel=1e-11)
        assert float(logistic.value()) == pytest.approx(
            np.sin(2.0 ** (depth - 1) * t) ** 2, rel=1e-11
        )


def test_rosenbrock_starts_at_the_classical_point() -> None:
    assert one("rosenbrock[n=2]").x.tolist() == [-1.2, 1.0]
    assert float(one("rosenbrock[n=2]").value()) == pytest.approx(24.2)
    assert one("rosenbrock[n=64]").x[:2].tolist() == [-1.2, 1.0]


@pytest.mark.parametrize("n", [2, 100, 10_000, 1_000_000])
def test_speelpenning_neither_overflows_nor_underflows(n: int) -> None:
    product = one(f"speelpenning[n={n}]")
    assert 0.5 < float(product.value()) < 2.0
    assert np.all((product.gradient() > 0.2) & (product.gradient() < 5.0))


def test_speelpenning_gradient_holds_at_a_zero() -> None:
    gradient = one("speelpenning[n=3]").answers["gradient"]
    assert gradient(np.array([0.0, 2.0, 3.0])).tolist() == [6.0, 0.0, 0.0]


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1000])
def test_helmholtz_stays_in_its_domain(n: int) -> None:
    fluid = one(f"helmholtz[n={n}]")
    b, a = fluid.constants
    assert 0 < b @ fluid.x < 0.05
    assert 0 < b @ fluid.prepare_x < 0.05
    i = np.arange(n)
    assert np.array_equal(a, 1.0 / (1.0 + i[:, None] + i))
    assert np.array_equal(fluid.x, np.sqrt(1.0 + i) / n)


def test_helmholtz_derivatives_hold_for_a_matrix_that_is_not_symmetric() -> None:
    fluid = one("helmholtz[n=3]")
    skewed = fluid.constants[1] * np.array([[1.0, 2.0, 3.0], [0.5, 1.0, 4.0], [0.1, 0.2, 1.0]])
    h = 1e-6
    rows = []
    for e in np.eye(3) * h:
        up, down = (
            fluid.answers["gradient"](fluid.x + s * e, fluid.constants[0], skewed) for s in (1, -1)
        )
        rows.append((up - down) / (2 * h))
    hessian = fluid.answers["hessian"](fluid.x, fluid.constants[0], skewed)
    assert np.allclose(hessian, np.array(rows), rtol=1e-6)


def test_chebyshev_closed_forms() -> None:
    polynomials = one("chebyshev[m=40]")
    j, angle = np.arange(1, 41), np.arccos(polynomials.x[0])
    assert np.allclose(polynomials.value(), np.cos(j * angle), rtol=0, atol=1e-14)
    slopes = j * np.sin(j * angle) / np.sin(angle)
    assert np.allclose(polynomials.jacobian()[:, 0], slopes, rtol=0, atol=1e-12)


def test_bratu_is_the_equation_on_its_grid() -> None:
    bratu = one("bratu[n=3]")
    a, b, c = bratu.x
    bend = 16.0 * np.array([-2.0 * a + b, a - 2.0 * b + c, b - 2.0 * c])
    assert np.allclose(bratu.value(), bend + np.exp(bratu.x), rtol=1e-15)
    assert bratu.jacobian().tolist() == [
        [np.exp(a) - 32.0, 16.0, 0.0],
        [16.0, np.exp(b) - 32.0, 16.0],
        [0.0, 16.0, np.exp(c) - 32.0],
    ]


def test_mlp_derives_its_size() -> None:
    assert one("mlp[width=4,layers=3,batch=2]").n == 3 * 4 * 5
    assert one("mlp[width=4,layers=3,batch=2]").depth == 3


# --- loops in their parts -------------------------------------------------------------------------


def test_which_families_offer_their_loop() -> None:
    quick = FAMILIES.instances("all", "quick")
    assert {i.family for i in quick if i.step is not None} == {
        "brusselator",
        "dlstm",
        "fisher",
        "ode",
    }


def test_a_family_offers_all_parts_of_its_loop_or_none() -> None:
    family = FAMILIES.families["fisher"]

    def build(params: Any, rng: Any) -> Any:
        return replace(family.build(params, rng), start=None, finish=None)

    with pytest.raises(PluginError, match="'fisher' offers no start, finish; its Parts need all"):
        replace(family, build=build).instance()
    with pytest.raises(Unsupported, match="lecture offers no start, step and finish"):
        one("lecture[n=2]").in_parts(lambda step, depth: step)


def test_another_function_has_no_parts() -> None:
    other = one("fisher[n=4,depth=2]").with_f(lambda x, xp, target: xp.sum(x), None)
    assert other.start is other.step is other.finish is None


def test_fisher_keeps_its_population_between_nothing_and_all() -> None:
    spread = one("fisher[n=32,depth=64]")
    state = spread.start(spread.x, NUMPY, *spread.constants)
    for i in range(spread.depth):
        state = spread.step(state, NUMPY, i, *spread.constants)
        assert np.all((state > 0) & (state < 1))
    assert np.sum(state) > np.sum(spread.x)


# --- sizes and errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("mlp[n=10]", ["'n'", "width", "layers", "batch"]),
        ("chebyshev[n=2]", ["'n'", "m"]),
        ("logistic[n=1]", ["'n'", "depth"]),
        ("lecture[n=3]", ["multiple of 2", "got 3"]),
        ("rosenbrock[n=1]", ["n >= 2", "got n=1"]),
        ("bratu[n=0]", ["n >= 1", "got n=0"]),
        ("helmholtz[n=4097]", ["n <= 4096", "got n=4097"]),
        ("affine_tanh[n=0]", ["n >= 1"]),
        ("fisher[depth=1]", ["depth >= 2", "got depth=1"]),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        FAMILIES.instances(selection)
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in words)


def test_a_whole_number_may_have_an_exponent() -> None:
    assert FAMILIES.points("lecture[n=1e2|4.0]", "quick") == [
        ("lecture", {"n": 100}),
        ("lecture", {"n": 4}),
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_hold_every_family(profile: str) -> None:
    points = FAMILIES.points("all", profile)
    assert {name for name, _ in points} >= BUILT_IN
    for name, params in points:
        words = {k for k, row in FAMILIES.families[name].parameters.items() if row.choices}
        assert all(isinstance(v, int | float) for k, v in params.items() if k not in words)


@pytest.mark.parametrize("name", ["bratu", "lecture", "rosenbrock", "speelpenning"])
def test_full_profile_reaches_a_million(name: str) -> None:
    assert max(params["n"] for _, params in FAMILIES.points(name, "full")) == 1_000_000

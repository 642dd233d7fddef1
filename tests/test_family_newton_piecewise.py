"""newton_root and piecewise: closed forms, the lag behind the root's derivative, frozen paths."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from typing import Any

import numpy as np
import oracle
import pytest
from mpmath import mp

from diffbench import ad
from diffbench.errors import BadSize
from diffbench.measure.accuracy import judge
from diffbench.method import Method, prepare, why_not
from diffbench.problem import Instance
from diffbench.registry import discover

PLUGINS = discover(kinds=("methods", "problems"))
EVERY = PLUGINS.instances("newton_root,piecewise", "quick") + PLUGINS.instances(
    "newton_root[n=1|40,digits=1|8|10],piecewise[n=1|3|40]"
)
every_instance = pytest.mark.parametrize("instance", EVERY, ids=lambda i: i.name)


def one(selection: str, seed: int = 0) -> Instance:
    (instance,) = PLUGINS.instances(selection, seed=seed)
    return instance


def method(selection: str) -> Method:
    (found,) = PLUGINS.methods(selection)
    return found


def branches(instance: Instance, x: Any) -> list[bool]:
    """How the program decided, one after another."""
    return [outcome for _, outcome in ad.trace(instance.f, x, *instance.constants).guards]


def answer(name: str, instance: Instance, operator: str = "gradient") -> Any:
    """What a method answers at x when it was prepared at prepare_x."""
    prepared = prepare(method(name), instance, operator)
    args = prepared.stage(instance.x, instance.seed_of(operator))
    return prepared.collect(prepared(*args))


# --- the families ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("digits", "steps"), [(1, 3), (3, 4), (8, 5)])
def test_one_payment_after_a_unit_of_time(digits: int, steps: int) -> None:
    """x e^-r = 1: Newton's step is r + 1 - e^r/x, and the root ln x."""
    payment = one(f"newton_root[n=1,digits={digits}]")
    (x,) = payment.x
    rate = slope = bend = 0.0
    for _ in range(steps):
        e = math.exp(rate) / x
        bend = bend * (1 - e) - e * slope**2 + 2 * e * slope / x - 2 * e / x**2
        rate, slope = rate + 1 - e, slope * (1 - e) + e / x
    assert x == 4.0
    assert payment.depth == steps
    assert abs(rate - math.log(4.0)) < 10.0**-digits
    assert float(payment.value()) == pytest.approx(rate, rel=1e-14)
    assert payment.gradient()[0] == pytest.approx(slope, rel=1e-13)
    assert payment.hessian()[0, 0] == pytest.approx(bend, rel=1e-12)


def missed(root: Instance) -> tuple[float, float]:
    """What the rate and its gradient miss the root's by, relative; the root's is implicit."""
    x, times = (list(map(mp.mpf, a.tolist())) for a in (root.x, root.constants[0]))
    with mp.workdps(40):
        rate = mp.findroot(lambda r: mp.fdot(x, [mp.exp(-r * t) for t in times]) - 1, 1.5)
        discounts = [mp.exp(-rate * t) for t in times]
        slope = mp.fsum(t * p * d for t, p, d in zip(times, x, discounts, strict=True))
        implicit = np.array([float(d / slope) for d in discounts])
        short = float((rate - mp.mpf(float(root.value()))) / rate)
    return short, float(np.max(np.abs(root.gradient() - implicit)) / np.max(implicit))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_derivative_misses_that_of_the_root_by_more(seed: int) -> None:
    """An error that squares at each step, e_k = c^(2^k), has a slope that is 2^k times as large."""
    ratios = {}
    for digits in (1, 3, 8):
        root = one(f"newton_root[n=8,digits={digits}]", seed)
        value, slope = missed(root)
        ratios[root.depth] = slope / value
        assert 0 < value < 2 * 10.0**-digits
    assert list(ratios) == [3, 5, 6]
    assert ratios[3] > 3
    assert 1.8 < ratios[6] / ratios[5] < 2.0


def test_three_entries_by_hand() -> None:
    pieces, x = one("piecewise[n=3]"), np.array([-2.0, 0.5, 2.0])
    assert pieces.f(x, np) == 3.0 + 0.25 + 17.0 / 3.0
    assert pieces.answers["gradient"](x).tolist() == [-2.0, 1.0, 8.0]
    assert pieces.answers["hessian"](x).tolist() == np.diag([0.0, 2.0, 8.0]).tolist()
    assert pieces.answers["hvp"](x, np.ones(3)).tolist() == [0.0, 2.0, 8.0]


def test_pieces_join_with_their_slopes() -> None:
    pieces = one("piecewise[n=1]")
    for joint in (-1.0, 1.0):
        below, at = np.array([math.nextafter(joint, -9.0)]), np.array([joint])
        assert pieces.f(below, np) == pytest.approx(pieces.f(at, np), rel=1e-15)
        slopes = [pieces.answers["gradient"](x)[0] for x in (below, at)]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-15)


def test_a_piece_without_curvature_is_not_in_the_pattern() -> None:
    pieces = one("piecewise[n=30]")
    plan = ad.sparse_plan(pieces.f, pieces.x, operator="hessian")
    assert plan.pattern.nnz == 20
    assert plan.count == 1


# --- the path -------------------------------------------------------------------------------------


@every_instance
def test_methods_prepare_along_another_path(instance: Instance) -> None:
    here, there = (branches(instance, x) for x in (instance.x, instance.prepare_x))
    assert here != there
    if instance.family == "newton_root":
        assert len(here) == instance.depth + 1
        assert len(here) > len(there) > 1


@every_instance
def test_a_frozen_path_is_wrong(instance: Instance) -> None:
    graph = ad.derivative_graph(instance.f, instance.prepare_x, constants=instance.constants)
    reference = oracle.certify(instance, "gradient")
    assert reference.claim == "certified"
    assert np.isfinite(reference.rad53).all()
    frozen = np.asarray(graph.replay(instance.x))
    assert judge(frozen, reference).verdict in ("wrong", "degraded")
    assert judge(instance.gradient(), reference).verdict == "exact to rounding"


@pytest.mark.parametrize(
    "name",
    [
        "forward",
        "reverse",
        "compiled_forward",
        "compiled_reverse",
        "sparse_forward",
        "sparse_reverse",
        "autograd",
        "complex_step",
    ],
)
@pytest.mark.parametrize("selection", ["newton_root[n=5,digits=3]", "piecewise[n=5]"])
def test_methods_follow_the_path_of_the_point(name: str, selection: str) -> None:
    instance = one(selection)
    for operator in ("gradient", "hvp"):
        if why_not(method(name), instance, operator) is None:
            judged = judge(answer(name, instance, operator), oracle.certify(instance, operator))
            assert judged.verdict == "exact to rounding", (operator, judged.verdict_reason)


@pytest.mark.parametrize("scheme", ["forward", "central"])
@pytest.mark.parametrize("selection", ["newton_root[n=5,digits=3]", "piecewise[n=5]"])
def test_differences_follow_it_too(scheme: str, selection: str) -> None:
    instance = one(selection)
    found = answer(f"finite_difference[scheme={scheme}]", instance)
    assert np.allclose(found, instance.gradient(), rtol=0, atol=1e-6)


# --- what each method says ------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["newton_root", "piecewise"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("symbolic[cse=no]", "symbolic: {} has no closed form, a loop or branch depends on values"),
        ("casadi", "casadi: {} is no expression, a loop or branch depends on values"),
    ],
)
def test_an_expression_has_no_such_branch(name: str, sentence: str, family: str) -> None:
    if name == "casadi" and importlib.util.find_spec("casadi") is None:
        pytest.skip("needs casadi: pip install 'diffbench[casadi]'")
    for operator in ("gradient", "hvp"):
        assert why_not(method(name), one(f"{family}[n=4]"), operator) == sentence.format(family)


def test_symbolic_takes_no_branch_by_the_look_of_an_expression() -> None:
    """sympy's x == 0 asks whether x is the number 0: no, whatever x will be."""
    halves = oracle.instance_of(lambda x, xp: 0.0 * x[0] if x[0] == 0.0 else x[0], [1.0])
    reason = why_not(method("symbolic[cse=no]"), halves, "gradient")
    assert reason == "symbolic: once has no closed form, a loop or branch depends on values"


@pytest.mark.parametrize(
    ("f", "bad"),
    [
        (lambda x, xp: x[0] if x[0] >= 0.5 else -x[0], ""),
        (lambda x, xp: x[0] if x[0] != 0.5 else -x[0], "not_equal"),
        (lambda x, xp: x[0] if xp.floor(x[0]) > 0.5 else -x[0], "floor"),
        (lambda x, xp: xp.where(x[0] > 0.5, x[0], -x[0]), "greater"),
    ],
)
def test_the_complex_step_may_branch_on_order_alone(f: Any, bad: str) -> None:
    once = oracle.instance_of(f, [0.75])
    reason = why_not(method("complex_step"), once, "gradient")
    assert reason == (f"complex_step: {bad} of once is not analytic" if bad else None)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("newton_root[n=0]", ["n >= 1", "got n=0"]),
        ("newton_root[digits=0]", ["digits >= 1", "got digits=0"]),
        ("newton_root[digits=11]", ["digits <= 10", "got digits=11"]),
        ("newton_root[depth=3]", ["'depth'", "n, digits"]),
        ("piecewise[n=0]", ["n >= 1", "got n=0"]),
    ],
)
def test_impossible_parameters_are_refused(selection: str, words: list[str]) -> None:
    with pytest.raises(BadSize) as refused:
        PLUGINS.instances(selection)
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize("name", ["sparse_forward", "sparse_reverse"])
@pytest.mark.parametrize("selection", ["newton_root[n=5,digits=3]", "piecewise[n=5]"])
def test_sparse_methods_count_the_plan_of_the_point(name: str, selection: str) -> None:
    instance = one(selection)
    prepared = prepare(method(name), instance, "jacobian")
    prepared(*prepared.stage(instance.x))
    straight = replace(instance, prepare_x=instance.x)
    assert prepared.sizes() == prepare(method(name), straight, "jacobian").sizes()
    assert prepared.sizes()["graph_ops"] > instance.n

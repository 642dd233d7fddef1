"""``ad.compile``: right against the eager library, for every primitive; proof, counts, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled_programs import X, chooses, close, factors, moves, picks, solves

from diffbench import ad
from diffbench.ad.compile import PROGRAMS
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import RULES, Rule
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify
from diffbench.problem import Instance
from diffbench.registry import discover

REGISTRY = discover((), ("problems",))
BRANCHES = ("newton_root", "piecewise")  # another path at x than where they are prepared
INSTANCES = list(REGISTRY.instances("all", "quick"))


def eager(instance: Instance, operator: str, mode: str) -> Any:
    seed = instance.seed_of(operator)
    seeds = () if seed is None else (seed,)
    return np.asarray(PROGRAMS[operator](instance.f, mode)(instance.x, *seeds, *instance.constants))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_it_agrees_with_the_eager_program(instance: Instance, mode: str) -> None:
    for operator in PROGRAMS:
        if operator in ("gradient", "hvp", "hessian") and not instance.scalar:
            continue
        seed = instance.seed_of(operator)
        seeds = () if seed is None else (seed,)
        made = ad.compile(instance.f, instance.prepare_x, operator, instance.constants, mode)
        answer = made(instance.x, *seeds, *instance.constants)
        assert close(answer, eager(instance, operator, mode)), operator
        assert answer.dtype == np.float64
        assert made.traces == (2 if instance.family in BRANCHES else 1)


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_its_source_computes_the_same(instance: Instance) -> None:
    arrays = [c for c in instance.constants if isinstance(c, np.ndarray)]
    for operator in ("gradient", "hvp") if instance.scalar else ("jacobian", "vjp"):
        scope: dict[str, Any] = {}
        exec(ad.source(instance.f, instance.x, operator, instance.constants), scope)
        seed = instance.seed_of(operator)
        seeds = () if seed is None else (seed,)
        answer = scope[operator](instance.x, *seeds, *arrays)
        assert close(answer, eager(instance, operator, "reverse"))


# --- programs that need more than loops ------------------------------------------------------


@pytest.mark.parametrize("f", [solves, factors, picks, moves, chooses])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_every_kind_of_primitive_compiles(f: Callable[..., Any], mode: str) -> None:
    for operator, right in (("gradient", ad.grad(f)), ("hessian", ad.hessian(f))):
        made = ad.compile(f, X + 0.1, operator, mode=mode)
        assert close(made(X) / 8, right(X) / 8), operator


def test_a_long_trace_of_scalars_becomes_several_functions() -> None:
    def f(x: Any, xp: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(1000):
            a, b = a + 0.001 * (b - a * a), b - 0.001 * xp.sin(a)
        return a * b

    x = np.array([0.3, 0.7])
    made = ad.compile(f, x)
    assert close(made(x), ad.grad(f)(x))
    assert ad.trace(f, x).ops() > 5000


@pytest.mark.parametrize(("rows", "columns"), [(7, 2), (8, 2), (8, 3), (15, 4), (3, 16)])
@pytest.mark.parametrize("axis", [0, 1])
def test_entries_taken_at_places_that_lie_apart_from_lane_to_lane(
    rows: int, columns: int, axis: int
) -> None:
    x = np.arange(1.0, rows * columns + 1.0)
    places = np.arange(rows * columns)[::-1].copy()

    def f(x: Any, xp: Any) -> Any:
        taken = xp.reshape(xp.take(x, places), (rows, columns))
        return xp.sum(taken * taken, axis=axis)

    for operator in ("value", "jacobian"):
        got = ad.compile(f, x, operator=operator)(x)
        expected = ad.jacobian(f)(x) if operator == "jacobian" else f(x, NUMPY)
        assert np.array_equal(got, expected)


def test_entries_taken_one_by_one_are_put_back_once() -> None:
    def f(x: Any, xp: Any) -> Any:
        return sum((x[i + 1] - x[i] ** 2) ** 2 for i in range(x.shape[0] - 1))

    x = np.linspace(-1.0, 1.0, 60)
    assert close(ad.compile(f, x)(x), ad.grad(f)(x))


@pytest.mark.parametrize("n", [5, 8, 13, 21, 64, 77, 100])
def test_pieces_that_overlap_are_added_once(n: int) -> None:
    """Few pieces in large wholes are read at their seams, many or in small ones are written."""

    def f(x: Any, xp: Any, most: int) -> Any:
        y = xp.concat([x[:1], x, x[-1:]])
        shifted = [xp.sin(x[i : n - most + i] * (i + 1.0)) for i in range(most)]
        return sum(xp.sum(s * s) for s in shifted) + xp.sum(y[:-2] * y[1:-1] * y[2:])

    x = np.linspace(-1.0, 1.0, n)
    for most in (1, 2, 3, 4):
        for operator, right in (("gradient", ad.grad(f)), ("hessian", ad.hessian(f))):
            found = ad.compile(f, x, operator, (most,))(x, most)
            assert close(found / 40, right(x, most) / 40)


def test_empty_parts_are_no_parts() -> None:
    def f(x: Any, xp: Any) -> Any:
        joined = xp.concat([x[:0] * 2.0, x])
        return xp.sum(x[4:]) + xp.prod(xp.exp(x[:0])) * xp.sum(joined * joined)

    assert close(ad.compile(f, X)(X), 2.0 * X)
    with pytest.raises(ad.ADError, match="nothing to compile"):
        ad.compile(lambda x, xp: xp.sum(x), np.zeros(0))


# --- proof, counts, memory -----------------------------------------------------------------------


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_its_answers_are_exact_to_rounding(instance: Instance) -> None:
    operator = "gradient" if instance.scalar else "jacobian"
    answer = ad.compile(instance.f, instance.prepare_x, operator, instance.constants)(
        instance.x, *instance.constants
    )
    verdict = judge(answer, certify(instance, operator), "exact").verdict
    assert verdict in ("exact to rounding", "uninformative")


# The adjoint of a determinant takes the inverse, which numpy makes from another factorization:
# 2/3 l^3 + 2 l^3 beside 2/3 l^3, and l^2 more.
MOST_OPERATIONS = {"lu": 5}
IN_ITS_OWN_CODE = [
    i for i in INSTANCES if i.params.get("method") != "lu" and i.family not in BRANCHES
]
# Jacobians of a few columns: a sweep keeps all columns of what several places need, where the
# compiler of jax computes it again.
TIMES_JAX = {"brusselator[cells=2,depth=1]": 2.0, "black_scholes[assets=4,options=3]": 1.6}


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_a_gradient_costs_at_most_five_times_the_operations(instance: Instance) -> None:
    if not instance.scalar:
        return
    value = ad.compile(instance.f, instance.x, "value", instance.constants).sizes()["graph_ops"]
    made = ad.compile(instance.f, instance.x, "gradient", instance.constants).sizes()["graph_ops"]
    assert value is not None
    assert made is not None
    assert made <= MOST_OPERATIONS.get(instance.params.get("method"), 4) * max(3, value)


@pytest.mark.parametrize("instance", IN_ITS_OWN_CODE, ids=lambda i: i.name)
def test_its_memory_is_at_most_what_jax_plans(instance: Instance) -> None:
    import jax

    from diffbench.methods.jax import PROGRAMS as JAX
    from diffbench.methods.jax import _jax, _over

    operator = "gradient" if instance.scalar else "jacobian"
    program = JAX["reverse"][operator](_jax(), _over(instance.f))
    lowered = jax.jit(program).lower(instance.x, *instance.constants)
    plan = lowered.compile().memory_analysis()
    theirs = plan.temp_size_in_bytes + plan.output_size_in_bytes
    ours = ad.compile(instance.f, instance.x, operator, instance.constants).nbytes
    assert ours <= TIMES_JAX.get(instance.name, 1.0) * theirs


# --- every row of the table ------------------------------------------------------------------

ROWS = [rule for rule in RULES.values() if rule.domain]


@pytest.mark.parametrize("rule", ROWS, ids=lambda r: r.name)
def test_every_row_compiles_to_second_order(rule: Rule) -> None:
    """Wide loops and the single entries after them, on the row's own domain."""
    rng = np.random.default_rng(3)
    count = len(rule.domain)
    x = np.concatenate([rng.uniform(*ends, 11) for ends in rule.domain])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(getattr(xp, rule.name)(*(x[11 * i : 11 * i + 11] for i in range(count))))

    v = np.linspace(0.5, 1.5, x.size)
    pairs = {
        "value": np.asarray(f(x, NUMPY)),
        "gradient": ad.grad(f)(x),
        "hvp": ad.hvp(f, x, v),
    }
    for operator, right in pairs.items():
        seeds = (v,) if operator == "hvp" else ()
        found = ad.compile(f, x, operator)(x, *seeds)
        np.testing.assert_allclose(found, right, rtol=1e-13, atol=1e-14 * np.max(abs(right)))

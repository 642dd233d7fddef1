"""Every method on every family: its answers, its counts, and what it says it cannot do."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.binomial import advances
from diffbench.ad.counters import COUNTERS
from diffbench.errors import PreparationMismatch, Unsupported
from diffbench.method import Method, capability, native_of, prepare, variant_name, why_not
from diffbench.operators import OPERATORS
from diffbench.problem import Instance
from diffbench.registry import discover

PLUGINS = discover(kinds=("methods", "problems"))
FAMILIES = PLUGINS.instances(
    "affine_tanh[n=4,m=3],bratu[n=4],chebyshev[m=5],fisher[n=2,depth=2],helmholtz[n=2],"
    "lecture[n=4],logistic[depth=4],"
    "mlp[width=1,layers=2,batch=2],rosenbrock[n=4],speelpenning[n=4]"
)
METHODS = PLUGINS.methods("all")
FILES = len(list((Path(__file__).parents[1] / "methods").glob("[!_]*.py")))


def needs(with_method: Method) -> str:
    """What to type for the packages that are not installed; empty where all are."""
    absent = [p for p in with_method.requires if importlib.util.find_spec(p) is None]
    return ", ".join(f"needs {p}: {with_method.requires[p]}" for p in absent)


def each(methods: list[Method]) -> pytest.MarkDecorator:
    """The tests of these methods, of which some may not be installed."""
    marked = [
        pytest.param(m, marks=pytest.mark.skipif(bool(needs(m)), reason=needs(m))) for m in methods
    ]
    return pytest.mark.parametrize("with_method", marked, ids=variant_name)


every_method = each(METHODS)
any_family = each([m for m in METHODS if m.name != "reverse_checkpointed"])  # it needs a loop
# claim or scheme -> order of the operator -> error beside the largest entry
EXACT = (1e-14, 1e-13, 1e-12)
TOLERANCE = {"exact": EXACT, "forward": (0.0, 1e-6, 1e-3), "central": (0.0, 1e-8, 1e-5)}


def one(selection: str) -> Instance:
    (instance,) = PLUGINS.instances(selection)
    return instance


def method(selection: str) -> Method:
    (found,) = PLUGINS.methods(selection)
    return found


def answer(
    with_method: Method, instance: Instance, operator: str, constants: tuple[Any, ...] | None = None
) -> Any:
    prepared = prepare(with_method, instance, operator)
    args = prepared.stage(instance.x, instance.seed_of(operator), constants)
    return prepared.collect(prepared(*args))


def counted(instance: Instance) -> tuple[Instance, list[int]]:
    """The instance with an f that counts its calls."""
    calls = [0]

    def f(x: Any, xp: Any, *constants: Any) -> Any:
        calls[0] += 1
        return instance.f(x, xp, *constants)

    return replace(instance, f=f), calls


def loop(x: Any, xp: Any) -> Any:
    """A loop whose length depends on the values."""
    y = x[0]
    while y < 10.0:
        y = y * 2.0
    return y * x[1]


# --- what is there --------------------------------------------------------------------------------


def test_the_variants_are_there() -> None:
    assert [variant_name(m) for m in METHODS] == [
        "autograd",
        "casadi",
        "compiled_forward",
        "compiled_reverse",
        "complex_step",
        "finite_difference[scheme=forward]",
        "finite_difference[scheme=central]",
        "forward",
        "jax[mode=reverse]",
        "jax[mode=forward]",
        "manual",
        "reverse",
        "reverse_checkpointed[slots=4]",
        "reverse_checkpointed[slots=32]",
        "reverse_checkpointed[slots=256]",
        "sparse_forward",
        "sparse_reverse",
        "symbolic[cse=no]",
        "symbolic[cse=yes]",
        "zero",
    ]
    for m in METHODS:
        assert all((m.title, m.cost, m.reference, m.version, type(m).__doc__))
        assert "value" in m.native


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from diffbench.registry import discover; found = discover(kinds=('methods',));"
        f"assert len(found.method_types) == {FILES}, found.broken;"
        "heavy = {'jax', 'sympy', 'autograd', 'casadi', 'scipy', 'pandas'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- every cell -----------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", FAMILIES, ids=lambda i: i.family)
@every_method
def test_answers_agree_with_the_hand_written_ones(with_method: Method, instance: Instance) -> None:
    for operator, row in OPERATORS.items():
        able = capability(with_method, instance, operator)
        if able.reason is not None:
            assert len(able.reason.split()) >= 4
            assert "\n" not in able.reason
            continue
        if able.origin == "derived" and with_method.name == "jax" and instance.family != "lecture":
            continue  # the same derivation, compiled anew for a second or more
        got = answer(with_method, instance, operator)
        expected = answer(method("manual"), instance, operator)
        assert got.dtype == np.float64
        assert got.shape == row.shape(instance.n, instance.y_shape)
        scale = np.max(np.abs(expected))
        error = np.max(np.abs(got - expected))
        if with_method.claim == "control":
            assert not np.any(got)
        else:
            limit = TOLERANCE[getattr(with_method, "scheme", "exact")][row.order]
            assert error <= limit * scale, (operator, error / scale)


@any_family
@pytest.mark.parametrize("selection", ["helmholtz[n=2]", "affine_tanh[n=2,m=2]"])
def test_changed_constants_change_the_answer(with_method: Method, selection: str) -> None:
    if with_method.claim == "control":
        return
    instance = one(selection)
    operator = "gradient" if instance.scalar else "jacobian"
    changed = tuple(np.array(c) * 1.25 for c in instance.constants)
    prepared = prepare(with_method, instance, operator)
    before = prepared.collect(prepared(*prepared.stage(instance.x)))
    after = prepared.collect(prepared(*prepared.stage(instance.x, constants=changed)))
    expected = instance.answers[operator](instance.x, *changed)
    assert np.allclose(after, expected, rtol=1e-5, atol=0)
    assert not np.allclose(before, after, rtol=1e-3, atol=0)


@any_family
def test_a_prepared_call_holds_at_other_points(with_method: Method) -> None:
    instance = one("lecture[n=4]")
    prepared = prepare(with_method, instance, "gradient")
    for x in (instance.prepare_x, instance.x + 0.125, instance.x):
        got = prepared.collect(prepared(*prepared.stage(x)))
        expected = instance.answers["gradient"](x) * (with_method.claim != "control")
        assert np.allclose(got, expected, rtol=1e-6, atol=0)


@any_family
def test_other_shapes_are_refused_with_a_list(with_method: Method) -> None:
    instance = one("helmholtz[n=2]")
    prepared = prepare(with_method, instance, "jvp")
    with pytest.raises(PreparationMismatch) as refused:
        prepared.stage(np.ones(3, dtype=np.float32), np.ones(1), (np.ones(5),))
    message = str(refused.value)
    for part in (
        "x: prepared for shape (2,), got (3,)",
        "seed",
        "constant 0",
        "float64",
        "for 2, got 1",
    ):
        assert part in message


@every_method
def test_a_hessian_that_fits_in_no_memory_is_refused(with_method: Method) -> None:
    large = one("rosenbrock[n=1000000]")
    if "hessian" in getattr(with_method, "sparse", ()):
        assert why_not(with_method, large, "hessian") is None
        large = replace(large, sparse=frozenset())
    reason = why_not(with_method, large, "hessian")
    assert reason is not None
    known = ("1e+12 entries", "second imaginary unit", "offers no start, step and finish")
    assert any(words in reason for words in known)


# --- zero and manual ------------------------------------------------------------------------------


def test_zero_answers_one_read_only_array() -> None:
    prepared = prepare(method("zero"), one("lecture[n=4]"), "hessian")
    first, second = prepared(), prepared()
    assert first is second
    assert not first.flags.writeable


def test_manual_derives_what_the_family_did_not_write() -> None:
    lecture = one("lecture[n=4]")
    only = replace(lecture, answers={"gradient": lecture.answers["gradient"]})
    assert native_of(method("manual"), only) == {"value", "gradient"}
    assert capability(method("manual"), only, "jacobian").origin == "derived"
    assert np.array_equal(answer(method("manual"), only, "jvp"), lecture.gradient() @ lecture.v)
    assert why_not(method("manual"), only, "hvp") == (
        "manual: lecture has no hand-written hvp (it has gradient)"
    )


def test_manual_without_any_answer_says_so() -> None:
    none = replace(one("lecture[n=4]"), answers={})
    assert why_not(method("manual"), none, "value") is None
    assert why_not(method("manual"), none, "gradient") == (
        "manual: lecture has no hand-written gradient (it has none)"
    )


# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 8, 64])
@pytest.mark.parametrize(
    ("scheme", "operator", "calls"),
    [
        ("forward", "gradient", lambda n: n + 1),
        ("forward", "jacobian", lambda n: n + 1),
        ("forward", "jvp", lambda n: 2),
        ("forward", "vjp", lambda n: n + 1),
        ("forward", "hvp", lambda n: 2 * n + 2),
        ("forward", "hessian", lambda n: (n + 1) * (n + 2) // 2),
        ("central", "gradient", lambda n: 2 * n),
        ("central", "jacobian", lambda n: 2 * n),
        ("central", "jvp", lambda n: 2),
        ("central", "vjp", lambda n: 2 * n),
        ("central", "hvp", lambda n: 4 * n),
        ("central", "hessian", lambda n: 2 * n * n + 1),
    ],
)
def test_finite_differences_call_f_exactly(scheme: str, operator: str, calls: Any, n: int) -> None:
    instance, count = counted(one(f"rosenbrock[n={n}]"))
    answer(method(f"finite_difference[scheme={scheme}]"), instance, operator)
    assert count[0] == calls(n)


def test_finite_differences_of_many_outputs_call_f_as_often() -> None:
    instance, count = counted(one("affine_tanh[n=7,m=5]"))
    answer(method("finite_difference[scheme=central]"), instance, "jacobian")
    assert count[0] == 14


def test_finite_differences_refuse_a_million_calls() -> None:
    reason = why_not(
        method("finite_difference[scheme=central]"), one("rosenbrock[n=1024]"), "hessian"
    )
    assert reason == "finite_difference: one hessian takes 2097153 calls of f, over 20000"


def test_complex_step_calls_f_n_times() -> None:
    instance, count = counted(one("rosenbrock[n=9]"))
    prepared = prepare(method("complex_step"), instance, "gradient")
    count[0] = 0
    prepared(*prepared.stage(instance.x))
    assert count[0] == 9


def test_forward_takes_n_directions_and_reverse_m_sweeps() -> None:
    layer = one("affine_tanh[n=7,m=5]")
    for name, directions, sweeps in (("forward", 7, 0), ("reverse", 0, 5)):
        COUNTERS.reset()
        answer(method(name), layer, "jacobian")
        assert (COUNTERS.directions, COUNTERS.sweeps) == (directions, sweeps)


@pytest.mark.parametrize("instance", FAMILIES, ids=lambda i: i.family)
def test_a_gradient_costs_at_most_five_times_the_function(instance: Instance) -> None:
    primal = ad.trace(instance.f, instance.x, *instance.constants).ops()
    if instance.scalar and primal >= 3:
        found = prepare(method("reverse"), instance, "gradient").sizes()["graph_ops"]
        assert found is not None
        assert found <= 5 * primal


@pytest.mark.parametrize("name", ["forward", "reverse"])
def test_the_in_house_derivative_grows_linearly_with_depth(name: str) -> None:
    counts = [
        prepare(method(name), one(f"logistic[depth={d}]"), "gradient").sizes()["graph_ops"]
        for d in range(3, 9)
    ]
    steps = {b - a for a, b in itertools.pairwise(counts) if a is not None and b is not None}
    assert len(steps) == 1
    assert 0 < steps.pop() <= 10


# --- complex step ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x, xp: xp.sum(xp.abs(x)), "abs"),
        (lambda x, xp: xp.max(x * x), "max"),
        (lambda x, xp: xp.hypot(x[0], x[1]), "hypot"),
    ],
)
def test_complex_step_names_what_is_not_analytic(f: Any, name: str) -> None:
    reason = why_not(method("complex_step"), one("lecture[n=2]").with_f(f, None), "gradient")
    assert reason == f"complex_step: {name} of lecture is not analytic"


def test_complex_step_does_not_underflow_in_products() -> None:
    tiny = replace(one("speelpenning[n=3]"), x=np.array([1e-50, 2e-50, 3e-50]))
    got = answer(method("complex_step"), tiny, "gradient")
    assert np.allclose(got, [6e-100, 3e-100, 2e-100], rtol=1e-14, atol=0)


# --- symbolic -------------------------------------------------------------------------------------

SWELL = {
    # depth -> tree operations, string length, unique nodes, operations after cse
    2: (2, 7, 5, 2),
    3: (21, 80, 17, 12),
    4: (82, 315, 26, 27),
    5: (264, 1024, 36, 45),
    6: (768, 2995, 47, 67),
    7: (2096, 8194, 59, 93),
    8: (5472, 21435, 72, 123),
}


@pytest.mark.parametrize("depth", SWELL)
def test_swell_of_the_logistic_map(depth: int) -> None:
    prepared = prepare(method("symbolic[cse=yes]"), one(f"logistic[depth={depth}]"), "gradient")
    names = ("tree_ops", "string_length", "dag_nodes", "cse_ops")
    assert prepared.sizes() == dict(zip(names, SWELL[depth], strict=True))


def test_speelpenning_swells_quadratically_as_a_tree() -> None:
    prepared = prepare(method("symbolic[cse=no]"), one("speelpenning[n=32]"), "gradient")
    assert prepared.sizes()["tree_ops"] == 960


def test_symbolic_refuses_what_has_no_closed_form() -> None:
    looped = one("lecture[n=2]").with_f(loop, None)
    with pytest.raises(Unsupported, match="no closed form, a loop or branch depends on values"):
        prepare(method("symbolic[cse=no]"), looped, "gradient")


def test_symbolic_refuses_what_is_too_large_in_a_sentence() -> None:
    reason = why_not(method("symbolic[cse=no]"), one("rosenbrock[n=4096]"), "gradient")
    assert reason is not None
    assert "may be at most" in reason
    with pytest.raises(Unsupported, match="nodes as a tree"):
        prepare(method("symbolic[cse=no]"), one("chebyshev[m=64]"), "jacobian")


# --- jax and the in-house modes -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jax_refuses_loops_that_depend_on_values(mode: str) -> None:
    looped = one("lecture[n=2]").with_f(loop, None)
    with pytest.raises(Unsupported, match="depends on values, which jit forbids"):
        prepare(method(f"jax[mode={mode}]"), looped, "gradient")


@pytest.mark.parametrize("name", ["forward", "reverse", "autograd", "complex_step"])
def test_overloading_follows_loops_that_depend_on_values(name: str) -> None:
    looped = one("lecture[n=2]").with_f(loop, None)
    if name == "complex_step":
        looped = looped.with_f(lambda x, xp: loop(x, xp) if x[0] == x[0] else x[0], None)
        assert why_not(method(name), looped, "gradient") is not None  # comparisons are not analytic
        return
    assert answer(method(name), looped, "gradient").tolist() == [40.0, 16.0]


def test_jax_modes_own_their_products() -> None:
    instance = one("lecture[n=2]")
    assert capability(method("jax[mode=reverse]"), instance, "vjp").origin == "native"
    assert capability(method("jax[mode=reverse]"), instance, "jvp").origin == "derived"
    assert capability(method("jax[mode=forward]"), instance, "jvp").origin == "native"
    assert capability(method("jax[mode=forward]"), instance, "vjp").origin == "derived"


def test_jax_equations_grow_linearly_with_depth() -> None:
    counts = [
        prepare(method("jax[mode=reverse]"), one(f"logistic[depth={d}]"), "gradient").sizes()[
            "jaxpr_eqns"
        ]
        for d in (3, 4, 5)
    ]
    assert counts[2] - counts[1] == counts[1] - counts[0] == 8  # type: ignore[operator]  # never None here


# --- reverse mode with checkpoints ----------------------------------------------------------------

DEEP = "fisher[n=3,depth=40]"
SLOTS = (4, 32, 256)


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("operator", ["value", "gradient", "jacobian", "vjp", "hvp", "hessian"])
def test_checkpoints_change_no_bit_of_the_answer(operator: str, slots: int) -> None:
    deep, checkpointed = one(DEEP), method(f"reverse_checkpointed[slots={slots}]")
    assert capability(checkpointed, deep, operator).origin == "native"
    expected = answer(method("reverse"), deep, operator)
    assert np.array_equal(answer(checkpointed, deep, operator), expected)
    changed = (deep.constants[0] * 1.25,)
    again = answer(method("reverse"), deep, operator, changed)
    assert np.array_equal(answer(checkpointed, deep, operator, changed), again)
    assert not np.array_equal(again, expected)


def test_checkpoints_trade_memory_for_steps() -> None:
    deep = one("fisher[n=8,depth=300]")
    found = {}
    for slots in SLOTS:
        prepared = prepare(method(f"reverse_checkpointed[slots={slots}]"), deep, "gradient")
        COUNTERS.reset()
        prepared(*prepared.stage(deep.x))
        assert COUNTERS.steps == deep.depth + advances(deep.depth, slots)
        assert COUNTERS.sweeps == 1
        found[slots] = prepared.sizes()
    plain = prepare(method("reverse"), deep, "gradient").sizes()
    tapes = [found[slots]["tape_bytes"] for slots in SLOTS]
    work = [found[slots]["graph_ops"] for slots in SLOTS]
    assert sorted(tapes) == tapes
    assert 10 * tapes[-1] < plain["tape_bytes"]  # type: ignore[operator]  # never None here
    assert sorted(work, reverse=True) == work
    assert plain["graph_ops"] < work[-1] < 2 * plain["graph_ops"]  # type: ignore[operator]  # as above


@pytest.mark.parametrize("operator", ["gradient", "hvp"])
def test_checkpoints_need_a_loop(operator: str) -> None:
    reason = why_not(method("reverse_checkpointed[slots=4]"), one("lecture[n=2]"), operator)
    assert reason == "reverse_checkpointed: lecture offers no start, step and finish"


# --- loops in other methods -----------------------------------------------------------------------


def test_jax_compiles_a_loop_at_any_depth() -> None:
    """Its step is compiled once: as many equations at depth 400 as at depth 4."""
    deep, shallow = one("fisher[n=3,depth=400]"), one("fisher[n=3,depth=4]")
    reverse = method("jax[mode=reverse]")
    got = answer(reverse, deep, "gradient")
    assert np.allclose(got, deep.gradient(), rtol=1e-13, atol=0)
    sizes = [prepare(reverse, i, "gradient").sizes()["jaxpr_eqns"] for i in (deep, shallow)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("name", ["compiled_forward", "compiled_reverse"])
def test_compiled_methods_unroll_short_loops_only(name: str) -> None:
    assert why_not(method(name), one("fisher[n=2,depth=64]"), "gradient") is None
    reason = why_not(method(name), one("fisher[n=2,depth=65]"), "gradient")
    assert reason == f"{name}: it unrolls a loop of 65 steps; at most 64"

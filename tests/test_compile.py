"""``ad.compile``: right against the eager library, and never silently wrong when things change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from diffbench import ad
from diffbench.ad.compile import PROGRAMS
from diffbench.ad.namespace import NUMPY
from diffbench.ad.rules import RULES, Rule
from diffbench.measure.accuracy import judge
from diffbench.measure.reference import certify
from diffbench.problem import Instance
from diffbench.registry import discover

REGISTRY = discover((), ("problems",))
INSTANCES = list(REGISTRY.instances("all", "quick"))
X = np.array([0.3, 1.7, -0.4, 2.2])


def close(a: Any, b: Any) -> bool:
    """Equal to a few units in the last place of the largest entry."""
    return a.shape == b.shape and bool(np.all(abs(a - b) <= 1e-13 * max(1.0, np.max(abs(b)))))


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
        assert made.traces == 1


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


# --- what may change between calls -----------------------------------------------------------


def test_an_array_that_f_captures_is_read_at_each_call() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(xp.sin(weights) * x * weights)

    gradient = ad.compile(f, X)
    weights[0] = 7.0
    assert close(gradient(X), np.sin(weights) * weights)
    assert gradient.traces == 1


def test_an_array_that_f_gives_to_numpy_is_watched() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(np.sin(weights) * x)

    gradient = ad.compile(f, X)
    assert close(gradient(X), np.sin(weights))
    weights[0] = 7.0
    assert close(gradient(X), np.sin(weights))
    assert gradient.traces == 2


def test_a_captured_array_of_whole_numbers_is_watched() -> None:
    order = np.array([3, 2, 1, 0])

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(xp.take(x, order) * xp.arange(4.0))

    gradient = ad.compile(f, X)
    assert close(gradient(X), np.array([3.0, 2.0, 1.0, 0.0]))
    order[:] = [0, 0, 0, 1]
    assert close(gradient(X), np.array([3.0, 3.0, 0.0, 0.0]))


def test_a_cell_that_is_bound_anew_is_noticed() -> None:
    scale = 2.0

    def f(x: Any, xp: Any) -> Any:
        return xp.sum(scale * x * x)

    gradient = ad.compile(f, X)
    assert close(gradient(X), 4.0 * X)
    scale = 5.0
    assert close(gradient(X), 10.0 * X)
    scale = 2.0
    assert close(gradient(X), 4.0 * X)


FACTOR: Any = 2.0


def uses_a_global(x: Any, xp: Any) -> Any:
    return xp.sum(FACTOR * x * x)


def test_a_global_that_is_bound_anew_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = ad.compile(uses_a_global, X)
    assert close(gradient(X), 4.0 * X)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert close(gradient(X), 6.0 * X)
    monkeypatch.setitem(globals(), "FACTOR", np.array([1.0, 2.0, 3.0, 4.0]))
    assert close(gradient(X), 2.0 * FACTOR * X)
    FACTOR[0] = 9.0
    assert close(gradient(X), 2.0 * FACTOR * X)


def test_a_branch_that_flips_is_traced_again() -> None:
    def f(x: Any, xp: Any) -> Any:
        return xp.sum(x * x) if xp.sum(x) > 0 else xp.sum(xp.exp(x))

    gradient = ad.compile(f, X)
    for x in (X, -X, 2 * X, -2 * X):
        assert close(gradient(x), 2 * x if x.sum() > 0 else np.exp(x))
    assert gradient.traces == 2
    assert gradient.guards == 1


def test_an_index_that_depends_on_values_is_checked() -> None:
    def f(x: Any, xp: Any) -> Any:
        return x[xp.argmax(x)] * xp.sum(x)

    gradient = ad.compile(f, X)
    for x in (X, X[::-1].copy(), X):
        assert close(gradient(x), ad.grad(f)(x))


def test_a_loop_whose_length_depends_on_values() -> None:
    def root(x: Any, xp: Any) -> Any:
        y = x[0]
        while abs(y * y - x[0]) > 1e-12:
            y = 0.5 * (y + x[0] / y)
        return y

    gradient = ad.compile(root, np.array([2.0]))
    for value in (2.0, 3.0, 1e6, 0.01):
        assert abs(gradient(np.array([value]))[0] - 0.5 / value**0.5) < 1e-6 / value**0.5


def test_other_shapes_dtypes_and_layouts_are_right() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(x * x * x), X)
    longer = np.linspace(-1.0, 1.0, 7)
    assert close(gradient(longer), 3 * longer**2)
    assert close(gradient(X.astype(np.float32)), 3 * X.astype(np.float32).astype(float) ** 2)
    assert close(gradient(np.array([1, 2, 3, 4])), np.array([3.0, 12.0, 27.0, 48.0]))
    assert close(gradient(np.repeat(X, 2)[::2]), 3 * X**2)
    assert close(gradient(list(X)), 3 * X**2)
    assert gradient.traces == 2


def test_constants_are_read_at_each_call() -> None:
    def f(x: Any, xp: Any, a: Any, power: int, scale: float) -> Any:
        return scale * xp.sum(a * x**power)

    a = np.array([1.0, 2.0, 3.0, 4.0])
    gradient = ad.compile(f, X, constants=(a, 3, 2.0))
    assert close(gradient(X, a, 3, 2.0), 6.0 * a * X**2)
    assert close(gradient(X, 2 * a, 3, 0.5), 3.0 * a * X**2)
    assert gradient.traces == 1
    assert close(gradient(X, a, 2, 2.0), 4.0 * a * X)
    assert gradient.traces == 2
    assert close(gradient(X, a, 3, np.float64(2.0)), 6.0 * a * X**2)


def test_arguments_of_a_partial_are_captured_too() -> None:
    def f(x: Any, xp: Any, *, depth: int, weights: Any) -> Any:
        for _ in range(depth):
            x = weights * x
        return xp.sum(x)

    weights = np.array([1.0, 2.0, 3.0, 4.0])
    gradient = ad.compile(partial(f, depth=3, weights=weights), X)
    weights *= 2.0
    assert close(gradient(X), weights**3)


def test_defaults_and_methods_are_captured_too() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def f(x: Any, xp: Any, a: Any = weights, *, b: Any = weights) -> Any:
        return xp.sum(a * b * x)

    class Model:
        def value(self, x: Any, xp: Any) -> Any:
            return xp.sum(x * FACTOR)

    gradient = ad.compile(f, X)
    weights += 1.0
    assert close(gradient(X), weights * weights)
    assert gradient.traces == 1
    assert close(ad.compile(Model().value, X)(X), np.full(4, FACTOR))


def test_arrays_of_any_layout_are_brought_into_order() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(x * x), X)
    raw = np.zeros(33, dtype=np.uint8)
    unaligned = raw[1:].view(np.float64)
    unaligned[:] = X
    noted = X.astype(np.dtype(np.float64, metadata={"unit": "m"}))
    swapped = X.astype(X.dtype.newbyteorder())
    for x in (unaligned, noted, swapped, X.view(np.matrix).A1, np.asfortranarray(X), X[::1]):
        assert close(gradient(x), 2.0 * X)
    assert gradient.traces == 1


def test_threads_may_share_it() -> None:
    gradient = ad.compile(lambda x, xp: xp.sum(xp.exp(x) * x) if x[0] > 0 else xp.sum(x), X)
    wrong: list[int] = []

    def work(sign: float) -> None:
        x = sign * X
        right = np.exp(x) * (1 + x) if sign > 0 else np.ones(4)
        wrong.extend(1 for _ in range(300) if not close(gradient(x), right))

    threads = [threading.Thread(target=work, args=(s,)) for s in (1.0, -1.0, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_may_share_a_program_that_calls_numpy() -> None:
    solution = ad.compile(solves, X)
    right = ad.grad(solves)
    wrong: list[int] = []

    def work(scale: float) -> None:
        x = scale * X
        expected = right(x)
        wrong.extend(1 for _ in range(200) if not close(solution(x) / 8, expected / 8))

    threads = [threading.Thread(target=work, args=(s,)) for s in (1.0, 1.5, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ad.compile(np.sum, X, "grad"), "no operator 'grad'"),
        (lambda: ad.compile(np.sum, X, mode="both"), "mode must be"),
        (lambda: ad.compile(lambda x, xp: x, X), "gradient needs y of shape"),
        (lambda: ad.compile(lambda x, xp: xp.sum(x), X[None]), r"x must have shape \(n,\)"),
        (lambda: ad.compile(lambda x, xp: xp.sum(x), X > 0), "array of real numbers"),
        (lambda: ad.compile(lambda x, xp, c: xp.sum(x), X, constants=([1],)), "is a list"),
        (lambda: ad.grad(lambda x, xp: ad.compile(lambda x, xp: xp.sum(x), X)(x)[0])(X), "traced"),
    ],
)
def test_what_it_refuses(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ad.ADError, match=says):
        call()


# --- programs that need more than loops ------------------------------------------------------


def solves(x: Any, xp: Any) -> Any:
    a = xp.linalg.outer(x, x) + 3.0 * xp.eye(4)
    return xp.sum(xp.linalg.solve(a, xp.sin(x)) * x) + xp.linalg.det(a)


def factors(x: Any, xp: Any) -> Any:
    a = xp.linalg.outer(x, x) + 5.0 * xp.eye(4)
    return xp.sum(xp.linalg.cholesky(a)) + xp.linalg.slogdet(a).logabsdet


def picks(x: Any, xp: Any) -> Any:
    y = xp.take(xp.exp(x), xp.asarray([3, 0, 0, 2]))
    return xp.sum(y * xp.cumulative_sum(x)) + xp.max(x) * xp.min(x)


def moves(x: Any, xp: Any) -> Any:
    y = xp.reshape(x, (2, 2))
    z = xp.concat([xp.flip(y, axis=0), xp.matrix_transpose(y) * 2.0, xp.stack([x[1:3], x[::2]])])
    return xp.sum(xp.tanh(xp.matmul(z, y)) * xp.roll(z, 1, axis=1)) + xp.prod(x)


def chooses(x: Any, xp: Any) -> Any:
    y = xp.where(x > 0, xp.log(xp.where(x > 0, x, 1.0)), x * x)
    return xp.sum(y) + xp.sum(xp.logaddexp(x, 0.0) * xp.expit(-x)) + xp.sum(xp.erf(x) % 0.7)


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


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_a_gradient_costs_at_most_five_times_the_operations(instance: Instance) -> None:
    if not instance.scalar:
        return
    value = ad.compile(instance.f, instance.x, "value", instance.constants).sizes()["graph_ops"]
    made = ad.compile(instance.f, instance.x, "gradient", instance.constants).sizes()["graph_ops"]
    assert value is not None
    assert made is not None
    assert made <= 4 * max(3, value)


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i.name)
def test_its_memory_is_at_most_what_jax_plans(instance: Instance) -> None:
    import jax

    from diffbench.methods.jax import PROGRAMS as JAX
    from diffbench.methods.jax import _jax, _over

    operator = "gradient" if instance.scalar else "jacobian"
    program = JAX["reverse"][operator](_jax(), _over(instance.f))
    lowered = jax.jit(program).lower(instance.x, *instance.constants)
    plan = lowered.compile().memory_analysis()
    theirs = plan.temp_size_in_bytes + plan.output_size_in_bytes
    assert ad.compile(instance.f, instance.x, operator, instance.constants).nbytes <= theirs


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

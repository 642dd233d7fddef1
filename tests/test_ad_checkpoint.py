"""Checkpointed loops: the binomial schedule, its exact counts, and derivatives as without it."""

from __future__ import annotations

import functools
import tracemalloc
import weakref
from typing import Any

import numpy as np
import oracle
import pytest

from diffbench import ad
from diffbench.ad import binomial
from diffbench.ad.counters import COUNTERS
from diffbench.ad.graph import plain
from diffbench.ad.operators import gradient_of
from diffbench.measure.reference import enclosure
from diffbench.problem import Instance
from diffbench.registry import discover

X = np.array([0.7, -0.3, 0.4, 0.9])
W = np.array([0.6, 1.1, -0.8, 0.5])
PAIRS = [
    (1, 1),
    (2, 1),
    (7, 1),
    (2, 2),
    (9, 2),
    (10, 3),
    (11, 3),
    (34, 4),
    (35, 4),
    (60, 5),
    (12, 50),
]


def mixed(state: Any, xp: Any, i: int, w: Any = 0.9) -> Any:
    """A step that uses its number, its constant twice, a product and a rewritten form."""
    turned = xp.roll(state, 1) * w
    return xp.log(1.0 + xp.exp(turned)) - 0.1 * i * state + xp.sin(w * state)


def looped(steps: int, slots: int | None, step: Any = mixed) -> Any:
    """The state after the loop, plain or checkpointed, as f(x, xp, *constants)."""

    def f(x: Any, xp: Any, *constants: Any) -> Any:
        if slots is not None:
            return ad.checkpoint(step, steps, slots)(x, *constants, xp=xp)
        for i in range(steps):
            x = step(x, xp, i, *constants)
        return x

    return f


def cost(f: Any) -> Any:
    return lambda x, xp, *constants: xp.sum(xp.square(f(x, xp, *constants)))


def fisher(selection: str) -> Instance:
    (instance,) = discover(kinds=("problems",)).instances(selection)
    return instance


def held(instance: Instance, slots: int) -> Any:
    return instance.in_parts(lambda step, depth: ad.checkpoint(step, depth, slots))


# --- the schedule ---------------------------------------------------------------------------------


@functools.cache
def fewest(steps: int, slots: int) -> int:
    """The least number of advances, by dynamic programming over where to hold the next state."""
    if steps == 1:
        return 0
    if slots == 1:
        return steps * (steps - 1) // 2
    return min(m + fewest(steps - m, slots - 1) + fewest(m, slots) for m in range(1, steps))


def test_the_binomial_formula_is_the_optimum() -> None:
    for steps in range(1, 70):
        for slots in range(1, 9):
            assert binomial.advances(steps, slots) == fewest(steps, slots)


def test_the_split_is_optimal() -> None:
    for steps in range(2, 70):
        for slots in range(2, 9):
            m = binomial.split(steps, slots)
            assert m + fewest(steps - m, slots - 1) + fewest(m, slots) == fewest(steps, slots)


def test_repetitions_reach_as_far_as_they_must() -> None:
    assert binomial.reach(3, 2) == 10
    assert [binomial.repeats(steps, 3) for steps in (1, 2, 4, 5, 10, 11)] == [0, 1, 1, 2, 2, 3]
    assert binomial.repeats(10_000, 139) == 3
    assert binomial.repeats(10_000, 140) == 2
    assert binomial.advances(10_000, 1) == 10_000 * 9_999 // 2


@pytest.mark.parametrize(("steps", "slots"), PAIRS)
def test_steps_are_evaluated_as_often_as_the_optimum_says(steps: int, slots: int) -> None:
    calls: list[int] = []

    def step(state: Any, xp: Any, i: int) -> Any:
        calls.append(i)
        return xp.sin(state)

    COUNTERS.reset()
    ad.grad(cost(looped(steps, slots, step)))(X)
    assert len(calls) == COUNTERS.steps == steps + fewest(steps, slots)
    assert COUNTERS.sweeps == 1
    assert max(map(calls.count, range(steps))) <= 1 + max(1, binomial.repeats(steps, slots))


@pytest.mark.parametrize(("rows", "reversals"), [(3, 3), (4, 1)])
def test_every_further_sweep_advances_from_the_first_state(rows: int, reversals: int) -> None:
    """Few rows of a Jacobian take a sweep each; many go back along the loop side by side."""
    COUNTERS.reset()
    ad.jacobian(looped(9, 3), "reverse")(X[:rows])
    assert COUNTERS.sweeps == rows
    assert COUNTERS.steps == reversals * (9 + fewest(9, 3))


@pytest.mark.parametrize(("steps", "slots"), PAIRS)
def test_no_more_states_than_slots_are_alive(steps: int, slots: int) -> None:
    """Beside the held ones there is the input of the step that is being evaluated."""
    states: list[weakref.ref[Any]] = []
    most = 0

    def step(state: Any, xp: Any, i: int) -> Any:
        nonlocal most
        value = plain(state)
        if not any(ref() is value for ref in states):
            states.append(weakref.ref(value))
        del value
        states[:] = [ref for ref in states if ref() is not None]
        most = max(most, len(states))
        return xp.sin(state)

    ad.grad(cost(looped(steps, slots, step)))(X)
    assert most <= slots + 1
    assert most >= min(steps, slots)


# --- derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2, 3, 20])
def test_the_derivatives_are_those_of_the_plain_loop_bit_by_bit(slots: int) -> None:
    f, g = looped(9, None), looped(9, slots)
    v = np.array([0.3, -0.5, 0.8, 1.2])
    assert np.array_equal(ad.grad(cost(g))(X), ad.grad(cost(f))(X))
    assert np.array_equal(ad.hvp(cost(g), X, v), ad.hvp(cost(f), X, v))
    assert np.array_equal(ad.hessian(cost(g))(X), ad.hessian(cost(f))(X))
    for mode in ("reverse", "forward"):
        assert np.array_equal(ad.jacobian(g, mode)(X), ad.jacobian(f, mode)(X))
    for ours, theirs in zip(
        ad.vjp(g, X, v) + ad.jvp(g, X, v), ad.vjp(f, X, v) + ad.jvp(f, X, v), strict=True
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_traced_constant_gets_its_adjoint_too(slots: int) -> None:
    def split(f: Any) -> Any:
        return cost(lambda z, xp: f(z[:4], xp, z[4:]))

    def of_constant(f: Any) -> Any:
        return cost(lambda w, xp: f(X, xp, w))

    def of_second(f: Any) -> Any:
        return cost(lambda w, xp: f(X, xp, np.array([2.0]), w))

    def stretched(state: Any, xp: Any, i: int, scale: Any, w: Any) -> Any:
        return mixed(state * scale, xp, i, w)

    for wrapped, x, step in (
        (split, np.concatenate([X, W]), mixed),
        (of_constant, W, mixed),
        (of_second, W, stretched),
    ):
        f, g = wrapped(looped(8, None, step)), wrapped(looped(8, slots, step))
        assert np.array_equal(ad.grad(g)(x), ad.grad(f)(x))
        assert np.array_equal(ad.hessian(g)(x), ad.hessian(f)(x))


def test_reverse_over_reverse_and_reverse_over_forward_fall_back_to_recording() -> None:
    for program in (
        lambda f: lambda x, xp: xp.sum(gradient_of(f)(x, xp) * W),
        lambda f: lambda x, xp: ad.jvp(f, x, W)[1],
    ):
        f, g = (ad.grad(program(cost(looped(7, slots))))(X) for slots in (None, 3))
        assert np.allclose(g, f, rtol=1e-14, atol=0)
        assert np.allclose(g, ad.hvp(cost(looped(7, None)), X, W), rtol=1e-12, atol=0)


def test_two_loops_in_one_program_and_one_inside_the_other() -> None:
    def inner(state: Any, xp: Any, i: int) -> Any:
        return ad.checkpoint(mixed, 3, 2)(state)

    def plain_inner(state: Any, xp: Any, i: int) -> Any:
        return looped(3, None)(state, xp)

    both = cost(lambda x, xp: looped(5, 2)(looped(4, 3, inner)(x, xp), xp) + x)
    plain_both = cost(lambda x, xp: looped(5, None)(looped(4, None, plain_inner)(x, xp), xp) + x)
    assert np.allclose(ad.grad(both)(X), ad.grad(plain_both)(X), rtol=1e-14, atol=0)


def test_a_loop_inside_a_step_is_held_as_a_loop_too() -> None:
    sizes = [
        ad.tape_bytes(looped(4, 2, lambda state, xp, i, s=s: looped(100, s)(state, xp)), X)
        for s in (None, 3)
    ]
    assert 10 * sizes[1] < sizes[0]


def test_states_may_change_their_shape_and_forget_the_input() -> None:
    def grows(state: Any, xp: Any, i: int) -> Any:
        return xp.concat([xp.sin(state), state[:1]])

    def forgets(state: Any, xp: Any, i: int) -> Any:
        return xp.sin(state) if i != 2 else xp.ones((4,))

    for step in (grows, forgets):
        f, g = cost(looped(6, None, step)), cost(looped(6, 2, step))
        assert np.array_equal(ad.grad(g)(X), ad.grad(f)(X))
    assert not np.any(ad.grad(cost(looped(6, 2, forgets)))(X))


def test_no_step_and_an_unchanged_state() -> None:
    assert np.array_equal(ad.grad(cost(looped(0, 3)))(X), 2.0 * X)
    assert np.array_equal(ad.grad(cost(looped(5, 2, lambda state, xp, i: state)))(X), 2.0 * X)


def test_plain_values_just_loop() -> None:
    run = ad.checkpoint(mixed, 6, 2)
    assert np.array_equal(run(X, W), looped(6, None)(X, ad.namespace.NUMPY, W))
    assert run(0.5) == looped(6, None)(np.float64(0.5), ad.namespace.NUMPY)
    assert np.iscomplexobj(ad.checkpoint(lambda z, xp, i: xp.sin(z), 2, 1)(X + 1j))


@pytest.mark.parametrize(
    "operator", ["value", "gradient", "jacobian", "jvp", "vjp", "hvp", "hessian"]
)
def test_balls_pass_through_it(operator: str) -> None:
    scalar = operator in ("gradient", "hvp", "hessian")
    f, g = (cost(looped(5, s)) if scalar else looped(5, s) for s in (None, 2))
    m = None if scalar else 4
    ours, theirs = (
        enclosure(oracle.instance_of(h, X, m, (W,)), operator, 128).reshape(-1) for h in (g, f)
    )
    assert all(a.mid() == b.mid() and a.rad() == b.rad() for a, b in zip(ours, theirs, strict=True))


def test_what_reads_a_trace_sees_every_operation() -> None:
    f, g = ad.trace(looped(5, None), X), ad.trace(looped(5, 2), X)
    assert [r and r.name for r in g.rules] == [r and r.name for r in f.rules]
    assert g.ops() == f.ops()
    patterns = [ad.sparsity(looped(2, slots), X).toarray() for slots in (None, 1)]
    assert np.array_equal(*patterns)
    compiled = ad.compile(cost(looped(5, 2)), X)
    assert np.allclose(compiled(W), ad.grad(cost(looped(5, None)))(W), rtol=1e-13, atol=0)


# --- memory ---------------------------------------------------------------------------------------


def test_the_tape_is_bound_by_the_slots() -> None:
    sizes = [ad.tape_bytes(looped(400, slots), np.ones(1000)) for slots in (2, 10, 50)]
    state = 8 * 1000
    assert sizes[1] - sizes[0] == pytest.approx(8 * state, rel=0.1)
    assert sizes[2] - sizes[1] == pytest.approx(40 * state, rel=0.1)


def test_the_whole_derivative_takes_little_more_than_the_tape() -> None:
    """What is allocated at the worst moment, against what the library says that it holds."""
    x = np.linspace(0.1, 1.0, 2000)
    f = cost(looped(200, 20))
    tape = ad.tape_bytes(f, x)
    ad.grad(f)(x)
    tracemalloc.start()
    ad.grad(f)(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    adjoints = 9 * x.nbytes  # of one step, and what its kernels hold for a moment
    assert tape <= peak <= 1.1 * tape + adjoints


def test_ten_thousand_steps_hold_a_twentieth_of_the_tape() -> None:
    deep = fisher("fisher[n=8,depth=10000]")
    f = held(deep, 256)
    assert 20 * ad.tape_bytes(f, deep.x, *deep.constants) <= ad.tape_bytes(
        deep.f, deep.x, *deep.constants
    )
    COUNTERS.reset()
    gradient = ad.grad(f)(deep.x, *deep.constants)
    assert COUNTERS.steps == 10_000 + binomial.advances(10_000, 256) < 3 * 10_000
    assert np.array_equal(gradient, ad.grad(deep.f)(deep.x, *deep.constants))


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "slots", "words"),
    [(-1, 2, "steps >= 0, got -1"), (4, 0, "slots >= 1, got 0"), (2.5, 1, "steps >= 0, got 2.5")],
)
def test_impossible_numbers_are_refused(steps: Any, slots: Any, words: str) -> None:
    with pytest.raises(ad.ADError, match=f"checkpoint needs a whole number of {words}"):
        ad.checkpoint(mixed, steps, slots)


def test_a_step_that_closes_over_a_traced_array_is_refused() -> None:
    def closing(x: Any, xp: Any) -> Any:
        return xp.sum(ad.checkpoint(lambda state, xp, i: xp.sin(state) * x, 4, 2)(x))

    def bound(x: Any, xp: Any) -> Any:
        step = functools.partial(lambda state, xp, i, w: xp.sin(state) * w, w=x)
        return xp.sum(ad.checkpoint(step, 4, 2)(x))

    for f in (closing, bound):
        for call in (ad.grad(f), lambda x, f=f: ad.hvp(f, x, W)):
            with pytest.raises(ad.ADError, match=r"closes over a traced array.*as a constant"):
                call(X)
        assert ad.jvp(f, X, W)[1].shape == ()  # forward mode runs through it


def test_a_step_must_return_one_array() -> None:
    f = cost(looped(3, 2, lambda state, xp, i: (state, state)))
    with pytest.raises(ad.ADError, match="a step must return one array, it returned tuple"):
        ad.grad(f)(X)


def test_errors_of_the_step_itself_pass_through() -> None:
    f = cost(looped(3, 2, lambda state, xp, i: state + "one"))
    with pytest.raises(TypeError):
        ad.grad(f)(X)


def test_objects_need_their_namespace() -> None:
    with pytest.raises(ad.ADError, match=r"namespace of dtype object; call run\(state, xp=xp\)"):
        ad.checkpoint(mixed, 2, 2)(X.astype(object))

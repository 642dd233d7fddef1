"""Clock, memory and counts: what is called how often, never how long it takes."""

from __future__ import annotations

import functools
import gc
from typing import Any

import numpy as np
import pytest

from diffbench.ad.counters import COUNTERS
from diffbench.errors import DiffbenchError
from diffbench.measure import clock, memory, swell
from diffbench.measure.counts import counted
from diffbench.method import prepare
from diffbench.registry import Registry


class Counter:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any) -> None:
        self.calls.append(args)


def test_a_sample_is_exactly_its_loops() -> None:
    count = Counter()
    assert clock.sample(count, (1, "a"), 5) >= 0.0
    assert count.calls == [(1, "a")] * 5


@pytest.mark.parametrize(
    ("loops", "took", "calls", "seconds"),
    [(3, 0.01, 4, 0.03), (1, 0.01, 2, 0.01), (1, 0.06, 1, 0.06), (3, 0.06, 4, 0.18)],
)
def test_a_warm_sample_has_one_call_more_unless_it_is_one_long_call(
    monkeypatch: pytest.MonkeyPatch, loops: int, took: float, calls: int, seconds: float
) -> None:
    now, made = 0.0, 0

    def call() -> None:
        nonlocal now, made
        now += took
        made += 1

    monkeypatch.setattr(clock, "perf_counter", lambda: now)
    assert clock.warm_sample(call, (), loops) == pytest.approx(seconds)
    assert made == calls


def test_loops_are_doubled_until_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def tick() -> None:
        nonlocal now
        now += 1.0

    monkeypatch.setattr(clock, "perf_counter", lambda: now)
    assert clock.calibrate(tick, (), 10.0) == (16, 16.0)
    assert now == 1 + 2 + 4 + 8 + 16
    assert clock.calibrate(tick, (), 0.5) == (1, 1.0)


def test_calibration_ends_where_nothing_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(clock, "MOST_LOOPS", 8)
    assert clock.calibrate(lambda: None, (), 1.0) == (8, 0.0)


def test_the_collector_is_off_inside_and_as_before_after() -> None:
    assert gc.isenabled()
    with clock.quiet():
        assert not gc.isenabled()
        with clock.quiet():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_overheads_are_small_and_positive() -> None:
    found = clock.overheads(target=1e-4)
    assert 0 < found.clock_s < 0.01  # seconds, not nanoseconds; how many is the machine's affair
    assert 0 < found.empty_call_s < 0.01


# --- memory ---------------------------------------------------------------------------------


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="only Linux tells the peak of one call")
def test_the_peak_is_what_the_call_used_at_most() -> None:
    def call(n: int) -> float:
        return float(np.ones(n).sum())

    out, peak = memory.peak_bytes(call, (4 * 2**20,))
    assert out == 4 * 2**20
    assert peak is not None
    assert 31 * 2**20 < peak < 40 * 2**20
    assert memory.peak_bytes(call, (10,)) == (10.0, None)


def test_the_peak_is_none_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CLEAR", memory.CLEAR / "nowhere")
    assert memory.peak_bytes(lambda: np.ones(10**6).size, ()) == (10**6, None)


# --- counts ---------------------------------------------------------------------------------


def f(x: float) -> float:
    return f(x - 1) + 1 if x > 0 else 0.0


def g(x: float) -> float:
    if x < 0:
        raise ValueError("negative")
    return x


def test_outermost_calls_of_f_are_counted() -> None:
    out, found = counted(f, lambda: [f(3), f(0), g(1)])
    assert out == [3, 0, 1]
    assert found.calls_f == 2


def test_calls_that_raise_count_too() -> None:
    def tries() -> float:
        for x in (-1, -2):
            with pytest.raises(ValueError, match="negative"):
                g(x)
        return g(1)

    assert counted(g, tries)[1].calls_f == 3


def test_partials_and_objects_are_functions_too() -> None:
    class Callable_:
        def __call__(self, x: float) -> float:
            return x

    thing, part = Callable_(), functools.partial(g, 2.0)
    assert counted(thing, lambda: thing(1))[1].calls_f == 1
    assert counted(part, lambda: part())[1].calls_f == 1
    assert counted(abs, lambda: abs(-1))[1].calls_f is None


def test_sweeps_and_directions_are_those_of_the_call() -> None:
    COUNTERS.sweeps = 7

    def call() -> None:
        COUNTERS.sweeps += 2
        COUNTERS.directions += 5

    _, found = counted(g, call)
    assert (found.calls_f, found.sweeps, found.directions) == (0, 2, 5)


@pytest.mark.parametrize(
    ("selection", "calls", "sweeps", "directions"),
    [
        ("finite_difference[scheme=forward]", 9, 0, 0),
        ("finite_difference[scheme=central]", 16, 0, 0),
        ("complex_step", 8, 0, 0),
        ("reverse", 1, 1, 0),
        ("forward", 1, 0, 8),
        ("manual", 0, 0, 0),
    ],
)
def test_the_methods_cost_what_the_theory_says(
    registry: Registry, selection: str, calls: int, sweeps: int, directions: int
) -> None:
    (method,) = registry.methods(selection)
    (made,) = registry.instances("rosenbrock[n=8]")
    prepared = prepare(method, made, "gradient")
    args = prepared.stage(made.x)
    _, found = counted(made.f, lambda: prepared(*args))
    assert (found.calls_f, found.sweeps, found.directions) == (calls, sweeps, directions)


# --- swell ----------------------------------------------------------------------------------


def test_sizes_are_record_fields_and_the_primal_is_counted(registry: Registry) -> None:
    (made,) = registry.instances("lecture[n=2]")
    (method,) = registry.methods("reverse")
    found = swell.sizes(prepare(method, made, "gradient"))
    assert set(found) <= set(swell.FIELDS)
    assert found["graph_ops"]
    assert swell.primal_ops(made) == 5


def test_sizes_that_no_record_has_are_refused(registry: Registry) -> None:
    (made,) = registry.instances("lecture[n=2]")
    (method,) = registry.methods("zero")
    prepared = prepare(method, made, "gradient")
    prepared.sizes = lambda: {"bogus": 1}
    with pytest.raises(DiffbenchError, match="bogus"):
        swell.sizes(prepared)

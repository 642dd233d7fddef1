"""What asv tracks over commits: one instance a family, every method, its first-order derivative.

The cells are the registry's, prepared, counted and judged as in a run; the environment may choose
fewer of them (``DIFFBENCH_PROBLEMS``, ``DIFFBENCH_METHODS``). asv wants numbers that are
worse when they grow, so correct digits are tracked as digits lost; a number that does not exist is
NaN, which the published site leaves out, where infinity, text or lists would stop it. The version
strings keep the history of a benchmark when its source is edited. asv takes settings from the
module too: nothing here may be called ``number``, ``unit`` or ``repeat``.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import numpy as np

from diffbench.method import Prepared, prepare, variant_name
from diffbench.problem import Instance
from diffbench.registry import discover

REGISTRY = discover(kinds=("problems", "methods"))
PROBLEMS = os.environ.get("DIFFBENCH_PROBLEMS", "all")
CHOSEN = REGISTRY.methods(os.environ.get("DIFFBENCH_METHODS", "all"))
METHODS = {variant_name(method): method for method in CHOSEN}
DIGITS = 16  # what a double can hold, rounded up


def largest() -> dict[str, Instance]:
    """The largest instance of each chosen family, by the quick profile if not by name, by name."""
    by_family = {row.family: row for row in REGISTRY.instances(PROBLEMS, "quick")}
    return {row.name: row for row in by_family.values()}


INSTANCES = largest()


def asked(instance: Instance) -> str:
    """The first-order derivative that an instance has."""
    return "gradient" if instance.scalar else "jacobian"


def ready(instance: Instance, method: str) -> tuple[Prepared, tuple[Any, ...]]:
    """A cell, prepared at another point and staged; NotImplementedError tells asv to leave it."""
    from diffbench.errors import Unsupported

    try:
        prepared = prepare(METHODS[method], instance, asked(instance))
    except Unsupported as reason:
        raise NotImplementedError(str(reason)) from reason
    return prepared, prepared.stage(instance.x)


class Cells:
    """Time and peak memory of a prepared cell; preparing and the first call stand in ``setup``."""

    params = (list(INSTANCES), list(METHODS))
    param_names = ("instance", "method")
    timeout = 60.0
    rounds = 1  # the intervals that matter are those of a run; here one process a cell will do
    repeat = (3, 10, 0.5)  # at least three samples, at most ten, for half a second
    sample_time = 0.002
    warmup_time = 0.02

    def setup(self, instance: str, method: str) -> None:
        self.prepared, self.args = ready(INSTANCES[instance], method)
        self.prepared(*self.args)

    def time_derivative(self, instance: str, method: str) -> None:
        self.prepared(*self.args)

    def peakmem_derivative(self, instance: str, method: str) -> None:
        self.prepared(*self.args)


def titled(benchmark: Any, title: str, unit: str) -> Any:
    """The benchmark with what asv reads off a function: title, unit, and a version that stays."""
    benchmark.pretty_name, benchmark.unit, benchmark.version = title, unit, "1"
    return benchmark


titled(Cells.time_derivative, "Time of one derivative", "seconds")
titled(Cells.peakmem_derivative, "Peak memory of the process of one derivative", "bytes")


# what is tracked: its title and its unit
TRACKED = {
    "digits_lost": ("Correct digits lost, of 16", "digits"),
    "calls_f": ("Calls of f", "calls"),
    "sweeps": ("Sweeps over the graph", "sweeps"),
    "directions": ("Directions carried", "directions"),
    "graph_ops": ("Scalar operations of the derivative's graph", "operations"),
    "tape_bytes": ("Memory of the tape", "bytes"),
    "steps": ("Steps of a checkpointed loop", "steps"),  # beyond its depth: recomputed
}
Numbers = dict[str, float]


def finite(value: Any) -> float:
    """A finite float, or NaN."""
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else math.nan


def numbers(name: str, method: str, reference: Any) -> Numbers:
    """The tracked numbers of one cell: one call, counted and judged."""
    from diffbench.ad.counters import COUNTERS
    from diffbench.measure import counts, swell
    from diffbench.measure.accuracy import judge

    prepared, args = ready(INSTANCES[name], method)
    answer, counted = counts.counted(
        INSTANCES[name].f, lambda: prepared.collect(prepared.call(*args))
    )
    steps = COUNTERS.steps
    sizes = swell.sizes(prepared)
    lost = DIGITS - finite(judge(answer, reference).digits)
    return {
        "digits_lost": float(np.maximum(lost, 0.0)),  # NaN stays NaN
        "calls_f": finite(counted.calls_f),
        "sweeps": finite(counted.sweeps),
        "directions": finite(counted.directions),
        "graph_ops": finite(sizes.get("graph_ops")),
        "tape_bytes": finite(sizes.get("tape_bytes")),
        "steps": finite(steps),
    }


def measured() -> dict[tuple[str, str], Numbers]:
    """The tracked numbers of every cell that can be had, by instance and method."""
    from diffbench.measure.reference import certify

    found = {}
    for name, instance in INSTANCES.items():
        reference = certify(instance, asked(instance))
        for method in METHODS:
            with contextlib.suppress(NotImplementedError):
                found[name, method] = numbers(name, method, reference)
    return found


class Records:
    """Counts and lost digits, measured once for all of them."""

    params = (list(INSTANCES), list(METHODS))
    param_names = ("instance", "method")
    timeout = 300.0

    def setup_cache(self) -> dict[tuple[str, str], Numbers]:
        return measured()

    def setup(self, found: dict[tuple[str, str], Numbers], instance: str, method: str) -> None:
        if (instance, method) not in found:
            raise NotImplementedError("this method cannot do this instance")


def track(field: str, title: str, unit: str) -> Any:
    """A benchmark that reads off one of the numbers that were measured once."""

    def tracked(
        self: Records, found: dict[tuple[str, str], Numbers], instance: str, method: str
    ) -> float:
        return found[instance, method][field]

    return titled(tracked, title, unit)


for _field, _words in TRACKED.items():
    setattr(Records, f"track_{_field}", track(_field, *_words))

"""What asv tracks of the engines: time of ours over time of another library's, in paired rounds.

A small and a larger instance of each chosen family, every pair of engines of one mode, the
first-order derivative. Both sides run in one process, in turns, so that what slows the machine
slows both; a pair that cannot be had is left out. Below 1 ours is faster, and a rise is a
regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from diffbench.analysis.ratios import median_ratio
from diffbench.analysis.scaling import kind_of
from diffbench.measure import clock
from diffbench.method import Method, library_of
from diffbench.problem import Instance

# Relative: asv gives the folder's own name to the package, which is not the repository's.
from .derivatives import METHODS, PROBLEMS, REGISTRY, finite, ready, titled

OURS = "diffbench"
OVER = " over "
SAMPLE_S = 1e-3
ROUNDS = 9
MOST_INPUTS = 1024  # forward mode carries as many tangents


def sizes() -> dict[str, Instance]:
    """The smallest instance of each family in the quick profile, and a larger one, by name."""
    small = {row.family: row for row in reversed(REGISTRY.instances(PROBLEMS, "quick"))}
    every = [row for row in REGISTRY.instances(PROBLEMS, "standard") if row.n <= MOST_INPUTS]
    large = small | {row.family: row for row in every}
    return {row.name: row for family in sorted(small) for row in (small[family], large[family])}


def mode(name: str, method: Method) -> str:
    """``forward AD`` or ``reverse AD``; empty for what is no engine of one mode."""
    kind = kind_of(name, method.category)
    return kind if kind.endswith(" AD") else ""


def pairs() -> list[str]:
    """Every engine of ours over every other of its mode."""
    modes = {name: mode(name, method) for name, method in METHODS.items()}
    ours = [name for name in modes if modes[name] and library_of(METHODS[name]) == OURS]
    return [
        f"{name}{OVER}{other}"
        for name in ours
        for other in modes
        if modes[other] == modes[name] and library_of(METHODS[other]) != OURS
    ]


SIZES = sizes()


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A prepared derivative with its arguments, and how often a sample calls it."""

    call: Callable[..., object]
    args: tuple[object, ...]
    loops: int

    @classmethod
    def of(cls, instance: Instance, method: str) -> Call:
        """Prepared and called once; NotImplementedError where the method cannot do it."""
        prepared, args = ready(instance, method)
        prepared(*args)
        return cls(prepared.call, args, clock.calibrate(prepared.call, args, SAMPLE_S)[0])

    def sample(self) -> float:
        """Seconds of one call."""
        return clock.warm_sample(self.call, self.args, self.loops) / self.loops


def ratio(ours: Call, other: Call) -> float:
    """The median ratio of interleaved rounds; NaN where there is none."""
    with clock.quiet():
        rounds = [(ours.sample(), other.sample()) for _ in range(ROUNDS)]
    above, below = zip(*rounds, strict=True)
    return finite(median_ratio(above, below).value)


class Engines:
    """One number a pair and instance; preparing and the first call stand in ``setup``."""

    params = (list(SIZES), pairs())
    param_names = ("instance", "pair")
    timeout = 120.0

    def setup(self, instance: str, pair: str) -> None:
        self.sides = [Call.of(SIZES[instance], method) for method in pair.split(OVER)]

    def track_time_ratio(self, instance: str, pair: str) -> float:
        return ratio(*self.sides)


titled(Engines.track_time_ratio, "Time of ours over another library's", "ratio")

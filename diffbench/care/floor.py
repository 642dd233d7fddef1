"""The noise floor of this machine: fresh processes that run identical code, side by side.

The same cells (the gradient by hand of a small and a larger instance) are prepared in several
workers and sampled in interleaved rounds, generation after generation, as a run does it. What the
processes then differ by is nobody's merit, and what an interval adds for it is the smallest
difference that a run can see.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any, final

from diffbench.errors import RunError
from diffbench.measure.intervals import Spread, calibrated, interval, paired
from diffbench.running.lanes import Fleet, Job, Lanes, Reply
from diffbench.running.plan import Profile, profile
from diffbench.running.platform import on_cpus, processors

__all__ = ["GENERATIONS", "Floor", "analysed", "noise_floor"]

FAMILY, OPERATOR, METHOD = "rosenbrock", "gradient", "manual"
SIZES = (8, 4096)  # where the price of a call decides, and where arrays do
PROCESSES = 4
GENERATIONS = 5
Times = dict[tuple[int, int], float]  # (generation, round): seconds of one call


@final
@dataclass(frozen=True, slots=True)
class Floor:
    """What identical code differs by, in fractions: 0.01 is 1 %.

    ``typical`` and ``worst`` over all ``pairs`` of processes of one generation, by the medians of
    their rounds; ``rounds`` is the standard deviation within a process. ``seen`` maps a number of
    generations to the half-width of a ratio's 95 % interval: smaller differences are ties.
    """

    typical: float
    worst: float
    rounds: float
    pairs: int
    seen: Mapping[int, float]


def noise_floor(effort: str = "standard", generations: int = GENERATIONS) -> Floor:
    """Measured with the rounds and samples of that profile; raises RunError where it cannot be."""
    parallel, timing = processors()
    row = profile(effort)
    beside = [cpu for cpu in parallel if cpu not in timing]
    with tempfile.TemporaryDirectory() as folder, on_cpus(beside):
        fleet = Fleet({"plugins": (), "memory": row.memory, "cpus": timing}, Path(folder))
        twins = _Twins(row, Lanes(fleet, parallel, PROCESSES), Lanes(fleet, timing, 1))
        try:
            for generation in range(generations):
                twins.measure(generation)
                fleet.kill_all()
        finally:
            fleet.close()
    return analysed(twins.times)


@final
@dataclass
class _Twins:
    """Workers that do the same; ``times`` by size and by process."""

    row: Profile
    lanes: Lanes
    timing: Lanes
    times: dict[int, dict[str, Times]] = field(default_factory=dict)

    def measure(self, generation: int) -> None:
        """One generation: everything prepared, then the rounds of each size, interleaved."""
        names = [f"twin {number}" for number in range(PROCESSES)]
        self.lanes.run([self._prepare(name, n) for n in SIZES for name in names])
        for n in SIZES:
            for number in range(self.row.rounds):
                for name in names:
                    self.timing.run([self._round(name, n, (generation, number))])

    def _prepare(self, name: str, n: int) -> Job:
        spec = {"family": FAMILY, "params": {"n": n}, "name": _instance(n), "seed": 0}
        message = {"do": "prepare", "instance": spec, "answer": "", "target": self.row.sample_s}
        return self._job(name, message, lambda result: None)

    def _round(self, name: str, n: int, key: tuple[int, int]) -> Job:
        def done(result: Any) -> None:
            loops, seconds = result["run"]
            self.times.setdefault(n, {}).setdefault(name, {})[key] = seconds / loops

        return self._job(name, {"do": "round", "instance": _instance(n)}, done)

    def _job(self, name: str, message: dict[str, Any], use: Callable[[Any], None]) -> Job:
        def done(reply: Reply) -> None:
            if "error" in reply:
                raise RunError(f"the noise floor cannot be measured: {reply['error']['reason']}")
            use(reply["result"])

        return Job(
            name, {**message, "operator": OPERATOR, "method": METHOD}, self.row.limit_s, done
        )


def _instance(n: int) -> str:
    return f"{FAMILY}[n={n}]"


def analysed(times: Mapping[int, Mapping[str, Times]]) -> Floor:
    """The floor that the times of identical processes show, by size and by process."""
    groups = [_generations(processes.values()) for processes in times.values()]
    spread = calibrated(rows for group in groups for rows in group.values())
    apart = [
        abs(math.log(median(a) / median(b)))
        for group in groups
        for rows in group.values()
        for a, b in combinations(rows, 2)
    ]
    return Floor(
        typical=math.expm1(median(apart)),
        worst=math.expm1(max(apart)),
        rounds=math.expm1(spread.rounds),
        pairs=len(apart),
        seen=_seen(times, spread),
    )


def _generations(processes: Iterable[Times]) -> dict[int, list[list[float]]]:
    """For each generation the rounds of each process."""
    found: dict[int, list[list[float]]] = {}
    for process in processes:
        rows: dict[int, list[float]] = {}
        for (generation, _), seconds in sorted(process.items()):
            rows.setdefault(generation, []).append(seconds)
        for generation, row in rows.items():
            found.setdefault(generation, []).append(row)
    return found


def _seen(times: Mapping[int, Mapping[str, Times]], spread: Spread) -> dict[int, float]:
    """The median half-width of a ratio by its generations: a single one, and all there are."""
    widths: dict[int, list[float]] = {}
    for ratios in _ratios(times):
        parts = [{g: row} for g, row in ratios.items()]
        for part in [*parts, ratios] if len(ratios) > 1 else parts:
            found = interval(part, spread.of_ratios())
            if found is not None:
                half = math.log(found.high / found.low) / 2
                widths.setdefault(len(part), []).append(math.expm1(half))
    return {count: median(row) for count, row in widths.items()}


def _ratios(times: Mapping[int, Mapping[str, Times]]) -> Iterator[dict[int, list[float]]]:
    for processes in times.values():
        for above, below in combinations(processes.values(), 2):
            yield paired(above, below)

"""The largest run without measuring: planned, stored in shards and merged with fake cells.

``make simulate`` prints how long each step takes, how much memory its process needs at most, and
what it leaves on the disk. Plan, shards, store, merge and intervals are those of a run; only
instances are described without being built, and times are drawn instead of measured: each cell
has 4 rounds of 3 kinds, which is 12 samples.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, final

from diffbench.measure.intervals import calibrated
from diffbench.merging import EXPORTING, RENEWING, merge
from diffbench.method import Method, variant_name
from diffbench.problem import canonical
from diffbench.records.environment import environment
from diffbench.records.record import Record, Sample
from diffbench.records.run import ENVIRONMENT, PLAN
from diffbench.records.shards import Shard
from diffbench.records.store import FILE, KINDS, Store
from diffbench.registry import Registry, discover
from diffbench.running.cells import Cell, Context
from diffbench.running.executor import Progress
from diffbench.running.folder import opened, write_facts
from diffbench.running.plan import Block, Request, blocks, profile

FAMILIES = {"helmholtz": "n", "logistic": "depth", "rosenbrock": "n", "speelpenning": "n"}
OPERATORS = "value,gradient,jvp,vjp,hvp"
ROUNDS = 4
NOISE = 0.02  # of a round, in logarithms
ONE_BY_ONE = 1000  # cells that are stored as a run does it, each in a transaction
MIB = 2**20
SPREAD = calibrated(())


@final
class Took(NamedTuple):
    """Seconds on the wall, and of a processor: they differ where the machine has more to do."""

    seconds: float = 0.0
    busy: float = 0.0

    @classmethod
    def now(cls) -> Took:
        """To take differences of."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, before: Took) -> Took:
        """From one moment to this."""
        return Took(self.seconds - before.seconds, self.busy - before.busy)

    def and_(self, more: Took) -> Took:
        """One after the other."""
        return Took(self.seconds + more.seconds, self.busy + more.busy)


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """What one step took: so much of something, and the most memory of its process until then."""

    step: str
    took: Took
    amount: int
    unit: str
    peak_mib: float = field(default_factory=lambda: _peak_bytes() / MIB)

    def line(self) -> str:
        """One line of the table; blank where there is nothing to tell."""
        amount = f"{self.step:<38}{self.amount:>10,} {self.unit:<7}"
        if not self.took.seconds:
            return amount.rstrip()
        wall, busy = self.took
        rate = f"{self.amount / wall:,.0f} /s"
        return f"{amount}{wall:>8.1f} s{busy:>8.1f} s{rate:>14}{self.peak_mib:>6.0f} MiB"


@final
@dataclass(frozen=True)
class Simulation:
    """A run of about so many cells in so many shards, inside ``folder``."""

    cells: int
    shards: int
    folder: Path

    @cached_property
    def registry(self) -> Registry:
        """The real one."""
        return discover(kinds=("methods", "problems"))

    @cached_property
    def methods(self) -> Mapping[str, Method]:
        """All, by name."""
        return {variant_name(method): method for method in self.registry.methods()}

    @cached_property
    def request(self) -> Request:
        """Every method and five operators on as many sizes of four families as it takes."""
        each = len(FAMILIES) * len(OPERATORS.split(",")) * len(self.methods)
        sizes = max(1, round(self.cells / each))
        problems = ",".join(f"{name}[{size}=2:{sizes + 1}]" for name, size in FAMILIES.items())
        return Request(problems=problems, operators=OPERATORS)

    @property
    def parent(self) -> Path:
        """Holds the shards, and the joined run in the end."""
        return self.folder / "run"

    # --- the steps ----------------------------------------------------------------------------

    def plan(self) -> list[Figure]:
        """From the selection to the shares of all shards; and where each block is one cell."""
        largest = max(1, self.cells // 1000)
        starts = range(1, largest + 1, 100)  # a selection makes 100 000 points at most
        sizes = (f"affine_tanh[n={n}:{min(n + 99, largest)},m=1:1000]" for n in starts)
        finest = Request(problems=",".join(sizes), operators="jvp")
        return [
            self._planned("plan", self.request, len(self.methods)),
            self._planned("plan, blocks of one cell", finest, 1),
        ]

    def _planned(self, step: str, request: Request, methods: int) -> Figure:
        began = Took.now()
        plan = self.blocks(request)
        shares = [Shard(i, self.shards).of(plan) for i in range(1, self.shards + 1)]
        took = Took.now().since(began)
        cells = methods * sum(len(block.operators) for share in shares for block in share)
        return Figure(step, took, cells, "cells")

    def store(self) -> list[Figure]:
        """Every shard's own run folder, each cell with its samples; only storing is timed."""
        plan, took, count = self.blocks(self.request), Took(), 0
        for shard in (Shard(i, self.shards) for i in range(1, self.shards + 1)):
            made = self.made(shard, plan)
            took = took.and_(self._stored(shard, made, plan))
            count += len(made)
        few = made[:ONE_BY_ONE]
        return [
            Figure("store, a transaction a cell", self._one_by_one(few), len(few), "cells"),
            Figure("store in bulk, a transaction a shard", took, count, "cells"),
            Figure("databases of the shards", Took(), _mib(self.parent.glob(f"*/{FILE}")), "MiB"),
        ]

    def merge(self) -> list[Figure]:
        """All shards into one run, with intervals and CSV files but no report."""
        at: dict[str, Took] = {}

        def tell(progress: Progress) -> None:
            at.setdefault(progress.now, Took.now())

        began = Took.now()
        made = merge([self.parent], report=False, progress=tell)
        ended = Took.now()
        count, joining = sum(made.counts("status").values()), min(at.values())
        return [
            Figure("merge: look at every shard", joining.since(began), self.shards, "shards"),
            Figure("merge: join", at[RENEWING].since(joining), count, "cells"),
            Figure("merge: intervals", at[EXPORTING].since(at[RENEWING]), count, "cells"),
            Figure("merge: CSV files", ended.since(at[EXPORTING]), count, "cells"),
            Figure("merge: all of it", ended.since(began), count, "cells"),
            Figure("joined database", Took(), _mib([made.folder / FILE]), "MiB"),
            Figure("CSV files", Took(), _mib(made.folder.glob("*.csv")), "MiB"),
        ]

    # --- fake cells ---------------------------------------------------------------------------

    def blocks(self, request: Request) -> list[Block]:
        """The real plan of a request, of sizes that are only told."""
        points = self.registry.points(request.problems, request.profile)
        asked = self.registry.operators(request.operators)
        return blocks(map(_described, points), profile(request.profile), asked)

    def made(self, shard: Shard, plan: list[Block]) -> list[tuple[Record, list[Sample]]]:
        """The share of a shard as its workers would have measured it; the same every time."""
        context = Context(shard.name, "a machine", self.request, self.methods)
        noise = random.Random(shard.index)
        return [
            (cell.record(context, SPREAD), cell.samples)
            for block in shard.of(plan)
            for operator in block.operators
            for number, method in enumerate(self.methods, 1)
            for cell in [_measured(Cell(block, operator, method), number, noise)]
        ]

    def _stored(self, shard: Shard, made: list[Any], plan: list[Block]) -> Took:
        """What it takes to store the cells in the shard's own folder."""
        folder = self.parent / shard.name
        cells = sum(len(block.operators) for block in plan) * len(self.methods)
        facts = {"cells": len(made), "cells_of_run": cells}
        with opened(folder, self.request, resume=False, shard=shard) as begun:
            names = [block.name for block in plan]
            write_facts(folder / PLAN, {**begun, **facts, "instances": names})
            write_facts(folder / ENVIRONMENT, environment())
            return _timed(folder, lambda store: store.save_cells(made))

    def _one_by_one(self, made: list[tuple[Record, list[Sample]]]) -> Took:
        folder = self.folder / "one by one"
        folder.mkdir()
        return _timed(folder, lambda store: [store.save(*cell) for cell in made])


def _described(point: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What a worker would say of an instance."""
    family, params = point
    size = {name: params.get(name, 1) for name in ("n", "m", "depth")}
    facts = {"family": family, "params": params, "name": canonical(family, params)}
    return {**facts, **size, "scalar": "m" not in params}


def _measured(cell: Cell, number: int, noise: random.Random) -> Cell:
    """The cell with its samples: ``number`` nanoseconds a call and input, more or less."""
    cell.status, cell.attempt = "ok", 1
    cell.facts = {"empty_call_s": 3e-8, "verdict": "exact to rounding", "origin": "native"}
    for round_ in range(ROUNDS):
        for kind in KINDS:
            nanoseconds = cell.block.n * (number if kind == "run" else 1)
            seconds = 1e-9 * nanoseconds * 1000 * noise.lognormvariate(0.0, NOISE)
            cell.samples.append(
                Sample(generation=0, round=round_, kind=kind, loops=1000, seconds=seconds)
            )
    return cell


def _timed(folder: Path, fill: Callable[[Store], Any]) -> Took:
    """What it takes to open a store, fill and finish it."""
    began = Took.now()
    with Store(folder) as store:
        fill(store)
        store.finish()
    return Took.now().since(began)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _mib(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths) // MIB


# --- the table ------------------------------------------------------------------------------------


def simulated(cells: int, shards: int, folder: Path) -> Iterator[Figure]:
    """The figures of every step, each step in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    for step in ("plan", "store", "merge"):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            yield from pool.submit(_step, step, cells, shards, folder).result()


def _step(step: str, cells: int, shards: int, folder: Path) -> list[Figure]:
    figures: list[Figure] = getattr(Simulation(cells, shards, folder), step)()
    return figures


def main() -> None:
    """Print the table: amount, wall time, processor time, rate, peak memory of the process."""
    parser = argparse.ArgumentParser(description="The largest run, with fake cells.")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="Where to put it; a temporary one else.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for figure in simulated(given.cells, given.shards, Path(folder)):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()

"""Drives a run: sizes of the instances, studies, then block by block, generation by generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.errors import BadSize, RunError
from diffbench.records.shards import Shard
from diffbench.running.bench import Bench
from diffbench.running.blocks import REFERENCE
from diffbench.running.lanes import Job, Reply
from diffbench.running.ledger import Ledger
from diffbench.running.plan import MOST_GENERATIONS, Block, Profile, blocks
from diffbench.running.platform import on_cpus
from diffbench.study import Study, StudyRow

__all__ = ["Executor", "Progress"]


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """What a run tells while it works; ``done``, ``made`` and ``total`` count cells."""

    done: int
    made: int  # since this start: fewer than done where the run was resumed
    total: int
    now: str
    elapsed_s: float


@final
class Executor:
    """Makes the cells and studies that a ledger does not have yet.

    ``config`` is what every worker is told; once it is ``over`` nothing goes on. Where it
    ``fills`` its time, cells whose intervals are wide get more generations than were asked for.
    """

    def __init__(
        self,
        ledger: Ledger,
        profile: Profile,
        scratch: Path,
        config: dict[str, Any],
        progress: Callable[[Progress], None],
        over: Callable[[], bool],
        fills: bool,
        shard: Shard,
    ) -> None:
        self.ledger, self.profile, self.fills, self.shard = ledger, profile, fills, shard
        self._progress, self.over, self.config = progress, over, config
        self._bench = Bench(config, profile, scratch, self.over, self.tell)
        self.fleet, self.lanes = self._bench.fleet, self._bench.lanes
        self._began, self._now = time.monotonic(), ""
        self.total = 0  # cells of this shard
        self.total_of_run: int | None = None  # of all shards; None while sizes are not known
        self._families: list[str] = []  # of all shards
        self._before = len(ledger.records)

    def measure(
        self, points: Sequence[tuple[str, Any]], asked: Iterable[str], studies: Mapping[str, Study]
    ) -> bool:
        """Until all is done or the time is up; whether Ctrl-C ended it. No worker outlives this."""
        with on_cpus(self._bench.beside):
            try:
                self._all(points, asked, studies)
            except KeyboardInterrupt:
                return True
        return False

    def _all(
        self, points: Sequence[tuple[str, Any]], asked: Iterable[str], studies: Mapping[str, Study]
    ) -> None:
        try:
            plan = self.plan(points, asked)
            least = self.ledger.context.request.least_generations
            for generation in range(MOST_GENERATIONS if self.fills else least):
                worked = self._generation(plan, generation, studies)
                self.fleet.kill_all()
                if generation >= least and not worked:
                    return
        finally:
            self.fleet.close()

    def plan(self, points: Sequence[tuple[str, Any]], asked: Iterable[str]) -> list[Block]:
        """The blocks of all instances, in order; ``total`` then is known."""
        self.note("sizes of the instances")
        self._families = sorted({family for family, _ in points})
        whole = blocks(self._described(points), self.profile, asked)
        plan = list(self.shard.of(whole))
        self.total, self.total_of_run = self._count(plan), self._count(whole)
        self.ledger.store.save_meta("cells", self.total)  # for who looks at a run at work
        return plan

    def facts(self, lasted: float) -> dict[str, Any]:
        """What environment.json says of the processes, and of where those seconds went."""
        return {"workers": self.fleet.hellos, "spent": self.fleet.spending.facts(lasted)}

    def _generation(
        self, plan: Sequence[Block], generation: int, studies: Mapping[str, Study]
    ) -> bool:
        """Whether there was anything to make; studies follow the smallest size of each family."""
        turn = len({block.family for block in plan})
        worked = False
        for number, block in enumerate(plan, 1):
            worked |= self._block(block, generation)
            if number == turn:
                self.study(studies)
        self.study(studies)  # a shard may have fewer blocks
        return worked

    def _count(self, plan: Iterable[Block]) -> int:
        """The cells of these blocks."""
        return sum(len(block.operators) for block in plan) * len(self.ledger.context.methods)

    def tell(self) -> None:
        """Report progress."""
        elapsed = time.monotonic() - self._began
        done = len(self.ledger.records)
        made = done - self._before
        self._progress(Progress(done, made, self.total, self._now, elapsed))

    def note(self, now: str) -> None:
        """The same, with what is done now."""
        self._now = now
        self.tell()

    def _described(self, points: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        found: list[Reply] = []
        seed = self.ledger.context.request.seed
        limit = self.profile.limit_s * max(1, len(points))
        message = {"do": "describe", "points": points, "seed": seed}
        self.lanes.run([Job(REFERENCE, message, limit, found.append)])
        if not found:
            return []
        if "error" in found[0]:
            error = found[0]["error"]
            if error["status"] == "usage":
                raise BadSize(error["reason"])
            raise RunError(f"cannot build the instances: {error['reason']}; choose smaller sizes")
        return list(found[0]["result"])

    def _block(self, block: Block, generation: int) -> bool:
        if self.over():
            return False
        cells = [cell for cell in self.ledger.left(block, generation) if self.ledger.here(cell)]
        if not cells:
            return False
        self.note(f"{block.name}, generation {generation + 1}" if generation else block.name)
        self._bench.make(block, cells, generation, self.ledger)
        self.ledger.measure_spread()
        return True

    def due(self, studies: Mapping[str, Study]) -> list[str]:
        """The names of the studies that are not stored yet."""
        known = self.ledger.store.meta()
        return [name for name in studies if f"study {name}" not in known]

    def study(self, studies: Mapping[str, Study]) -> None:
        """Run the studies that are not stored yet."""
        if self.over():
            return
        wanted = self.due(studies)
        if wanted:
            self.note(f"studies: {', '.join(wanted)}")
            self.lanes.run([job for name in wanted for job in self._study(studies[name])])
            for name in wanted:
                self.fleet.kill(study_worker(name))

    def _study(self, study: Study) -> list[Job]:
        """Its own job, and one a method where it compares them; the last to end saves all rows."""
        methods = self.ledger.context.methods
        asked = [name for name, m in methods.items() if study.each and m.claim != "control"]
        jobs: list[Job] = []
        failed: dict[str, dict[str, str]] = {}
        left = {"", *asked}

        def ended(method: str) -> Callable[[Reply], None]:
            def done(reply: Reply) -> None:
                left.remove(method)
                if "error" in reply:
                    failed[method] = reply["error"]
                if not left:
                    self._save_study(study.name, jobs, failed)

            return done

        for method in ("", *asked):
            message = {
                "do": "study",
                "name": study.name,
                "method": method,
                "families": self._families,
                "profile": self.profile.name,
            }
            worker = method or study_worker(study.name)
            jobs.append(Job(worker, message, self.profile.limit_s, ended(method)))
        return jobs

    def _save_study(
        self, name: str, jobs: Iterable[Job], failed: Mapping[str, Mapping[str, str]]
    ) -> None:
        rows = [msgspec.convert(row, StudyRow) for job in jobs for row in job.rows]
        for method, error in failed.items():
            key = "|".join(filter(None, ("status", error["status"], method)))
            rows.append(StudyRow(study=name, key=key, reason=error["reason"]))
        status = next((error["status"] for error in failed.values()), "ok")
        self.ledger.store.save_study(name, status, rows)


def study_worker(name: str) -> str:
    """The name of a study's own worker."""
    return f" study {name}"

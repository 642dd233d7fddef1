"""Drives a run: sizes of the instances, studies, then block by block, generation by generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import msgspec

from diffbench.errors import BadSize, RunError
from diffbench.records.shards import WHOLE, Shard
from diffbench.running.blocks import REFERENCE, BlockRun
from diffbench.running.cells import Cell
from diffbench.running.lanes import Fleet, Job, Lanes, Reply
from diffbench.running.ledger import Ledger
from diffbench.running.plan import Block, Profile, blocks
from diffbench.running.platform import on_cpus, processors
from diffbench.study import Study, StudyRow

__all__ = ["Executor", "Progress"]

MOST_LANES = 8
LANES = 2  # where the system does not tell its processors


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

    ``config`` is what every worker is told; after ``stop_at``, a time of ``time.monotonic``,
    nothing new begins.
    """

    def __init__(
        self,
        ledger: Ledger,
        profile: Profile,
        scratch: Path,
        config: dict[str, Any],
        progress: Callable[[Progress], None],
        stop_at: float,
    ) -> None:
        self.ledger, self.profile, self.scratch = ledger, profile, scratch
        self._progress, self._stop_at = progress, stop_at
        parallel, timing = processors()
        self._beside = [cpu for cpu in parallel if cpu not in timing]
        self.fleet = Fleet({**config, "cpus": timing}, scratch)
        self.lanes = Lanes(self.fleet, parallel[:MOST_LANES], LANES)
        self.timing = Lanes(self.fleet, timing, 1)
        for lanes in (self.lanes, self.timing):
            lanes.stopped, lanes.tick = self.over, self.tell
        self._began, self._now = time.monotonic(), ""
        self.total = 0  # cells of this shard
        self.total_of_run: int | None = None  # of all shards; None while sizes are not known
        self._before = len(ledger.records)

    def measure(
        self,
        points: Sequence[tuple[str, Any]],
        asked: Iterable[str],
        studies: Mapping[str, Study],
        shard: Shard = WHOLE,
    ) -> bool:
        """Until the shard is done or the time up; whether Ctrl-C ended it. No worker lives on."""
        with on_cpus(self._beside):
            try:
                self._all(points, asked, dict(shard.of(sorted(studies.items()))), shard)
            except KeyboardInterrupt:
                return True
        return False

    def _all(
        self,
        points: Sequence[tuple[str, Any]],
        asked: Iterable[str],
        studies: Mapping[str, Study],
        shard: Shard,
    ) -> None:
        try:
            self._note("sizes of the instances")
            whole = blocks(self._described(points), self.profile, asked)
            plan = shard.of(whole)
            self.total, self.total_of_run = self._count(plan), self._count(whole)
            for generation in range(self.ledger.context.request.generations):
                for block in plan:
                    self._block(block, generation)
                    self._studies(studies)  # after the first block: cells show soonest
                self._studies(studies)  # a shard may have no block
                self.fleet.kill_all()
        finally:
            self.fleet.kill_all()

    def _count(self, plan: Iterable[Block]) -> int:
        """The cells of these blocks."""
        return sum(len(block.operators) for block in plan) * len(self.ledger.context.methods)

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._stop_at

    def tell(self) -> None:
        """Report progress."""
        elapsed = time.monotonic() - self._began
        done = len(self.ledger.records)
        made = done - self._before
        self._progress(Progress(done, made, self.total, self._now, elapsed))

    def _note(self, now: str) -> None:
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

    def _block(self, block: Block, generation: int) -> None:
        if self.over():
            return
        context = self.ledger.context
        made = [Cell(block, op, name) for op in block.operators for name in context.methods]
        wanted = [cell for cell in made if self.ledger.wants(cell, generation)]
        cells = [cell for cell in wanted if not self.ledger.skip(cell)]
        if not cells:
            return
        self._note(block.name)
        BlockRun(
            block=block,
            cells=cells,
            generation=generation,
            profile=self.profile,
            ledger=self.ledger,
            fleet=self.fleet,
            lanes=self.lanes,
            timing=self.timing,
            scratch=self.scratch,
        ).run()
        self.ledger.measure_spread()

    def _studies(self, studies: Mapping[str, Study]) -> None:
        if self.over():
            return
        known = self.ledger.store.meta()
        wanted = [name for name in studies if f"study {name}" not in known]
        if wanted:
            self._note(f"studies: {', '.join(wanted)}")
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
            message = {"do": "study", "name": study.name, "method": method}
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

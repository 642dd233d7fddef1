"""One block made: checked in parallel, sampled in interleaved rounds, counted.

References come first in the queue of their own worker, so that every answer finds its own. Rounds
run one process at a time, each method in its own worker: A B C, A B C, ... A cell is stored in
one transaction when its sizes are counted; sizes that cannot be counted cost only themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, final

from diffbench.measure.intervals import Spread, relative_width
from diffbench.records.record import Sample
from diffbench.running.cells import Cell
from diffbench.running.lanes import Fleet, Job, Lanes, Reply
from diffbench.running.plan import Block, Profile

__all__ = ["REFERENCE", "BlockRun", "Books"]

REFERENCE = " reference"  # the worker that certifies and judges; no method has such a name
MOST_OF_CAP = 0.5  # a worker that holds more of its cap after a block is replaced
ONE_CPU = 1.05  # processor time over wall time that one thread can have, as clocks go
STATUSES = {"usage": "failed"}  # a user's mistake raised inside a cell is the cell's failure


class Books(Protocol):
    """Where finished cells go, and what is known there about the run."""

    @property
    def spread(self) -> Spread:
        """The noise of the run so far."""

    @property
    def seed(self) -> int:
        """The seed of the run's instances."""

    def claim(self, method: str) -> str:
        """What the method of that name claims to be."""

    def finish(self, cell: Cell, status: str, reason: str = "", generation: int = 0) -> None:
        """Take the cell as it ended."""


@final
@dataclass
class BlockRun:
    """The cells of one block that are to be made in one generation."""

    block: Block
    cells: list[Cell]
    generation: int
    profile: Profile
    books: Books
    fleet: Fleet
    lanes: Lanes
    timing: Lanes
    scratch: Path
    _unproven: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """All phases; what is timed when it is interrupted is kept."""
        try:
            self._check()
            for operator in self.block.operators:
                self._sample([c for c in self.cells if c.operator == operator and not c.status])
            self._count()
        finally:
            self._keep()
        self._drop()

    # --- preparing and checking, in parallel ------------------------------------------------------

    def _check(self) -> None:
        if self.generation == 0:
            asked = [op for op in self.block.operators if any(c.operator == op for c in self.cells)]
            for operator in asked:
                self.lanes.add(self._certify(operator))
        self.lanes.run([self._prepare(cell, check=self.generation == 0) for cell in self.cells])

    def _certify(self, operator: str) -> Job:
        def done(reply: Reply) -> None:
            if "error" in reply:
                error = reply["error"]
                self._unproven[operator] = f"no reference: {error['status']}, {error['reason']}"

        path = str(self._reference(operator))
        message = {"do": "certify", "instance": self._spec(), "operator": operator, "path": path}
        return Job(REFERENCE, message, self.profile.limit_s, done)

    def _prepare(self, cell: Cell, check: bool) -> Job:
        answer = self._answer(cell)

        def done(reply: Reply) -> None:
            if "error" in reply:
                self._fail(cell, reply)
                return
            facts = reply["result"]
            cell.round_s = facts.pop("round_s")
            self.fleet.hold(cell.method, cell.key)
            if check:
                hello = self.fleet.hellos[cell.method]
                cell.facts = {**facts, "empty_call_s": hello["empty_call_s"]}
                if not (hello["cpu_share"] <= ONE_CPU):
                    cell.facts["warnings"] = "more than one processor was at work"
            if check and answer.exists():
                self.lanes.add(self._judge(cell, answer))

        cell.attempt += 1
        message = {
            "do": "prepare",
            **cell.names,
            "instance": self._spec(),
            "answer": str(answer) if check else "",
            "target": self.profile.sample_s,
        }
        return Job(cell.method, message, self.profile.limit_s, done)

    def _judge(self, cell: Cell, answer: Path) -> Job:
        def done(reply: Reply) -> None:
            answer.unlink(missing_ok=True)
            error = reply.get("error")
            if error is None:
                cell.facts |= reply["result"]
            else:
                cell.facts |= unproven(f"not judged: {error['status']}, {error['reason']}")
            if cell.operator in self._unproven:
                cell.facts["verdict_reason"] = self._unproven[cell.operator]

        path = str(self._reference(cell.operator))
        claim = self.books.claim(cell.method)
        message = {"do": "judge", "answer": str(answer), "path": path, "claim": claim}
        return Job(REFERENCE, message, self.profile.limit_s, done)

    # --- sampling, one process at a time ----------------------------------------------------------

    def _sample(self, group: list[Cell]) -> None:
        again = [c for c in group if not self.fleet.holds(c.method, c.key)]
        self.lanes.run([self._prepare(cell, check=False) for cell in again])
        for number in range(self.profile.most_rounds):
            active = [c for c in group if not c.status and self._wants_round(c, number)]
            if not active or self.timing.stopped():
                break
            for cell in active:
                self.timing.run([self._round(cell, number)])
        complete = not self.timing.stopped()
        for cell in group:
            cell.timed = not cell.status and bool(cell.samples) and complete

    def _wants_round(self, cell: Cell, number: int) -> bool:
        """Rounds are added by the width of the interval, within the time of a slow cell."""
        if number == 0:
            return True
        if (number + 1) * cell.round_s > self.profile.slow_s:
            return False
        times = [s.seconds / s.loops for s in cell.samples if s.kind == "run"]
        width = relative_width(times, self.books.spread)
        return number < self.profile.rounds or width > self.profile.width

    def _round(self, cell: Cell, number: int) -> Job:
        def done(reply: Reply) -> None:
            if "error" in reply:
                self._fail(cell, reply)
                return
            for kind, (loops, seconds) in reply["result"].items():
                sample = Sample(
                    generation=self.generation,
                    round=number,
                    kind=kind,
                    loops=loops,
                    seconds=seconds,
                )
                cell.samples.append(sample)

        return Job(cell.method, {"do": "round", **cell.names}, self.profile.limit_s, done)

    # --- sizes ------------------------------------------------------------------------------------

    def _count(self) -> None:
        timed = [cell for cell in self.cells if cell.timed]
        if self.generation == 0:
            self.lanes.run([self._sizes(cell) for cell in timed])

    def _sizes(self, cell: Cell) -> Job:
        def done(reply: Reply) -> None:
            if "error" in reply:
                error = reply["error"]
                cell.facts["warnings"] = f"sizes not counted: {error['status']}"
            else:
                cell.facts |= reply["result"]
            self.books.finish(cell, "ok", generation=self.generation)

        message = {"do": "sizes", **cell.names, "instance": self._spec()}
        return Job(cell.method, message, self.profile.limit_s, done)

    def _keep(self) -> None:
        """Store what was timed and not yet stored: later generations, and an interruption."""
        for cell in self.cells:
            if cell.timed and not cell.status:
                if self.generation == 0:
                    cell.facts["warnings"] = "sizes not counted: the run ended first"
                self.books.finish(cell, "ok", generation=self.generation)

    def _drop(self) -> None:
        def job(name: str) -> Job:
            def done(reply: Reply) -> None:
                used = reply.get("result") or 0
                if used > MOST_OF_CAP * self.profile.memory:
                    self.fleet.kill(name)

            return Job(name, {"do": "drop"}, self.profile.limit_s, done)

        self.lanes.run([job(name) for name in self.fleet.alive()])
        for path in self._files():
            path.unlink(missing_ok=True)

    # --- what they share --------------------------------------------------------------------------

    def _fail(self, cell: Cell, reply: Reply) -> None:
        error = reply["error"]
        status = STATUSES.get(error["status"], error["status"])
        self.books.finish(cell, status, error["reason"], self.generation)

    def _spec(self) -> dict[str, Any]:
        block, seed = self.block, self.books.seed
        params = dict(block.params)
        return {"family": block.family, "params": params, "name": block.name, "seed": seed}

    def _reference(self, operator: str) -> Path:
        return self.scratch / f"reference-{operator}.npz"

    def _answer(self, cell: Cell) -> Path:
        return self.scratch / f"answer-{self.cells.index(cell)}.npy"

    def _files(self) -> Iterator[Path]:
        yield from self.scratch.glob("reference-*")
        yield from self.scratch.glob("answer-*")


def unproven(reason: str) -> dict[str, Any]:
    """The record's fields where no verdict can be had."""
    return {"verdict": "uninformative", "verdict_reason": reason, "reference": "none"}

"""What a run has done so far: its records and samples, in memory and in the store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import msgspec

from diffbench.measure.intervals import Spread, calibrated
from diffbench.records.record import Record, Sample
from diffbench.records.store import Store
from diffbench.running.cells import Cell, Context, Key
from diffbench.running.plan import Block, profile
from diffbench.running.refresh import refresh, renewed
from diffbench.running.timing import aa_spread

__all__ = ["Ledger"]

ENDED_BADLY = ("timeout", "out_of_memory")
MACHINE = "machine "  # before the name of one, among the facts about the run


@final
@dataclass
class Ledger:
    """Knows which cells are done, and stores each when it is: one transaction a cell."""

    context: Context
    store: Store
    records: dict[Key, Record] = field(default_factory=dict)
    spread: Spread = field(default_factory=lambda: calibrated(()))
    _samples: dict[Key, list[Sample]] = field(default_factory=dict)
    _too_large: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def remember(self) -> None:
        """Take over what an earlier start of this run has stored."""
        for record in self.store.records():
            self.records[record.instance, record.operator, record.method] = record
            if record.status in ENDED_BADLY:
                self._note(record)
        for (instance, _, operator, method, _), sample in self.store.samples():
            self._samples.setdefault((instance, operator, method), []).append(sample)
        self.measure_spread()

    @property
    def seed(self) -> int:
        """The seed of the run's instances."""
        return self.context.request.seed

    def claim(self, method: str) -> str:
        """What the method of that name claims to be."""
        return self.context.methods[method].claim

    def left(self, block: Block, generation: int) -> list[Cell]:
        """The cells of a block that are still to be made; those to be skipped are stored so."""
        made = [Cell(block, op, name) for op in block.operators for name in self.context.methods]
        wanted = [cell for cell in made if self.wants(cell, generation)]
        return [cell for cell in wanted if not self.skip(cell)]

    def made_on(self, block: Block) -> set[str]:
        """The machines that have answers of a block."""
        keys = [(block.name, op, name) for op in block.operators for name in self.context.methods]
        found = (self.records[key] for key in keys if key in self.records)
        return {record.machine for record in found if record.status == "ok"}

    def meet(self, machine: str, facts: dict[str, Any]) -> None:
        """Remember what a machine of the run is like."""
        self.store.save_meta(f"{MACHINE}{machine}", facts)

    def machines(self) -> dict[str, dict[str, Any]]:
        """What is remembered of machines, by their names."""
        found = self.store.meta().items()
        return {key.removeprefix(MACHINE): facts for key, facts in found if key.startswith(MACHINE)}

    def wants(self, cell: Cell, generation: int) -> bool:
        """Whether this generation of the cell is still to be made.

        More than were asked for are made of cells whose intervals are wide.
        """
        known = self.records.get(cell.key)
        if known is None:
            return generation == 0
        if known.status != "ok" or known.generation != generation:
            return False
        return generation < self.context.request.least_generations or self._wide(known)

    def _wide(self, record: Record) -> bool:
        if not (record.run_s_low and record.run_s_high):
            return False
        half = math.sqrt(record.run_s_high / record.run_s_low) - 1
        return half > profile(self.context.request.profile).width

    def here(self, cell: Cell) -> bool:
        """Whether the cell was begun on this machine, if at all: there it stays."""
        known = self.records.get(cell.key)
        return known is None or known.machine == self.context.machine

    def skip(self, cell: Cell) -> bool:
        """Whether a smaller size ran out of time or memory; the cell then is stored as skipped."""
        smaller = self._too_large.get((cell.block.family, cell.method, cell.operator))
        if smaller is None:
            return False
        self.finish(cell, "skipped", smaller)
        return True

    def finish(self, cell: Cell, status: str, reason: str = "", generation: int = 0) -> None:
        """Store the cell. A later generation that fails only leaves a warning."""
        cell.status, cell.reason = status, reason
        self.take([cell], generation)

    def take(self, cells: Sequence[Cell], generation: int) -> None:
        """Store cells that have ended, in one transaction."""
        records = [self._record(cell, generation) for cell in cells]
        self.store.save_cells(
            (record, cell.samples) for record, cell in zip(records, cells, strict=True)
        )
        for record, cell in zip(records, cells, strict=True):
            if cell.status in ENDED_BADLY and cell.key not in self.records:
                self._note(record)
            self._samples.setdefault(cell.key, []).extend(cell.samples)
            self.records[cell.key] = record

    def measure_spread(self) -> None:
        """The spread between processes as all samples so far show it."""
        self.spread = aa_spread(
            ((*key[:2], self.records[key].machine), rows) for key, rows in self._samples.items()
        )

    def refresh(self) -> None:
        """All intervals again, from all samples, with the spread of the whole run."""
        refresh(self.store)

    def _record(self, cell: Cell, generation: int) -> Record:
        known = self.records.get(cell.key)
        if known is None:
            return cell.record(self.context, self.spread)
        return self._again(cell, known, generation)

    def _again(self, cell: Cell, known: Record, generation: int) -> Record:
        if cell.status == "ok":
            samples = [*self._samples.get(cell.key, []), *cell.samples]
            return renewed(known, samples, self.spread)
        said = f"generation {generation + 1}: {cell.status}"
        warnings = "; ".join(text for text in (known.warnings, said) if text)
        return msgspec.structs.replace(known, warnings=warnings)

    def _note(self, record: Record) -> None:
        reason = f"the smaller {record.instance} already ended with {record.status}"
        place = (record.family, record.method, record.operator)
        self._too_large.setdefault(place, reason)

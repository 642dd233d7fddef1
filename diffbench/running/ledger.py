"""What a run has done so far: its records and samples, in memory and in the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import msgspec

from diffbench.measure.intervals import Spread, calibrated
from diffbench.records.record import Record, Sample
from diffbench.records.store import Store
from diffbench.running.cells import Cell, Context, Key
from diffbench.running.refresh import refresh, renewed
from diffbench.running.timing import aa_spread

__all__ = ["Ledger"]

ENDED_BADLY = ("timeout", "out_of_memory")


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

    def wants(self, cell: Cell, generation: int) -> bool:
        """Whether this generation of the cell is still to be made."""
        known = self.records.get(cell.key)
        if known is None:
            return generation == 0
        here = known.machine == self.context.machine  # a cell stays where it was begun
        return known.status == "ok" and known.generation == generation and here

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
        known = self.records.get(cell.key)
        record = (
            cell.record(self.context, self.spread)
            if known is None
            else self._again(cell, known, generation)
        )
        self.store.save(record, cell.samples)
        self._samples.setdefault(cell.key, []).extend(cell.samples)
        self.records[cell.key] = record
        if status in ENDED_BADLY and known is None:
            self._note(record)

    def measure_spread(self) -> None:
        """The spread between processes of this machine as all samples so far show it."""
        here = self.context.machine
        cells = self._samples.items()
        self.spread = aa_spread(
            (key[:2], rows) for key, rows in cells if self.records[key].machine == here
        )

    def refresh(self) -> None:
        """All intervals again, from all samples, with the spread of the whole run."""
        refresh(self.store)

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

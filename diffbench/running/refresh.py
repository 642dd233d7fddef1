"""The intervals of a whole run again, once all of its samples are there: streamed, cell by cell."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from diffbench.measure.intervals import Spread, calibrated
from diffbench.records.record import Record, Sample
from diffbench.records.store import Store
from diffbench.running.timing import PRIMAL, TIMED, aa_groups, joined, times

__all__ = ["refresh", "renewed"]


def refresh(store: Store) -> None:
    """Every time, ratio and interval from its samples, with its machine's spread in the run."""
    spreads = {machine: spread_of(store, machine) for machine in store.machines()}
    store.renew(TIMED, _rows(store, spreads))


def renewed(record: Record, samples: Sequence[Sample], spread: Spread) -> Record:
    """A record with the times that its samples give."""
    facts = msgspec.structs.asdict(record)
    return Record(**joined(facts, times(samples, spread, record.empty_call_s)))


def spread_of(store: Store, machine: str) -> Spread:
    """The noise of the run on one machine, as the pairs of identical code there show it."""
    return calibrated(_groups(store, machine))


def _groups(store: Store, machine: str) -> Iterator[Sequence[Sequence[float]]]:
    cells = ((of, rows) for of, rows in store.sampled((PRIMAL,)) if of[-1] == machine)
    for _, group in itertools.groupby(cells, key=lambda cell: cell[0][:3]):
        yield from aa_groups((of[:3], rows) for of, rows in group)


def _rows(store: Store, spreads: dict[str, Spread]) -> Iterator[list[Any]]:
    for row, record, samples in store.cells():
        if record.status == "ok":
            new = renewed(record, samples, spreads[record.machine])
            yield [*(getattr(new, name) for name in TIMED), row]

"""A run opened to be compared: who answered which cell, how long each round took, how noisy it was.

Everything that compares methods reads it, so that a run is taken apart once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts
from diffbench.errors import BadSelection, UnknownName
from diffbench.measure.intervals import Spread
from diffbench.problem import canonical
from diffbench.records.record import Sample
from diffbench.running.timing import aa_spread, per_call
from diffbench.selection import parse

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["Book", "Cell", "Times"]

Cell = tuple[str, str]  # instance, operator
Times = dict[tuple[int, int], float]  # seconds of one call by (generation, round)


@final
@dataclass(frozen=True, slots=True)
class Book:
    """Records and times of each method by cell, and the run's spread of identical code."""

    records: Mapping[str, Mapping[Cell, dict[str, Any]]]
    times: Mapping[str, Mapping[Cell, Times]]
    spread: Spread

    @classmethod
    def of(cls, run: Run) -> Book:
        """Read a run once; many pairs of its methods may be compared."""
        records: dict[str, dict[Cell, dict[str, Any]]] = {}
        for row in dicts(run.records):
            records.setdefault(row["method"], {})[row["instance"], row["operator"]] = row
        samples = _samples(run)
        times: dict[str, dict[Cell, Times]] = {}
        for (instance, operator, method), rows in samples.items():
            times.setdefault(method, {})[instance, operator] = per_call(rows, "run")
        processes = (
            ((instance, operator, records[method][instance, operator]["machine"]), rows)
            for (instance, operator, method), rows in samples.items()
        )
        return cls(records, times, aa_spread(processes))

    def rounds(self, method: str, cell: Cell) -> Times:
        """The times of one cell; empty where none were sampled."""
        return self.times.get(method, {}).get(cell, {})

    def method(self, text: str) -> str:
        """The one method of the run that a selection names, ``jax[mode=reverse]`` or ``autograd``.

        Raises UnknownName for one that the run does not hold, BadSelection for several.
        """
        points = [canonical(c.name, point) for c in parse(text) for point in c.points()]
        if len(points) != 1:
            raise BadSelection(f"{text!r} names {len(points)} methods; compare takes one a side")
        (wanted,) = points
        name = _bare(wanted)
        variants = sorted(held for held in self.records if _bare(held) == name)
        if wanted in variants:
            return wanted
        if wanted != name or not variants:
            raise UnknownName("method of this run", wanted, variants or map(_bare, self.records))
        if len(variants) > 1:
            held = ", ".join(variants)
            raise BadSelection(f"{name!r} is several methods of this run; name one of: {held}")
        return variants[0]


def _bare(method: str) -> str:
    return method.partition("[")[0]


def _samples(run: Run) -> dict[tuple[str, str, str], list[Sample]]:
    """The samples of each cell."""
    found: dict[tuple[str, str, str], list[Sample]] = {}
    for row in dicts(run.samples):
        sample = Sample(**{name: row[name] for name in Sample.__struct_fields__})
        found.setdefault((row["instance"], row["operator"], row["method"]), []).append(sample)
    return found

"""A run opened to be compared: who answered which cell, how long each round took, how noisy it was.

Everything that compares methods or runs reads it, so that a run is taken apart once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

from diffbench.analysis.cells import dicts
from diffbench.errors import BadSelection, UnknownName
from diffbench.measure.intervals import Spread
from diffbench.problem import canonical
from diffbench.records.record import Sample
from diffbench.running.timing import aa_spread, per_call
from diffbench.selection import parse

if TYPE_CHECKING:
    from diffbench.records.run import Run

__all__ = ["Book", "Cell", "Times", "variants"]

KINDS = ("run", "numpy_primal")
Times = dict[tuple[int, int], float]  # seconds of one call by (generation, round)


class Cell(NamedTuple):
    """What was asked, and where: times of two machines or seeds never meet in a ratio."""

    instance: str
    operator: str
    seed: int
    machine: str


@final
@dataclass(frozen=True, slots=True)
class Book:
    """Records and times of each method by cell, and the run's spread of identical code.

    ``times`` is by method and kind of sample: its own *run*, or f in numpy in the same worker.
    """

    records: Mapping[str, Mapping[Cell, dict[str, Any]]]
    times: Mapping[tuple[str, str], Mapping[Cell, Times]]
    spread: Spread

    @classmethod
    def of(cls, run: Run) -> Book:
        """Read a run once; many pairs of its methods may be compared."""
        records: dict[str, dict[Cell, dict[str, Any]]] = {}
        for row in dicts(run.records):
            records.setdefault(row["method"], {})[_cell(row)] = row
        samples = _samples(run)
        times: dict[tuple[str, str], dict[Cell, Times]] = {}
        for (method, cell), rows in samples.items():
            for kind in KINDS:
                times.setdefault((method, kind), {})[cell] = per_call(rows, kind)
        return cls(records, times, aa_spread((cell, rows) for (_, cell), rows in samples.items()))

    def rounds(self, method: str, cell: Cell, kind: str = "run") -> Times:
        """The times of one cell; empty where none were sampled."""
        return self.times.get((method, kind), {}).get(cell, {})

    def method(self, text: str) -> str:
        """The one method of the run that a selection names, ``jax[mode=reverse]`` or ``autograd``.

        Raises UnknownName for one that the run does not hold, BadSelection for several.
        """
        points = [canonical(c.name, point) for c in parse(text) for point in c.points()]
        if len(points) != 1:
            raise BadSelection(f"{text!r} names {len(points)} methods; compare takes one a side")
        found = variants(self.records, text)
        if len(found) > 1:
            held = ", ".join(found)
            name = _bare(found[0])
            raise BadSelection(f"{name!r} is several methods of this run; name one of: {held}")
        return found[0]


def variants(held: Iterable[str], text: str) -> list[str]:
    """The methods among those ``held`` that a selection names: ``jax`` is all variants of it.

    Raises UnknownName for a name that is none of them.
    """
    known, found = sorted(held), list[str]()
    for choice in parse(text):
        alike = [name for name in known if _bare(name) == choice.name]
        for wanted in (canonical(choice.name, point) for point in choice.points()):
            exact = [name for name in alike if name == wanted]
            if not exact and (choice.values or not alike):
                raise UnknownName("method of this run", wanted, alike or map(_bare, known))
            found += exact or alike
    return list(dict.fromkeys(found))


def _bare(method: str) -> str:
    return method.partition("[")[0]


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(*(row[name] for name in Cell._fields))


def _samples(run: Run) -> dict[tuple[str, Cell], list[Sample]]:
    """The samples of each method's cells."""
    found: dict[tuple[str, Cell], list[Sample]] = {}
    for row in dicts(run.samples):
        sample = Sample(**{name: row[name] for name in Sample.__struct_fields__})
        found.setdefault((row["method"], _cell(row)), []).append(sample)
    return found

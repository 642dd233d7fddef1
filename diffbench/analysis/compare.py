"""Method against method, or run against run: ratios of times, cell by cell and family by family.

*A cell* (instance, operator, seed, machine) that two methods of a run answered has a ratio in every
round that both have: rounds are interleaved, so what slows the machine down slows both. Its ratio
is the median of these, its interval that of :mod:`diffbench.measure.intervals`: over generations,
or with the spread that identical code shows in this run. (To divide each side by the numpy primal
of its own worker first gains nothing: two copies of one method then came out as far apart, in
intervals wider by two thirds.)

*Rounds of two runs* are not paired with each other, but each is with the numpy primal of its
worker: a method's time over that is the quantity on both sides, and what became of the machine in
between cancels. The variances of both sides add. What slows one method more than numpy does not
cancel, and no interval holds it: with other work on the machine, runs of identical code came out
different in 10 to 17 % of cells where 5 % were due, and after Holm in at most 1 of 304.

Of many cells, the variance between generations is moderated by what is typical of all, with the
weight that their likeness allows. Which cells differ is decided by Holm's procedure over all of
them: a single false difference in the whole table has a chance of 5 %. (With a fixed weight of 4 it
would be 10 to 20 % for variances as unlike as those of real runs, with 8 it would be 30 to 50 %.)
The others are ties.

*A mean* is the geometric mean over cells. Within a family: Student's interval over the logarithms
of its cells, their variance moderated by that of the other families, for few sizes tell little.
Over families it rests on the families, for cells of one family are alike. With one generation the
spread between processes is added: it may be common to all cells of a worker.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from diffbench.analysis.book import Book, Cell
from diffbench.analysis.ratios import Estimate, geometric_mean, grouped_mean, holm, pooled
from diffbench.analysis.scaling import FLOOR
from diffbench.measure.intervals import Interval, interval, p_value, paired, prior, quotient
from diffbench.operators import OPERATORS

__all__ = [
    "DERIVATIVES",
    "SMALL",
    "Comparison",
    "Group",
    "Ratio",
    "compare",
    "compare_runs",
    "slowest",
]

SMALL = 64  # inputs: below, the fixed price of a call decides
LEVEL = 0.05
RUNS = ("RUN_B", "RUN_A")  # what is above, and what below
MISPLACED: Mapping[str, Mapping[str, Any]] = {
    "measured on another machine": {"machine": ""},
    "measured with another seed": {"seed": -1},
}
DERIVATIVES = tuple(row.name for row in OPERATORS.values() if row.order)


@final
@dataclass(frozen=True, slots=True)
class Ratio:
    """One cell: the time of one method or run over the other's, with its 95 % interval.

    ``method`` is that of both sides, empty where two are compared. ``derived`` says that the first
    has no such operator of its own. ``generations`` are those of the side that has fewer.
    ``p`` is adjusted by Holm over all cells of the comparison; ``outcome`` is what it decides:
    *faster*, *slower* or *tie*.
    """

    family: str
    instance: str
    operator: str
    method: str
    seed: int
    machine: str
    n: int
    m: int
    depth: int
    value: float
    low: float
    high: float
    generations: int
    derived: bool
    p: float

    @property
    def outcome(self) -> str:
        """What the first is beside the second."""
        if not (self.p < LEVEL):
            return "tie"
        return "faster" if self.value < 1.0 else "slower"

    @property
    def cell(self) -> str:
        """What names it: instance and operator, and where both sides have one, the method."""
        return f"{self.instance} {self.operator} {self.method}".rstrip()


@final
@dataclass(frozen=True, slots=True)
class Group:
    """Cells taken together; ``name`` is a family, or what the cells have in common."""

    name: str
    ratio: Estimate
    cells: tuple[Ratio, ...]

    @property
    def worst(self) -> Ratio:
        """The cell with the largest ratio."""
        return max(self.cells, key=lambda cell: cell.value)

    @property
    def outcome(self) -> str:
        """Of the mean: a tie unless its whole interval lies on one side of 1."""
        return "faster" if self.ratio.high < 1.0 else "slower" if self.ratio.low > 1.0 else "tie"

    def count(self, outcome: str) -> int:
        """How many of the cells came out so."""
        return sum(cell.outcome == outcome for cell in self.cells)


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """``of`` over ``to``: below 1, ``of`` is the faster.

    ``families`` and ``methods`` (of two runs, where there are several) in the order of their
    names; ``totals`` are those of all cells, of n <= 64 and of n > 64. ``left_out`` counts cells by
    the reason why they have no ratio. Groups without a cell are left out. ``changes`` are the facts
    in which the environments of two runs differ.
    """

    of: str
    to: str
    cells: tuple[Ratio, ...]
    families: tuple[Group, ...]
    methods: tuple[Group, ...]
    totals: tuple[Group, ...]
    left_out: Mapping[str, int]
    changes: tuple[str, ...] = ()

    @property
    def of_runs(self) -> bool:
        """Whether it compares two runs: cells then say whose they are."""
        return any(cell.method for cell in self.cells)

    @property
    def different(self) -> list[Ratio]:
        """The cells that are no ties, the slowest first."""
        return slowest(cell for cell in self.cells if cell.outcome != "tie")

    def regressions(self, factor: float) -> list[Ratio]:
        """The cells that are slower, and by more than a factor; the slowest first."""
        return [c for c in self.different if c.outcome == "slower" and c.value > factor]


def slowest(cells: Iterable[Ratio]) -> list[Ratio]:
    """Sorted by ratio, the largest first."""
    return sorted(cells, key=lambda cell: (-cell.value, cell.cell))


class _Found(NamedTuple):
    """A cell's record with its ratio, of how many generations, and whose where that is not said."""

    record: dict[str, Any]
    ratio: Interval
    generations: int
    method: str = ""


def compare(book: Book, of: str, to: str, operators: Iterable[str] = DERIVATIVES) -> Comparison:
    """The comparison of two methods that the run holds, over the cells of these operators."""
    left_out: Counter[str] = Counter()
    above, below = (_Side(name, book.records.get(name, {})) for name in (of, to))
    cells = list(_common(above, below, set(operators), left_out))
    rounds = [paired(book.rounds(of, cell), book.rounds(to, cell)) for cell in cells]
    spread, typical = book.spread.of_ratios(), prior(rounds)
    found: list[_Found] = []
    for cell, row in zip(cells, rounds, strict=True):
        ratio = interval(row, spread, typical)
        if ratio is None:
            left_out["no round in common"] += 1
        else:
            found.append(_Found(above.records[cell], ratio, len(row)))
    return _summed(of, to, _judged(found), spread.half_width, left_out)


def compare_runs(
    of: Book, to: Book, methods: Iterable[str], operators: Iterable[str] = DERIVATIVES
) -> Comparison:
    """The comparison of two runs by these methods, each over f in numpy of the same worker."""
    left_out: Counter[str] = Counter()
    asked, books = set(operators), (of, to)
    keys: list[tuple[str, Cell]] = []
    for method in methods:
        above, below = (
            _Side(n, b.records.get(method, {})) for n, b in zip(RUNS, books, strict=True)
        )
        keys += [(method, cell) for cell in _common(above, below, asked, left_out)]
    sides = (_over_numpy(book, keys) for book in books)
    found: list[_Found] = []
    for (method, cell), a, b in zip(keys, *sides, strict=True):
        if a is None or b is None:
            left_out["no round beside f in numpy"] += 1
        else:
            record, ratio = of.records[method][cell], quotient(a[0], b[0])
            found.append(_Found(record, ratio, min(a[1], b[1]), method))
    shared = math.hypot(*(book.spread.of_ratios().half_width for book in books))
    return _summed(*RUNS, _judged(found), shared, left_out)


def _over_numpy(book: Book, keys: list[tuple[str, Cell]]) -> list[tuple[Interval, int] | None]:
    """Each cell's time over that of f in numpy in the same rounds, and its generations."""
    rounds = [paired(book.rounds(*key), book.rounds(*key, "numpy_primal")) for key in keys]
    spread, typical = book.spread.of_ratios(), prior(rounds)
    found = [(interval(row, spread, typical), len(row)) for row in rounds]
    return [(ratio, count) if ratio else None for ratio, count in found]


@final
@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison: what reasons call it, and its records."""

    name: str
    records: Mapping[Cell, dict[str, Any]]

    def places(self) -> set[Cell]:
        """Its cells with their machine or seed hidden."""
        return {hidden for cell in self.records for _, hidden in _hidden(cell)}


def _hidden(cell: Cell) -> Iterator[tuple[str, Cell]]:
    """The cell without its machine or seed, with what to say of one that is like it but there."""
    return ((reason, cell._replace(**blank)) for reason, blank in MISPLACED.items())


def _common(
    above: _Side, below: _Side, operators: set[str], left_out: Counter[str]
) -> Iterator[Cell]:
    """The cells that both can compare; the reasons of the others are counted.

    One that both have, but elsewhere, is counted once.
    """
    over, under = above.places(), below.places()
    for cell in sorted(above.records.keys() | below.records.keys()):
        if cell.operator not in operators:
            continue
        a, b = above.records.get(cell), below.records.get(cell)
        if a is None and any(hidden in over for _, hidden in _hidden(cell)):
            continue
        elsewhere = (said for said, hidden in _hidden(cell) if b is None and hidden in under)
        reason = next(elsewhere, "") or _unfit(above.name, a) or _unfit(below.name, b)
        if reason:
            left_out[reason] += 1
        else:
            yield cell


def _unfit(method: str, record: dict[str, Any] | None) -> str:
    """Why a cell cannot stand in a comparison of times; empty where it can."""
    if record is None:
        return f"{method} was not asked"
    if record["status"] != "ok":
        return f"{method}: {record['status'].replace('_', ' ')}"
    if record["verdict"] == "wrong":
        return f"{method}: wrong answer"
    if not (record["run_s"] > 0):
        return f"{method}: not timed"
    if record["run_s"] < FLOOR * record["empty_call_s"]:
        return f"{method}: shorter than {FLOOR:g} empty calls"
    return ""


def _judged(found: list[_Found]) -> tuple[Ratio, ...]:
    adjusted = holm([p_value(cell.ratio) for cell in found])
    names = ("family", "instance", "operator", "seed", "machine", "n", "m", "depth")
    return tuple(
        Ratio(
            **{name: cell.record[name] for name in names},
            method=cell.method,
            value=cell.ratio.value,
            low=cell.ratio.low,
            high=cell.ratio.high,
            generations=cell.generations,
            derived=cell.record["origin"] == "derived",
            p=p,
        )
        for cell, p in zip(found, adjusted, strict=True)
    )


def _summed(
    of: str, to: str, cells: tuple[Ratio, ...], shared: float, left_out: Counter[str]
) -> Comparison:
    families, methods = _by("family", cells), _by("method", cells)
    totals = {
        "all": list(cells),
        f"n <= {SMALL}": [c for c in cells if c.n <= SMALL],
        f"n > {SMALL}": [c for c in cells if c.n > SMALL],
    }
    return Comparison(
        of,
        to,
        cells,
        tuple(_family(name, families, shared) for name in families),
        tuple(_total(*row, shared) for row in methods.items()) if len(methods) > 1 else (),
        tuple(_total(name, mine, shared) for name, mine in totals.items() if mine),
        dict(left_out.most_common()),
    )


def _by(fact: str, cells: Iterable[Ratio]) -> dict[str, list[Ratio]]:
    found: dict[str, list[Ratio]] = {}
    for cell in cells:
        found.setdefault(getattr(cell, fact), []).append(cell)
    return dict(sorted(found.items()))


def _values(cells: Iterable[Ratio]) -> list[float]:
    return [cell.value for cell in cells]


def _family(name: str, families: Mapping[str, list[Ratio]], shared: float) -> Group:
    others = pooled([_values(cells) for other, cells in families.items() if other != name])
    cells = families[name]
    return _group(name, cells, geometric_mean(_values(cells), *others), shared)


def _total(name: str, cells: list[Ratio], shared: float) -> Group:
    families = _by("family", cells).values()
    return _group(name, cells, grouped_mean([_values(mine) for mine in families]), shared)


def _group(name: str, cells: list[Ratio], mean: Estimate, shared: float) -> Group:
    """``shared`` is what all cells of one generation may have in common: half a width."""
    if len(cells) == 1:
        (cell,) = cells
        mean = Estimate(cell.value, cell.low, cell.high, 1)
    elif any(cell.generations == 1 for cell in cells):
        mean = _widened(mean, shared)
    return Group(name, mean, tuple(cells))


def _widened(mean: Estimate, more: float) -> Estimate:
    """The same with half a width, in logarithms, added to the interval's own."""
    half = math.hypot(math.log(mean.high / mean.value), more)
    low, high = mean.value * math.exp(-half), mean.value * math.exp(half)
    return Estimate(mean.value, low, high, mean.count)

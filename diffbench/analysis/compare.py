"""Method against method: the ratio of their times, cell by cell and family by family.

*A cell* (instance, operator) that both answered has a ratio in every round that both have: rounds
are interleaved, so what slows the machine down slows both. Its ratio is the median of these, its
interval that of :mod:`diffbench.measure.intervals`: over generations, or with the spread that
identical code shows in this run. (To divide each side by the numpy primal of its own worker first
gains nothing: two copies of one method then came out as far apart, in intervals wider by two
thirds.) Which cells differ is decided by Holm's procedure over all of them: a single false
difference in the whole table has a chance of 5 %. The others are ties.

*A mean* is the geometric mean over cells. Within a family: Student's interval over the logarithms
of its cells, their variance moderated by that of the other families, for few sizes tell little.
Over families it rests on the families, for cells of one family are alike. With one generation the
spread between processes is added: it may be common to all cells of a worker.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from diffbench.analysis.book import Book
from diffbench.analysis.ratios import Estimate, geometric_mean, grouped_mean, holm, pooled
from diffbench.analysis.scaling import FLOOR
from diffbench.measure.intervals import Interval, Spread, interval, p_value, paired
from diffbench.operators import OPERATORS

__all__ = ["DERIVATIVES", "SMALL", "Comparison", "Group", "Ratio", "compare"]

SMALL = 64  # inputs: below, the fixed price of a call decides
LEVEL = 0.05
DERIVATIVES = tuple(row.name for row in OPERATORS.values() if row.order)


@final
@dataclass(frozen=True, slots=True)
class Ratio:
    """One cell: the time of one method over the other's, with its 95 % interval.

    ``derived`` says that the first has no such operator of its own.
    ``p`` is adjusted by Holm over all cells of the comparison; ``outcome`` is what it decides:
    *faster*, *slower* or *tie*.
    """

    family: str
    instance: str
    operator: str
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
        """What the first method is beside the second."""
        if not (self.p < LEVEL):
            return "tie"
        return "faster" if self.value < 1.0 else "slower"

    @property
    def cell(self) -> str:
        """What names it: instance and operator."""
        return f"{self.instance} {self.operator}"


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

    def count(self, outcome: str) -> int:
        """How many of the cells came out so."""
        return sum(cell.outcome == outcome for cell in self.cells)


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """``of`` over ``to``: below 1, ``of`` is the faster.

    ``families`` in the order of their names; ``totals`` are those of all cells, of n <= 64 and of
    n > 64. ``left_out`` counts cells by the reason why they have no ratio. Groups without a cell
    are left out.
    """

    of: str
    to: str
    cells: tuple[Ratio, ...]
    families: tuple[Group, ...]
    totals: tuple[Group, ...]
    left_out: Mapping[str, int]


def compare(book: Book, of: str, to: str, operators: Iterable[str] = DERIVATIVES) -> Comparison:
    """The comparison of two methods that the run holds, over the cells of these operators."""
    asked = set(operators)
    above, below = book.records.get(of, {}), book.records.get(to, {})
    found: list[tuple[dict[str, Any], Interval, int]] = []
    left_out: Counter[str] = Counter()
    for cell in sorted(above.keys() | below.keys()):
        if cell[1] not in asked:
            continue
        reason = _unfit(of, above.get(cell)) or _unfit(to, below.get(cell))
        reason = reason or _apart(above[cell], below[cell])
        rounds = {} if reason else paired(book.rounds(of, cell), book.rounds(to, cell))
        ratio = interval(rounds, book.spread.of_ratios())
        if ratio is None:
            left_out[reason or "no round in common"] += 1
        else:
            found.append((above[cell], ratio, len(rounds)))
    return _summed(of, to, _judged(found), book.spread, dict(left_out.most_common()))


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


def _apart(above: dict[str, Any], below: dict[str, Any]) -> str:
    """Why two times are no pair; empty where they are one."""
    return "" if above["machine"] == below["machine"] else "measured on two machines"


def _judged(found: list[tuple[dict[str, Any], Interval, int]]) -> tuple[Ratio, ...]:
    adjusted = holm([p_value(ratio) for _, ratio, _ in found])
    names = ("family", "instance", "operator", "n", "m", "depth")
    return tuple(
        Ratio(
            **{name: record[name] for name in names},
            value=ratio.value,
            low=ratio.low,
            high=ratio.high,
            generations=generations,
            derived=record["origin"] == "derived",
            p=p,
        )
        for (record, ratio, generations), p in zip(found, adjusted, strict=True)
    )


def _summed(
    of: str, to: str, cells: tuple[Ratio, ...], spread: Spread, left_out: Mapping[str, int]
) -> Comparison:
    families = _by_family(cells)
    totals = {
        "all": list(cells),
        f"n <= {SMALL}": [c for c in cells if c.n <= SMALL],
        f"n > {SMALL}": [c for c in cells if c.n > SMALL],
    }
    return Comparison(
        of,
        to,
        cells,
        tuple(_family(name, families, spread) for name in families),
        tuple(_total(name, mine, spread) for name, mine in totals.items() if mine),
        left_out,
    )


def _by_family(cells: Iterable[Ratio]) -> dict[str, list[Ratio]]:
    families: dict[str, list[Ratio]] = {}
    for cell in cells:
        families.setdefault(cell.family, []).append(cell)
    return dict(sorted(families.items()))


def _values(cells: Iterable[Ratio]) -> list[float]:
    return [cell.value for cell in cells]


def _family(name: str, families: Mapping[str, list[Ratio]], spread: Spread) -> Group:
    others = pooled([_values(cells) for other, cells in families.items() if other != name])
    cells = families[name]
    return _group(name, cells, geometric_mean(_values(cells), *others), spread)


def _total(name: str, cells: list[Ratio], spread: Spread) -> Group:
    families = _by_family(cells).values()
    return _group(name, cells, grouped_mean([_values(mine) for mine in families]), spread)


def _group(name: str, cells: list[Ratio], mean: Estimate, spread: Spread) -> Group:
    if len(cells) == 1:
        (cell,) = cells
        mean = Estimate(cell.value, cell.low, cell.high, 1)
    elif any(cell.generations == 1 for cell in cells):
        mean = _widened(mean, spread.of_ratios().half_width)
    return Group(name, mean, tuple(cells))


def _widened(mean: Estimate, more: float) -> Estimate:
    """The same with half a width, in logarithms, added to the interval's own."""
    half = math.hypot(math.log(mean.high / mean.value), more)
    low, high = mean.value * math.exp(-half), mean.value * math.exp(half)
    return Estimate(mean.value, low, high, mean.count)

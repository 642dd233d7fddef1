"""Where the numbers of the report come from: each is looked up in the store that it was made of.

A number that is no small whole one is found by its value, to nine digits, among all numbers of
the store and its *documented aggregates*: medians and means over the records that have some facts
in common, and whatever a function of :mod:`diffbench.analysis` gave while the pages were made.
So many digits do not agree by chance. Whole numbers do, so they are looked up by their row alone:
in the records and rows of studies that its words name, in the unit that is told, in how many of
these there are, and in the result of the analysis that its other numbers came from. A trace and the
number of a claim are looked up by their line alone.

``test_a_number_from_elsewhere_is_not_found`` counts how often that finds what is not there: of
the smallest whole numbers it would too often, whatever one does.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import itertools
import json
import math
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Any

import numpy as np
import pandas as pd

import diffbench.reports
from diffbench.analysis.calls import Spent
from diffbench.analysis.cells import FIRST_ORDER, answered
from diffbench.analysis.claims import SLIPS
from diffbench.analysis.claims.evidence import Decided
from diffbench.analysis.compare import Comparison, Group
from diffbench.analysis.expressions import Expression
from diffbench.analysis.traces import Trace
from diffbench.records.record import VERDICTS
from diffbench.reports import build, contents
from diffbench.reports.sections import Table
from diffbench.reports.styles import SERIES, label

PRECISION = 1e-9
SCALES = (1.0, 1e2, 1e3, 1e6, 1e9)  # as in the store; in %, ms, µs, ns
MICRO = 1e6
SMALL = 1e5  # whole numbers below are looked up by their row
TITLE = 20  # characters from which on a text names one result and no other
DIGITS = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
FACTS = ("family", "instance", "label", "operator", "verdict", "status", "claim")
GROUPS = ([], ["method"], ["family"], ["method", "family"], ["method", "operator"])
# Columns that show one field of the records and nothing else, by their title.
FIELDS = {name: name for name in ("n", "m", "depth")} | {s.label: s.name for s in SERIES}
FIELDS |= {
    "Depth": "depth",
    "Calls of f": "calls_f",
    "Directions": "directions",
    "Sweeps": "sweeps",
}
COUNTS = re.compile(r"\b(?:cells|cases|instances|left out|programs)\b", re.IGNORECASE)
UNITS = {"%": 1e2, "ms": 1e3, "µs": 1e6, "ns": 1e9}
VERDICT = {verdict: verdict for verdict in VERDICTS} | {"no verdict": ""}  # by words of a title
FULL = 53 * math.log10(2.0)  # decimal digits of a double: no ball proves more of it
DRAWN = "swell drawn"  # some of its columns are called as fields of records are, too
PLACES = ("Rank", "Slip")  # columns that number their rows
THEORY = {"Theory": {-1.0, 0.0, 1.0, 2.0}}  # powers that no run measures: columns that say so


@dataclasses.dataclass(frozen=True)
class Number:
    """One number of a table: what the cell shows and keeps, where it stands, and beside what."""

    page: str
    table: str
    row: int
    column: str
    text: str
    value: float
    words: frozenset[str]  # of its row and all that stands above it
    head: frozenset[str]  # of the first cell of the row and of what stands above
    others: frozenset[float]

    def __str__(self) -> str:
        place = f"page {self.page}, table {self.table!r}, row {self.row}, column {self.column!r}"
        return f"{self.text} ({self.value!r}) of {place}"

    @property
    def small(self) -> bool:
        return float(self.value).is_integer() and abs(self.value) < SMALL

    @property
    def shown(self) -> bool:
        """Whether the text is the value to its digits; one that says more is no number."""
        found = DIGITS.fullmatch(self.text.replace("\u202f", ""))
        if found is None:
            return True
        mantissa, _, power = found[0].partition("e")
        unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        return abs(float(found[0]) - self.value) <= 0.5000001 * unit


# --- the numbers of the report --------------------------------------------------------------------


def numbers(page: str, table: Table) -> Iterator[Number]:
    """The numbers of a table: the values behind its cells, and texts that are nothing else."""
    about = (table.name, table.caption)
    for i, cells in enumerate(table.cells()):
        values = [_value(cell) for cell in cells]
        first, *rest = ([cell.text, str(cell.value)] for cell in cells)
        others = frozenset(value for value in values if value is not None)
        for cell, column, value in zip(cells, table.columns, values, strict=True):
            if value is not None:
                head = frozenset(_words([*first, column.title, *about]))
                words = head.union(*map(_words, rest))
                place = (page, table.name, i, column.title)
                yield Number(*place, cell.text, value, words, head, others)


def _value(cell: Any) -> float | None:
    if isinstance(cell.value, int | float):
        return cell.value
    return float(cell.text) if DIGITS.fullmatch(cell.text) else None


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in filter(None, texts):
        yield text
        for mark in (" ", ", ", ": ", " over ", " against "):
            yield from filter(None, text.split(mark))


# --- what the analysis gave -----------------------------------------------------------------------


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """What functions of diffbench.analysis return to pages meanwhile; filters of cells apart."""
    given: list[Any] = []
    patched = [
        (module, name, function)
        for module in _pages()
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__.startswith("diffbench.analysis.")
        and function.__module__ != "diffbench.analysis.cells"
    ]
    try:
        for module, name, function in patched:
            setattr(module, name, _recorder(function, given))
        yield given
    finally:
        for module, name, function in patched:
            setattr(module, name, function)


def _pages() -> list[Any]:
    found = pkgutil.iter_modules(diffbench.reports.__path__, "diffbench.reports.")
    return [importlib.import_module(info.name) for info in found]


def _recorder(function: Any, given: list[Any]) -> Any:
    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        result = list(result) if inspect.isgenerator(result) else result
        given.append(result)
        return result

    return call


def _parts(thing: Any) -> Iterator[Any]:
    """A result and all that it holds."""
    yield thing
    if isinstance(thing, pd.DataFrame):
        yield from thing.select_dtypes("number").to_numpy().ravel().tolist()
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from _parts(getattr(thing, field.name))
    elif isinstance(thing, dict | list | tuple):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from _parts(part)


@dataclasses.dataclass(frozen=True)
class Result:
    """One result of the analysis: its numbers, and the texts that name it."""

    numbers: frozenset[float]
    names: frozenset[str]

    @classmethod
    def of(cls, thing: Any) -> Result:
        parts = list(_nearby(thing))
        found = {float(part) for part in parts if isinstance(part, int | float)}
        found |= {part * UNITS["µs"] for part in found if not part.is_integer()}
        names = {part for part in parts if isinstance(part, str) and len(part) > TITLE}
        if isinstance(thing, Comparison):
            names |= {reason.rpartition(": ")[2] for reason in thing.left_out}
        return cls(frozenset(found), frozenset(names))

    def beside(self, number: Number) -> bool:
        """Whether other numbers of the row, or one of its texts, came from it."""
        shared = number.others & self.numbers.union(n * MICRO for n in self.numbers)
        broken = any(not float(value).is_integer() for value in shared)
        return broken or len(shared) > 1 or not self.names.isdisjoint(number.words)


def _nearby(thing: Any) -> Iterator[Any]:
    """The numbers and texts of one result, and the sizes of what it holds many of."""
    for field in dataclasses.fields(thing):
        part = getattr(thing, field.name)
        if dataclasses.is_dataclass(part):
            yield from _nearby(part)
        elif isinstance(part, tuple | list | dict):
            yield len(part)
            yield from (each for each in part if isinstance(each, int | float))
        else:
            yield part
    yield from _made(thing)


def _made(thing: Any) -> Iterator[Any]:
    """What pages count or add up of one result."""
    if isinstance(thing, Group):
        yield from (thing.count(outcome) for outcome in ("faster", "tie", "slower"))
        yield thing.worst.value
    if isinstance(thing, Comparison):
        yield from (part for group in thing.totals for part in _nearby(group))
        yield from (*thing.left_out.values(), sum(thing.left_out.values()))
    if isinstance(thing, Expression):
        yield from (len(thing.tree()), *thing.sizes.values())
        yield sum(times > 1 for times in thing.occurrences.values())
    if isinstance(thing, Spent):
        yield thing.start


# --- the store ------------------------------------------------------------------------------------


class Ledger:
    """All that the numbers of a report of one run, or of two, may come from."""

    def __init__(self, runs: Iterable[Any], given: Iterable[Any]) -> None:
        self.runs, self.given = list(runs), list(given)
        self.records = pd.concat([run.records for run in self.runs], ignore_index=True)
        self.records["label"] = self.records["method"].map(label)
        self.studies = pd.concat([run.studies for run in self.runs], ignore_index=True)
        self.parts = [part for thing in self.given for part in _parts(thing)]
        self.results = [Result.of(part) for part in self.parts if dataclasses.is_dataclass(part)]

    def holds(self, number: Number) -> bool:
        """Whether the number is found."""
        if number.value in THEORY.get(number.column, ()):
            return True
        return number.value in self.near(number) if number.small else self.has(number.value)

    def has(self, value: float) -> bool:
        """Whether some number of the store or some aggregate is this one."""
        i = int(np.searchsorted(self.pool, value))
        near = self.pool[max(0, i - 1) : i + 1]
        return bool((np.abs(near - value) <= PRECISION * abs(value)).any())

    @cached_property
    def pool(self) -> np.ndarray[Any, Any]:
        """Every number that may be shown as it is or in another unit, sorted."""
        kept = itertools.chain(self._stored(), self._aggregates(), self._given())
        flat = np.fromiter(kept, dtype=float)
        flat = np.unique(flat[np.isfinite(flat)])
        with np.errstate(over="ignore"):  # the largest double has no other unit
            return np.unique(np.concatenate([flat * scale for scale in SCALES]))

    def _stored(self) -> Iterator[float]:
        for run in self.runs:
            for frame in (run.records, run.samples, run.studies):
                yield from frame.select_dtypes("number").to_numpy(dtype=float).ravel()
            yield from self.facts
            spent = run.environment.get("spent") or {"wall": 1.0}
            yield from (seconds / spent["wall"] for seconds in spent.values())
        for column in ("key", "reason"):
            yield from _digits(self.studies[column])
        slopes = self.studies[self.studies["study"] == "conditioning"]["value"].abs()
        yield from np.log2(slopes[slopes > 0])  # doublings

    @cached_property
    def facts(self) -> set[float]:
        """The numbers of plan and environment."""
        return {
            v for run in self.runs for v in _digits(map(json.dumps, (run.plan, run.environment)))
        }

    def _aggregates(self) -> Iterator[float]:
        rows = answered(self.records).assign(**_derived(answered(self.records)))
        for kept in (rows, rows[rows["operator"].isin(FIRST_ORDER)]):
            yield from _statistics(kept)

    def _given(self) -> Iterator[float]:
        for part in self.parts:
            yield from (n for n in (part, *_made(part)) if isinstance(n, int | float))

    # --- whole numbers ----------------------------------------------------------------------------

    def near(self, number: Number) -> set[float]:
        """The whole numbers that belong to the row of this one."""
        if number.column in FIELDS and number.table != DRAWN:
            rows = self._studied(number)
            rows = rows[rows["study"] == number.page]
            keys = itertools.chain.from_iterable(rows["key"].str.split("|"))
            known = self._named(number.words)[FIELDS[number.column]].dropna()
            return {*known, *(float(part) for part in keys if part.isdigit())}
        if number.column in PLACES:
            return {float(number.row + 1)}
        if number.column == "Claim":
            return set(self._claims(number.words))
        if number.page == "traces":
            return set(self._of_traces(number))
        found = self.facts if number.page == "environment" else set[float]()
        for result in self.results:
            if result.beside(number):
                found |= result.numbers
        for words in (number.words, number.head):
            found |= {*self._of_records(number.column, words)}
        return found.union(self._of_studies(number), self._fronts(number))

    def _claims(self, words: frozenset[str]) -> Iterator[float]:
        """The numbers of the claims whose sentence, finding or slip the words hold."""
        for claim in self.parts:
            if isinstance(claim, Decided):
                said = {claim.statement.sentence, *(finding.what for finding in claim.findings)}
                yield from _digits([claim.statement.row] if said & words else [])
        yield from _digits(slip.row for slip in SLIPS if slip.slip in words)

    def _of_traces(self, number: Number) -> Iterator[float]:
        """The numbers of one line of a trace, or of one edge of its graph."""
        for trace in self.parts:
            if isinstance(trace, Trace):
                if number.table == f"partials {trace.name}":
                    yield trace.partials[number.row].value
                for role in trace.roles:
                    if number.table.lower() == f"trace {trace.name} {role}".lower():
                        line = trace.role(role)[number.row]
                        yield from (n for n in (line.value, *line.numbers) if isinstance(n, float))

    def _fronts(self, number: Number) -> Iterator[float]:
        """How many of the records that one analysis chose are of the method of the row."""
        methods = self._methods(number.words)
        if COUNTS.search(number.column) and len(methods) == 1:
            yield from (float(chosen[method]) for method in methods for chosen in self.chosen)

    @cached_property
    def chosen(self) -> list[Counter[str]]:
        """Of each choice of records that an analysis gave, how many there are by method."""
        rows = ([p for p in _parts(t) if isinstance(p, dict) and "method" in p] for t in self.given)
        return [Counter(row["method"] for row in mine) for mine in rows if mine]

    def _named(self, words: frozenset[str]) -> pd.DataFrame:
        """The records that words name, by as many facts as they do."""
        rows = self.records
        labels = self._labels(words)
        for fact in FACTS:
            named = rows[fact].isin(labels if fact == "label" else words)
            rows = rows[named] if named.any() else rows
        return rows

    def _methods(self, words: frozenset[str]) -> set[str]:
        """The methods whose labels are among the words."""
        labels = self._labels(words)
        return {method for method in self.records["method"].unique() if label(method) in labels}

    def _labels(self, words: frozenset[str]) -> set[str]:
        """What tables call methods, of the words: "forward" is one of "jax (forward)", too."""
        found = self.labels & words
        return {name for name in found if not any(name in other for other in found - {name})}

    @cached_property
    def labels(self) -> set[str]:
        """What tables call the methods."""
        return set(self.records["label"])

    def _of_records(self, title: str, words: frozenset[str]) -> Iterator[float]:
        rows = self._named(words)
        ok, said = answered(rows), set(_words([title]))
        verdicts = {VERDICT[word] for word in said & {*VERDICT}}
        if verdicts or "no answer" in said:
            yield float(ok["verdict"].isin(verdicts).sum() if verdicts else len(rows) - len(ok))
            return
        if not COUNTS.search(title):
            told = said & {*UNITS} or words & {*UNITS}
            scale = UNITS[min(told)] if told else 1.0
            yield from scale * rows.select_dtypes("number").to_numpy(dtype=float).ravel()
        for kept in (rows, ok, ok[ok["operator"].isin(FIRST_ORDER)]):
            yield float(len(kept))
            for fact in FACTS:
                yield from map(float, (kept[fact].nunique(), *kept[fact].value_counts()))
            warnings = (text.split("; ") for text in kept["warnings"])
            yield from map(float, Counter(itertools.chain.from_iterable(warnings)).values())

    def _of_studies(self, number: Number) -> Iterator[float]:
        rows = self._studied(number)
        yield from rows["value"].dropna()
        for _, mine in rows.groupby("study"):
            yield from map(float, Counter(mine["unit"]).values())

    def _studied(self, number: Number) -> pd.DataFrame:
        """The rows of studies whose keys hold a word of the row, no number, or its method."""
        words = {w for w in number.words if not w.isdigit()} | self._methods(number.words)
        return self.studies[[bool(mine & words) for mine in self.tokens]]

    @cached_property
    def tokens(self) -> list[set[str]]:
        """The parts of the key of each row of a study."""
        return [set(key.split("|")) for key in self.studies["key"]]


def _digits(texts: Iterable[str]) -> list[float]:
    return [float(found) for text in texts for found in DIGITS.findall(text)]


def _derived(rows: pd.DataFrame) -> dict[str, Any]:
    """What is told of a run and made of columns of one record: its noise, its proven digits."""
    radius = rows["rad53_rel"].where(rows["rad53_rel"] > 0)
    return {
        "proven": (-np.log10(radius.astype(float))).clip(upper=FULL),
        "width": (rows["run_s_high"] - rows["run_s_low"]) / rows["run_s"],
        "first_over_later": rows["first_call_s"] / rows["run_s"],
    }


def _statistics(rows: pd.DataFrame) -> Iterator[float]:
    """Each number, and the medians and means of each column over the records of some facts."""
    columns = rows.select_dtypes("number").columns
    yield from rows[columns].to_numpy(dtype=float).ravel()
    for keys in GROUPS:
        groups = rows.groupby(keys)[list(columns)] if keys else rows[columns]
        for made in (groups.median(), groups.mean()):
            yield from made.to_numpy(dtype=float).ravel()


def missing(numbers: Iterable[Number], ledger: Ledger) -> list[str]:
    """Those that are not found, each by what it is and where it stands."""
    return [str(number) for number in numbers if not ledger.holds(number)]


def perturbed(number: Number, by: float) -> Number:
    """The same cell with another number: the next whole one, or one a little larger."""
    value = number.value + 1 if number.small else number.value * (1 + by)
    others = number.others - {number.value}
    return dataclasses.replace(number, value=value, others=others)


def of_pages(*runs: Any) -> tuple[list[Number], Ledger]:
    """The numbers of all tables of the built-in pages for so many runs, and their ledger."""
    with recorded() as given:
        found = [
            number
            for page in build._built_in(len(runs))
            for table in contents.tables_of(page.render(*runs))
            for number in numbers(page.name, table)
        ]
    return found, Ledger(runs, given)

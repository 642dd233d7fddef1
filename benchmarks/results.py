"""What asv left on the disk, as one row a commit, benchmark and cell."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from benchmarks.commits import HASH, Commit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Point", "Trends", "level", "read"]

INTERVAL = ("stats_ci_99_a", "stats_ci_99_b")  # asv's names of the ends
MACHINE = "machine.json"
TITLES = "benchmarks.json"


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One number: its benchmark's title and unit, instance, method (or pair), and commit.

    ``low`` and ``high`` are the ends of asv's 99 % interval; None where there is none. ``place``
    counts the commits from 1.
    """

    place: int
    title: str
    unit: str
    instance: str
    method: str
    value: float
    low: float | None
    high: float | None


@final
@dataclass(frozen=True, slots=True)
class Trends:
    """All that a page tells of the commits, the oldest first; ``folder`` names it."""

    folder: Path
    commits: Sequence[Commit]
    machine: Mapping[str, str]
    points: Sequence[Point]

    @property
    def records(self) -> pd.DataFrame:
        """The methods that were measured, as the records of a run name them."""
        import pandas as pd

        return pd.DataFrame({"method": [point.method for point in self.points]})


def level(folder: Path, machine: str, commits: Sequence[Commit], python: str) -> None:
    """Write ``python`` over the path of each environment's interpreter in asv's results.

    asv draws a line over the commits that agree in it, and no two environments have one path.
    """
    for path in chain.from_iterable(_saved(folder / machine, commit) for commit in commits):
        saved = json.loads(path.read_text(encoding="utf-8"))
        saved["python"] = saved["params"]["python"] = python
        path.write_text(json.dumps(saved), encoding="utf-8")


def _saved(folder: Path, commit: Commit) -> list[Path]:
    """The files of a commit, the newest last: asv names each by the path of an interpreter."""
    found = folder.glob(f"{commit.hash[:HASH]}-*.json")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def read(folder: Path, machine: str, commits: Sequence[Commit]) -> Trends:
    """The numbers of the commits on one machine, from asv's results in ``folder``."""
    benchmarks = json.loads((folder / TITLES).read_text(encoding="utf-8"))
    facts = json.loads((folder / machine / MACHINE).read_text(encoding="utf-8"))
    points = [
        point
        for place, commit in enumerate(commits, 1)
        for path in _saved(folder / machine, commit)[-1:]
        for point in _points(json.loads(path.read_text(encoding="utf-8")), benchmarks, place)
    ]
    told = {key: str(value) for key, value in facts.items() if key != "version"}
    return Trends(Path("trends over commits"), commits, told, points)


def _points(saved: Mapping[str, Any], benchmarks: Mapping[str, Any], place: int) -> Iterator[Point]:
    for name, values in saved["results"].items():
        row = dict(zip(saved["result_columns"], values, strict=False))  # empty ends are cut off
        known = benchmarks.get(name)
        if known and row.get("result") and row.get("version") == known["version"]:
            title, unit = known.get("pretty_name") or name, known["unit"]
            for cell, *found in _cells(row):
                yield Point(place, title, unit, *map(ast.literal_eval, cell), *found)


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """(parameters, value, low, high) of each cell that has a number."""
    ends = [row.get(name) or [None] * len(row["result"]) for name in INTERVAL]
    for found in zip(product(*row["params"]), row["result"], *ends, strict=True):
        if found[1] is not None and math.isfinite(found[1]):
            yield found

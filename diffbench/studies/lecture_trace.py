"""The lecture's exercise: forward and reverse trace of ln x1 + x1 x2 - sin x2 at (2, 5).

One row a printed line: key ``mode|index``, unit the role, reason the variable, its equation in
symbols and its equation in numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from diffbench.registry import discover
from diffbench.study import Study, StudyRow
from diffbench.traces import MODES, numbers, rows

__all__ = ["STUDY"]

NAME = "lecture_trace"
SEPARATOR = " ⟂ "


def run() -> Iterator[StudyRow]:
    """Every line of both tables, with 17 digits."""
    instance = discover(kinds=("problems",)).family("lecture").instance({"n": 2})
    for mode in MODES:
        for index, row in enumerate(rows(instance, mode)):
            name = f"{row.name} {'+=' if row.update else '='}"
            shown = row.equation.removeprefix(f"{row.name} + ") if row.update else row.equation
            yield StudyRow(
                study=NAME,
                key=f"{mode}|{index:02d}",
                value=row.value,
                unit=row.role,
                reason=SEPARATOR.join((name, shown, numbers(row, "17"))),
            )


STUDY = Study(name=NAME, title="The lecture's trace tables at (2, 5)", run=run)

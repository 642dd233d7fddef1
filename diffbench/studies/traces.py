"""Traces that a class can work by hand: the lecture's function at (2, 5) and small instances.

Of every family of the run the longest trace among its quick sizes that fits a blackboard. Rows:
``about|instance`` has the number of lines and the family's title; ``line|instance|k`` is line k,
in the order of execution (values, tangents seed by seed, adjoints), with its value, its role as
unit, and as reason JSON: name, sign, equation, the parts of the equation in numbers, and for an
adjoint the edge that it is passed back along; ``edge|instance|target.place`` is the partial of a
step for one operand, steps being counted as the values are; ``program|instance`` is the
derivative as a program; ``left|family`` says why a family has no trace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from diffbench.adjoint_program import program
from diffbench.errors import BadSize
from diffbench.problem import Family, Instance
from diffbench.registry import discover
from diffbench.selection import Choice, parse_values
from diffbench.study import Study, StudyRow
from diffbench.traces import TraceRow, assigned, edges, rows

__all__ = ["STUDY"]

NAME = "traces"
FIRST = "lecture[n=2]"
MOST_INPUTS, MOST_LINES = 3, 60  # as many sweeps and rows as a class has patience for
TOO_LONG = (
    f"no quick size has at most {MOST_INPUTS} inputs and {MOST_LINES} lines; "
    "`diffbench trace` prints longer ones"
)


def run() -> Iterator[StudyRow]:
    """The lecture's exercise."""
    family = discover(kinds=("problems",)).family("lecture")
    yield from _traced(family, family.instance({"n": 2}))


def over(families: Sequence[Family], profile: str) -> Iterator[StudyRow]:
    """One small instance of each family, or why there is none."""
    for family in families:
        try:
            yield from _family(family)
        except Exception as error:  # a plugin's own: the other families go on
            yield _row(f"left|{family.name}", reason=f"{type(error).__name__}: {error}")


def _row(key: str, **facts: Any) -> StudyRow:
    return StudyRow(study=NAME, key=key, **facts)


def _family(family: Family) -> Iterator[StudyRow]:
    fitting = {len(lines): i for i in _small(family) if (lines := _lines(i))}
    if not fitting:
        yield _row(f"left|{family.name}", reason=TOO_LONG)
    elif (instance := fitting[max(fitting)]).name != FIRST:
        yield from _traced(family, instance)


def _small(family: Family) -> Iterator[Instance]:
    body = family.sizes["quick"]
    for point in Choice(family.name, parse_values(body, f"{family.name}[{body}]")).points():
        instance = family.instance(point)
        if instance.n <= MOST_INPUTS:
            yield instance


def _lines(instance: Instance) -> list[TraceRow]:
    """The lines of all tables, the values once; none where they are too many."""
    try:
        back = [row for row in rows(instance, "reverse") if row.role != "primal"]
        lines = [*rows(instance, "forward"), *back]
    except BadSize:
        return []
    return lines if len(lines) <= MOST_LINES else []


def _traced(family: Family, instance: Instance) -> Iterator[StudyRow]:
    lines, name = _lines(instance), instance.name
    yield _row(f"about|{name}", value=len(lines), unit="lines", reason=family.title)
    for k, line in enumerate(lines):
        sign, equation = assigned(line)
        written = [line.name, sign, equation, list(line.numbers), line.edge]
        yield _row(f"line|{name}|{k}", value=line.value, unit=line.role, reason=_json(written))
    for edge in edges(instance):
        key = f"edge|{name}|{edge.target}.{edge.place}"
        reason = _json([edge.source, edge.text])
        yield _row(key, value=edge.value, unit="partial", reason=reason)
    yield _row(f"program|{name}", reason=program(instance))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


STUDY = Study(name=NAME, title="Traces of small instances, line by line", run=run, over=over)

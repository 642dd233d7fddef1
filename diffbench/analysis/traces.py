"""The traces of a run, read back from the rows of the study ``traces``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from diffbench.analysis.cells import dicts
from diffbench.traces import DIGITS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Line", "Partial", "Trace", "forms", "left", "traces"]

NAME = "traces"
PARTS = ("about", "line", "edge", "program")
GIVEN = re.compile(r"x\d+|dx\d+/dx\d+|dy/dy")


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table; ``numbers`` are the parts of its equation, to be formatted.

    ``edge`` is the target and place of the edge that an adjoint is passed back along.
    """

    role: str
    name: str
    sign: str
    equation: str
    numbers: tuple[str | float, ...]
    value: float
    edge: tuple[int, int] | None

    @property
    def given(self) -> bool:
        """Whether it is an input or a seed: nobody has to work it out."""
        return GIVEN.fullmatch(self.equation) is not None


@final
@dataclass(frozen=True, slots=True)
class Partial:
    """The partial of step ``target`` for its operand ``place``, which is step ``source``."""

    source: int
    target: int
    place: int
    text: str
    value: float


@final
@dataclass(slots=True)
class Trace:
    """One instance: its lines in the order of execution, its graph, its derivative program."""

    name: str
    title: str = ""
    lines: list[Line] = field(default_factory=list)
    partials: list[Partial] = field(default_factory=list)
    program: str = ""

    def role(self, role: str) -> list[Line]:
        """The lines of one table."""
        return [line for line in self.lines if line.role == role]

    @property
    def roles(self) -> list[str]:
        """The tables in their order."""
        return list(dict.fromkeys(line.role for line in self.lines))


def traces(studies: pd.DataFrame) -> list[Trace]:
    """Every whole trace of a run, in the order of their making: the lecture's is the first."""
    found: dict[str, Trace] = {}
    for kind, name, place, row in _rows(studies):
        if kind in PARTS:
            _read(found.setdefault(name, Trace(name)), kind, place, row)
    return [trace for trace in found.values() if trace.program]  # a program ends a trace


def left(studies: pd.DataFrame) -> dict[str, str]:
    """By family that has no trace, why."""
    return {name: row["reason"] for kind, name, _, row in _rows(studies) if kind == "left"}


def _rows(studies: pd.DataFrame) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(kind, name, place, row) of each row, lines in the order of execution."""
    if not len(studies):
        return []
    rows = dicts(studies[studies["study"] == NAME].drop_duplicates("key"))
    split = [(*(*row["key"].split("|"), "")[:3], row) for row in rows]
    return sorted(split, key=lambda s: int(s[2]) if s[0] == "line" else -1)


def _read(trace: Trace, kind: str, place: str, row: dict[str, Any]) -> None:
    reason, value = row["reason"], row["value"]
    if kind == "about":
        trace.title = reason
    elif kind == "program":
        trace.program = reason
    elif kind == "line":
        name, sign, equation, numbers, edge = json.loads(reason)
        edge = tuple(edge) if edge else None
        trace.lines.append(Line(row["unit"], name, sign, equation, tuple(numbers), value, edge))
    elif kind == "edge":
        target, number = map(int, place.split("."))
        source, text = json.loads(reason)
        trace.partials.append(Partial(source, target, number, text, value))


def forms(value: float) -> tuple[str, ...]:
    """A number with all its digits, as on the slides, and in hexadecimal."""
    return tuple(DIGITS[name](float(value)) for name in ("17", "3", "hex"))

"""The printed lines of the lecture's trace tables, read back from the studies that hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

from diffbench.analysis.claims.evidence import Evidence

__all__ = ["Line", "lines"]

# the study that traces small instances, and the one of older runs that traced the lecture's alone
TRACES, LECTURE_TRACE = "traces", "lecture_trace"
INSTANCE = "lecture[n=2]"
SEPARATOR = " ⟂ "
MARKS = str.maketrans("", "", "\u0304\u0307")  # bar and dot


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One line: its study and key, its variable without marks, ``=`` or ``+=``, its value."""

    study: str
    key: str
    name: str
    sign: str
    value: float


def lines(evidence: Evidence, role: str) -> list[Line]:
    """The lines of one table in their order: primal, ``tangent, seed (1, 0)`` or adjoint."""
    found = [
        _line(TRACES, key, row, *json.loads(row["reason"])[:2])
        for key, row in evidence.study(TRACES, f"line|{INSTANCE}|").items()
        if row["unit"] == role
    ]
    if found:
        return sorted(found, key=lambda line: int(line.key.rpartition("|")[2]))
    mode = "reverse" if role == "adjoint" else "forward"
    return [
        _line(LECTURE_TRACE, key, row, *row["reason"].partition(SEPARATOR)[0].partition(" ")[::2])
        for key, row in evidence.study(LECTURE_TRACE, f"{mode}|").items()
        if row["unit"] == role
    ]


def _line(study: str, key: str, row: dict[str, Any], name: str, sign: str) -> Line:
    return Line(study, key, name.translate(MARKS), sign, float(row["value"]))

"""How the parts of the study ``lecture_claims`` write their rows."""

from __future__ import annotations

from diffbench.study import StudyRow

__all__ = ["NAME", "row"]

NAME = "lecture_claims"


def row(key: str, value: float, unit: str, reason: str = "") -> StudyRow:
    """A row of the study: a count or an error."""
    return StudyRow(study=NAME, key=key, value=float(value), unit=unit, reason=reason)

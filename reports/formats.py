"""How numbers are written: few digits, always with the unit said, never NaN."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from diffbench.reports.sections import Cell

__all__ = [
    "blank",
    "count",
    "exact",
    "fixed",
    "interval",
    "micro",
    "number",
    "one_line",
    "plain",
    "ranked",
]

MICRO = 1e6
NONE = "–"
BREAKS = re.compile("[ \t\r\n\f\v\x1c-\x1e\x85\u2028\u2029]+")


def blank(value: Any) -> bool:
    """Whether a field of a record holds no number."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def plain(value: Any, digits: int = 3) -> str:
    """A number with so many significant digits, without needless exponents."""
    if blank(value):
        return NONE
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}".replace(",", "\u202f")
    if 1e-3 <= abs(value) < 1e6:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{places}f}".replace(",", "\u202f")
    return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def number(value: Any, digits: int = 3, tone: str = "") -> Cell:
    """A cell that shows a few digits and keeps the whole number."""
    return (
        Cell(NONE, "", tone) if blank(value) else Cell(plain(value, digits), _number(value), tone)
    )


def count(value: Any) -> Cell:
    """A cell with a whole number."""
    if blank(value):
        return Cell(NONE, "")
    return Cell(f"{int(value):,}".replace(",", "\u202f"), int(value))


def exact(value: Any) -> Cell:
    """A cell with every digit that a double has."""
    return Cell(NONE, "") if blank(value) else Cell(repr(float(value)), float(value))


def fixed(value: Any, places: int = 3) -> Cell:
    """A cell with so many places behind the point, for numbers that are compared down a column."""
    return Cell(NONE, "") if blank(value) else Cell(f"{value:.{places}f}", float(value))


def micro(seconds: Any) -> Cell:
    """Seconds in microseconds."""
    return number(None if blank(seconds) else seconds * MICRO)


def interval(low: Any, high: Any, digits: int = 3, scale: float = 1.0) -> str:
    """``low to high``, or a dash where there is none."""
    if blank(low) or blank(high):
        return NONE
    return f"{plain(low * scale, digits)} to {plain(high * scale, digits)}"


def one_line(text: str) -> str:
    """The text with every break of a line as a space; narrow spaces within numbers stay."""
    return BREAKS.sub(" ", text).strip()


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, ties in the order of their names: never in that of the records."""
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


def _number(value: Any) -> float | int:
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)

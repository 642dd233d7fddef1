"""Numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["columns", "counted", "days", "many", "percent", "size"]

UNITS = ("B", "kB", "MB", "GB", "TB")
DAY_S = 86400.0


def size(count: int) -> str:
    """Bytes in decimal units, as disks are sold."""
    step = 0
    value = float(count)
    while value >= 999.5 and step + 1 < len(UNITS):
        value, step = value / 1000, step + 1
    return f"{value:.3g} {UNITS[step]}"


def percent(share: float) -> str:
    """A share with two digits, or more where it is large."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.2g} %"


def days(seconds: float) -> str:
    """An age: whole days, hours below two of them, minutes below two of those."""
    for name, unit in (("day", DAY_S), ("hour", 3600.0)):
        if seconds >= 2 * unit:
            return many(int(seconds // unit), name)
    return many(int(max(0.0, seconds) // 60), "minute")


def many(count: int, thing: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Lines with their columns under each other; the last column is as wide as it is."""
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        (indent + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True))).rstrip()
        for line in lines
    ]


def counted(found: Mapping[str, int]) -> str:
    """Counts with what they count."""
    return ", ".join(f"{count} {name}" for name, count in found.items())

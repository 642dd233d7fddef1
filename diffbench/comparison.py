"""A comparison of two methods written out: as text, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diffbench.analysis.compare import Comparison, Group, Ratio
from diffbench.errors import UnknownName
from diffbench.records.export import safe

__all__ = ["FORMATS", "render"]

OUTCOMES = ("faster", "tie", "slower")
HEADINGS = ("family", "cells", "ratio", "95 % interval", *OUTCOMES, "worst cell", "its ratio")
LEFT = (0, 7)  # the columns of names
PLACE = ("kind", "name", "operator", "n", "m", "depth")
COLUMNS = (*PLACE, "cells", "ratio", "low", "high", "p_holm", "outcome", *OUTCOMES, "worst")


def render(made: Comparison, format: str = "text") -> str:
    """The table of families and means; as CSV with every cell and what was left out."""
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    return FORMATS[format](made)


def short(value: float) -> str:
    """Three significant digits; whole numbers from a thousand, powers of ten at the far ends."""
    if 1e-3 <= value < 999.5:
        return f"{value:#.3g}".rstrip(".")
    return f"{value:.0f}" if 1.0 < value < 1e6 else f"{value:.1e}"


def _interval(found: Any) -> str:
    return f"{short(found.low)} to {short(found.high)}"


def _row(group: Group) -> tuple[str, ...]:
    counts = (str(group.count(outcome)) for outcome in OUTCOMES)
    ratio, worst = group.ratio, group.worst
    names = (group.name, str(len(group.cells)), short(ratio.value), _interval(ratio))
    return (*names, *counts, worst.cell, short(worst.value))


def _rows(made: Comparison) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Those of the families and those of the means."""
    return [_row(g) for g in made.families], [_row(g) for g in made.totals]


def _heading(made: Comparison) -> str:
    return (
        f"time of {made.of} over time of {made.to}, paired; below 1, {made.of} is faster. "
        f"A tie: no difference that stands at 5 % over all cells (Holm)."
    )


def _notes(made: Comparison) -> Iterator[str]:
    worst = made.totals[0].worst
    yield f"worst: {worst.cell}, {short(worst.value)} ({_interval(worst)}), {worst.outcome}"
    if made.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items())
        yield f"left out: {sum(made.left_out.values())} cells ({reasons})"


def _text(made: Comparison) -> str:
    families, totals = _rows(made)
    rows = [HEADINGS, *families, *totals]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    rule = "-" * max(map(len, lines))
    lines.insert(1 + len(families), rule)
    return "\n".join([_heading(made), "", *lines, "", *_notes(made)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = enumerate(zip(row, widths, strict=True))
    return "  ".join(t.ljust(w) if k in LEFT else t.rjust(w) for k, (t, w) in parts).rstrip()


def _markdown(made: Comparison) -> str:
    families, totals = _rows(made)
    bold = [(f"**{row[0]}**", *row[1:]) for row in totals]
    rule = tuple("---" if k in LEFT else "--:" for k in range(len(HEADINGS)))
    table = [f"| {' | '.join(row)} |" for row in (HEADINGS, rule, *families, *bold)]
    return "\n".join([_heading(made), "", *table, "", *(f"- {note}" for note in _notes(made))])


def _csv(made: Comparison) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _flat(made):
        writer.writerow({key: safe(value) for key, value in row.items()})
    return out.getvalue().rstrip("\n")


def _flat(made: Comparison) -> Iterator[dict[str, Any]]:
    yield from map(_cell, made.cells)
    for kind, groups in (("family", made.families), ("mean", made.totals)):
        yield from ({"kind": kind, **_group(group)} for group in groups)
    for reason, count in made.left_out.items():
        yield {"kind": "left out", "name": reason, "cells": count}


def _cell(cell: Ratio) -> dict[str, Any]:
    facts = {key: getattr(cell, key) for key in (*PLACE[2:], "low", "high")}
    return {
        "kind": "cell",
        "name": cell.instance,
        **facts,
        "cells": 1,
        "ratio": cell.value,
        "p_holm": cell.p,
        "outcome": cell.outcome,
    }


def _group(group: Group) -> dict[str, Any]:
    ratio = group.ratio
    return {
        "name": group.name,
        "cells": len(group.cells),
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        **{outcome: group.count(outcome) for outcome in OUTCOMES},
        "worst": group.worst.cell,
    }


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "text": _text,
    "markdown": _markdown,
    "csv": _csv,
}

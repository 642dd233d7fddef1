"""A comparison of two methods or two runs written out: as text, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diffbench.analysis.compare import Comparison, Group, Ratio, slowest
from diffbench.errors import UnknownName
from diffbench.records.export import safe

__all__ = ["FORMATS", "render", "told"]

OUTCOMES = ("faster", "tie", "slower")
HEADINGS = ("family", "cells", "ratio", "95 % interval", *OUTCOMES, "worst cell", "its ratio")
DIFFERENT = ("cell", "ratio", "95 % interval", "p (Holm)", "outcome")
NAMES = ("family", "worst cell", "cell", "outcome")  # columns of words
PLACE = ("kind", "name", "operator", "n", "m", "depth")
WHERE = ("method", "seed", "machine")
COLUMNS = (*PLACE, "cells", "ratio", "low", "high", "p_holm", "outcome", *OUTCOMES, "worst", *WHERE)
MOST = 20  # cells in a text unless all are asked for
TIE = "A tie: no difference that stands at 5 % over all cells (Holm)."


def render(made: Comparison, format: str = "text", every: bool = False) -> str:
    """The table of families and means, and the cells that differ; ``every`` shows all of them.

    As CSV always with every cell and what was left out.
    """
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    return FORMATS[format](made, every)


def told(cell: Ratio) -> str:
    """One cell in a line: what it is, its ratio and interval."""
    return f"{cell.cell}, {short(cell.value)} ({_interval(cell)})"


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


def _parts(made: Comparison) -> list[list[tuple[str, ...]]]:
    """The rows of the families, of the methods and of the means."""
    groups = (made.families, made.methods, made.totals)
    return [[_row(group) for group in part] for part in groups if part]


def _heading(made: Comparison) -> str:
    if made.of_runs:
        return (
            f"RUN_A is {made.to}, RUN_B is {made.of}.\n"
            f"Time of RUN_B over time of RUN_A, each over f in numpy of the same rounds; "
            f"below 1, RUN_B is faster. {TIE}"
        )
    return f"time of {made.of} over time of {made.to}, paired; below 1, {made.of} is faster. {TIE}"


def _notes(made: Comparison) -> Iterator[str]:
    worst = made.totals[0].worst
    yield f"worst: {told(worst)}, {worst.outcome}"
    if made.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items())
        yield f"left out: {sum(made.left_out.values())} cells ({reasons})"
    if made.changes:
        yield f"environment, RUN_A → RUN_B: {'; '.join(made.changes)}"


def _cells(made: Comparison, every: bool) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows of the cells that a text shows, and what is to be said of the others."""
    cells = slowest(made.cells) if every else made.different
    shown = cells if every else cells[:MOST]
    if not cells:
        return [], ["no cell differs"]
    left = len(cells) - len(shown)
    return [_shown(cell) for cell in shown], [f"... and {left} more that differ (--all)"] * (
        left > 0
    )


def _shown(cell: Ratio) -> tuple[str, ...]:
    p = f"{cell.p:.2g}" if cell.p >= 1e-4 else "< 0.0001"
    return cell.cell, short(cell.value), _interval(cell), p, cell.outcome


def _text(made: Comparison, every: bool) -> str:
    rows, more = _cells(made, every)
    below = [*_aligned(DIFFERENT, [rows])] if rows else []
    tables = [*_aligned(HEADINGS, _parts(made)), "", *below, *more, ""]
    return "\n".join([_heading(made), "", *tables, *_notes(made)])


def _aligned(headings: Sequence[str], parts: Sequence[Sequence[Sequence[str]]]) -> Iterator[str]:
    """The lines of a table, with a rule between its parts."""
    rows = [headings, *(row for part in parts for row in part)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = zip(headings, row, widths, strict=True)
        return "  ".join(t.ljust(w) if h in NAMES else t.rjust(w) for h, t, w in cells).rstrip()

    rule = "-" * max(len(line(row)) for row in rows)
    yield line(headings)
    for i, part in enumerate(parts):
        yield from [rule] * (i > 0)
        yield from map(line, part)


def _markdown(made: Comparison, every: bool) -> str:
    *parts, totals = _parts(made)
    bold = [(f"**{row[0]}**", *row[1:]) for row in totals]
    rows, more = _cells(made, every)
    below = [*_piped(DIFFERENT, rows), ""] if rows else []
    tables = [*_piped(HEADINGS, [*(row for part in parts for row in part), *bold]), "", *below]
    notes = (f"- {note}" for note in (*more, *_notes(made)))
    return "\n".join([_heading(made), "", *tables, *notes])


def _piped(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---" if heading in NAMES else "--:" for heading in headings]
    return [f"| {' | '.join(row)} |" for row in (headings, rule, *rows)]


def _csv(made: Comparison, _: bool) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _flat(made):
        writer.writerow({key: safe(value) for key, value in row.items()})
    return out.getvalue().rstrip("\n")


def _flat(made: Comparison) -> Iterator[dict[str, Any]]:
    yield from map(_cell, made.cells)
    kinds = {"family": made.families, "method": made.methods, "mean": made.totals}
    for kind, groups in kinds.items():
        yield from ({"kind": kind, **_group(group)} for group in groups)
    for reason, count in made.left_out.items():
        yield {"kind": "left out", "name": reason, "cells": count}
    yield from ({"kind": "environment", "name": change} for change in made.changes)


def _cell(cell: Ratio) -> dict[str, Any]:
    facts = {key: getattr(cell, key) for key in (*PLACE[2:], *WHERE, "low", "high")}
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


FORMATS: dict[str, Callable[[Comparison, bool], str]] = {
    "text": _text,
    "markdown": _markdown,
    "csv": _csv,
}

"""The report's tables and traces as LaTeX, in ASCII for every engine.

Tables take booktabs and longtable; one that is too wide is set in parts that repeat its first
column. ``report.tex`` sets all of them; each file of ``tables/`` may be input by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from diffbench.reports.build import apart, identifier
from diffbench.reports.contents import TRACE, tables_of
from diffbench.reports.latex_text import SIGNS, escaped, formula
from diffbench.reports.sections import Cell, Column, Table

__all__ = ["PACKAGES", "write"]

PACKAGES = ("booktabs", "longtable", "array")
LINE = 150  # characters across a landscape page of A4 in the size that is taken
WIDEST = 34  # of a column of text, which breaks its lines; columns are two characters apart
HYPHEN, MINUS = SIGNS["-"], r"\ensuremath{-}"
HEAD = rf"""\documentclass[a4paper,landscape]{{article}}
\usepackage[T1]{{fontenc}}
\usepackage[margin=15mm]{{geometry}}
\usepackage{{{",".join(PACKAGES)}}}
\begin{{document}}
\scriptsize
"""
FOOT = "\\end{document}\n"


def write(title: str, pages: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write ``report.tex`` and, a file each, ``tables/``."""
    (folder / "tables").mkdir(exist_ok=True)
    body = [rf"\section*{{{escaped(title)}}}"]
    names: set[str] = set()
    for page in pages:
        body.append(rf"\subsection*{{{escaped(page['title'])}}}")
        for table in tables_of(page["blocks"]):
            name = f"tables/{apart(identifier(table.name), names)}.tex"
            (folder / name).write_text("\n".join(_table(table)) + "\n", encoding="ascii")
            body.append(rf"\input{{{name}}}")
    text = f"{HEAD}{chr(10).join(body)}\n{FOOT}"
    (folder / "report.tex").write_text(text, encoding="ascii")


def _table(table: Table) -> Iterator[str]:
    rows = table.cells()
    if not rows:
        yield rf"{escaped(table.caption)}: no rows.\par"
        return
    widths = [_width(i, column, rows) for i, column in enumerate(table.columns)]
    for part, places in enumerate(_parts(widths)):
        more = f" (part {part + 1})" if part else ""
        yield from _part(table, rows, widths, places, more)


def _width(i: int, column: Column, rows: Sequence[Sequence[Cell]]) -> int:
    texts = (column.title, *(row[i].text for row in rows))
    return min(WIDEST, max(map(len, texts)))


def _parts(widths: Sequence[int]) -> Iterator[list[int]]:
    """The columns of each part: the first, and as many others as there is room for."""
    part: list[int] = []
    for i, width in enumerate(widths):
        if len(part) > 1 and sum(widths[k] + 2 for k in part) + width > LINE:
            yield part
            part = [0]
        part.append(i)
    if part:
        yield part


def _part(
    table: Table,
    rows: Sequence[Sequence[Cell]],
    widths: Sequence[int],
    places: list[int],
    more: str,
) -> Iterator[str]:
    titles = _line(escaped(table.columns[i].title) for i in places)
    traced = table.name.startswith(TRACE)
    yield rf"\begin{{longtable}}{{{''.join(_kind(table.columns[i], widths[i]) for i in places)}}}"
    yield rf"\caption{{{escaped(table.caption)}{more}}}\\"
    yield rf"\toprule {titles} \midrule \endfirsthead"
    yield rf"\toprule {titles} \midrule \endhead"
    yield r"\bottomrule \endlastfoot"
    yield from (_line(_cell(row[i], table.columns[i], traced) for i in places) for row in rows)
    yield r"\end{longtable}"


def _kind(column: Column, width: int) -> str:
    """Numbers to the right, texts to the left, long ones over several lines."""
    if column.number:
        return "r"
    return rf">{{\raggedright\arraybackslash}}p{{{width / 2:g}em}}" if width == WIDEST else "l"


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _cell(cell: Cell, column: Column, traced: bool) -> str:
    """An equation of a trace as mathematics: such a cell keeps beside what it shows how it came."""
    traced = traced and isinstance(cell.value, str)
    text: str = formula(cell.value) if traced else escaped(cell.text)
    return text.replace(HYPHEN, MINUS) if column.number else text

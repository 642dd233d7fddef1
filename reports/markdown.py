"""The report as Markdown: headings, texts and tables that any viewer of CommonMark shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from diffbench.reports.contents import tables_of
from diffbench.reports.formats import one_line
from diffbench.reports.sections import (
    Answers,
    Choice,
    Drawing,
    Figure,
    Grid,
    Option,
    Slider,
    Steps,
    Table,
    Text,
    Versus,
)

__all__ = ["escaped", "write"]

MARKS = re.compile(r"([\\`*_{}\[\]<>|#~&$!])")
# Signs that make something of a line they begin: a list, a quotation, a rule, a heading.
FIRST = re.compile(r"^(\d*)([-+=:.)])(?=[\s=:-]|$)")


def write(title: str, pages: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write ``report.md``."""
    lines = [f"# {escaped(title)}"]
    for page in pages:
        lines += ["", f"## {escaped(page['title'])}"]
        for block in page["blocks"]:
            lines += _block(block)
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def escaped(text: str) -> str:
    """The text as itself: nothing in it is markup, and it stays on its line."""
    return FIRST.sub(r"\1\\\2", MARKS.sub(r"\\\1", one_line(text)))


def _block(block: Any) -> Iterator[str]:
    if isinstance(block, Grid):
        for inner in block.blocks:
            yield from _block(inner)
    elif isinstance(block, Choice):
        for option in block.options:
            yield from _option(option)
    elif isinstance(block, Text):
        yield from _text(block)
    else:
        yield from _headed(block)
        for table in tables_of([block]):
            yield from _table(table)
        if isinstance(block, Steps):
            yield from _program(block.program)


def _option(option: Option) -> Iterator[str]:
    name = escaped(", ".join(filter(None, option.key)))
    if name:
        yield from ("", f"### {name}")
    for figure in option.figures:
        yield from _block(figure)


def _headed(block: Any) -> Iterator[str]:
    """The title of a figure, drawing, trace or set of cards, and the sentence below it."""
    if not isinstance(block, Table | Answers | Versus | Slider):
        yield from ("", f"### {escaped(block.title)}")
    if isinstance(block, Figure | Drawing):
        yield from ("", escaped(block.sentence))


def _program(program: str) -> Iterator[str]:
    """As it stands, between fences that are longer than any within."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", program)), default=0))
    yield from ("", "The same as a program", "", f"{fence}python", *program.splitlines(), fence)


def _text(block: Text) -> Iterator[str]:
    if block.title:
        yield from ("", f"### {escaped(block.title)}")
    for paragraph in block.paragraphs:
        yield from ("", escaped(paragraph))
    if block.items:
        yield ""
        yield from (f"- {escaped(item)}" for item in block.items)


def _table(table: Table) -> Iterator[str]:
    yield from ("", escaped(table.caption), "")
    yield _row(escaped(column.title) for column in table.columns)
    yield _row("--:" if column.number else "---" for column in table.columns)
    yield from (_row(escaped(cell.text) for cell in row) for row in table.cells())


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

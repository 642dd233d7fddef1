"""What a page is made of: text, tables and figures, as data; the template alone lays them out."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

__all__ = [
    "Answers",
    "Card",
    "CardLine",
    "Cards",
    "Cell",
    "Choice",
    "Column",
    "Drawing",
    "Figure",
    "Grid",
    "Option",
    "Slider",
    "Steps",
    "Table",
    "Text",
    "Versus",
    "sections",
]


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what is shown, the exact value behind it, its tone, and what unfolds."""

    text: str
    value: float | int | str | None = None  # sorts and goes into the CSV; None: the text does
    tone: str = ""  # good, warn, bad or mute: how it is tinted; the text says the same
    more: tuple[str, ...] = ()  # lines that unfold below
    code: str = ""  # a command to type, unfolds below the lines


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading with its unit, and whether it holds numbers."""

    title: str
    number: bool = False
    shown: bool = True


@final
@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; every row has one Cell (or plain text) a column."""

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell | str]]
    plain: bool = False  # a short one: no filter, no column chooser

    @property
    def numbers(self) -> str:
        """The classes that set its columns of numbers to the right: ``n2 n5``."""
        return " ".join(f"n{i}" for i, column in enumerate(self.columns, 1) if column.number)

    def cells(self) -> list[list[Cell]]:
        """The rows with every plain text made a Cell."""
        return [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in self.rows]


@final
@dataclass(frozen=True, slots=True)
class Figure:
    """A chart: never without the sentence that explains it and the table behind it.

    ``spec`` is a Vega-Lite specification without configuration. ``series`` lists (key, label,
    style) for the legend, in the order of the report. ``x`` and ``y`` name the axes whose
    scale the reader may switch between logarithmic and linear; empty where that makes no sense.
    """

    kind: ClassVar[str] = "figure"
    name: str
    title: str
    sentence: str
    spec: dict[str, Any]
    table: Table
    series: tuple[Any, ...] = ()
    x: str = ""
    y: str = ""


@final
@dataclass(frozen=True, slots=True)
class Text:
    """A heading with paragraphs or a list; both are plain text."""

    kind: ClassVar[str] = "text"
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Grid:
    """Blocks that stand side by side where there is room."""

    kind: ClassVar[str] = "grid"
    blocks: tuple[Any, ...]


@final
@dataclass(frozen=True, slots=True)
class Option:
    """What stands for one choice: ``key`` has a word for each label of its Choice."""

    key: tuple[str, ...]
    figures: tuple[Figure, ...]


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """Figures of which the reader sees those of one option: the first, until another is chosen.

    Only the first is drawn into the page; of the others the tables unfold. ``labels`` say what
    is chosen, ``series`` is the legend of all figures, which bring none of their own.
    """

    kind: ClassVar[str] = "choice"
    name: str
    labels: tuple[str, ...]
    options: tuple[Option, ...]
    series: tuple[Any, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Answers:
    """Questions, each answered in one sentence, with what it was read from."""

    kind: ClassVar[str] = "answers"
    rows: tuple[tuple[str, str, str], ...]  # question, answer, evidence


@final
@dataclass(frozen=True, slots=True)
class Versus:
    """Two selects and, cell by cell, from which call on the one series costs less than the other.

    ``rows`` are (cell, {series: (seconds until the first answer, seconds of a further call, its
    95 % interval)}); ``series`` lists (name, label) in the order of the report.
    """

    kind: ClassVar[str] = "versus"
    name: str
    caption: str
    series: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, dict[str, tuple[float, float, float, float]]], ...]
    chosen: tuple[str, str]


@final
@dataclass(frozen=True, slots=True)
class CardLine:
    """One line of a card: a number in words, what it had to be, and where it comes from."""

    what: str
    number: str  # with its unit and interval
    wanted: str
    tone: str
    aside: bool  # it stands beside those that decide
    more: tuple[str, ...]  # lines that unfold
    link: str  # id of an element of the report; empty, as the report is built, where it has none
    source: str  # what the link is called


@final
@dataclass(frozen=True, slots=True)
class Card:
    """A sentence with its verdict, how it was decided, and on what; ``mark`` is its number."""

    mark: str
    sentence: str
    verdict: str
    tone: str
    reason: str
    experiment: str
    lines: tuple[CardLine, ...]
    notes: tuple[str, ...] = ()  # footnotes, ids of elements of the report


@final
@dataclass(frozen=True, slots=True)
class Cards:
    """Cards, with an index of all verdicts before them."""

    kind: ClassVar[str] = "cards"
    name: str
    title: str
    cards: tuple[Card, ...]


@final
@dataclass(frozen=True, slots=True)
class Drawing:
    """Pictures or formulas that stand as they are, with the sentence that explains them.

    ``elements`` are built by pages (see :mod:`diffbench.reports.elements`), never parsed.
    """

    kind: ClassVar[str] = "drawing"
    name: str
    title: str
    sentence: str
    elements: tuple[Any, ...]


@final
@dataclass(frozen=True, slots=True)
class Steps:
    """A trace to step through: its graph, its tables line by line, its derivative program."""

    kind: ClassVar[str] = "steps"
    name: str
    title: str
    graph: Any
    tables: tuple[tuple[str, Sequence[Any]], ...]  # (caption, analysis.traces.Line ...)
    nodes: Sequence[int]  # of the graph, one a line
    partials: Table
    program: str
    forms: str  # ``full slides hex`` of each number, between semicolons


@final
@dataclass(frozen=True, slots=True)
class Slider:
    """A table of one column a whole number: a slider shows one of them, and so does paper.

    The columns from ``first`` on belong to ``values``, which grow by one; it starts at ``start``.
    Without a script there is ``plain``, the same table with a few of them.
    """

    kind: ClassVar[str] = "slider"
    label: str
    table: Table
    plain: Table
    first: int
    values: range
    start: int


KINDS = (Text, Table, Figure, Grid, Choice, Cards, Drawing, Steps, Answers, Versus, Slider)


def sections(found: Iterable[Any]) -> list[Any]:
    """What a page gave, as a list; raises TypeError where something in it is no section."""
    blocks = list(found)
    for block in blocks:
        if not isinstance(block, KINDS):
            names = ", ".join(kind.__name__ for kind in KINDS)
            raise TypeError(f"{reprlib.repr(block)} is no section ({names})")
        if isinstance(block, Grid):
            sections(block.blocks)
    return blocks

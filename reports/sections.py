"""What a page is made of: text, tables and figures, as data; the template alone lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

__all__ = ["Cell", "Column", "Figure", "Grid", "Slider", "Table", "Text", "Tones"]

Tones = ("good", "warn", "bad", "mute", "")  # how a cell is tinted; the text says the same


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what is shown, the exact value behind it, its tone, and what unfolds."""

    text: str
    value: float | int | str | None = None  # sorts and goes into the CSV; None: the text does
    tone: str = ""
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
class Slider:
    """A table of one column a whole number: a slider shows one of them, on paper some are chosen.

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

"""What blocks hold: the figures, and everything that can be set as a table.

The HTML has an element of its own for each kind of block; other formats and the test of the
report's numbers take all of them as tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from diffbench.analysis.traces import forms
from diffbench.reports.elements import subscripts
from diffbench.reports.formats import MICRO, exact, interval, micro
from diffbench.reports.sections import (
    Answers,
    Card,
    Cards,
    Cell,
    Choice,
    Column,
    Figure,
    Grid,
    Slider,
    Steps,
    Table,
    Versus,
)

__all__ = ["TRACE", "figures_of", "tables_of"]

TRACE = "trace "  # so begin the names of tables of equations, whose cells keep them as they came
LINES = (Column("Variable"), Column("Equation"), Column("With numbers"), Column("Value", True))
CARDS = (
    Column("Claim"),
    Column("What it says"),
    Column("Verdict"),
    Column("Why"),
    Column("How it was decided"),
)
ANSWERS = (Column("Question"), Column("Answer"), Column("Read from"))
CALLS = (
    Column("Cell"),
    Column("Method"),
    Column("Until the first answer, µs", True),
    Column("A further call, µs", True),
    Column("95 % interval, µs"),
)


def figures_of(blocks: Iterable[Any]) -> list[Figure]:
    """The figures among blocks, grids and choices opened."""
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Grid):
            found += figures_of(block.blocks)
        elif isinstance(block, Choice):
            found += [figure for option in block.options for figure in option.figures]
        elif isinstance(block, Figure):
            found.append(block)
    return found


def tables_of(blocks: Iterable[Any]) -> list[Table]:
    """The tables among blocks, in order: those that stand there and those made of other blocks.

    A block of a kind that holds no table, such as a text or a picture, has none.
    """
    return [table for block in blocks for table in TABLES.get(type(block), _none)(block)]


def _none(block: Any) -> Iterable[Table]:
    return ()


def _steps(block: Steps) -> Iterator[Table]:
    """The lines of a trace, a table each for values, tangents and adjoints; then its edges."""
    for caption, lines in block.tables:
        rows = [
            [
                _equation(f"{line.name} {line.sign}"),
                _equation(line.equation),
                _equation(_numbers(line.numbers)),
                exact(line.value),
            ]
            for line in lines
        ]
        name = f"{TRACE}{block.name} {caption}"
        yield Table(name, f"{block.title}: {caption}", LINES, rows, plain=True)
    yield block.partials


def _equation(text: str) -> Cell:
    return Cell(subscripts(text), text)


def _numbers(parts: Sequence[str | float]) -> str:
    """The equation with its numbers; negative ones that stand among others in brackets."""
    return "".join(part if isinstance(part, str) else _bracketed(part, parts) for part in parts)


def _bracketed(part: float, parts: Sequence[str | float]) -> str:
    shown = forms(part)[0]
    return f"({shown})" if len(parts) > 1 and shown.startswith("-") else shown


def _cards(block: Cards) -> Iterator[Table]:
    yield Table(block.name, block.title, CARDS, [_card(card) for card in block.cards])


def _card(card: Card) -> list[str]:
    return [card.mark, card.sentence, card.verdict, card.reason, card.experiment]


def _answers(block: Answers) -> Iterator[Table]:
    yield Table("answers", "The run in a few answers", ANSWERS, block.rows, plain=True)


def _versus(block: Versus) -> Iterator[Table]:
    labels = dict(block.series)
    rows = [
        [
            cell,
            labels[name],
            micro(first),
            micro(further),
            interval(low, high, scale=MICRO),
        ]
        for cell, costs in block.rows
        for name, (first, further, low, high) in costs.items()
    ]
    yield Table(block.name, "What any two methods are compared by", CALLS, rows)


def _choice(block: Choice) -> Iterator[Table]:
    return (figure.table for option in block.options for figure in option.figures)


TABLES: Mapping[type, Callable[[Any], Iterable[Table]]] = {
    Table: lambda block: (block,),
    Figure: lambda block: (block.table,),
    Grid: lambda block: tables_of(block.blocks),
    Choice: _choice,
    Slider: lambda block: (block.plain,),
    Steps: _steps,
    Cards: _cards,
    Answers: _answers,
    Versus: _versus,
}

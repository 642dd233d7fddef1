"""``diffbench run --dry-run``: what would be made, in order, and about how long it would take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from diffbench.care.words import many
from diffbench.cli.options import table

if TYPE_CHECKING:
    from diffbench.running.forecast import Forecast

__all__ = ["show", "size"]

HEADINGS = ("instance", "n", "m", "depth", "operators", "cells", "unsupported", "about", "ends")


def show(found: Forecast, budget: float | None) -> None:
    """Print one line a block, then the sums."""
    table([HEADINGS, *_rows(found)])
    table([(size(found),)])
    if found.vain:
        table([(f"no cell of these can be answered: {found.vain}",)])
    if budget is not None:
        table([(_cut(found, budget),)])


def size(found: Forecast) -> str:
    """How many cells of how many instances, and about how long they take."""
    families = len({row.block.family for row in found.blocks})
    cells, instances = many(found.cells, "cell"), many(len(found.blocks), "instance")
    more = f" in {found.generations} generations" if found.generations > 1 else ""
    return (
        f"{cells} of {instances} of {families} famil{'ies' if families > 1 else 'y'}{more}, "
        f"about {lasting(found.seconds)}"
    )


def _rows(found: Forecast) -> Iterator[tuple[str, ...]]:
    for row in found.blocks:
        block = row.block
        sizes = (str(number) for number in (block.n, block.m, block.depth))
        counts = (str(row.answered + row.unsupported), str(row.unsupported))
        times = (lasting(row.seconds), lasting(row.ends_s))
        yield (block.name, *sizes, ",".join(block.operators), *counts, *times)


def _cut(found: Forecast, budget: float) -> str:
    """What a budget leaves of it."""
    made = [row for row in found.blocks if row.ends_s + found.finish_s <= budget]
    if len(made) == len(found.blocks):
        return f"the budget of {lasting(budget)} is enough; what is left makes more generations"
    cells = sum(row.answered + row.unsupported for row in made)
    return f"the budget of {lasting(budget)} ends after about {cells} of these cells"


def lasting(seconds: float) -> str:
    """A time for the eye: 0.4 s, 12 s, 3 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"

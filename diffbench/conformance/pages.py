"""What every page must hold; it is laid out on made-up runs: one of a few cells, one of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from diffbench import api
from diffbench.conformance import Check
from diffbench.conformance.common import undeclared
from diffbench.conformance.made_up import empty, small
from diffbench.page import Page
from diffbench.records.run import Run

__all__ = ["CHECKS", "Trial"]

RUNS = ("a", "b")


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A page."""

    page: Page


def _declared(trial: Trial) -> str | None:
    page = trial.page
    if page.runs not in (1, 2):
        return f"runs is {page.runs!r}; a page is of 1 run or of 2"
    if not isinstance(page.order, int | float):
        return f"order is {page.order!r}, no number"
    return undeclared(page, ["title"])


def _on(make: Callable[[Path, str], Run]) -> Callable[[Trial], str | None]:
    """What is wrong with the sections of a page on such runs."""

    def found(trial: Trial) -> str | None:
        with TemporaryDirectory(prefix="diffbench-") as room:
            runs = [make(Path(room) / name, name) for name in RUNS[: trial.page.runs]]
            made = trial.page.render(*runs)
        if not isinstance(made, list | tuple):
            return f"render gives {type(made).__name__}, no list of sections"
        return _laid_out(trial.page, made)

    return found


def _laid_out(page: Page, sections: Sequence[Any]) -> str | None:
    """What is no section, or what the template raises, is found as an error."""
    text = api.page_alone(page, sections)
    return None if page.title in text else "the report does not show its title"


CHECKS: tuple[Check, ...] = (
    Check("declared", "title and order are stated, and of how many runs it is", _declared, True),
    Check("sections", "on a small made-up run it gives sections that can be laid out", _on(small)),
    Check("empty", "on a run without any record, too", _on(empty)),
)

"""A page of the report: one file in ``reports/`` with one ``PAGE = Page(...)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

__all__ = ["Page"]


@final
@dataclass(frozen=True, slots=True)
class Page:
    """One page: it reads the run (records, samples, studies) and nothing else.

    ``render(run)`` takes a :class:`diffbench.records.run.Run` and returns a list of
    sections that the report's template lays out. Pages stand in the report by ``order``. A page
    of two ``runs`` stands in the report of two: its ``render(run_a, run_b)`` takes both.
    """

    name: str
    title: str
    order: int
    render: Callable[..., Any]
    runs: int = 1

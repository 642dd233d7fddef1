"""What of a study ended early, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from diffbench.analysis.cells import unfinished
from diffbench.reports.styles import label

__all__ = ["ended"]


def ended(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A sentence for each method that broke off, and for the study itself."""
    for method, status, reason in unfinished(rows):
        yield f"{label(method) or 'the study'}: {status}, {reason}"

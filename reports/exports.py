"""The report's other formats, a folder each: tables for papers and texts, figures, and the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from diffbench.page import Page
from diffbench.records.export import DICTIONARY, dictionary, export
from diffbench.records.parquet import parquet
from diffbench.records.run import ENVIRONMENT, PLAN
from diffbench.reports import latex, markdown, slides
from diffbench.reports.build import laid_out, title
from diffbench.reports.editions import ALL

__all__ = ["DATA", "SHOWN", "write"]

Pages = list[dict[str, Any]]


def _csv(run: Any, into: Path) -> None:
    """The three tables, what their columns mean, and the facts: ``diffbench.load`` reads it all."""
    export(run.folder, into)
    dictionary(into / DICTIONARY)
    for name in (PLAN, ENVIRONMENT):
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, into / name)


# What comes from the store, and what from the pages.
DATA: Mapping[str, Callable[[Any, Path], object]] = {"csv": _csv, "parquet": parquet}
SHOWN: Mapping[str, Callable[[str, Pages, Path], None]] = {
    "latex": latex.write,
    "markdown": markdown.write,
    "svg": slides.write,
}


def write(
    run: Any,
    formats: Iterable[str],
    folder: Path,
    pages: Iterable[Page] | None = None,
    beside: Any = None,
    edition: str = ALL,
) -> list[Path]:
    """Write each format into a folder of its name in ``folder``; these folders.

    What stands there already is written over. The other arguments are those of
    :func:`diffbench.reports.build.write`.
    """
    asked = list(formats)
    shown = laid_out(run, pages, beside, edition) if not SHOWN.keys().isdisjoint(asked) else []
    made = []
    for name in asked:
        into = folder / name
        into.mkdir(parents=True, exist_ok=True)
        if name in DATA:
            DATA[name](run, into)
        else:
            SHOWN[name](title(run, beside), shown, into)
        made.append(into)
    return made

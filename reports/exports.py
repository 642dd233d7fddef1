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
from diffbench.reports.build import laid_out, title, whole
from diffbench.reports.editions import ALL

__all__ = ["DATA", "SHOWN", "write"]

HTML = "html"
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
SHOWN: Mapping[str, Callable[[str, Pages, Path], object]] = {
    HTML: lambda name, pages, path: path.write_text(whole(name, pages), encoding="utf-8"),
    "latex": latex.write,
    "markdown": markdown.write,
    "svg": slides.write,
}


def write(
    run: Any,
    formats: Iterable[str],
    folder: Path,
    page: Path,
    pages: Iterable[Page] | None = None,
    beside: Any = None,
    edition: str = ALL,
) -> list[Path]:
    """Write each format into a folder of its name in ``folder``; the paths written, in order.

    HTML is the one file ``page``. What stands there already is written over. The other arguments
    are those of :func:`diffbench.reports.build.write`.
    """
    asked, name = list(formats), title(run, beside)
    shown = [] if DATA.keys() >= {*asked} else laid_out(run, pages, beside, edition)
    made = {format: page if format == HTML else folder / format for format in asked}
    for format, into in made.items():
        (into.parent if format == HTML else into).mkdir(parents=True, exist_ok=True)
        if format in DATA:
            DATA[format](run, into)
        else:
            SHOWN[format](name, shown, into)
    return list(made.values())

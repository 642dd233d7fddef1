"""The figures for slides: each an SVG file that stands alone, with title, legend and caption.

Nothing in it needs a page around it: colours are those of the light theme, written out, and
letters are large beside the picture, for they are read from the back of a room.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from diffbench.reports.build import apart, identifier, picture, templates
from diffbench.reports.charts import CONFIG
from diffbench.reports.contents import figures_of
from diffbench.reports.sections import Figure
from diffbench.reports.styles import Style, css

__all__ = ["drawn", "write"]

FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"  # of the same widths everywhere
LARGE: Mapping[str, Any] = {
    **CONFIG,
    "font": FONT,
    "axis": {**CONFIG["axis"], "labelFontSize": 19, "titleFontSize": 21, "labelLimit": 360},
    "text": {**CONFIG["text"], "fontSize": 19},
}
STYLES = Path(__file__).parent / "assets" / "report.css"
WIDE, PAD, SWATCH = 0.5, 24, 56  # of a letter over its height; pixels around; of a legend's sign
TITLE, ENTRY, CAPTION = 30, 19, 20  # heights of letters
VARIABLE = re.compile(r"var\(--([\w-]+)\)")
DECLARED = re.compile(r"--([\w-]+):\s*(#[0-9a-fA-F]+)")
SIZE = re.compile(r'<svg[^>]*? width="([0-9.]+)" height="([0-9.]+)"')


def write(title: str, pages: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write one file a figure, named by it."""
    names: set[str] = set()
    for page in pages:
        for figure in figures_of(page["blocks"]):
            path = folder / f"{apart(identifier(figure.name), names)}.svg"
            path.write_text(drawn(figure), encoding="utf-8")


def drawn(figure: Figure) -> str:
    """The figure as text of an SVG file."""
    chart = picture(figure, LARGE)
    found = SIZE.match(chart)
    width, height = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    wide = max(width, 720.0)
    title = list(_lines(figure.title, TITLE, wide, PAD + TITLE))
    top = title[-1][1] + PAD
    legend = list(_legend(figure.series, wide, top + height + 2 * ENTRY))
    below = legend[-1][2] if legend else top + height
    caption = list(_lines(figure.sentence, CAPTION, wide, below + 2 * CAPTION))
    drawing = (
        templates()
        .get_template("figure.svg.j2")
        .render(
            figure=figure,
            font=FONT,
            chart=chart.replace("<svg ", '<svg overflow="visible" ', 1),
            title=title,
            legend=legend,
            caption=caption,
            top=top,
            sizes={
                "title": TITLE,
                "entry": ENTRY,
                "caption": CAPTION,
                "pad": PAD,
                "swatch": SWATCH,
            },
            width=round(wide + 2 * PAD),
            height=round(caption[-1][1] + PAD),
        )
    )
    return VARIABLE.sub(lambda name: _colours().get(name[1], name[0]), str(drawing))


def _lines(text: str, size: int, wide: float, first: float) -> Iterator[tuple[str, float]]:
    """The text in lines of that width, each with its place downwards."""
    letters = int(wide / (WIDE * size))
    # Only spaces part words: not those within numbers, nor the hyphens of words.
    wrapped = textwrap.wrap(text, letters, break_on_hyphens=False)
    for i, line in enumerate(wrapped or [""]):
        yield line, first + 1.35 * size * i


def _legend(
    series: Iterable[Style], wide: float, top: float
) -> Iterator[tuple[Style, float, float]]:
    """Each entry with its place, in as many rows as they take."""
    across = 0.0
    for style in series:
        takes = SWATCH + WIDE * ENTRY * len(style.label) + ENTRY
        if across and across + takes > wide:
            across, top = 0.0, top + 1.6 * ENTRY
        yield style, across, top
        across += takes


@cache
def _colours() -> dict[str, str]:
    """The colours of the light theme by the names of their variables."""
    page, _, _ = STYLES.read_text(encoding="utf-8").partition("@media")
    return dict(DECLARED.findall(css()["light"]) + DECLARED.findall(page))

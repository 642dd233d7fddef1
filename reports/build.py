"""Builds the report: one HTML file that needs nothing else, from the pages and a run."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import math
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import diffbench.reports
from diffbench.analysis.traces import forms
from diffbench.page import Page
from diffbench.reports.charts import CONFIG
from diffbench.reports.contents import figures_of, tables_of
from diffbench.reports.editions import ALL, ordered
from diffbench.reports.elements import markup, subscripts
from diffbench.reports.packing import lean, packed
from diffbench.reports.sections import CardLine, Cards, Figure, Text, Versus, sections
from diffbench.reports.styles import css, one_run

__all__ = [
    "apart",
    "html",
    "identifier",
    "laid_out",
    "picture",
    "templates",
    "title",
    "waiting",
    "whole",
    "write",
    "written",
]

HERE = Path(__file__).parent
# In the order in which they are inlined: each takes from window.diffbench what others gave it.
SCRIPTS = (
    "packing.js",
    "core.js",
    "theme.js",
    "pages.js",
    "charts.js",
    "axes.js",
    "zoom.js",
    "picture.js",
    "legend.js",
    "tables.js",
    "slider.js",
    "choice.js",
    "versus.js",
    "traces.js",
    "print.js",
    "start.js",
)
STYLESHEETS = (
    "report.css",
    "controls.css",
    "pages.css",
    "lecture.css",
    "traces.css",
    "print.css",
)
# The report's own ids, of its template and scripts, which no page may take.
OWN = ("announce", "content", "data", "print", "theme", "vg-tooltip-element")
WIDEST = 64  # columns of a table whose numbers are set to the right
DIGITS = 10  # of the number behind a cell


def write(
    run: Any,
    path: Path | str,
    pages: Iterable[Page] | None = None,
    beside: Any = None,
    edition: str = ALL,
) -> Path:
    """Write the report of a run to ``path`` and return it.

    ``pages`` are the registry's; without them the built-in ones are taken. ``run`` is a
    :class:`diffbench.records.run.Run`. With a second run ``beside`` it, the pages that compare
    two are shown; an ``edition`` has its own pages in its own order.
    """
    path = Path(path)
    path.write_text(html(run, pages, beside, edition), encoding="utf-8")
    return path


def html(
    run: Any,
    pages: Iterable[Page] | None = None,
    beside: Any = None,
    edition: str = ALL,
    version: str = "",
) -> str:
    """The report as text; the same run gives the same text.

    With a ``version`` it is a page of ``diffbench serve``: it may ask the server that it came from
    for a newer one, and nobody else for anything.
    """
    return whole(title(run, beside), laid_out(run, pages, beside, edition), version)


def whole(title: str, rendered: list[dict[str, Any]], version: str = "") -> str:
    """The report of pages that are laid out already."""
    rendered = [_set(page) for page in rendered]
    figures = [block for page in rendered for block in figures_of(page["blocks"])]
    own = _assets((*SCRIPTS, "live.js") if version else SCRIPTS)
    scripts = {"vega": _wrapped(_bundle()) if figures else "", "own": own}
    template = templates().get_template("report.html.j2")
    return str(
        template.render(
            title=title,
            pages=rendered,
            version=version,
            stylesheet=_assets(STYLESHEETS),
            colours=css(),
            scripts=scripts,
            policy=_policy(scripts.values(), "connect-src 'self'" if version else ""),
            widest=WIDEST,
            data={
                "config": CONFIG,
                "versus": _versus(rendered),
                **packed(_finite({f.name: f.spec for f in figures})),
            },
        )
    )


def title(run: Any, beside: Any = None) -> str:
    """What the report is called."""
    name = run.folder.name
    if beside is None:
        return f"diffbench: {name}"
    return f"diffbench: A is {name}, B is {beside.folder.name}"


def waiting(run: Any, why: str, version: str) -> str:
    """The page of a run that has nothing to show yet, with the reason."""
    told = Text(paragraphs=(why, "This page looks again by itself."))
    page = Page(name="waiting", title="Nothing to show yet", order=0, render=lambda run: [told])
    return html(run, [page], version=version)


def laid_out(
    run: Any, pages: Iterable[Page] | None = None, beside: Any = None, edition: str = ALL
) -> list[dict[str, Any]]:
    """The pages of the report, in order: name, id, title and blocks of each."""
    runs = [run] if beside is None else [run, beside]
    found = _built_in(len(runs)) if pages is None else [p for p in pages if p.runs == len(runs)]
    ids = set(OWN)
    with one_run(lambda: {name for made in runs for name in made.records["method"]}):
        return _linked([_render(page, ids, *runs) for page in ordered(found, edition)])


def _built_in(runs: int = 1) -> list[Page]:
    """Those for so many runs."""
    modules = pkgutil.iter_modules(diffbench.reports.__path__, "diffbench.reports.")
    found = [getattr(importlib.import_module(m.name), "PAGE", None) for m in modules]
    return [page for page in found if isinstance(page, Page) and page.runs == runs]


def _render(page: Page, ids: set[str], *runs: Any) -> dict[str, Any]:
    # A page may be a plugin's: what it raises is shown in its place, and the others stand.
    try:
        blocks = sections(page.render(*runs))
    except Exception as error:
        blocks = _failed(error)
    own = apart(identifier(page.name), ids)
    return {"name": page.name, "id": own, "title": page.title, "blocks": blocks}


def _linked(pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pages; a card whose rows stand on none of them, in this edition, links nowhere."""
    blocks = [block for page in pages for block in page["blocks"]]
    ids = {page["id"] for page in pages}
    ids |= {f"t-{identifier(table.name)}" for table in tables_of(blocks)}
    return [{**page, "blocks": [_kept(block, ids) for block in page["blocks"]]} for page in pages]


def _kept(block: Any, ids: set[str]) -> Any:
    if not isinstance(block, Cards):
        return block
    cards = (replace(c, lines=tuple(_line(line, ids) for line in c.lines)) for c in block.cards)
    return replace(block, cards=tuple(cards))


def _line(line: CardLine, ids: set[str]) -> CardLine:
    return line if line.link in ids else replace(line, link="")


def _set(page: dict[str, Any]) -> dict[str, Any]:
    """The page with its blocks as HTML; one that cannot be set is shown as one that failed."""
    try:
        return {**page, "body": written(page["blocks"])}
    except Exception as error:
        blocks = _failed(error)
        return {**page, "blocks": blocks, "body": written(blocks)}


def written(blocks: Iterable[Any]) -> list[str]:
    """Each block as HTML; raises where one is no section, or what the template does."""
    render = templates().get_template("blocks.html.j2").module.render
    return [render(block) for block in sections(blocks)]


def _failed(error: Exception) -> list[Any]:
    return [Text(paragraphs=(f"This page failed: {type(error).__name__}: {error}",))]


def _versus(pages: Iterable[dict[str, Any]]) -> dict[str, Any]:
    blocks = [block for page in pages for block in page["blocks"] if isinstance(block, Versus)]
    return {b.name: {"series": b.series, "rows": b.rows, "chosen": b.chosen} for b in blocks}


def identifier(name: str) -> str:
    """A name as an id of the document: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "page"


def apart(name: str, names: set[str]) -> str:
    """The name, or the first of name-2, name-3, ... that is none of ``names``, which it joins."""
    numbered = (f"{name}-{k}" if k > 1 else name for k in count(1))
    found = next(found for found in numbered if found.lower() not in names)
    names.add(found.lower())
    return found


# --- what is inlined --------------------------------------------------------------------------


def _assets(names: Iterable[str]) -> str:
    return "\n".join((HERE / "assets" / name).read_text(encoding="utf-8") for name in names)


@cache
def _bundle() -> str:
    import vl_convert

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub knows no default


def _wrapped(script: str) -> str:
    """The bundle with its top-level names kept to itself; it only leaves vegaEmbed behind."""
    # `</script` inside a string would end the element; in JavaScript `<\\/` is the same text.
    return "(function(){" + script.replace("</script", "<\\/script") + "})();"


def _policy(scripts: Iterable[str], *more: str) -> str:
    """Nothing is loaded from anywhere, and no script runs but these, byte for byte."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts if script)
    rules = (
        "default-src 'none'",
        f"script-src {hashes}",
        "style-src 'unsafe-inline'",  # Vega sets style attributes on what it draws
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        *more,
    )
    return "; ".join(filter(None, rules))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(value: Any) -> str:
    """JSON that stands safely in a script element; numbers that are not finite become null."""
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def picture(figure: Figure, config: Mapping[str, Any] = CONFIG) -> str:
    """The chart as an SVG element, with coordinates to a tenth of a pixel."""
    return _drawn(json.dumps({**_finite(figure.spec), "config": config}, sort_keys=True))


@lru_cache(maxsize=512)  # most charts of a growing run are as they were
def _drawn(spec: str) -> str:
    import vl_convert

    svg = str(vl_convert.vegalite_to_svg(spec))
    return re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}", svg)


def _svg(figure: Figure) -> str:
    """The chart as a static picture of the page, which says beside it what it shows."""
    svg = picture(figure)
    svg = re.sub(r' (?:class|aria-[a-z]+|role|pointer-events|font-family)="[^"]*"', "", svg)
    svg = str(lean(svg, hashlib.sha256(figure.name.encode()).hexdigest()[:5]))
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _whole(text: str) -> Any:
    """A text whose numbers do not break at the sign of their power."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"(\S*\de-\d+)", r'<span class="whole">\1</span>', str(escape(text))))


@cache
def templates() -> Any:
    """The environment of the templates: everything in them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda value: Markup(_json(value))
    environment.filters["svg"] = lambda figure: Markup(_svg(figure))
    environment.filters["trusted"] = Markup  # our own assets and nothing else
    environment.filters["short"] = lambda v: f"{v:.{DIGITS}g}" if isinstance(v, float) else v
    environment.filters["id"] = identifier
    environment.filters["element"] = lambda root: Markup(markup(root))  # it escapes all text
    environment.filters["written"] = subscripts
    environment.filters["full"] = lambda value: forms(value)[0]
    environment.filters["whole"] = _whole
    environment.filters["tied"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment

"""Builds the report: one HTML file that needs nothing else, from the pages and a run."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import math
import pkgutil
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import diffbench.reports
from diffbench.page import Page
from diffbench.reports.charts import CONFIG
from diffbench.reports.sections import Figure, Grid, Text
from diffbench.reports.styles import css

__all__ = ["html", "waiting", "write"]

HERE = Path(__file__).parent
# In the order in which they are inlined: each takes from window.diffbench what others gave it.
SCRIPTS = (
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
    "print.js",
    "start.js",
)
STYLESHEETS = ("report.css", "controls.css", "print.css")


def write(run: Any, path: Path | str, pages: Iterable[Page] | None = None) -> Path:
    """Write the report of a run to ``path`` and return it.

    ``pages`` are the registry's; without them the built-in ones are taken. ``run`` is a
    :class:`diffbench.records.run.Run`.
    """
    path = Path(path)
    path.write_text(html(run, pages), encoding="utf-8")
    return path


def html(run: Any, pages: Iterable[Page] | None = None, version: str = "") -> str:
    """The report as text; the same run gives the same text.

    With a ``version`` it is a page of ``diffbench serve``: it may ask the server that it came from
    for a newer one, and nobody else for anything.
    """
    chosen = sorted(_built_in() if pages is None else pages, key=lambda p: (p.order, p.name))
    rendered = [_render(page, run) for page in chosen]
    figures = [block for page in rendered for block in _figures(page["blocks"])]
    own = _joined((*SCRIPTS, "live.js") if version else SCRIPTS)
    scripts = {"vega": _wrapped(_bundle()) if figures else "", "own": own}
    template = _templates().get_template("report.html.j2")
    return str(
        template.render(
            title=f"diffbench: {run.folder.name}",
            pages=rendered,
            version=version,
            stylesheet=_joined(STYLESHEETS),
            colours=css(),
            scripts=scripts,
            policy=_policy(scripts.values(), "connect-src 'self'" if version else ""),
            data={"config": CONFIG, "specs": {f.name: f.spec for f in figures}},
        )
    )


def waiting(run: Any, why: str, version: str) -> str:
    """The page of a run that has nothing to show yet, with the reason."""
    told = Text(paragraphs=(why, "This page looks again by itself."))
    page = Page(name="waiting", title="Nothing to show yet", order=0, render=lambda run: [told])
    return html(run, [page], version)


def _built_in() -> list[Page]:
    modules = pkgutil.iter_modules(diffbench.reports.__path__, "diffbench.reports.")
    found = [getattr(importlib.import_module(m.name), "PAGE", None) for m in modules]
    return [page for page in found if isinstance(page, Page)]


def _render(page: Page, run: Any) -> dict[str, Any]:
    # A page may be a plugin's: what it raises is shown in its place, and the others stand.
    try:
        blocks = list(page.render(run))
    except Exception as error:
        blocks = [Text(paragraphs=(f"This page failed: {type(error).__name__}: {error}",))]
    return {"name": page.name, "id": _id(page.name), "title": page.title, "blocks": blocks}


def _figures(blocks: Iterable[Any]) -> list[Figure]:
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Grid):
            found += _figures(block.blocks)
        elif isinstance(block, Figure):
            found.append(block)
    return found


def _id(name: str) -> str:
    """A name as an id of the document: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "page"


# --- what is inlined --------------------------------------------------------------------------


def _joined(names: Iterable[str]) -> str:
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


def _svg(figure: Figure) -> str:
    """The chart as a static picture, with coordinates to a tenth of a pixel."""
    return _drawn(json.dumps({**_finite(figure.spec), "config": CONFIG}, sort_keys=True))


@lru_cache(maxsize=512)  # most charts of a growing run are as they were
def _drawn(spec: str) -> str:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}", svg)
    svg = re.sub(r' (?:class|aria-[a-z]+|role|pointer-events|font-family)="[^"]*"', "", svg)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


@cache
def _templates() -> Any:
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
    environment.filters["id"] = _id
    environment.filters["tied"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment

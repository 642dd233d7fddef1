"""What the tests in Chromium share: the report opened with the network off, and its controls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import synthetic
from playwright.sync_api import Browser, Locator, Page

SHOWN = "[...document.querySelectorAll('figure')].filter((f) => !f.closest('[hidden]'))"
WAIT = 60_000  # milliseconds; nothing here is timed, a busy machine only takes longer
FAMILIES = ("affine_tanh", "chebyshev", "lecture", "logistic", "rosenbrock")


@dataclass
class Opened:
    """A page with all that went wrong while it was open."""

    page: Page
    troubles: list[str] = field(default_factory=list)


@cache
def run() -> synthetic.SyntheticRun:
    """One of the families of each kind: every kind of chart, in half the time."""
    full = synthetic.evil_run()
    return replace(full, records=full.records[full.records["family"].isin(FAMILIES)])


def open_report(
    browser: Browser, report: Path, width: int, scheme: str, hash: str = ""
) -> Iterator[Opened]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    context.set_default_timeout(WAIT)
    page = context.new_page()
    made = Opened(page)
    page.on("console", lambda m: made.troubles.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: made.troubles.append(str(error)))
    page.on("requestfailed", lambda request: made.troubles.append(request.url))
    page.on("dialog", lambda dialog: made.troubles.append(dialog.message))
    page.goto(f"{report.as_uri()}{hash}")
    page.wait_for_selector("html[data-ready]", timeout=WAIT)
    yield made
    assert made.troubles == []
    context.close()


# The choice that a figure belongs to, and the words that choose it.
PICKS = """(figure) => {
  const option = figure.closest(".option");
  return option ? [option.closest(".choice").dataset.name, ...Object.values(option.dataset)] : [];
}"""


def legend_of(page: Page, selector: str) -> Locator:
    """The legend of a figure; those of a choice share one."""
    return page.locator(f".choice:has({selector}) > .legend, {selector} .legend").first


def figure(page: Page, name: str) -> str:
    """The selector of a figure that is drawn."""
    selector = f'figure[data-name="{name}"]'
    picks = page.locator(selector).evaluate(PICKS)
    if picks:
        choose(page, *picks)
    page.locator(selector).scroll_into_view_if_needed()
    page.wait_for_selector(f"{selector}.on .chart svg", timeout=WAIT)
    return selector


def choose(page: Page, choice: str, *words: str) -> None:
    """Choose a word in each select of a choice, as a reader does."""
    selects = page.locator(f'.choice[data-name="{choice}"] .picks select')
    for i, word in enumerate(words):
        selects.nth(i).select_option(word)


def until(page: Page, expression: str, arg: object = None) -> None:
    """Wait until the expression is true, asked from here.

    Playwright's own waiting asks again inside the page by ``eval``, which our policy forbids.
    """
    end = time.monotonic() + WAIT / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def show_all(page: Page, width: int) -> None:
    """Make the window as high as the page, and more, so that all charts come into view."""
    whole = int(page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": width, "height": whole + 10_000})


def redrawn(page: Page, selector: str, before: str | None) -> None:
    until(page, "([s, n]) => document.querySelector(s).dataset.drawn !== n", [selector, before])


def column(page: Page, table: str, index: int) -> list[str]:
    rows = page.locator(f'.table[data-name="{table}"] tbody tr:visible')
    texts = rows.evaluate_all(
        "(rows, i) => rows.map((r) => r.cells[i].dataset.v ?? r.cells[i].textContent)", index
    )
    return [str(text) for text in texts]


def domain(page: Page, selector: str, axis: str) -> tuple[float, float]:
    """What an axis shows."""
    ends = page.evaluate(
        "([s, a]) => document.querySelector(s).view.view.scale(a).domain()", [selector, axis]
    )
    return (float(ends[0]), float(ends[1]))


def act(page: Page, selector: str, do: object) -> None:
    """Do something and wait until the figure has been drawn anew."""
    drawn = page.locator(selector).get_attribute("data-drawn")
    do()  # type: ignore[operator]  # a function without arguments
    redrawn(page, selector, drawn)


def press(page: Page, selector: str, name: str) -> None:
    act(page, selector, page.locator(selector).get_by_role("button", name=name, exact=True).click)


def inside(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return b[0] < a[0] < a[1] < b[1]

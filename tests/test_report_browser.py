"""The report in Chromium with the network off: no request, no error, every control works."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
import synthetic
from playwright.sync_api import Browser, Page, sync_playwright

from diffbench.reports import build

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


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.write(run(), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        shown = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield shown
        shown.close()


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """The report at 1400 pixels, light; whatever goes wrong fails the test at its end."""
    yield from open_report(browser, report, 1400, "light")


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


def figure(page: Page, name: str) -> str:
    """The selector of a figure that is drawn."""
    selector = f'figure[data-name="{name}"]'
    page.locator(selector).scroll_into_view_if_needed()
    page.wait_for_selector(f"{selector}.on .chart svg", timeout=WAIT)
    return selector


def until(page: Page, expression: str, arg: object = None) -> None:
    """Wait until the expression is true, asked from here.

    Playwright's own waiting asks again inside the page by ``eval``, which our policy forbids.
    """
    end = time.monotonic() + WAIT / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def redrawn(page: Page, selector: str, before: str | None) -> None:
    until(page, "([s, n]) => document.querySelector(s).dataset.drawn !== n", [selector, before])


def column(page: Page, table: str, index: int) -> list[str]:
    rows = page.locator(f'.table[data-name="{table}"] tbody tr:visible')
    texts = rows.evaluate_all(
        "(rows, i) => rows.map((r) => r.cells[i].dataset.v ?? r.cells[i].textContent)", index
    )
    return [str(text) for text in texts]


# --- as it opens ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_every_chart_is_drawn_and_the_page_never_scrolls_sideways(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    for made in open_report(browser, report, width, scheme):
        page = made.page
        page.set_viewport_size({"width": width, "height": 60_000})  # all charts come into view
        until(page, "[...document.querySelectorAll('figure')].every((f) => f.matches('.on'))")
        assert page.locator("figure .static:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(20, 22, 27)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_without_javascript_everything_stands(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("figure .static svg:visible").count() == page.locator("figure").count()
    assert page.locator(".live:visible").count() == 0
    assert page.locator("section.page").count() == len(build._built_in())
    context.close()


def test_markup_from_outside_is_shown_as_text(opened: Opened) -> None:
    assert opened.page.get_by_text(synthetic.EVIL_METHOD).count() > 3
    assert opened.page.locator("img").count() == 0


# --- controls ---------------------------------------------------------------------------------


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(opened: Opened) -> None:
    page = opened.page
    heading = page.locator('.table[data-name="winners"] th').nth(8)
    heading.get_by_role("button").click()
    up = [float(v) for v in column(page, "winners", 8)]
    assert up == sorted(up)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").click()
    assert [float(v) for v in column(page, "winners", 8)] == sorted(up, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"


def test_the_filter_keeps_the_rows_with_all_its_words(opened: Opened) -> None:
    page = opened.page
    page.locator('.table[data-name="winners"] input[type=search]').fill("rosenbrock gradient")
    names = column(page, "winners", 0)
    assert len(names) == 6
    assert all(name.startswith("rosenbrock[") for name in names)
    assert page.get_by_text("6 of 50 rows").is_visible()


def test_columns_come_and_go(opened: Opened) -> None:
    page = opened.page
    box = page.locator('.table[data-name="winners"]')
    assert box.locator("th").nth(1).is_visible()
    box.get_by_text("Columns").click()
    box.get_by_label("Operator").uncheck()
    assert not box.locator("th").nth(1).is_visible()
    assert not box.locator("tbody tr").first.locator("td").nth(1).is_visible()


def test_the_csv_holds_the_visible_rows_and_columns_with_whole_numbers(
    opened: Opened, tmp_path: Path
) -> None:
    page = opened.page
    box = page.locator('.table[data-name="winners"]')
    box.locator("input[type=search]").fill("chebyshev")
    with page.expect_download() as waiting:
        box.get_by_role("button", name="CSV of these rows").click()
    waiting.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0][:3] == ["Instance", "Operator", "n"]
    assert len(rows) == 7
    records = run().records
    for row in rows[1:]:
        mine = records[(records["instance"] == row[0]) & (records["operator"] == row[1])]
        assert min(abs(mine["run_s"] * 1e6 - float(row[8]))) <= 1e-9 * float(row[8])


def test_the_csv_defuses_formulas(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    page.evaluate("document.querySelector('#t-winners tbody td').textContent = '=1+2'")
    with page.expect_download() as waiting:
        page.locator("#t-winners").get_by_role("button", name="CSV of these rows").click()
    waiting.value.save_as(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()[1].startswith("'=1+2,")


def test_the_theme_goes_round(opened: Opened) -> None:
    page = opened.page
    colours = []
    for expected in ("light", "dark", "system"):
        page.locator("#theme").click()
        assert page.locator("#theme").inner_text() == f"Theme: {expected}"
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 22, 27)", "rgb(255, 255, 255)"]


def test_the_axis_turns_linear_and_back(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "swell logistic")
    ticks = f"{selector} .chart svg .role-axis-label text"
    before = page.locator(ticks).all_text_contents()
    button = page.locator(selector).get_by_role("button", name="y axis linear")
    drawn = page.locator(selector).get_attribute("data-drawn")
    button.click()
    redrawn(page, selector, drawn)
    assert button.get_attribute("aria-pressed") == "true"
    assert {"10", "100"} <= set(before)
    after = page.locator(ticks).all_text_contents()
    assert after != before
    drawn = page.locator(selector).get_attribute("data-drawn")
    button.click()
    redrawn(page, selector, drawn)
    assert page.locator(ticks).all_text_contents() == before


def test_a_legend_hides_a_series_in_every_chart_and_shift_isolates_it(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "runtime rosenbrock n")
    symbols = f"{selector} .chart svg .mark-symbol path"
    every = page.locator(symbols).count()
    entry = page.locator(selector).locator('.legend li[data-series="autograd"] button')
    drawn = page.locator(selector).get_attribute("data-drawn")
    entry.click()
    redrawn(page, selector, drawn)
    assert entry.get_attribute("aria-pressed") == "false"
    assert page.locator(symbols).count() == every - 6
    other = page.locator('figure[data-name="runtime lecture n"] .legend li[data-series="autograd"]')
    assert other.get_by_role("button").get_attribute("aria-pressed") == "false"
    drawn = page.locator(selector).get_attribute("data-drawn")
    entry.click(modifiers=["Shift"])
    redrawn(page, selector, drawn)
    assert page.locator(symbols).count() == 6


def test_the_address_restores_the_state(opened: Opened, browser: Browser, report: Path) -> None:
    page = opened.page
    page.locator("#theme").click()
    page.locator("#theme").click()
    page.locator('.table[data-name="winners"] input[type=search]').fill("lecture")
    page.locator('.table[data-name="winners"] th').nth(2).get_by_role("button").click()
    selector = figure(page, "swell logistic")
    page.locator(selector).get_by_role("button", name="y axis linear").click()
    hash = page.evaluate("location.hash")
    for again in open_report(browser, report, 1400, "light", hash):
        assert again.page.locator("#theme").inner_text() == "Theme: dark"
        assert all(name.startswith("lecture[") for name in column(again.page, "winners", 0))
        assert again.page.locator("#t-winners th").nth(2).get_attribute("aria-sort") == "ascending"
        button = again.page.locator(selector).get_by_role("button", name="y axis linear")
        assert button.get_attribute("aria-pressed") == "true"


def test_the_menu_leads_to_its_page_and_marks_it(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("link", name="Traces").click()
    assert page.evaluate("location.hash") == "#traces"
    page.wait_for_selector('nav a[aria-current][href="#traces"]')
    assert page.locator("#traces").bounding_box()["y"] < 200  # type: ignore[index]  # it is shown


def test_hovering_a_symbol_tells_its_numbers(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "runtime rosenbrock n")
    page.locator(f"{selector} .chart svg .mark-symbol path").nth(3).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=WAIT)
    text = page.locator("#vg-tooltip-element").inner_text()
    assert "rosenbrock[n=" in text
    assert "µs" in text
    assert any(verdict in text for verdict in ("exact to rounding", "degraded", "wrong"))


def test_it_prints(opened: Opened) -> None:
    page = opened.page
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="print")
    assert page.locator("figure .static:visible").count() == page.locator("figure").count()
    assert page.locator(".live:visible").count() == 0

"""The report in Chromium with the network off: no request, no error, every control works."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from axe_playwright_python.base import AXE_SCRIPT
from browsing import (
    SHOWN,
    WAIT,
    Opened,
    choose,
    column,
    figure,
    legend_of,
    open_report,
    redrawn,
    run,
    show_all,
    until,
)
from playwright.sync_api import Browser
from small_runs import told

from diffbench.page import Page
from diffbench.reports import build

# --- as it opens ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1400, "light"),
        (400, "dark"),
        pytest.param(1400, "dark", marks=pytest.mark.nightly),
        pytest.param(400, "light", marks=pytest.mark.nightly),
    ],
)
def test_every_chart_is_drawn_and_the_page_never_scrolls_sideways(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    for made in open_report(browser, report, width, scheme):
        page = made.page
        show_all(page, width)
        until(page, f"{SHOWN}.every((f) => f.matches('.on'))")
        assert page.locator("figure .static:visible").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(20, 22, 27)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_without_javascript_everything_stands_in_the_order_of_the_pages(
    browser: Browser, report: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    shown = page.locator("figure:visible").count()
    assert 0 < page.locator("figure .static svg:visible").count() == shown
    assert page.locator(".live:visible, .slider:visible").count() == 0
    pages = sorted(build._built_in(), key=lambda p: p.order)
    titles = [p.title for p in pages]
    assert page.locator(".top nav a").all_text_contents() == titles
    assert page.locator("section.page > h2").all_text_contents() == titles
    heights = [section.bounding_box() for section in page.locator("section.page").all()]
    tops = [box["y"] for box in heights if box]
    assert tops == sorted(set(tops))
    assert len(tops) == len(pages)
    # Within a figure: title, picture, legend, sentence, and the table behind it.
    for drawn in page.locator("figure:visible").all():
        names = ("h3", ".static", ".legend", "figcaption", "details.behind")
        parts = [drawn.locator(name) for name in names]
        boxes = [part.first.bounding_box() for part in parts if part.count()]
        tops = [box["y"] for box in boxes if box]
        assert len(tops) >= 4  # the figures of a choice share one legend
        assert tops == sorted(tops)
    heads = page.locator('.table[data-name="cheapest with chosen digits"] th').all_text_contents()
    assert heads[2:] == [f"At least {k} digits" for k in (3, 6, 9, 12, 15)]
    unchosen = page.locator(".option:not([open])")
    assert unchosen.count() > 10
    unchosen.first.locator("summary").first.click()
    page.locator("figure:visible").nth(shown).wait_for(timeout=WAIT)  # one more than before
    context.close()


# Of rows whose cells are of the same kinds one is enough: axe asks every cell for its contrast.
ONE_OF_A_KIND = """() => {
  const seen = new Set();
  for (const row of document.querySelectorAll("tbody tr")) {
    const kinds = [...row.cells].map((cell) => cell.className + !!cell.querySelector("details"));
    const kind = row.closest("[id]").id + kinds;
    if (seen.has(kind)) row.remove();
    seen.add(kind);
  }
}"""


def test_axe_finds_nothing_on_any_page_light_and_dark(opened: Opened) -> None:
    page = opened.page
    show_all(page, 1400)
    until(page, f"{SHOWN}.every((f) => f.matches('.on'))")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(ONE_OF_A_KIND)
    page.evaluate(AXE_SCRIPT)
    for theme in ("light", "dark"):
        page.locator("#theme").click()
        assert page.locator("html").get_attribute("data-theme") == theme
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        violations = [
            (theme, rule["id"], node["html"][:200], node["failureSummary"])
            for rule in found["violations"]
            for node in rule["nodes"][:3]
        ]
        assert violations == []
        assert len(found["passes"]) > 20  # it did look


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
    page.evaluate("document.querySelector('#t-winners tbody').rows[3].cells[8].dataset.v = ''")
    for _ in range(2):  # a cell without a number comes last both ways
        heading.get_by_role("button").click()
        numbers = column(page, "winners", 8)
        assert numbers.index("") == len(up) - 1
    assert float(numbers[0]) == max(up)


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
    choose(page, "scaling n", "rosenbrock")
    selector = figure(page, "time rosenbrock n")
    symbols = f"{selector} .chart svg .mark-symbol path"
    every = page.locator(symbols).count()
    legend = page.locator('.choice[data-name="scaling n"] > .legend')
    entry = legend.locator('li[data-series="autograd"] button')
    drawn = page.locator(selector).get_attribute("data-drawn")
    entry.click()
    redrawn(page, selector, drawn)
    assert entry.get_attribute("aria-pressed") == "false"
    assert page.locator(symbols).count() == every - 6
    other = page.locator('.choice[data-name="calls"] .legend li[data-series="autograd"]')
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
    with page.context.expect_page() as tab:
        page.get_by_role("link", name="Cost").click(modifiers=["Control"])
    tab.value.close()
    assert page.evaluate("location.hash") == "#traces"


def test_links_within_keep_what_is_chosen_and_a_typed_address_is_opened(opened: Opened) -> None:
    page = opened.page
    for _ in range(2):
        page.locator("#theme").click()
    page.locator('.verdicts a[href="#c-3"]').click()
    assert page.evaluate("location.hash") == "#c-3&theme=dark"
    assert page.locator("#c-3").bounding_box()["y"] < 200  # type: ignore[index]  # it is shown
    page.locator("#theme").click()
    page.evaluate("history.back()")
    until(page, "location.hash === ''")
    page.evaluate("history.forward()")
    until(page, "location.hash.startsWith('#c-3')")
    with page.expect_navigation(wait_until="load"):
        page.evaluate("location.hash = '#cost&theme=light'")
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#theme").inner_text() == "Theme: light"
    page.wait_for_selector('nav a[aria-current][href="#cost"]')


def test_pages_called_as_parts_of_the_report_leave_them_theirs(
    browser: Browser, tmp_path: Path
) -> None:
    def ids(*names: str) -> list[str]:
        pages = [Page(name, name, k, lambda run: []) for k, name in enumerate(names)]
        report = build.write(synthetic.run(), tmp_path / "report.html", pages)
        found: list[str] = []
        for made in open_report(browser, report, 1400, "light", f"#{names[0]}"):
            made.page.locator("#theme").click()
            assert made.page.locator("#theme").inner_text() == "Theme: light"
            assert made.page.locator("section.page h2").all_inner_texts() == list(names)
            found = made.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        return found

    assert set(ids("mine")) - {"mine", "mine-title"} <= set(build.OWN)
    found = ids(*build.OWN, "my page", "my-page")
    assert sorted(found) == sorted(set(found))


def test_hovering_a_symbol_tells_its_numbers(opened: Opened) -> None:
    page = opened.page
    choose(page, "scaling n", "rosenbrock")
    selector = figure(page, "time rosenbrock n")
    page.locator(f"{selector} .chart svg .mark-symbol path").nth(3).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=WAIT)
    text = page.locator("#vg-tooltip-element").inner_text()
    assert "rosenbrock[n=" in text
    assert "µs" in text
    assert any(verdict in text for verdict in ("exact to rounding", "degraded", "wrong"))


# --- large runs --------------------------------------------------------------------------------


def large(least: int) -> synthetic.SyntheticRun:
    """The made-up run with so many more sizes of every family that it has ``least`` records."""
    made = synthetic.run()
    parts = [made.records]
    while sum(map(len, parts)) < least:
        k = len(parts)
        more = made.records.copy()
        more["n"] += k * (more["n"] > 1)
        more["m"] += k * (more["m"] > 1)
        more["instance"] = more["instance"].str.replace("]", f",k={k}]")
        parts.append(more)
    return replace(made, records=pd.concat(parts, ignore_index=True))


# From the click until the browser has painted what was drawn anew, in milliseconds.
PAINTED = """async (button, [figure]) => {
  const { dataset } = document.querySelector(figure);
  const [before, began] = [dataset.drawn, performance.now()];
  button.click();
  while (dataset.drawn === before) await new Promise((next) => setTimeout(next));
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  return performance.now() - began;
}"""


@pytest.mark.nightly
def test_twenty_thousand_records_open_and_answer(browser: Browser, tmp_path: Path) -> None:
    made = large(20_000)
    report = build.write(made, tmp_path / "large.html")
    began = time.monotonic()
    for large_one in open_report(browser, report, 1400, "light"):
        opened_s = time.monotonic() - began
        page = large_one.page
        counts = [column(page, "verdicts", i) for i in range(2, 8)]
        assert sum(int(count) for row in counts for count in row) == len(made.records) > 20_000
        selector = figure(page, "time rosenbrock n")
        symbols = page.locator(f"{selector} .chart svg .mark-symbol path")
        every = symbols.count()
        hide = legend_of(page, selector).locator('li[data-series="reverse"] button')
        painted_ms = hide.evaluate(PAINTED, [selector])
        cells = made.records[made.records["status"] == "ok"]
        cells = cells[(cells["family"] == "rosenbrock") & (cells["operator"] == "gradient")]
        assert symbols.count() == every - int((cells["method"] == "reverse").sum())
        size = report.stat().st_size / 1e6
        told(
            f"report of {len(made.records)} records: {size:.1f} MB, open after {opened_s:.2f} s, "
            f"a series hidden and painted after {painted_ms:.0f} ms"
        )

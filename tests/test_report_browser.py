"""The report in Chromium with the network off: no request, no error, every control works."""

from __future__ import annotations

import csv
import io
import re
import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pandas as pd
import pypdf
import pytest
import synthetic
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from small_runs import told

from diffbench.analysis.calls import break_even, spent
from diffbench.reports import build

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
    assert page.locator("figure:visible").count() > shown
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


def test_a_choice_shows_one_option_and_the_address_keeps_it(
    opened: Opened, browser: Browser, report: Path
) -> None:
    page = opened.page
    figure(page, "time lecture n")  # the first of the longest
    choose(page, "scaling n", "rosenbrock")
    figure(page, "time rosenbrock n")
    figure(page, "operations rosenbrock n")
    assert not page.locator('figure[data-name="time lecture n"]').is_visible()
    hash = page.evaluate("location.hash")
    for again in open_report(browser, report, 1400, "light", hash):
        assert again.page.locator('figure[data-name="time rosenbrock n"]').is_visible()
        select = again.page.locator('.choice[data-name="scaling n"] select')
        assert select.input_value() == "rosenbrock"
    choose(page, "scaling n", "lecture")
    assert "scaling" not in page.evaluate("location.hash")


def test_a_choice_of_two_words_finds_the_option_of_both(opened: Opened) -> None:
    page = opened.page
    for among in ("any", "exact to rounding only"):
        choose(page, "map", "affine_tanh", among)
        selector = figure(page, f"map of affine_tanh, {among}")
        assert page.locator(f"{selector} .chart svg .mark-rect path").count() == 25
    page.locator(f"{selector} .chart svg .mark-rect path").nth(3).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=WAIT)
    text = page.locator("#vg-tooltip-element").inner_text()
    assert all(f"{place}. " in text for place in range(1, 7))


def test_any_two_methods_break_even_as_the_store_says(opened: Opened) -> None:
    page = opened.page
    box = page.locator(".versus")
    box.scroll_into_view_if_needed()
    box.locator("select").nth(0).select_option("forward")
    box.locator("select").nth(1).select_option("jax[mode=forward]")
    assert box.locator(".said").inner_text().startswith("forward against jax (forward): 5 cells")
    (found,) = [
        row.locator("td").last.inner_text()
        for row in box.locator("tbody tr").all()
        if row.locator("td").first.inner_text() == "gradient of rosenbrock[n=2048]"
    ]
    rows = run().records
    rows = rows[(rows["instance"] == "rosenbrock[n=2048]") & (rows["operator"] == "gradient")]
    costs = spent(rows)
    at, low, high = break_even(costs["forward"], costs["jax[mode=forward]"])
    assert found == f"jax (forward), from call {at:.0f} on ({low:.0f} to {high:.0f})"
    assert "versus" in page.evaluate("location.hash")


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
    choose(page, "scaling n", "rosenbrock")
    selector = figure(page, "time rosenbrock n")
    page.locator(f"{selector} .chart svg .mark-symbol path").nth(3).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=WAIT)
    text = page.locator("#vg-tooltip-element").inner_text()
    assert "rosenbrock[n=" in text
    assert "µs" in text
    assert any(verdict in text for verdict in ("exact to rounding", "degraded", "wrong"))


# --- zoom, pictures, sliders -------------------------------------------------------------------


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


def test_buttons_zoom_and_reset(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    whole = {axis: domain(page, selector, axis) for axis in "xy"}
    reset = page.locator(selector).get_by_role("button", name="Reset zoom")
    assert reset.is_disabled()
    press(page, selector, "Zoom in")
    for axis in "xy":
        assert inside(domain(page, selector, axis), whole[axis])
    assert reset.is_enabled()
    # in and out again is where it was: the steps are equal on the logarithmic scale
    press(page, selector, "Zoom out")
    assert domain(page, selector, "x") == pytest.approx(whole["x"], rel=1e-4)
    press(page, selector, "Reset zoom")
    assert {axis: domain(page, selector, axis) for axis in "xy"} == whole
    assert reset.is_disabled()
    assert "zoom" not in page.evaluate("location.hash")


def test_keys_zoom_and_move(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    chart = page.locator(f"{selector} .chart")
    whole = domain(page, selector, "x"), domain(page, selector, "y")
    chart.focus()
    act(page, selector, lambda: page.keyboard.press("+"))
    near = domain(page, selector, "x"), domain(page, selector, "y")
    assert inside(near[0], whole[0])
    act(page, selector, lambda: page.keyboard.press("ArrowRight"))
    assert domain(page, selector, "x")[0] > near[0][0]
    assert domain(page, selector, "y") == pytest.approx(near[1], rel=1e-4)
    act(page, selector, lambda: page.keyboard.press("ArrowUp"))
    assert domain(page, selector, "y")[1] > near[1][1]
    act(page, selector, lambda: page.keyboard.press("0"))
    assert (domain(page, selector, "x"), domain(page, selector, "y")) == whole
    assert page.evaluate("document.activeElement.matches('.chart')")  # and may go on


def test_a_box_zooms_to_what_is_in_it(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    whole = domain(page, selector, "x")
    symbols = page.locator(f"{selector} .chart svg .mark-symbol path[d]")
    every = symbols.count()
    box = page.locator(f"{selector} .chart svg").bounding_box()
    assert box is not None

    def drag() -> None:
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 100)
        assert page.locator(f"{selector} .brush").count() == 1
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 200)
        page.mouse.up()

    act(page, selector, drag)
    near = domain(page, selector, "x")
    assert inside(near, whole)
    assert page.locator(f"{selector} .brush").count() == 0
    assert symbols.count() == every  # they are there, and cut off at the frame
    kept = page.evaluate(
        "new URLSearchParams(location.hash.slice(1)).get('zoom:time rosenbrock n')"
    )
    assert [float(v) for v in kept.split("\u001f")[0].split(",")] == pytest.approx(near, rel=1e-5)


def test_the_wheel_zooms_with_control_alone(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    whole = domain(page, selector, "x")
    page.locator(f"{selector} .chart svg").hover()
    page.keyboard.down("Control")
    act(page, selector, lambda: page.mouse.wheel(0, -100))
    page.keyboard.up("Control")
    near = domain(page, selector, "x")
    assert inside(near, whole)
    drawn = page.locator(selector).get_attribute("data-drawn")
    above = page.evaluate("scrollY")
    page.mouse.wheel(0, 100)
    until(page, "(y) => scrollY > y", above)  # the page scrolls
    assert page.locator(selector).get_attribute("data-drawn") == drawn


def test_an_axis_of_names_does_not_zoom(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "digits by method")  # numbers along x, names along y
    names = page.locator(f"{selector} .chart svg .role-axis-label text").all_text_contents()
    press(page, selector, "Zoom in")
    after = page.locator(f"{selector} .chart svg .role-axis-label text").all_text_contents()
    assert [n for n in after if not n[0].isdigit()] == [n for n in names if not n[0].isdigit()]


def test_zoom_comes_back_from_the_address(opened: Opened, browser: Browser, report: Path) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    press(page, selector, "Zoom in")
    near = domain(page, selector, "x"), domain(page, selector, "y")
    hash = page.evaluate("location.hash")
    for again in open_report(browser, report, 1400, "light", hash):
        figure(again.page, "time rosenbrock n")
        assert domain(again.page, selector, "x") == pytest.approx(near[0], rel=1e-5)
        assert domain(again.page, selector, "y") == pytest.approx(near[1], rel=1e-5)


def test_an_address_of_nonsense_does_no_harm(browser: Browser, report: Path) -> None:
    name = "time {} n".format
    zooms = {
        name("rosenbrock"): "x",
        name("lecture"): "2,1\u001f1,2",
        "swell logistic": "1,1e999\u001f,",
        "digits by method": "\u001f\u001f1,2",
    }
    parts = "&".join(f"zoom:{figure}={value}" for figure, value in zooms.items())
    hash = f"#overview&{parts}&sort:winners=99&off:winners=-\u001f77&k:x=y&hide=&=&linear=a:b"
    for made in open_report(browser, report, 1400, "light", hash):
        for drawn in zooms:
            figure(made.page, drawn)
        assert made.page.locator('.table[data-name="winners"] th:visible').count() > 5


def saved(page: Page, selector: str, name: str) -> bytes:
    with page.expect_download() as waiting:
        page.locator(selector).get_by_role("button", name=name, exact=True).click()
    assert waiting.value.suggested_filename == f"time-rosenbrock-n.{name.lower()}"
    return Path(waiting.value.path()).read_bytes()


def test_a_figure_is_saved_with_title_legend_and_caption(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    shown = page.locator(selector)
    named = legend_of(page, selector)
    act(page, selector, named.locator('li[data-series="autograd"] button').click)
    symbols = page.locator(f"{selector} .chart svg .mark-symbol path").count()
    text = saved(page, selector, "SVG").decode()
    root = ET.fromstring(text)
    words = " ".join(
        " ".join(part.itertext()) for part in root.iter("{http://www.w3.org/2000/svg}text")
    )
    assert shown.locator("h3").inner_text() in words
    assert shown.locator("figcaption").inner_text().replace("\xa0", " ") in words.replace(
        "\xa0", " "
    )
    legend = [name for name in named.locator("button").all_inner_texts() if name != "Show all"]
    for name in legend:
        assert (name in words) == (name != "autograd")
    assert "var(" not in text
    drawn = [g for g in root.iter() if "mark-symbol" in (g.get("class") or "")]
    assert sum(len(list(g)) for g in drawn) == symbols > 20
    png = saved(page, selector, "PNG")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    size = (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))
    assert struct.unpack(">II", png[16:24]) == size
    assert len(png) > 120_000  # an empty one of this size has a tenth


def test_the_legend_works_by_keys_and_brings_all_back(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    symbols = page.locator(f"{selector} .chart svg .mark-symbol path")
    every = symbols.count()
    entry = legend_of(page, selector).locator('li[data-series="reverse"] button')
    entry.focus()
    act(page, selector, lambda: page.keyboard.press("Shift+Enter"))
    assert symbols.count() == 6
    assert entry.get_attribute("aria-pressed") == "true"
    act(page, selector, legend_of(page, selector).get_by_text("Show all").click)
    assert symbols.count() == every
    assert page.locator(".every:visible").count() == 0


def test_hiding_a_method_of_the_front_brings_out_what_it_beat(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "accuracy against cost")
    rows = "(s) => document.querySelector(s).view.view.data('rows')"
    points = {row["s"]: (row["x"], row["y"]) for row in page.evaluate(rows, selector)}
    rings = page.locator(f"{selector} .chart svg .mark-symbol").first.locator("path")

    def front(shown: dict[str, tuple[float, float]]) -> set[str]:
        return {
            name
            for name, (x, y) in shown.items()
            if not any((a <= x and b >= y) and (a, b) != (x, y) for a, b in shown.values())
        }

    first = front(points)
    assert rings.count() == len(first)
    best = min(first, key=lambda name: points[name])
    act(page, selector, page.locator(f'{selector} .legend li[data-series="{best}"] button').click)
    del points[best]
    assert rings.count() == len(front(points))
    assert front(points) != first - {best}
    table = page.locator('.table[data-name="accuracy against cost"] tbody tr')
    marked = table.evaluate_all(
        "(rows) => rows.filter((r) => r.cells[6].textContent === 'yes').length"
    )
    assert marked == len(first)


def test_the_slider_shows_the_cheapest_with_so_many_digits(
    opened: Opened, browser: Browser, report: Path
) -> None:
    page = opened.page
    box = page.locator(".slider")
    slider = box.get_by_role("slider", name="Correct digits wanted, at least")
    heads = box.locator("th:visible")
    assert heads.all_inner_texts()[2].startswith("At least 12 digits")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert box.locator("output").inner_text() == "9"
    assert [text.split("\xa0")[0] for text in heads.all_inner_texts()] == [
        "Family", "Instance", "At least 9 digits",
    ]  # fmt: skip
    records = run().records
    for row in box.locator("tbody tr").all():
        _, instance, said = row.locator("td:visible").all_inner_texts()
        mine = records[
            (records["instance"] == instance) & records["operator"].isin(("gradient", "jacobian"))
        ]
        mine = mine[
            (mine["digits"] >= 9)
            & ~mine["claim"].isin(("control",))
            & (mine["category"] != "manual")
        ]
        value = row.locator("td:visible").nth(2).get_attribute("data-v")
        assert float(value or "nan") == pytest.approx(1e6 * mine["run_s"].min(), rel=1e-9)
        assert said.endswith(" µs")
    hash = page.evaluate("location.hash")
    for again in open_report(browser, report, 1400, "light", hash):
        assert again.page.locator(".slider output").inner_text() == "9"
        assert again.page.locator(".slider th:visible").nth(2).inner_text().startswith("At least 9")


# --- on paper ----------------------------------------------------------------------------------

A4 = (595, 842)  # points


def test_it_prints_every_page_and_no_control(opened: Opened) -> None:
    page = opened.page
    sheets = pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages
    texts = [" ".join(sheet.extract_text().split()) for sheet in sheets]
    tops = [re.sub(r"^\d+ / \d+ ", "", text) for text in texts]  # without the number of the sheet
    starts = [
        next((i for i, top in enumerate(tops) if top.startswith(heading)), -1)
        for heading in titles()
    ]
    assert -1 not in starts
    assert starts == sorted(set(starts))  # each on a sheet of its own
    whole = " ".join(texts)
    for word in (
        "CSV of these rows",
        "Zoom in",
        "Theme:",
        "Columns",
        "Show all",
        "The table behind",
    ):
        assert word not in whole
    for caption in page.locator("figcaption").all_inner_texts()[:5]:
        assert "".join(caption.split()) in "".join(whole.split())
    sizes = {tuple(round(float(v)) for v in sheet.mediabox[2:]) for sheet in sheets}
    assert sizes == {A4, A4[::-1]}  # wide tables lie on their side


def titles() -> list[str]:
    return [page.title for page in sorted(build._built_in(), key=lambda p: p.order)][1:]


@pytest.mark.parametrize(("kind", "millimetres"), [(".table:not(.wide)", 186), (".wide", 273)])
def test_no_table_is_cut_on_paper(opened: Opened, kind: str, millimetres: int) -> None:
    page = opened.page
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": round(millimetres * 96 / 25.4), "height": 1000})
    assert page.locator(f"{kind}:visible").count() > 0
    cut = page.locator(f"{kind}:visible .scroll").evaluate_all(
        "(boxes) => boxes.filter((b) => b.scrollWidth > b.clientWidth + 1)"
        ".map((b) => [b.parentNode.id, b.scrollWidth, b.clientWidth])"
    )
    assert cut == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("figure .static:visible").count() == page.locator("figure:visible").count()
    assert page.locator(".live:visible").count() == 0


def test_what_was_unfolded_and_changed_is_printed_so(opened: Opened) -> None:
    page = opened.page
    selector = figure(page, "time rosenbrock n")
    other = page.locator('figure[data-name="accuracy against cost"]')
    swell = page.locator('figure[data-name="swell logistic"]')
    page.locator(f"{selector} summary", has_text="The table behind").click()
    page.evaluate("window.print = () => { window.printed = true; }")
    legend_of(page, selector).locator('li[data-series="autograd"] button').click()
    page.get_by_role("button", name="Print").click()
    until(page, "window.printed")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(f"{selector} .behind table").is_visible()
    assert not other.locator(".behind table").is_visible()
    for changed in (page.locator(selector), other):  # the other too has that method
        assert changed.locator(".chart svg").is_visible()
        assert not changed.locator(".static").is_visible()
        assert not changed.locator('li[data-series="autograd"]').is_visible()
    assert swell.locator(".static").is_visible()
    assert not swell.locator(".chart").is_visible()


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
        began = time.monotonic()
        act(
            page,
            selector,
            legend_of(page, selector).locator('li[data-series="reverse"] button').click,
        )
        toggled_s = time.monotonic() - began
        cells = made.records[made.records["status"] == "ok"]
        cells = cells[(cells["family"] == "rosenbrock") & (cells["operator"] == "gradient")]
        assert symbols.count() == every - int((cells["method"] == "reverse").sum())
        size = report.stat().st_size / 1e6
        told(
            f"report of {len(made.records)} records: {size:.1f} MB, open after {opened_s:.2f} s, "
            f"a series hidden after {1e3 * toggled_s:.0f} ms"
        )

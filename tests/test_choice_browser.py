"""Choosers and the break-even of any two methods in Chromium, against the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import WAIT, Opened, choose, figure, open_report, run
from playwright.sync_api import Browser

from diffbench.analysis.calls import break_even, spent
from diffbench.reports import build, cost, crossover, scaling


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three pages that have choosers, and no other."""
    pages = [scaling.PAGE, crossover.PAGE, cost.PAGE]
    return build.write(run(), tmp_path_factory.mktemp("choice") / "report.html", pages)


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
    for told in ("all methods", "those exact to rounding"):
        choose(page, "map", "affine_tanh", told)
        selector = figure(page, f"map of affine_tanh, {told}")
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
    (told,) = [
        row.locator("td").last.inner_text()
        for row in box.locator("tbody tr").all()
        if row.locator("td").first.inner_text() == "gradient of rosenbrock[n=2048]"
    ]
    rows = run().records
    rows = rows[(rows["instance"] == "rosenbrock[n=2048]") & (rows["operator"] == "gradient")]
    costs = spent(rows)
    at, low, high = break_even(costs["forward"], costs["jax[mode=forward]"])
    assert told == f"jax (forward), from call {at:.0f} on ({low:.0f} to {high:.0f})"
    assert "versus" in page.evaluate("location.hash")

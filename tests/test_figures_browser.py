"""Figures in Chromium: zoom, pictures to keep, legends by keys, the slider."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from browsing import (
    Opened,
    act,
    domain,
    figure,
    inside,
    legend_of,
    open_report,
    press,
    run,
    until,
)
from playwright.sync_api import Browser, Page


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
    assert reset.evaluate("(button) => document.activeElement === button")
    page.locator("#announce").evaluate("(said) => { said.textContent = ''; }")
    page.keyboard.press("Enter")  # and does nothing
    assert page.locator("#announce").text_content() == ""
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
    unasked = "find:verdicts=x&off:verdicts=-\u001f0"  # of a table without these controls
    hash = f"#overview&{parts}&sort:winners=99&off:winners=-\u001f77&k:x=y&hide=100%&=&linear=a:b"
    hash = f"{hash}&{unasked}"
    for made in open_report(browser, report, 1400, "light", hash):
        for drawn in zooms:
            figure(made.page, drawn)
        assert made.page.locator('.table[data-name="winners"] th:visible').count() > 5
        assert made.page.locator("#t-verdicts tbody tr:visible").count() > 5
        assert made.page.locator("#t-verdicts th").first.is_visible()


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
